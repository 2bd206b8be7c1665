//! What people call the words of the API, and what each means in a line. They have no other name anywhere in the console.

use keystile_core::{Environment, KeyKind, KeyStatus, LogFace, LogRequests, Role, TrustLevel};

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

/// What a member may do beside what the weaker roles may.
pub(super) const fn role(role: Role) -> Word {
    match role {
        Role::Owner => word("Owner", "Everything, with owners and the settings of the tenant."),
        Role::Admin => word("Admin", "Manages members, invitations and applications, too."),
        Role::Developer => word("Developer", "Makes, changes and revokes API keys and customers, too."),
        Role::Viewer => word("Viewer", "Sees everything but secrets, and changes nothing."),
    }
}

/// The environments, as the API writes them and for people.
pub(super) fn environments() -> impl Iterator<Item = (&'static str, Word)> + Clone {
    Environment::ALL.iter().map(|one| (one.as_str(), environment(*one)))
}

/// The trust levels, likewise.
pub(super) fn trust_levels() -> impl Iterator<Item = (&'static str, Word)> {
    TrustLevel::ALL.iter().map(|one| (one.as_str(), trust(*one)))
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
