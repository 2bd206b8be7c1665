//! What a tenant has, in figures.
//!
//! Counting costs as much as there is to count, about a microsecond for each key. So the figures of tenants with many
//! keys are kept, shown for at most [`OVERVIEW_MAX_AGE`], and counted anew behind the answer when they are older than
//! [`FRESH`]. Others are counted each time, and are always right. How many a tenant has is known when it was counted: of those
//! who ask meanwhile for the first time one counts, and the others wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keystile_core::overview::{Horizon, Overview};
use keystile_core::{TenantId, Timestamp};
use keystile_measure::SPANS;
use parking_lot::Mutex;
use tokio::sync::watch;
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
        match self.overviews.look_or_lead(tenant_id, || self.now()).await {
            Kept::Fresh(overview) => Ok(overview),
            Kept::Ageing(overview) => {
                let behind = self.clone();
                tokio::spawn(async move { behind.recount(tenant_id).await });
                Ok(overview)
            }
            Kept::Nothing(lead) => {
                let counted = self.count(tenant_id).await;
                // Where it failed, the next tries alone: all at once would only make it worse.
                if counted.is_ok() {
                    lead.end();
                }
                counted
            }
        }
    }

    /// The same without waiting for what takes long to count, where figures were kept, and whether they are older than
    /// [`OVERVIEW_MAX_AGE`]. Then they are counted anew behind the answer, for whoever asks next.
    ///
    /// # Errors
    /// As [`Self::overview`].
    #[instrument(target = SPANS, skip_all)]
    pub async fn overview_at_once(&self, caller: &Caller) -> Result<(Arc<Overview>, bool), Refused> {
        caller.require(Right::ReadTenant)?;
        let Some(old) = self.overviews.outdated(caller.tenant_id, self.now()) else {
            return Ok((self.overview(caller).await?, false));
        };
        let (behind, caller) = (self.clone(), caller.clone());
        tokio::spawn(async move {
            if let Err(error) = behind.overview(&caller).await {
                warn(caller.tenant_id, &error);
            }
        });
        Ok((old, true))
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
            warn(tenant_id, &error);
            self.overviews.give_up(tenant_id);
        }
    }
}

fn warn(tenant_id: TenantId, error: &Refused) {
    tracing::warn!(%tenant_id, error = error as &dyn std::error::Error, "a tenant cannot be counted now");
}

/// Figures that are kept, and who counts those that are not.
#[derive(Default)]
pub(crate) struct Overviews {
    kept: Mutex<HashMap<TenantId, Entry>>,
    /// Tenants of which nothing is kept while somebody counts, to tell the others that it is done.
    counting: Mutex<HashMap<TenantId, watch::Receiver<bool>>>,
}

struct Entry {
    overview: Arc<Overview>,
    /// Somebody counts anew.
    in_work: bool,
}

/// What is kept of a tenant.
#[derive(Debug, PartialEq, Eq)]
enum Kept<N> {
    /// Figures that are good for now.
    Fresh(Arc<Overview>),
    /// Figures that can be shown, by one who then counts anew.
    Ageing(Arc<Overview>),
    /// Nothing that can be shown.
    Nothing(N),
}

impl Kept<()> {
    /// With the task of counting for one who finds nothing.
    fn or<N>(self, task: N) -> Kept<N> {
        match self {
            Self::Fresh(overview) => Kept::Fresh(overview),
            Self::Ageing(overview) => Kept::Ageing(overview),
            Self::Nothing(()) => Kept::Nothing(task),
        }
    }
}

/// The task of counting what is not kept. Whoever gives it up, as nobody waits for their answer any more, leaves it to the next.
struct Lead<'o> {
    overviews: &'o Overviews,
    tenant_id: TenantId,
    /// Nothing for one who leads nobody.
    done: Option<watch::Sender<bool>>,
}

impl Lead<'_> {
    /// Tells the others that all was counted.
    fn end(mut self) {
        self.retire();
        if let Some(done) = self.done.take() {
            done.send_replace(true);
        }
    }

    fn retire(&self) {
        if self.done.is_some() {
            self.overviews.counting.lock().remove(&self.tenant_id);
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.retire();
    }
}

