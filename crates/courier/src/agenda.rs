//! Which webhooks something waits for, and when the first of it is due, as far as this process knows.

use std::collections::BTreeMap;
use std::time::Duration;

use keystile_core::{Timestamp, WebhookId};
use keystile_store::{DueWebhook, Standing, StoreError};
use tokio::time::Instant;

use crate::courier::{KEPT, Shared};

/// Time between two looks at all webhooks, for what was missed: a transaction of which nobody knows whether it happened.
const WALK_EVERY: Duration = Duration::from_secs(60);

/// The webhooks that are on and that something waits for. It is asked of the store for all of them at the start, and for one whenever
/// something was done that concerns it; so a round costs as much as there is to do, however many webhooks wait for their moment.
pub(crate) struct Agenda {
    due: BTreeMap<WebhookId, DueWebhook>,
    walk_at: Instant,
}

impl Agenda {
    pub(crate) fn new() -> Self {
        Self { due: BTreeMap::new(), walk_at: Instant::now() }
    }

    /// Learns what has changed.
    pub(crate) async fn refresh(&mut self, shared: &Shared) -> Result<(), StoreError> {
        let changed = std::mem::take(&mut *shared.changed.lock());
        let (now, walk_at) = (Instant::now(), self.walk_at);
        // Should the store not answer, all are looked at when it does.
        self.walk_at = now;
        if now >= walk_at {
            self.walk(shared).await?;
            self.walk_at = now + WALK_EVERY;
            return Ok(());
        }
        for webhook_id in changed {
            match shared.store.what_waits_for(webhook_id).await? {
                Some(due) => self.note(shared, due).await?,
                None => self.forget(webhook_id),
            }
        }
        self.walk_at = walk_at;
        Ok(())
    }

    async fn walk(&mut self, shared: &Shared) -> Result<(), StoreError> {
        self.due.clear();
        let mut after = None;
        while let Some(due) = shared.store.due_webhook(after).await? {
            after = Some(due.webhook_id);
            self.note(shared, due).await?;
        }
        shared.paces.keep(|webhook_id| self.due.contains_key(&webhook_id));
        Ok(())
    }

    /// What waits for one that is off for too long, or gone, is given up a part at a time.
    async fn note(&mut self, shared: &Shared, due: DueWebhook) -> Result<(), StoreError> {
        let DueWebhook { tenant_id, webhook_id, due_at, standing } = due;
        let before = shared.clock.now().minus(KEPT);
        let given_up = match standing {
            Standing::On => {
                self.due.insert(webhook_id, due);
                return Ok(());
            }
            Standing::Off if due_at >= before => 0,
            Standing::Off => shared.store.expire_deliveries(tenant_id, webhook_id, before).await?,
            Standing::Gone => shared.store.give_up_deliveries(tenant_id, webhook_id).await?,
        };
        self.forget(webhook_id);
        if given_up > 0 {
            shared.look_at(webhook_id);
        }
        Ok(())
    }

    /// Nothing waits for it now.
    pub(crate) fn forget(&mut self, webhook_id: WebhookId) {
        self.due.remove(&webhook_id);
    }

    /// Nothing is to be sent to it before then, unless something changes.
    pub(crate) fn wait(&mut self, due: DueWebhook, later: Option<Timestamp>) {
        match later {
            Some(due_at) => {
                self.due.insert(due.webhook_id, DueWebhook { due_at, ..due });
            }
            None => self.forget(due.webhook_id),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }

    /// Those for which something is due, first those behind one, then the others.
    pub(crate) fn turns(&self, shared: &Shared, behind: Option<WebhookId>) -> Vec<DueWebhook> {
        let (now, begins) = (shared.clock.now(), shared.paces.begins());
        let is_due = |due: &&DueWebhook| begins(due.webhook_id, due.due_at) <= now;
        let is_first = |due: &DueWebhook| behind.is_none_or(|behind| due.webhook_id > behind);
        let (first, others): (Vec<_>, Vec<_>) = self.due.values().filter(is_due).copied().partition(is_first);
        first.into_iter().chain(others).collect()
    }

    /// When to look again at the latest, if nobody wakes.
    pub(crate) fn next_look(&self, shared: &Shared) -> Instant {
        let (now, begins) = (shared.clock.now(), shared.paces.begins());
        let all = self.due.values().map(|due| begins(due.webhook_id, due.due_at));
        let later = all.filter(|at| *at > now).min();
        let millis = later.map(|at| u64::try_from(at.as_millis() - now.as_millis()).unwrap_or(0));
        let next = millis.map(|millis| Instant::now() + Duration::from_millis(millis));
        next.map_or(self.walk_at, |next| next.min(self.walk_at))
    }
}
