//! Memory is bounded, and neither floods nor scans push out what is in use.

use keystile_core::Code;
use keystile_verify::Bounds;

use crate::world::World;

const BOUNDS: Bounds = Bounds { keys: 1_024, absent: 256 };

fn full_world() -> World {
    let world = World::bounded(BOUNDS);
    for number in 0..20_000 {
        world.commit(number, |_| {});
    }
    world
}

#[tokio::test]
async fn the_cache_never_holds_more_than_its_bounds() {
    let world = full_world();
    for number in (0..5_000).chain(20_000..22_000) {
        world.code(number).await;
    }
    let stats = world.verifier.stats();
    assert!((900..=BOUNDS.keys).contains(&stats.keys), "{stats:?}");
    assert!((200..=BOUNDS.absent).contains(&stats.absent), "{stats:?}");
    assert_eq!(stats.evictions + stats.keys as u64, 5_000);
    assert_eq!(stats.absent_evictions + stats.absent as u64, 2_000);
}

#[tokio::test]
async fn the_smallest_bounds_still_serve() {
    let world = World::bounded(Bounds { keys: 0, absent: 0 });
    world.commit(0, |_| {});
    world.commit(1, |_| {});
    for number in [0, 1, 0, 2, 3, 1] {
        let expected = if number < 2 { Code::Allowed } else { Code::KeyNotFound };
        assert_eq!(world.code(number).await, expected);
    }
    let stats = world.verifier.stats();
    assert_eq!((stats.keys, stats.absent), (1, 1));
}

#[tokio::test]
async fn a_flood_of_unknown_keys_pushes_no_good_key_out() {
    let world = full_world();
    for number in 0..500 {
        world.code(number).await;
    }
    for number in 20_000..24_000 {
        assert_eq!(world.code(number).await, Code::KeyNotFound);
    }
    assert_eq!(world.verifier.stats().evictions, 0);
    assert!((0..500).all(|number| world.known_code(number) == Some(Code::Allowed)));
}

#[tokio::test]
async fn a_scan_of_cold_keys_leaves_busy_ones_in_memory() {
    let world = full_world();
    let busy = 0..200;
    for number in busy.clone().cycle().take(1_000) {
        world.code(number).await;
    }
    for cold in 1_000..1_000 + 3 * BOUNDS.keys {
        world.code(cold).await;
    }
    let kept = busy.clone().filter(|number| world.known_code(*number).is_some()).count();
    assert!(kept * 10 > busy.len() * 9, "{kept} of {} busy keys are left", busy.len());
}
