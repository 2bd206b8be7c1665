//! Several nodes share a limit through a real Redis, in a time that the test sets: whatever is lost, late, forgotten or killed, no more is
//! admitted in any span of time than the limit gives; and when nothing is, nearly all of it.

mod model;
mod world;

use keystile_core::WhenAway;
use proptest::prelude::*;

use self::model::{assert_within, most};
use self::world::{AWAY_SECONDS, Faults, Limit, Play, World};

const LIMITS: [Limit; 5] = [
    Limit { limit: 60, window_seconds: 60, burst: 5 },
    Limit { limit: 1_000, window_seconds: 60, burst: 1_000 },
    Limit { limit: 500, window_seconds: 1, burst: 40 },
    Limit { limit: 30, window_seconds: 1, burst: 1 },
    Limit { limit: 999_999_937, window_seconds: 2_678_400, burst: 3_000 },
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn no_more_is_admitted_on_all_nodes_than_the_limit_gives(
        seed in any::<u64>(),
        limit in 0..LIMITS.len(),
        losses in 0_u32..8,
        mishap in 0..3,
    ) {
        // What only a node that is dead and a Redis that has forgotten have known is known to nobody.
        let (forgets, kills) = (mishap == 1, mishap == 2);
        let faults = Faults { losses, forgets, kills, away_from: None };
        let play = Play { limit: LIMITS[limit], faults, pause: 40, seconds: 8, seed, when_away: WhenAway::Refuse };
        assert_within(&LIMITS[limit], &World::new().play(play));
    }

    #[test]
    fn no_more_tokens_are_used_on_all_nodes_than_the_limit_gives(
        seed in any::<u64>(),
        limit in prop_oneof![Just(600_u64), Just(100_000)],
        losses in 0_u32..8,
        mishap in 0..3,
    ) {
        let (forgets, kills) = (mishap == 1, mishap == 2);
        let limit = Limit { limit, window_seconds: 60, burst: limit };
        let faults = Faults { losses, forgets, kills, away_from: None };
        let play = Play { limit, faults, pause: 60, seconds: 8, seed, when_away: WhenAway::Refuse };
        assert_within(&limit, &World::new().play_with_tokens(play));
    }
}

#[test]
fn tokens_that_were_not_used_are_used_by_others() {
    let limit = Limit { limit: 6_000, window_seconds: 60, burst: 6_000 };
    let play = Play {
        limit,
        faults: Faults::default(),
        pause: 10,
        seconds: 20,
        seed: 7,
        when_away: WhenAway::Refuse,
    };
    let used = World::new().play_with_tokens(play);
    assert_within(&limit, &used);
    let (sum, bound) = (used.iter().map(|(_, tokens)| tokens).sum::<u64>(), most(&limit, 20_000));
    assert!(sum * 100 >= bound * 80, "{sum} of {bound}");
}

#[test]
fn nearly_all_of_a_limit_is_used_from_three_nodes() {
    let world = World::new();
    for (seed, limit) in [
        Limit { limit: 1_000, window_seconds: 60, burst: 100 },
        Limit { limit: 500, window_seconds: 1, burst: 500 },
        Limit { limit: 20_000, window_seconds: 1, burst: 2_000 },
    ]
    .into_iter()
    .enumerate()
    {
        let faults = Faults::default();
        let play =
            Play { limit, faults, pause: 1, seconds: 10, seed: seed as u64, when_away: WhenAway::Refuse };
        let admitted = world.play(play);
        assert_within(&limit, &admitted);
        let (sum, bound) = (admitted.iter().map(|(_, cost)| cost).sum::<u64>(), most(&limit, 10_000));
        let asked = world.asked();
        assert!(sum * 100 >= bound.min(asked) * 95, "{limit:?}: {sum} of {bound}");
        let trips = world.round_trips();
        assert!(trips * 10 <= asked, "{limit:?}: {trips} round trips for {asked} requests");
    }
}

#[test]
fn while_redis_is_away_each_node_allows_its_part_and_goes_on_with_the_others_afterwards() {
    let limit = Limit { limit: 6_000, window_seconds: 60, burst: 60 };
    let faults = Faults { away_from: Some(4), ..Faults::default() };
    for when_away in [WhenAway::LocalShare, WhenAway::Refuse] {
        let play = Play { limit, faults, pause: 1, seconds: 12, seed: 3, when_away };
        let admitted = World::new().play(play);
        assert_within(&limit, &admitted);
        let sum = |from: u64, to: u64| {
            let within = admitted.iter().filter(|(at, _)| (from * 1_000..to * 1_000).contains(at));
            within.map(|(_, cost)| cost).sum::<u64>()
        };
        let (back, a_second) = (4 + AWAY_SECONDS, limit.limit / 60);
        let away = sum(6, back);
        match when_away {
            WhenAway::LocalShare => assert!(away >= a_second * 8 / 10, "{away} while it was away"),
            WhenAway::Refuse => assert_eq!(away, 0),
        }
        // It has forgotten everything, so that nothing is reserved for more than a second.
        let settled = if when_away == WhenAway::Refuse { back + 2 } else { back };
        let after = sum(settled, 12);
        assert!(after >= a_second * (12 - settled) * 95 / 100, "{after} after it was back");
    }
}
