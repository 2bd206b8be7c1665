//! What people call the words of the API, and what each means in a line. They have no other name anywhere in the console.

use keystile_core::{
    DeliveryState, Environment, KeyKind, KeyStatus, Role, TrustLevel, WebhookEvent, WhyDisabled,
};

/// A word for people.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) name: &'static str,
    /// What it means.
    pub(super) what: &'static str,
}

const fn word(name: &'static str, what: &'static str) -> Word {
    Word { name, what }
}

/// Where a key works.
pub(super) const fn environment(environment: Environment) -> Word {
    match environment {
        Environment::Production => word("Production", "Real traffic."),
        Environment::Staging => word("Staging", "Tests with realistic data."),
        Environment::Development => word("Development", "Building and trying out."),
    }
}

/// How a source is treated.
pub(super) const fn trust(level: TrustLevel) -> Word {
    match level {
        TrustLevel::External => word("External", "Less trusted, or controlled by a customer."),
        TrustLevel::Internal => word("Internal", "A system your own team operates."),
        TrustLevel::Trusted => word("Trusted", "Traffic you consider highly reliable."),
    }
}

/// Whether a key can be used.
pub(super) const fn status(status: KeyStatus) -> &'static str {
    match status {
        KeyStatus::Active => "Active",
        KeyStatus::Inactive => "Inactive",
        KeyStatus::Revoked => "Revoked",
        KeyStatus::Expired => "Expired",
    }
}

/// What a key is for, by one of [`KeyKind::NAMES`].
pub(super) fn kind(name: &str) -> Word {
    match name {
        "user" => word("User", "a person with their tools"),
        "ingest" => word("Ingest", "a source that sends events"),
        "virtual_llm" => word("Language models", "for a gateway"),
        _ => word("Service", "one system calls another"),
    }
}

/// What a member may do beside what the weaker roles may.
pub(super) const fn role(role: Role) -> Word {
    match role {
        Role::Owner => word("Owner", "Everything, with owners and the settings of the tenant."),
        Role::Admin => word("Admin", "Manages members, invitations, applications and webhooks, too."),
        Role::Developer => word("Developer", "Makes, changes and revokes API keys and customers, too."),
        Role::Viewer => word("Viewer", "Sees everything but secrets, and changes nothing."),
    }
}

/// What a webhook is told of.
pub(super) const fn webhook_event(event: WebhookEvent) -> Word {
    match event {
        WebhookEvent::KeyCreated => word("Key created", "made, imported, or made by rotating another"),
        WebhookEvent::KeyUpdated => word("Key changed", "its settings"),
        WebhookEvent::KeyDisabled => word("Key disabled", "switched off for a while"),
        WebhookEvent::KeyEnabled => word("Key enabled", "switched on again"),
        WebhookEvent::KeyBlocked => word("Key blocked", "barred for abuse, a leak or billing"),
        WebhookEvent::KeyUnblocked => word("Key unblocked", "let free again"),
        WebhookEvent::KeyRegenerated => word("Key regenerated", "it has a new secret"),
        WebhookEvent::KeyRotated => word("Key rotated", "it has a successor and an end"),
        WebhookEvent::KeyRevoked => word("Key revoked", "ended for good"),
        WebhookEvent::KeyDeleted => word("Key deleted", "taken out of the lists"),
        WebhookEvent::KeyExpiring => word("Key ends soon", "in 30 days, in 7, or in one"),
        WebhookEvent::KeyRotationDue => word("Rotation due", "its secret has grown old"),
        WebhookEvent::KeyUnused => word("Key unused", "for 30 days, or for 90"),
        WebhookEvent::LeakReported => word("Leak reported", "somebody found its secret"),
    }
}

/// What became of a message to a webhook.
pub(super) const fn delivery_state(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "Waiting",
        DeliveryState::Delivered => "Delivered",
        DeliveryState::Failed => "Given up",
    }
}

/// Why a webhook is off, and what helps.
pub(super) const fn why_disabled(why: WhyDisabled) -> Word {
    match why {
        WhyDisabled::ByHand => word("Off", "Somebody switched it off. What happens waits for it, up to 30 days."),
        WhyDisabled::Gone => word(
            "Off: gone",
            "The receiver answered 410, which means that there is nobody any more. Correct the URL if it moved; enable it to go on.",
        ),
        WhyDisabled::Failing => word(
            "Off: failing",
            "For three days nothing could be delivered. Mend the receiver and send a test; enable it to go on where it stopped.",
        ),
    }
}

/// What webhooks are told of, as the API writes it and for people.
pub(super) fn webhook_events() -> impl Iterator<Item = (&'static str, Word)> {
    WebhookEvent::ALL.iter().map(|one| (one.as_str(), webhook_event(*one)))
}

/// What can have become of a message, likewise.
pub(super) fn delivery_states() -> impl Iterator<Item = (&'static str, &'static str)> {
    DeliveryState::ALL.iter().map(|one| (one.as_str(), delivery_state(*one)))
}

/// The environments, as the API writes them and for people.
pub(super) fn environments() -> impl Iterator<Item = (&'static str, Word)> + Clone {
    Environment::ALL.iter().map(|one| (one.as_str(), environment(*one)))
}

/// The trust levels, likewise.
pub(super) fn trust_levels() -> impl Iterator<Item = (&'static str, Word)> {
    TrustLevel::ALL.iter().map(|one| (one.as_str(), trust(*one)))
}

/// The states of keys, likewise.
pub(super) fn statuses() -> impl Iterator<Item = (&'static str, &'static str)> {
    KeyStatus::ALL.iter().map(|one| (one.as_str(), status(*one)))
}

/// The kinds of keys, likewise.
pub(super) fn kinds() -> impl Iterator<Item = (&'static str, Word)> {
    KeyKind::NAMES.into_iter().map(|name| (name, kind(name)))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let names: HashSet<_> = kinds().map(|(_, word)| word.name).collect();
        assert_eq!(names.len(), KeyKind::NAMES.len());
    }
}
