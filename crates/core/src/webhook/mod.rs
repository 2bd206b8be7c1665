//! Webhooks: what a tenant's own systems are told of its keys, where to, and how often it is tried.

mod address;
mod budget;
mod delivery;
mod notice;

use crate::invalid::text_enum;
use crate::text::check_line;
use crate::{Action, Environment, Invalid, TenantId, Timestamp, WebhookId};

pub use crate::reach::Reach;
pub use address::WebhookUrl;
pub use budget::{BUDGET_PERCENTS, BudgetNotice, budget_notices};
pub use delivery::{
    Attempt, Delivery, DeliveryState, EXCERPT_MAX_BYTES, IN_VAIN, LONGEST_HOLD, Next, PATIENCE, Record, hold,
    next, pause,
};
pub use notice::{EXPIRING_DAYS, Notice, NoticeKind, UNUSED_DAYS, notices};

/// Most webhooks of a tenant: each is told of everything, so each multiplies what is written and sent.
pub const MOST_WEBHOOKS: u64 = 20;
/// Longest description, in characters.
pub const DESCRIPTION_MAX_CHARS: usize = 200;

text_enum!(
    /// What a webhook is told of.
    WebhookEvent {
        /// A key was made, or taken over from another system.
        KeyCreated = "key.created",
        /// Settings of a key were changed.
        KeyUpdated = "key.updated",
        /// A key was switched off for a while.
        KeyDisabled = "key.disabled",
        /// A key was switched on again.
        KeyEnabled = "key.enabled",
        /// A key was barred for abuse, a leak or billing.
        KeyBlocked = "key.blocked",
        /// A key was unbarred.
        KeyUnblocked = "key.unblocked",
        /// A key got a new secret.
        KeyRegenerated = "key.regenerated",
        /// A key was given a successor and an end.
        KeyRotated = "key.rotated",
        /// A key was ended for good.
        KeyRevoked = "key.revoked",
        /// A key was taken out of the lists.
        KeyDeleted = "key.deleted",
        /// A half of a key's budget is spent, 80 % of it, or all.
        KeyBudgetThreshold = "key.budget_threshold",
        /// A key ends in 30 days, in 7, or in one.
        KeyExpiring = "key.expiring",
        /// The secret of a key is older than its tenant lets secrets grow.
        KeyRotationDue = "key.rotation_due",
        /// A key was not used for 30 days, or for 90.
        KeyUnused = "key.unused",
        /// A key was reported as leaked.
        LeakReported = "leak.reported",
    }
);

/// What the message of the test button is called. It is no event: nothing has happened.
pub const TEST_EVENT: &str = "webhook.test";

impl WebhookEvent {
    /// What webhooks are told when this was done, if they are told of it at all.
    pub const fn of(action: Action) -> Option<Self> {
        match action {
            Action::KeyCreate | Action::KeyImport => Some(Self::KeyCreated),
            Action::KeyUpdate => Some(Self::KeyUpdated),
            Action::KeyDisable => Some(Self::KeyDisabled),
            Action::KeyEnable => Some(Self::KeyEnabled),
            Action::KeyBlock => Some(Self::KeyBlocked),
            Action::KeyUnblock => Some(Self::KeyUnblocked),
            Action::KeyRegenerate => Some(Self::KeyRegenerated),
            Action::KeyRotate => Some(Self::KeyRotated),
            Action::KeyRevoke => Some(Self::KeyRevoked),
            Action::KeyDelete => Some(Self::KeyDeleted),
            Action::KeyLeak => Some(Self::LeakReported),
            // An exchange is a use. An import of many keys has an entry for each of them beside its own.
            Action::KeyExchange
            | Action::KeysImport
            | Action::TenantCreate
            | Action::TenantUpdate
            | Action::SessionStart
            | Action::SessionChallenge
            | Action::SessionRefuse
            | Action::SessionEnd
            | Action::SessionReuse
            | Action::PasswordChange
            | Action::PasswordOffer
            | Action::PasswordReset
            | Action::TotpConfirm
            | Action::TotpRemove
            | Action::PersonDisable
            | Action::PersonEnable
            | Action::InvitationCreate
            | Action::InvitationRevoke
            | Action::MembershipCreate
            | Action::MembershipUpdate
            | Action::MembershipDelete
            | Action::ApplicationCreate
            | Action::ApplicationUpdate
            | Action::RoutingUpdate
            | Action::PermissionSet
            | Action::PermissionDelete
            | Action::CustomerCreate
            | Action::CustomerUpdate
            | Action::JobCreate
            | Action::JobCancel
            | Action::JobRetry
            | Action::JobTake
            | Action::ProviderCreate
            | Action::ProviderUpdate
            | Action::ProviderDelete
            | Action::ModelCreate
            | Action::ModelUpdate
            | Action::ModelDelete
            | Action::HoldSettle
            | Action::LedgerCorrect
            | Action::WebhookCreate
            | Action::WebhookUpdate
            | Action::WebhookRotate
            | Action::WebhookDisable
            | Action::WebhookDelete => None,
        }
    }
}

text_enum!(
    /// Why a webhook is sent nothing.
    WhyDisabled {
        /// Somebody switched it off.
        ByHand = "by_hand",
        /// The receiver answered 410: there is nobody any more.
        Gone = "gone",
        /// Nothing could be delivered for three days.
        Failing = "failing",
    }
);

