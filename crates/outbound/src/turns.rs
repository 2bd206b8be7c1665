//! Turns of look-ups: a bound for all of them, and one for each tenant within it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use keystile_core::TenantId;
use parking_lot::Mutex;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// Look-ups under way at once. Each takes a thread, of which the runtime has 512 for all that blocks, for as long as the name servers of a
/// tenant's choice let it wait, whoever still wants to know: passwords must be checked meanwhile.
pub(crate) const LOOK_UPS: usize = 64;
/// The same of one tenant. Connections are kept, so a good name is looked up seldom and answered soon; names that nobody answers for hold
/// up their own tenant, and it takes eight such tenants to hold up others.
pub(crate) const LOOK_UPS_OF_A_TENANT: usize = 8;

/// Who may look up now.
#[derive(Debug)]
pub(crate) struct Turns {
    of_all: Arc<Semaphore>,
    /// Those of tenants that look something up, or wait for it.
    own: Mutex<HashMap<TenantId, Own>>,
}

/// What one tenant has.
#[derive(Debug)]
struct Own {
    turns: Arc<Semaphore>,
    /// Look-ups that are under way or wait.
    users: usize,
}

/// The turn of one look-up, until the value is dropped.
#[derive(Debug)]
pub struct Turn {
    #[expect(dead_code, reason = "the turn is taken for as long as this lives")]
    of_all: OwnedSemaphorePermit,
    #[expect(dead_code, reason = "the turn is taken for as long as this lives")]
    own: Option<Share>,
}

/// A place among the look-ups of a tenant, be it for one that waits.
#[derive(Debug)]
struct Share {
    turns: Arc<Turns>,
    tenant_id: TenantId,
    /// Taken for as long as this lives.
    turn: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { of_all: Arc::new(Semaphore::new(LOOK_UPS)), own: Mutex::default() }
    }

    /// Waits for a turn. A tenant's own comes first, so that those who wait for it take none from others.
    pub(crate) async fn turn(self: &Arc<Self>, tenant_id: Option<TenantId>) -> Result<Turn, AcquireError> {
        let own = match tenant_id {
            Some(tenant_id) => Some(self.own_turn(tenant_id).await?),
            None => None,
        };
        let of_all = Arc::clone(&self.of_all).acquire_owned().await?;
        Ok(Turn { of_all, own })
    }

    async fn own_turn(self: &Arc<Self>, tenant_id: TenantId) -> Result<Share, AcquireError> {
        let (mut share, turns) = self.share(tenant_id);
        share.turn = Some(turns.acquire_owned().await?);
        Ok(share)
    }

    fn share(self: &Arc<Self>, tenant_id: TenantId) -> (Share, Arc<Semaphore>) {
        let mut all = self.own.lock();
        let own = all
            .entry(tenant_id)
            .or_insert_with(|| Own { turns: Arc::new(Semaphore::new(LOOK_UPS_OF_A_TENANT)), users: 0 });
        own.users += 1;
        let turns = Arc::clone(&own.turns);
        drop(all);
        (Share { turns: Arc::clone(self), tenant_id, turn: None }, turns)
    }
}

impl Drop for Share {
    /// The last one takes what is kept of its tenant with it.
    fn drop(&mut self) {
        if let Entry::Occupied(mut own) = self.turns.own.lock().entry(self.tenant_id) {
            own.get_mut().users -= 1;
            if own.get().users == 0 {
                own.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    /// A turn, if there is one now.
    async fn now(turns: &Arc<Turns>, tenant_id: Option<TenantId>) -> Option<Turn> {
        // Tokio makes a task wait that takes much without a pause.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            turn = turns.turn(tenant_id) => Some(turn.unwrap()),
            () = ready(()) => None,
        }
    }

    async fn all_now(turns: &Arc<Turns>, tenant_id: Option<TenantId>) -> Vec<Turn> {
        let mut taken = Vec::new();
        while let Some(turn) = now(turns, tenant_id).await {
            taken.push(turn);
        }
        taken
    }

    #[tokio::test]
    async fn a_tenant_that_has_taken_its_turns_leaves_others_theirs() {
        let turns = Arc::new(Turns::new());
        let (slow, other) = (Some(TenantId::from_u128(1)), Some(TenantId::from_u128(2)));
        let taken = all_now(&turns, slow).await;
        assert_eq!(taken.len(), LOOK_UPS_OF_A_TENANT);
        assert!(now(&turns, other).await.is_some() && now(&turns, None).await.is_some());
        drop(taken);
        assert!(now(&turns, slow).await.is_some());
    }

    #[tokio::test]
    async fn all_together_have_a_bound_too() {
        let turns = Arc::new(Turns::new());
        let mut taken = Vec::new();
        for number in 0..100 {
            taken.extend(all_now(&turns, Some(TenantId::from_u128(number))).await);
        }
        assert_eq!(taken.len(), LOOK_UPS);
        assert!(now(&turns, None).await.is_none());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_tenants_that_look_nothing_up() {
        let turns = Arc::new(Turns::new());
        let tenant = Some(TenantId::from_u128(1));
        let taken = all_now(&turns, tenant).await;
        assert!(now(&turns, tenant).await.is_none(), "one that waited and went away");
        assert_eq!(turns.own.lock().len(), 1);
        drop(taken);
        assert!(turns.own.lock().is_empty());
    }
}
