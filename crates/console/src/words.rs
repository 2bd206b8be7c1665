//! What people call the words of the API, and what each means in a line. They have no other name anywhere in the console.

use keystile_core::llm::ImportOutcome;
use keystile_core::quota::{Basis, LedgerKind, Origin, SpendBy};
use keystile_core::{
    DeliveryState, Encoding, Environment, JobKind, JobState, KeyKind, KeyStatus, LeakDeed, LeakSource,
    LeakState, LogFace, LogRequests, OnLeak, Protocol, Role, TrustLevel, WebhookEvent, WhyDisabled,
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

/// Which requests are logged.
pub(super) const fn logged(wanted: LogRequests) -> Word {
    match wanted {
        LogRequests::All => word("All", "After a leak, everything that was done with the key can be told."),
        LogRequests::Refused => word("Those that were refused", "Of what was allowed only counts are kept."),
        LogRequests::Nothing => word("None", "Nothing can be told of a key but how often it was used."),
    }
}

/// What was asked.
pub(super) const fn face(face: LogFace) -> Word {
    match face {
        LogFace::Verify => word("Verification", "A service asked whether a key is good."),
        LogFace::VerifyBatch => word("Verification of many", "One question of many that were asked at once."),
        LogFace::Authz => word("Gateway", "A gateway asked whether to let a request through."),
        LogFace::ExtAuthz => word("Envoy", "An Envoy asked whether to let a request through."),
        LogFace::Introspection => word("Introspection", "A service asked what a token is (OAuth 2.0)."),
        LogFace::Guard => word("Guard", "A service that has Keystile within itself decided."),
        LogFace::Llm => word("LLM", "A request to a language model, through the LLM gateway."),
        LogFace::Events => word("Events", "A source sent events."),
        LogFace::Token => word("Token", "A token was asked for, or exchanged."),
        LogFace::Management => word("API", "A call of Keystile's own API."),
        LogFace::Console => word("Console", "A page or form of this console."),
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

/// Who told that a key leaked.
pub(super) const fn leak_source(source: LeakSource) -> Word {
    match source {
        LeakSource::Report => word("A report", "Somebody who held the secret told it."),
        LeakSource::Github => word("GitHub", "GitHub's secret scanning told it, and signed what it told."),
    }
}

/// What a tenant wants done with keys that are reported.
pub(super) const fn on_leak(wanted: OnLeak) -> Word {
    match wanted {
        OnLeak::Notify => {
            word("Notify", "The key stays as it is. The overview, webhooks and the audit log tell of it.")
        }
        OnLeak::Block => word("Block", "The key is refused at once, until somebody unblocks it."),
        OnLeak::Revoke => word("Revoke", "The key is refused at once and for good."),
    }
}

/// What was done about a key that leaked.
pub(super) const fn leak_deed(deed: LeakDeed) -> Word {
    match deed {
        LeakDeed::Notified => word("Notified", "The key was left as it was, as the tenant wants it."),
        LeakDeed::Blocked => word("Blocked", "The key was blocked at once."),
        LeakDeed::Revoked => word("Revoked", "The key was revoked at once."),
        LeakDeed::Nothing => word("Nothing", "Nothing was left to be done."),
    }
}

/// What a secret that leaked opens now.
pub(super) const fn leak_state(state: LeakState) -> Word {
    match state {
        LeakState::Live => word("Live", "The secret still works: whoever has found it can use it."),
        LeakState::Revoked => word("Revoked", "The secret opens nothing, and never will again."),
        LeakState::Expired => {
            word("Expired", "The key has expired. A later end would make the secret work again.")
        }
        LeakState::Blocked => word("Blocked", "The secret opens nothing until somebody unblocks the key."),
        LeakState::Disabled => word("Disabled", "The secret opens nothing until somebody enables the key."),
        LeakState::Replaced => {
            word("Replaced", "The key has another secret now. The one that leaked opens nothing.")
        }
        LeakState::Unknown => word("Unknown", "No key of this tenant has, or had, this secret."),
    }
}

/// What a background job does.
pub(super) const fn job_kind(kind: JobKind) -> Word {
    match kind {
        JobKind::Import => word("Import", "Takes keys over by the hashes of their secrets."),
        JobKind::Export => word("Export", "Writes keys down, without their secrets."),
        JobKind::Revoke => word("Revoke", "Ends keys for good."),
        JobKind::Disable => word("Disable", "Refuses keys until they are enabled again."),
        JobKind::Enable => word("Enable", "Lets disabled keys work again."),
        JobKind::Rotate => word("Rotate", "Gives keys successors."),
    }
}

/// Where a background job stands.
pub(super) const fn job_state(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "Waiting",
        JobState::Running => "Running",
        JobState::Cancelling => "Cancelling",
        JobState::Done => "Done",
        JobState::Failed => "Failed",
        JobState::Cancelled => "Cancelled",
    }
}

/// The things that background jobs do, as the API writes them and for people.
pub(super) fn job_kinds() -> impl Iterator<Item = (&'static str, Word)> {
    JobKind::ALL.iter().map(|one| (one.as_str(), job_kind(*one)))
}

/// The states of background jobs, likewise.
pub(super) fn job_states() -> impl Iterator<Item = (&'static str, &'static str)> {
    JobState::ALL.iter().map(|one| (one.as_str(), job_state(*one)))
}

/// What a member may do beside what the weaker roles may.
pub(super) const fn role(role: Role) -> Word {
    match role {
        Role::Owner => word("Owner", "Everything, with owners and the settings of the tenant."),
        Role::Admin => word("Admin", "Manages members, invitations, applications, models and webhooks, too."),
        Role::Developer => word("Developer", "Makes, changes and revokes API keys and customers, too."),
        Role::Viewer => word(
            "Viewer",
            "Sees everything but secrets, webhooks and providers of models, and changes nothing.",
        ),
    }
}

/// What a webhook is told of.
pub(super) const fn webhook_event(event: WebhookEvent) -> Word {
    match event {
        WebhookEvent::KeyCreated => word("Key created", "made, imported, or made by rotating another"),
        WebhookEvent::KeyUpdated => word("Key changed", "its settings"),
        WebhookEvent::KeyDisabled => word("Key disabled", "refused until somebody enables it"),
        WebhookEvent::KeyEnabled => word("Key enabled", "works again"),
        WebhookEvent::KeyBlocked => word("Key blocked", "barred for abuse, a leak or billing"),
        WebhookEvent::KeyUnblocked => word("Key unblocked", "let free again"),
        WebhookEvent::KeyRegenerated => word("Key regenerated", "it has a new secret"),
        WebhookEvent::KeyRotated => word("Key rotated", "it has a successor and an end"),
        WebhookEvent::KeyRevoked => word("Key revoked", "ended for good"),
        WebhookEvent::KeyDeleted => word("Key deleted", "taken out of the lists"),
        WebhookEvent::KeyBudgetThreshold => word("Budget threshold", "a half is spent, 80 %, or all of it"),
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

/// What a provider of models speaks.
pub(super) const fn protocol(protocol: Protocol) -> Word {
    match protocol {
        Protocol::OpenAi => word("OpenAI", "As OpenAI does, and nearly everybody else."),
        Protocol::Anthropic => word("Anthropic", "As Anthropic does, for its own models."),
    }
}

/// How texts become tokens.
pub(super) const fn encoding(encoding: Encoding) -> Word {
    match encoding {
        Encoding::Cl100kBase => word("cl100k_base", "GPT-3.5, GPT-4, and embeddings of their time."),
        Encoding::O200kBase => word("o200k_base", "GPT-4o and what came after it."),
    }
}

/// What becomes of a model of a table that is taken over.
pub(super) const fn import_outcome(outcome: ImportOutcome) -> Word {
    match outcome {
        ImportOutcome::Made => word("New", "It is added."),
        ImportOutcome::Changed => word("Changed", "It becomes what the table says."),
        ImportOutcome::Unchanged => word("The same", "It is what the table says already."),
        ImportOutcome::Kept => word("Kept", "It is something else, and stays so."),
    }
}

/// What a row of the ledger says.
pub(super) const fn ledger_kind(kind: LedgerKind) -> Word {
    match kind {
        LedgerKind::Charge => word("Charge", "A request was charged."),
        LedgerKind::Lost => word(
            "Lost",
            "A server ended without telling what became of this part of a budget. It counts as spent until somebody corrects it.",
        ),
        LedgerKind::Correction => word("Correction", "Another row was corrected, by the difference."),
    }
}

/// What a charge rests on.
pub(super) const fn basis(basis: Basis) -> Word {
    match basis {
        Basis::Upstream => word("Provider", "The provider told what was used."),
        Basis::Counted => word("Counted", "What was used was counted, here or by whoever asked."),
        Basis::Hold => word("Held", "Nobody told what was used, so all that was held is charged."),
    }
}

/// Who has to settle a hold.
pub(super) const fn origin(origin: Origin) -> Word {
    match origin {
        Origin::Gateway => word("Gateway", "The gateway, when the answer is over."),
        Origin::Caller => word("Caller", "Whoever asked for it with an estimate."),
    }
}

/// What spending is told by.
pub(super) const fn spend_by(by: SpendBy) -> &'static str {
    match by {
        SpendBy::Key => "Key",
        SpendBy::Customer => "Customer",
        SpendBy::Application => "Application",
        SpendBy::Model => "Model",
        SpendBy::Day => "Day",
    }
}

/// What rows of the ledger can say, as the API writes it and for people.
pub(super) fn ledger_kinds() -> impl Iterator<Item = (&'static str, Word)> {
    LedgerKind::ALL.iter().map(|one| (one.as_str(), ledger_kind(*one)))
}

/// What a provider can speak, as the API writes it and for people.
pub(super) fn protocols() -> impl Iterator<Item = (&'static str, Word)> {
    Protocol::ALL.iter().map(|one| (one.as_str(), protocol(*one)))
}

/// How texts can become tokens, likewise.
pub(super) fn encodings() -> impl Iterator<Item = (&'static str, Word)> {
    Encoding::ALL.iter().map(|one| (one.as_str(), encoding(*one)))
}

/// Why a webhook is off, and what helps.
pub(super) const fn why_disabled(why: WhyDisabled) -> Word {
    match why {
        WhyDisabled::ByHand => {
            word("Off", "Somebody switched it off. What happens waits for it, up to 30 days.")
        }
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

/// What an environment is called in the query of a page that shows one at a time: nothing for production, which is shown unless
/// another is named.
pub(super) const fn shown_environment(environment: Environment) -> &'static str {
    match environment {
        Environment::Production => "",
        Environment::Staging | Environment::Development => environment.as_str(),
    }
}

/// The environments as such a page offers them, with that word and for people.
pub(super) fn shown_environments() -> impl Iterator<Item = (&'static str, &'static str)> {
    Environment::ALL.iter().map(|one| (shown_environment(*one), environment(*one).name))
}

/// The trust levels, as the API writes them and for people.
pub(super) fn trust_levels() -> impl Iterator<Item = (&'static str, Word)> {
    TrustLevel::ALL.iter().map(|one| (one.as_str(), trust(*one)))
}

/// What can be done with keys that are reported as leaked, likewise.
pub(super) fn on_leaks() -> impl Iterator<Item = (&'static str, Word)> {
    OnLeak::ALL.iter().map(|one| (one.as_str(), on_leak(*one)))
}

/// What can be logged, likewise.
pub(super) fn ways_to_log() -> impl Iterator<Item = (&'static str, Word)> {
    LogRequests::ALL.iter().map(|one| (one.as_str(), logged(*one)))
}

/// What can be asked, likewise.
pub(super) fn faces() -> impl Iterator<Item = (&'static str, Word)> {
    LogFace::ALL.iter().map(|one| (one.as_str(), face(*one)))
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