/// Whom a tenant wants told of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Which one.
    pub id: WebhookId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Where messages go.
    pub url: WebhookUrl,
    /// What it is for, in the tenant's own words.
    pub description: Option<String>,
    /// What it is told of; empty means everything.
    pub events: Vec<WebhookEvent>,
    /// Keys of which environments it is told of; empty means all.
    pub environments: Vec<Environment>,
    /// Since when nothing is sent to it, and why.
    pub disabled: Option<(Timestamp, WhyDisabled)>,
    /// When it was made. Of what was before it is not told.
    pub created_at: Timestamp,
    /// Until when the secret that it had before signs beside the present one.
    pub old_secret_until: Option<Timestamp>,
    /// When something was delivered last.
    pub last_success_at: Option<Timestamp>,
    /// Since when it gives no answer; none as soon as it has taken something again.
    pub unreachable_since: Option<Timestamp>,
    /// Counts the writes, from 1.
    pub version: i64,
}

impl Webhook {
    /// Whether it is told of what happened at `at` to a key of this environment.
    pub fn wants(&self, event: WebhookEvent, environment: Environment, at: Timestamp) -> bool {
        at >= self.created_at
            && (self.events.is_empty() || self.events.contains(&event))
            && (self.environments.is_empty() || self.environments.contains(&environment))
    }
}

/// A checked request for a new webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDraft {
    /// Where messages go.
    pub url: WebhookUrl,
    /// What it is for.
    pub description: Option<String>,
    /// What it is told of; empty means everything.
    pub events: Vec<WebhookEvent>,
    /// Keys of which environments it is told of; empty means all.
    pub environments: Vec<Environment>,
}

/// What to write of a webhook; `None` leaves it as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookPatch {
    /// Where messages go.
    pub url: Option<WebhookUrl>,
    /// What it is for.
    pub description: Option<Option<String>>,
    /// What it is told of.
    pub events: Option<Vec<WebhookEvent>>,
    /// Keys of which environments it is told of.
    pub environments: Option<Vec<Environment>>,
    /// Whether anything is sent to it.
    pub enabled: Option<bool>,
}

impl WebhookPatch {
    /// Writes it into `webhook`, at `now`.
    pub fn apply(self, webhook: &mut Webhook, now: Timestamp) {
        let Self { url, description, events, environments, enabled } = self;
        if let Some(url) = url {
            webhook.url = url;
        }
        if let Some(description) = description {
            webhook.description = description;
        }
        if let Some(events) = events {
            webhook.events = events;
        }
        if let Some(environments) = environments {
            webhook.environments = environments;
        }
        match enabled {
            Some(true) => webhook.disabled = None,
            // One that was switched off already keeps its moment and its reason.
            Some(false) => drop(webhook.disabled.get_or_insert((now, WhyDisabled::ByHand))),
            None => {}
        }
    }
}

/// Refuses what cannot describe a webhook.
///
/// # Errors
/// Names the rule that was broken.
pub fn check_description(text: &str) -> Result<String, Invalid> {
    check_line(text, DESCRIPTION_MAX_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn webhook() -> Webhook {
        Webhook {
            id: WebhookId::from_u128(1),
            tenant_id: TenantId::from_u128(2),
            url: "https://example.com/hook".parse().unwrap(),
            description: None,
            events: Vec::new(),
            environments: Vec::new(),
            disabled: None,
            created_at: NOW,
            old_secret_until: None,
            last_success_at: None,
            unreachable_since: None,
            version: 1,
        }
    }

    #[test]
    fn a_webhook_is_told_of_what_it_wants_since_it_was_made() {
        let all = webhook();
        let before = Timestamp::from_millis(NOW.as_millis() - 1);
        assert!(all.wants(WebhookEvent::KeyCreated, Environment::Staging, NOW));
        assert!(!all.wants(WebhookEvent::KeyCreated, Environment::Staging, before));
        let events = vec![WebhookEvent::KeyRevoked];
        let few = Webhook { events, environments: vec![Environment::Production], ..webhook() };
        assert!(few.wants(WebhookEvent::KeyRevoked, Environment::Production, NOW));
        assert!(!few.wants(WebhookEvent::KeyRevoked, Environment::Staging, NOW));
        assert!(!few.wants(WebhookEvent::KeyCreated, Environment::Production, NOW));
    }

    #[test]
    fn a_webhook_that_is_off_keeps_its_reason_until_it_is_switched_on() {
        let mut webhook = Webhook { disabled: Some((NOW, WhyDisabled::Gone)), ..webhook() };
        let switch = |enabled| WebhookPatch { enabled: Some(enabled), ..WebhookPatch::default() };
        let later = NOW.plus(std::time::Duration::from_secs(1));
        switch(false).apply(&mut webhook, later);
        assert_eq!(webhook.disabled, Some((NOW, WhyDisabled::Gone)));
        switch(true).apply(&mut webhook, later);
        assert_eq!(webhook.disabled, None);
        switch(false).apply(&mut webhook, later);
        assert_eq!(webhook.disabled, Some((later, WhyDisabled::ByHand)));
    }

    #[test]
    fn a_change_of_a_key_is_called_by_the_name_of_its_action() {
        for action in Action::ALL {
            let (Some(event), Some(deed)) = (WebhookEvent::of(*action), action.as_str().strip_prefix("key."))
            else {
                continue;
            };
            let said = event.as_str();
            let is_alike = said.starts_with(&format!("key.{}", &deed[..3]));
            let differs = [Action::KeyImport, Action::KeyLeak].contains(action);
            assert!(is_alike != differs, "{action}: {event}");
        }
    }
}
