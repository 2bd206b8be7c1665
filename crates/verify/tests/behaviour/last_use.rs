//! The time of last use is kept, to the minute or better, without a write per request.

use std::net::IpAddr;
use std::time::Duration;

use keystile_core::{Ask, Clock, Code, Permission, Requirement};
use keystile_verify::{
    FLUSH_EVERY, SourceUnavailable, TOUCH_TIMEOUT, USE_RESOLUTION, USES_PENDING, USES_PER_WRITE, Use,
};

use crate::source::Mood;
use crate::world::{World, facts, start_of_time, tenant, text};

#[tokio::test]
async fn the_first_use_in_a_slice_of_time_is_written_with_its_address() {
    let world = World::with_keys(1);
    let ip: IpAddr = "192.0.2.7".parse().unwrap();
    let ask = Ask { ip: Some(ip), ..Ask::ANYTHING };
    for _ in 0..100 {
        assert!(world.verifier.verify(&text(0), &ask).await.is_allowed());
    }
    world.verifier.flush().await.unwrap();
    let first = Use { tenant_id: tenant(1), key_id: facts(0).id, at: start_of_time(), ip: Some(ip) };
    assert_eq!(*world.source.written.lock(), [first]);

    world.clock.turn(USE_RESOLUTION);
    world.code(0).await;
    world.code(0).await;
    world.verifier.flush().await.unwrap();
    let second = Use { at: start_of_time().plus(USE_RESOLUTION), ip: None, ..first };
    assert_eq!(*world.source.written.lock(), [first, second]);
}

fn from(ip: IpAddr) -> Ask<'static> {
    Ask { ip: Some(ip), ..Ask::ANYTHING }
}

#[tokio::test]
async fn each_address_in_a_slice_of_time_is_written_once() {
    let world = World::with_keys(1);
    let [first, second]: [IpAddr; 2] = ["192.0.2.7", "2001:db8::7"].map(|ip| ip.parse().unwrap());
    const SLICES: usize = 3;
    for _ in 0..SLICES {
        for ip in [first, second, first, second] {
            assert!(world.verifier.verify(&text(0), &from(ip)).await.is_allowed());
        }
        world.clock.turn(USE_RESOLUTION);
    }
    world.verifier.flush().await.unwrap();
    let written = world.source.written.lock();
    let times = |ip: IpAddr| written.iter().filter(|used| used.ip == Some(ip)).count();
    assert_eq!(times(first) + times(second), written.len());
    assert_eq!(times(first), SLICES);
    // Two addresses can look alike in a slice, once in 32,768, but not in all of them.
    assert!((1..=SLICES).contains(&times(second)), "{}", times(second));
}

#[tokio::test]
async fn an_address_is_written_in_one_form() {
    let world = World::with_keys(1);
    for ip in ["::ffff:192.0.2.7", "192.0.2.7"] {
        world.verifier.verify(&text(0), &from(ip.parse().unwrap())).await;
    }
    world.verifier.flush().await.unwrap();
    let plain: IpAddr = "192.0.2.7".parse().unwrap();
    assert!(world.source.written.lock().iter().all(|used| used.ip == Some(plain)));
}

#[tokio::test]
async fn a_flood_of_addresses_leaves_room_for_last_uses() {
    let world = World::with_keys(2);
    let pending = || world.verifier.stats().uses_pending;
    for number in 0..10_000_u32 {
        let ip = IpAddr::from(number.to_be_bytes());
        assert!(world.verifier.verify(&text(0), &from(ip)).await.is_allowed());
    }
    assert!((2..=40).contains(&pending()), "{}", pending());
    for _ in pending()..USES_PENDING / 2 {
        world.clock.turn(USE_RESOLUTION);
        world.code(0).await;
    }
    let ip = from("192.0.2.7".parse().unwrap());
    world.verifier.verify(&text(0), &ip).await;
    assert_eq!(pending(), USES_PENDING / 2, "there is no room for a further address");
    world.code(1).await;
    assert_eq!(pending(), USES_PENDING / 2 + 1, "there is for a last use");
    world.verifier.flush().await.unwrap();
    world.clock.turn(USE_RESOLUTION);
    world.code(0).await;
    world.verifier.verify(&text(0), &ip).await;
    assert_eq!(pending(), 2, "it is noted in the next slice of time");
}

#[tokio::test]
async fn a_refused_key_was_not_used() {
    let world = World::with_keys(1);
    let needed = [Permission::parse("orders:write").unwrap()];
    let ask = Ask { permissions: Requirement::All(&needed), ..Ask::ANYTHING };
    assert_eq!(world.verifier.verify(&text(0), &ask).await.code(), Code::PermissionDenied);
    assert_eq!(world.verifier.stats().uses_pending, 0);
    world.verifier.flush().await.unwrap();
    assert_eq!(world.source.writes(), 0);
}

#[tokio::test]
async fn many_uses_are_written_in_bounded_batches() {
    let world = World::with_keys(USES_PER_WRITE + 1);
    for number in 0..=USES_PER_WRITE {
        world.code(number).await;
    }
    world.verifier.flush().await.unwrap();
    assert_eq!((world.source.writes(), world.source.written.lock().len()), (2, USES_PER_WRITE + 1));
}

#[tokio::test(start_paused = true)]
async fn uses_that_cannot_be_written_are_kept_for_later() {
    let world = World::with_keys(1);
    world.code(0).await;
    for mood in [Mood::Failing, Mood::Panicking, Mood::Hanging] {
        *world.source.mood.lock() = mood;
        assert_eq!(world.verifier.flush().await, Err(SourceUnavailable));
        assert_eq!(world.verifier.stats().uses_pending, 1);
    }
    *world.source.mood.lock() = Mood::Well;
    world.verifier.flush().await.unwrap();
    assert_eq!(world.source.written.lock().len(), 1);
}

#[tokio::test]
async fn a_use_that_finds_no_room_is_noted_with_the_next() {
    let world = World::with_keys(1);
    for _ in 0..USES_PENDING {
        world.code(0).await;
        world.clock.turn(USE_RESOLUTION);
    }
    assert_eq!(world.code(0).await, Code::Allowed);
    assert_eq!(world.verifier.stats().uses_pending, USES_PENDING);
    world.verifier.flush().await.unwrap();
    assert_eq!(world.verifier.stats().uses_pending, 0);
    world.code(0).await;
    assert_eq!(world.verifier.stats().uses_pending, 1, "in the same slice of time");
}

#[tokio::test(start_paused = true)]
async fn the_last_use_is_never_more_than_a_minute_behind() {
    let world = World::with_keys(1);
    let background = world.verifier.start();
    let step = Duration::from_millis(700);
    for _ in 0..600 {
        world.code(0).await;
        let used = world.clock.now();
        world.clock.turn(step);
        tokio::time::advance(step).await;
        let written = world.source.written.lock().last().map_or(start_of_time(), |last| last.at);
        assert!(used <= written.plus(Duration::from_secs(60)), "used {used}, written {written}");
    }
    assert!(world.source.written.lock().len() >= 10);
    background.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_writes_what_is_pending() {
    let world = World::with_keys(1);
    let background = world.verifier.start();
    world.code(0).await;
    let begun = tokio::time::Instant::now();
    background.stop().await;
    assert_eq!(world.source.written.lock().len(), 1);
    assert!(begun.elapsed() < FLUSH_EVERY);
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_ever() {
    let world = World::with_keys(1);
    let background = world.verifier.start();
    world.code(0).await;
    *world.source.mood.lock() = Mood::Hanging;
    tokio::time::timeout(2 * TOUCH_TIMEOUT, background.stop()).await.unwrap();
}
