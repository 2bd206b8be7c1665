//! Paths as they may stand in a log.

use std::collections::HashSet;

use keystile_core::{
    ApplicationId, AuditId, CustomerId, EventId, HoldId, InvitationId, JobId, KeyId, LeakId, LedgerId, LogId,
    ModelId, PersonId, ProviderId, SessionId, TenantId, WebhookId,
};
use utoipa::openapi::OpenApi;

use crate::console;
use crate::operations::METRICS_PATH;
use crate::router::DOCUMENT_PATH;

/// The words of our own paths.
#[derive(Debug)]
pub(crate) struct Words(HashSet<String>);

impl Words {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let documented = document.paths.paths.keys().map(String::as_str);
        let parts = documented.chain([DOCUMENT_PATH, METRICS_PATH]).flat_map(|path| path.split('/'));
        let mut words: HashSet<_> = parts.filter(|part| !part.starts_with('{')).map(str::to_owned).collect();
        words.extend(console::words());
        Self(words)
    }

    /// The path as far as it consists of our own words and of ids. What comes then may be a secret that somebody put there,
    /// and may contain slashes itself, so nothing behind it is shown either.
    pub(crate) fn shown(&self, path: &str) -> String {
        let is_ours = |part: &&str| self.0.contains(*part) || is_id(part);
        let mut shown: Vec<_> = path.split('/').take_while(is_ours).collect();
        if shown.len() < path.split('/').count() {
            shown.push("…");
        }
        shown.join("/")
    }
}

fn is_id(part: &str) -> bool {
    part.parse::<TenantId>().is_ok()
        || part.parse::<KeyId>().is_ok()
        || part.parse::<ApplicationId>().is_ok()
        || part.parse::<AuditId>().is_ok()
        || part.parse::<PersonId>().is_ok()
        || part.parse::<SessionId>().is_ok()
        || part.parse::<CustomerId>().is_ok()
        || part.parse::<InvitationId>().is_ok()
        || part.parse::<EventId>().is_ok()
        || part.parse::<LeakId>().is_ok()
        || part.parse::<LogId>().is_ok()
        || part.parse::<JobId>().is_ok()
        || part.parse::<ProviderId>().is_ok()
        || part.parse::<ModelId>().is_ok()
        || part.parse::<WebhookId>().is_ok()
        || part.parse::<HoldId>().is_ok()
        || part.parse::<LedgerId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in paths for the names in them: ids are shown.
    const IDS: &[(&str, &str)] = &[
        ("{tenant_id}", "ten_01J00000000000000000000001"),
        ("{api_key_id}", "key_01J00000000000000000000002"),
        ("{application_id}", "app_01J00000000000000000000003"),
        ("{customer_id}", "cus_01J00000000000000000000004"),
        ("{person_id}", "per_01J00000000000000000000005"),
        ("{invitation_id}", "inv_01J00000000000000000000006"),
        ("{session_id}", "ses_01J00000000000000000000007"),
        ("{audit_id}", "aud_01J00000000000000000000008"),
        ("{event_id}", "evt_01J00000000000000000000009"),
        ("{leak_id}", "leak_01J0000000000000000000000A"),
        ("{log_id}", "log_01J00000000000000000000010"),
        ("{job_id}", "job_01J0000000000000000000000A"),
        ("{provider_id}", "prv_01J0000000000000000000000A"),
        ("{model_id}", "mdl_01J0000000000000000000000A"),
        ("{webhook_id}", "hook_01J0000000000000000000000A"),
        ("{hold_id}", "hld_01J0000000000000000000000A"),
        ("{ledger_id}", "led_01J0000000000000000000000A"),
    ];
    /// Names of what somebody chooses, and of files: neither they nor what comes behind them is shown.
    const CHOSEN: &[&str] = &["{permission}", "{name}", "{version}", "{entity_type}", "{entity_id}"];

    const SOMETHING: &str = "Zk3v9Qp1xT";

    /// A path that fits, and what a log shows of it. A path with a name in it that stands in neither table has no place here yet.
    fn filled(path: &str) -> (String, String) {
        let mut parts = Vec::new();
        for part in path.split('/') {
            parts.push(match IDS.iter().find(|(name, _)| *name == part) {
                Some((_, id)) => *id,
                None if CHOSEN.contains(&part) => SOMETHING,
                None => {
                    assert!(!part.starts_with('{'), "{path}: say whether {part} may be shown");
                    part
                }
            });
        }
        let whole = parts.join("/");
        let shown = whole.split_once(SOMETHING).map(|(ours, _)| format!("{ours}…"));
        (whole.clone(), shown.unwrap_or(whole))
    }

    #[test]
    fn every_path_that_is_served_is_shown_up_to_what_somebody_chose() {
        let words = Words::of(&crate::openapi());
        let documented: Vec<_> = crate::openapi().paths.paths.into_keys().collect();
        let aliases = documented.iter().filter_map(|path| path.strip_prefix("/api/v1/tenants/"));
        let aliases: Vec<_> = aliases.map(|below| format!("/tenants/{below}")).collect();
        let pages = console::places().into_iter().map(|place| place.path);
        let others = [DOCUMENT_PATH, METRICS_PATH].map(str::to_owned);
        let all: Vec<_> = documented.iter().cloned().chain(aliases).chain(pages).chain(others).collect();
        assert!(all.len() > 150, "the tables are not what they were: {}", all.len());
        for path in all {
            let (whole, shown) = filled(&path);
            assert_eq!(words.shown(&whole), shown, "{path}");
        }
    }

    #[test]
    fn a_path_is_logged_without_what_may_be_a_secret() {
        let words = Words::of(&crate::openapi());
        let id = "key_01J00000000000000000000001";
        for (path, shown) in [
            ("/healthz", "/healthz"),
            (
                "/console/ten_01J00000000000000000000001/keys/new",
                "/console/ten_01J00000000000000000000001/keys/new",
            ),
            ("/.well-known/jwks.json", "/.well-known/jwks.json"),
            (&format!("/api/v1/tenants/a/api-keys/{id}/revoke"), "/api/v1/tenants/…"),
            (&format!("/api-keys/{id}/revoke"), &format!("/api-keys/{id}/revoke")),
            ("/api-keys/c41f8a07d93be6525af0917d", "/api-keys/…"),
            ("/api-keys/c41f/8a07/api/v1/917d", "/api-keys/…"),
            ("/Zk3v/api/v1", "/…"),
            ("/api-keys/", "/api-keys/"),
            ("*", "…"),
        ] {
            assert_eq!(words.shown(path), shown);
        }
    }
}