impl Overviews {
    /// What is kept; if it is nothing, the task of counting, which one has at a time. The others wait until that one is done,
    /// and look again: if nothing is kept then, there is little to count, and they count it as it is now.
    async fn look_or_lead(&self, tenant_id: TenantId, now: impl Fn() -> Timestamp) -> Kept<Lead<'_>> {
        let mut was_counted = false;
        loop {
            let kept = self.look(tenant_id, now());
            if was_counted || kept != Kept::Nothing(()) {
                return kept.or(Lead { overviews: self, tenant_id, done: None });
            }
            match self.lead_or_follow(tenant_id) {
                // Somebody may have been done between the two looks.
                Ok(lead) => return self.look(tenant_id, now()).or(lead),
                Err(mut other) => {
                    was_counted = other.wait_for(|done| *done).await.is_ok();
                }
            }
        }
    }

    /// The task of counting, or how to learn that who has it is done: no word of it means that it was given up.
    fn lead_or_follow(&self, tenant_id: TenantId) -> Result<Lead<'_>, watch::Receiver<bool>> {
        let mut counting = self.counting.lock();
        if let Some(other) = counting.get(&tenant_id) {
            return Err(other.clone());
        }
        let (done, receiver) = watch::channel(false);
        counting.insert(tenant_id, receiver);
        Ok(Lead { overviews: self, tenant_id, done: Some(done) })
    }

    fn look(&self, tenant_id: TenantId, now: Timestamp) -> Kept<()> {
        let mut kept = self.kept.lock();
        let Some(entry) = kept.get_mut(&tenant_id) else { return Kept::Nothing(()) };
        let counted_at = entry.overview.counted_at;
        // A clock that was set back makes an age that nobody knows.
        if !(now.minus(OVERVIEW_MAX_AGE)..=now).contains(&counted_at) {
            return Kept::Nothing(());
        }
        let overview = Arc::clone(&entry.overview);
        if entry.in_work || counted_at >= now.minus(FRESH) {
            return Kept::Fresh(overview);
        }
        entry.in_work = true;
        Kept::Ageing(overview)
    }

    /// Figures that are kept, if they are too old to pass for those of now.
    fn outdated(&self, tenant_id: TenantId, now: Timestamp) -> Option<Arc<Overview>> {
        let kept = self.kept.lock();
        let entry =
            kept.get(&tenant_id).filter(|entry| entry.overview.counted_at < now.minus(OVERVIEW_MAX_AGE))?;
        Some(Arc::clone(&entry.overview))
    }

    /// Keeps figures that took long to count, and drops the oldest ones when there are too many.
    fn keep(&self, tenant_id: TenantId, overview: &Arc<Overview>) {
        let mut kept = self.kept.lock();
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
        if let Some(entry) = self.kept.lock().get_mut(&tenant_id) {
            entry.in_work = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use keystile_core::overview::{KeyFigures, NearBudgets, StatusCounts};

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
        Arc::new(Overview {
            counted_at,
            keys,
            applications: 1,
            customers: 0,
            members: 1,
            invitations: 0,
            budgets: NearBudgets::default(),
        })
    }

    #[test]
    fn figures_of_many_keys_are_shown_for_a_minute_and_counted_anew_by_one() {
        let (overviews, one) = (Overviews::default(), counted(MANY + 1, at(100)));
        overviews.keep(tenant(1), &one);
        assert_eq!(overviews.look(tenant(2), at(100)), Kept::Nothing(()));
        assert_eq!(overviews.look(tenant(1), at(102)), Kept::Fresh(Arc::clone(&one)));
        assert_eq!(overviews.look(tenant(1), at(103)), Kept::Ageing(Arc::clone(&one)));
        assert_eq!(overviews.look(tenant(1), at(104)), Kept::Fresh(Arc::clone(&one)), "one counts already");
        overviews.give_up(tenant(1));
        assert_eq!(overviews.look(tenant(1), at(160)), Kept::Ageing(Arc::clone(&one)));
        assert_eq!(overviews.outdated(tenant(1), at(160)), None);
        assert_eq!(overviews.look(tenant(1), at(161)), Kept::Nothing(()));
        assert_eq!(overviews.outdated(tenant(1), at(161)), Some(one));
        assert_eq!(overviews.look(tenant(1), at(99)), Kept::Nothing(()), "the clock was set back");
        let two = counted(MANY + 2, at(104));
        overviews.keep(tenant(1), &two);
        assert_eq!(overviews.look(tenant(1), at(105)), Kept::Fresh(two));
    }

    #[test]
    fn figures_of_few_keys_are_not_kept() {
        let overviews = Overviews::default();
        overviews.keep(tenant(1), &counted(MANY + 1, at(0)));
        overviews.keep(tenant(1), &counted(MANY, at(0)));
        assert_eq!(overviews.look(tenant(1), at(0)), Kept::Nothing(()));
    }

    #[test]
    fn of_too_many_tenants_the_one_that_was_counted_first_is_dropped() {
        let overviews = Overviews::default();
        for number in 0..=u64::try_from(MOST_KEPT).unwrap() {
            overviews.keep(tenant(number.into()), &counted(MANY + 1, at(number)));
        }
        let kept = overviews.kept.lock();
        assert_eq!((kept.len(), kept.contains_key(&tenant(0))), (MOST_KEPT, false));
    }

    /// Asks for the figures of a tenant and says how: from what is kept, or by counting so many keys.
    async fn ask(overviews: &Overviews, counts: &AtomicU32, keys: u64) -> Arc<Overview> {
        match overviews.look_or_lead(tenant(1), || at(100)).await {
            Kept::Fresh(overview) | Kept::Ageing(overview) => overview,
            Kept::Nothing(lead) => {
                counts.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                let counted = counted(keys, at(100));
                overviews.keep(tenant(1), &counted);
                lead.end();
                counted
            }
        }
    }

    #[tokio::test]
    async fn of_many_who_ask_first_for_many_keys_one_counts() {
        let (overviews, counts) = (Overviews::default(), AtomicU32::new(0));
        let ask = || ask(&overviews, &counts, MANY + 1);
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!(Arc::ptr_eq(&one, &two) && Arc::ptr_eq(&one, &three));
        assert_eq!(counts.into_inner(), 1);
        assert!(overviews.counting.lock().is_empty());
    }

    /// Who changed something while another counted must find it in the figures.
    #[tokio::test]
    async fn of_few_keys_each_counts_what_is_there_when_they_ask() {
        let (overviews, counts) = (Overviews::default(), AtomicU32::new(0));
        let ask = || ask(&overviews, &counts, 1);
        tokio::join!(ask(), ask(), ask());
        assert_eq!(counts.into_inner(), 3);
        assert!(overviews.counting.lock().is_empty());
    }

    #[tokio::test]
    async fn what_one_gives_up_counting_another_counts() {
        let (overviews, counts) = (Overviews::default(), AtomicU32::new(0));
        let gone = overviews.look_or_lead(tenant(1), || at(100)).await;
        let ask = || ask(&overviews, &counts, MANY + 1);
        let leave = async {
            tokio::task::yield_now().await;
            drop(gone);
        };
        let (one, two, ()) = tokio::join!(ask(), ask(), leave);
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(counts.into_inner(), 1);
    }
}
