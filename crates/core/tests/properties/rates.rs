//! What a rate limit admits, held against what it promises: in no span of time more than the burst and what the
//! limit gives for that span, and nothing is refused that keeps to this.

use keystile_core::rate::Used;
use keystile_core::{RateLimit, Rates, WhenAway};
use proptest::prelude::*;

/// A request that came at a moment, in milliseconds, and cost something.
#[derive(Debug, Clone, Copy)]
struct Request {
    at: u64,
    cost: u32,
}

/// The promise itself, by looking at every span that ends now.
struct Promise {
    limit: RateLimit,
    admitted: Vec<Request>,
}

impl Promise {
    fn keeps(&self, asked: Request) -> bool {
        let mut sum = u128::from(asked.cost);
        let mut kept = self.covers(sum, 0);
        for earlier in self.admitted.iter().rev() {
            sum += u128::from(earlier.cost);
            kept &= self.covers(sum, asked.at - earlier.at);
        }
        kept
    }

    /// `sum <= burst + limit * span / window`, without a division.
    fn covers(&self, sum: u128, span: u64) -> bool {
        let window = u128::from(self.limit.window_seconds) * 1_000;
        let burst = u128::from(self.limit.burst.unwrap_or(self.limit.limit));
        sum * window <= burst * window + u128::from(self.limit.limit) * u128::from(span)
    }
}

fn a_limit() -> impl Strategy<Value = RateLimit> {
    (1..40_u64, 1..90_u64, any::<Option<u64>>()).prop_map(|(limit, window_seconds, burst)| RateLimit {
        name: "some".to_owned(),
        limit,
        window_seconds,
        burst: burst.map(|burst| burst % limit + 1),
        when_away: None,
    })
}

/// Requests in their order, some at the same moment, with pauses from a millisecond to longer than any window.
fn requests() -> impl Strategy<Value = Vec<Request>> {
    let pause = prop_oneof![Just(0), 1..20_u64, 1..3_000_u64, 1..100_000_u64];
    let cost = prop_oneof![4 => Just(1), 1 => 0..10_u32];
    prop::collection::vec((pause, cost), 1..120).prop_map(|steps| {
        let mut at = 0;
        let request = |(pause, cost)| {
            at += pause;
            Request { at, cost }
        };
        steps.into_iter().map(request).collect()
    })
}

/// Takes the request if it fits all limits.
fn take(used: &mut Used, rates: &Rates, request: Request) -> bool {
    used.advance(rates, request.at);
    let fits = used.check(request.cost).is_ok();
    if fits {
        used.add(request.cost);
    }
    fits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_keeps_the_promise_of_every_limit_is_admitted_and_nothing_else(
        limits in prop::collection::vec(a_limit(), 1..4), requests in requests(),
    ) {
        let limits: Vec<RateLimit> = limits.into_iter().enumerate()
            .map(|(place, limit)| RateLimit { name: format!("limit {place}"), ..limit }).collect();
        let rates = Rates::new(None, &limits);
        let mut promises: Vec<Promise> =
            limits.into_iter().map(|limit| Promise { limit, admitted: Vec::new() }).collect();
        let mut used = Used::default();
        for request in requests {
            let kept = promises.iter().all(|promise| promise.keeps(request));
            prop_assert_eq!(take(&mut used, &rates, request), kept, "{:?}", request);
            if kept {
                promises.iter_mut().for_each(|promise| promise.admitted.push(request));
            }
        }
    }

    #[test]
    fn a_refused_request_fits_after_the_wait_it_was_told_and_not_before(
        limit in a_limit(), requests in requests(), cost in 1..12_u32,
    ) {
        let rates = Rates::new(None, std::slice::from_ref(&limit));
        let mut used = Used::default();
        for request in &requests {
            take(&mut used, &rates, *request);
        }
        let now = requests.last().map_or(0, |last| last.at);
        used.advance(&rates, now);
        match used.check(cost) {
            Ok(()) => {}
            Err(full) => match full.wait_millis {
                None => prop_assert!(u64::from(cost) > limit.burst.unwrap_or(limit.limit)),
                Some(wait) => {
                    let mut early = used.clone();
                    early.advance(&rates, now + wait - 1);
                    prop_assert!(early.check(cost).is_err());
                    used.advance(&rates, now + wait);
                    prop_assert!(used.check(cost).is_ok());
                }
            },
        }
    }

    #[test]
    fn what_is_left_is_what_would_be_admitted(limit in a_limit(), requests in requests()) {
        let rates = Rates::new(None, std::slice::from_ref(&limit));
        let mut used = Used::default();
        for request in requests {
            take(&mut used, &rates, request);
            let remaining = used.count(0).unwrap().remaining;
            let fits = |cost: u64| used.check(u32::try_from(cost).unwrap()).is_ok();
            prop_assert!(fits(remaining) && !fits(remaining + 1));
        }
    }

    #[test]
    fn changing_limits_back_and_forth_gives_nothing_away(
        first in a_limit(), second in a_limit(), requests in requests(),
    ) {
        let rates = [&first, &second].map(|limit| Rates::new(None, std::slice::from_ref(limit)));
        let burst = |limit: &RateLimit| u128::from(limit.burst.unwrap_or(limit.limit));
        let most = burst(&first).max(burst(&second));
        // Per millisecond the better of the two limits, over a common denominator.
        let windows = u128::from(first.window_seconds) * u128::from(second.window_seconds) * 1_000;
        let given = (u128::from(first.limit) * u128::from(second.window_seconds))
            .max(u128::from(second.limit) * u128::from(first.window_seconds));
        let (mut used, mut admitted, mut last) = (Used::default(), 0_u128, 0);
        for (turn, request) in requests.into_iter().enumerate() {
            if take(&mut used, &rates[turn % 2], request) {
                admitted += u128::from(request.cost);
                last = request.at;
            }
            prop_assert!(admitted * windows <= most * windows + given * u128::from(last));
        }
    }

    #[test]
    fn changing_what_is_declared_keeps_all_that_was_used_and_holds_from_then_on(
        limits in prop::collection::vec(a_limit(), 1..4), requests in requests(),
    ) {
        let declaring = |when_away| {
            let declared: Vec<_> = limits.iter().enumerate()
                .map(|(place, limit)| RateLimit { name: format!("limit {place}"), when_away, ..limit.clone() })
                .collect();
            Rates::new(Some(60), &declared)
        };
        let policies = [None, Some(WhenAway::Refuse), Some(WhenAway::LocalShare)];
        let (mut changed, mut steady) = (Used::default(), Used::default());
        for (turn, request) in requests.into_iter().enumerate() {
            let policy = policies[turn % policies.len()];
            let admitted = take(&mut changed, &declaring(policy), request);
            prop_assert_eq!(admitted, take(&mut steady, &declaring(None), request));
            prop_assert_eq!(changed.levels(), steady.levels());
            let [per_minute, declared @ ..] = changed.rates().as_slice() else { panic!("no limit") };
            prop_assert_eq!(per_minute.when_away(), None);
            prop_assert!(declared.iter().all(|rate| rate.when_away() == policy));
            changed = Used::from_record(&changed.to_record(), 0, request.at);
        }
    }
}
