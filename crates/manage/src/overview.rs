//! What a tenant has, in figures.
//!
//! Counting costs as much as there is to count, about a microsecond for each key. So the figures of tenants with many
//! keys are kept, shown for at most [`OVERVIEW_MAX_AGE`], and counted anew behind the answer when they are older than
//! [`FRESH`]. Others are counted each time, and are always right.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::overview::{Horizon, Overview};
use keystile_core::{TenantId, Timestamp};
use keystile_measure::SPANS;
use parking_lot::Mutex;
use tracing::instrument;

use crate::{Caller, ControlPlane, Refused, Right};

/// How old the figures of a tenant with many keys may be that are shown: as last uses, they are right to the minute.
pub const OVERVIEW_MAX_AGE: Duration = Duration::from_secs(60);
/// Figures that are older than this are counted anew, behind the answer.
const FRESH: Duration = Duration::from_secs(2);
/// With fewer keys and customers, counting takes less than a few milliseconds.
const MANY: u64 = 5_000;
/// Most tenants whose figures are kept, about a kilobyte each.
const MOST_KEPT: usize = 1_000;

impl ControlPlane {
    /// What the caller's tenant has, and what of it needs attention; with more than 5,000 keys and customers as it was at
    /// most [`OVERVIEW_MAX_AGE`] ago.
    ///
    /// # Errors
    /// Without [`Right::ReadTenant`], so that no key has it: it could learn of keys that it does not see.
    #[instrument(target = SPANS, skip_all)]
    pub async fn overview(&self, caller: &Caller) -> Result<Arc<Overview>, Refused> {
        caller.require(Right::ReadTenant)?;
        let tenant_id = caller.tenant_id;
        match self.overviews.look(tenant_id, self.now()) {
            Kept::Fresh(overview) => Ok(overview),
            Kept::Ageing(overview) => {
                let behind = self.clone();
                tokio::spawn(async move { behind.recount(tenant_id).await });
                Ok(overview)
            }
            Kept::Nothing => self.count(tenant_id).await,
        }
    }

    async fn count(&self, tenant_id: TenantId) -> Result<Arc<Overview>, Refused> {
        let tenant = self.store.tenant(tenant_id).await?.ok_or(Refused::NotFound("tenant"))?;
        let horizon = Horizon::of(self.now(), tenant.settings.rotation_days);
        let overview = Arc::new(self.store.overview(tenant_id, horizon).await?);
        self.overviews.keep(tenant_id, &overview);
        Ok(overview)
    }

    async fn recount(&self, tenant_id: TenantId) {
        if let Err(error) = self.count(tenant_id).await {
            tracing::warn!(%tenant_id, error = &error as &dyn std::error::Error, "a tenant cannot be counted now");
            self.overviews.give_up(tenant_id);
        }
    }
}

/// Figures that are kept.
#[derive(Default)]
pub(crate) struct Overviews(Mutex<HashMap<TenantId, Entry>>);

struct Entry {
    overview: Arc<Overview>,
    /// Somebody counts anew.
    in_work: bool,
}

/// What is kept of a tenant.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// Figures that are good for now.
    Fresh(Arc<Overview>),
    /// Figures that can be shown, by one who then counts anew.
    Ageing(Arc<Overview>),
    /// Nothing that can be shown.
    Nothing,
}

impl Overviews {
    fn look(&self, tenant_id: TenantId, now: Timestamp) -> Kept {
        let mut kept = self.0.lock();
        let Some(entry) = kept.get_mut(&tenant_id) else { return Kept::Nothing };
        let counted_at = entry.overview.counted_at;
        // A clock that was set back makes an age that nobody knows.
        if !(now.minus(OVERVIEW_MAX_AGE)..=now).contains(&counted_at) {
            return Kept::Nothing;
        }
        let overview = Arc::clone(&entry.overview);
        if entry.in_work || counted_at >= now.minus(FRESH) {
            return Kept::Fresh(overview);
        }
        entry.in_work = true;
        Kept::Ageing(overview)
    }

    /// Keeps figures that took long to count, and drops the oldest ones when there are too many.
    fn keep(&self, tenant_id: TenantId, overview: &Arc<Overview>) {
        let mut kept = self.0.lock();
        if overview.keys.by_status.total() + overview.customers <= MANY {
            kept.remove(&tenant_id);
            return;
        }
        kept.insert(tenant_id, Entry { overview: Arc::clone(overview), in_work: false });
        if kept.len() > MOST_KEPT {
            let oldest = kept.iter().min_by_key(|(_, entry)| entry.overview.counted_at).map(|(id, _)| *id);
            oldest.and_then(|id| kept.remove(&id));
        }
    }

    fn give_up(&self, tenant_id: TenantId) {
        if let Some(entry) = self.0.lock().get_mut(&tenant_id) {
            entry.in_work = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::overview::{KeyFigures, StatusCounts};

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn tenant(number: u128) -> TenantId {
        TenantId::from_parts(at(0), number)
    }

    fn counted(active: u64, counted_at: Timestamp) -> Arc<Overview> {
        let by_status = StatusCounts { active, ..StatusCounts::default() };
        let keys = KeyFigures { by_status, ..KeyFigures::none() };
        Arc::new(Overview { counted_at, keys, applications: 1, customers: 0, members: 1, invitations: 0 })
    }

    #[test]
    fn figures_of_many_keys_are_shown_for_a_minute_and_counted_anew_by_one() {
        let (overviews, one) = (Overviews::default(), counted(MANY + 1, at(100)));
        overviews.keep(tenant(1), &one);
        assert_eq!(overviews.look(tenant(2), at(100)), Kept::Nothing);
        assert_eq!(overviews.look(tenant(1), at(102)), Kept::Fresh(Arc::clone(&one)));
        assert_eq!(overviews.look(tenant(1), at(103)), Kept::Ageing(Arc::clone(&one)));
        assert_eq!(overviews.look(tenant(1), at(104)), Kept::Fresh(Arc::clone(&one)), "one counts already");
        overviews.give_up(tenant(1));
        assert_eq!(overviews.look(tenant(1), at(160)), Kept::Ageing(one));
        assert_eq!(overviews.look(tenant(1), at(161)), Kept::Nothing);
        assert_eq!(overviews.look(tenant(1), at(99)), Kept::Nothing, "the clock was set back");
        let two = counted(MANY + 2, at(104));
        overviews.keep(tenant(1), &two);
        assert_eq!(overviews.look(tenant(1), at(105)), Kept::Fresh(two));
    }

    #[test]
    fn figures_of_few_keys_are_not_kept() {
        let overviews = Overviews::default();
        overviews.keep(tenant(1), &counted(MANY + 1, at(0)));
        overviews.keep(tenant(1), &counted(MANY, at(0)));
        assert_eq!(overviews.look(tenant(1), at(0)), Kept::Nothing);
    }

    #[test]
    fn of_too_many_tenants_the_one_that_was_counted_first_is_dropped() {
        let overviews = Overviews::default();
        for number in 0..=u64::try_from(MOST_KEPT).unwrap() {
            overviews.keep(tenant(number.into()), &counted(MANY + 1, at(number)));
        }
        let kept = overviews.0.lock();
        assert_eq!((kept.len(), kept.contains_key(&tenant(0))), (MOST_KEPT, false));
    }
}
