//! What is used of limits, kept over restarts.

use keystile_core::rate::UsedLimit;
use keystile_store::LimitUse;

use crate::bed::Bed;
use crate::sample::at;

fn used(owner: usize, level: u64, spent: i64) -> LimitUse {
    let limit = UsedLimit { name: "täglich".into(), limit: 9, window_seconds: 86_400, burst: 7, level };
    LimitUse { owner: format!("key_{owner:05}"), used: vec![limit], at: at(1), spent_at: at(spent) }
}

pub(crate) async fn the_last_use_of_each_owner_is_kept_until_it_is_spent(bed: &Bed) {
    let store = bed.store().await;
    let first: Vec<LimitUse> = (0..150).map(|owner| used(owner, u64::MAX / 8, 100)).collect();
    store.keep_limit_use(first.clone()).await.unwrap();
    let again = vec![used(3, 5, 200), used(149, 6, 300)];
    store.keep_limit_use(again.clone()).await.unwrap();
    let page = store.limit_use("", at(0), 100).await.unwrap();
    assert_eq!((&page[..3], &page[3], page.len()), (&first[..3], &again[0], 100));
    let rest = store.limit_use(&page[99].owner, at(0), 100).await.unwrap();
    assert_eq!((rest.len(), &rest[49]), (50, &again[1]));
    assert_eq!(store.limit_use("", at(100), 100).await.unwrap(), again);
    assert_eq!(store.sweep_limit_use(at(100), 100).await.unwrap(), 100);
    assert_eq!(store.sweep_limit_use(at(100), 100).await.unwrap(), 48);
    assert_eq!(store.limit_use("", at(0), 100).await.unwrap(), again);
}
