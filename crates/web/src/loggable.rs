//! Paths as they may stand in a log.

use std::collections::HashSet;

use keystile_core::{
    ApplicationId, AuditId, CustomerId, EventId, HoldId, InvitationId, JobId, KeyId, LeakId, LedgerId, LogId,
    ModelId, PersonId, ProviderId, SessionId, TenantId, WebhookId,
};
use utoipa::openapi::OpenApi;

use crate::operations::METRICS_PATH;
use crate::router::DOCUMENT_PATH;

/// The words of our own paths.
#[derive(Debug)]
pub struct Words(HashSet<String>);

impl Words {
    /// The words of what is described, and those of `pages`.
    pub fn of(document: &OpenApi, pages: HashSet<String>) -> Self {
        let documented = document.paths.paths.keys().map(String::as_str);
        let parts = documented.chain([DOCUMENT_PATH, METRICS_PATH]).flat_map(|path| path.split('/'));
        let mut words: HashSet<_> = parts.filter(|part| !part.starts_with('{')).map(str::to_owned).collect();
        words.extend(pages);
        Self(words)
    }

    /// The path as far as it consists of our own words and of ids. What comes then may be a secret that somebody put there,
    /// and may contain slashes itself, so nothing behind it is shown either.
    pub fn shown(&self, path: &str) -> String {
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

    #[test]
    fn a_path_is_logged_without_what_may_be_a_secret() {
        let words = Words::of(&crate::openapi(), ["console", "new", "keys"].map(str::to_owned).into());
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
