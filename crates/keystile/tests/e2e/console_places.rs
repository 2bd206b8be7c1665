//! The table of who may open and send what in the console.

/// What somebody must be to be let in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Needs {
    /// Nobody in particular.
    Nothing,
    /// Signed in.
    Person,
    /// In the tenant at least this role.
    Member(Role),
    /// The one who has made it, who is none of those that ask.
    Maker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Viewer,
    Developer,
    Admin,
    Owner,
}

use Needs::{Maker, Member, Nothing, Person};
use Role::{Admin, Developer, Owner, Viewer};

/// Where a session ends.
pub(crate) const SIGN_OUT: &str = "/console/sign-out";
/// What belongs to a person and to no tenant.
pub(crate) const ACCOUNT: &str = "/console/account";

/// Paths inside a tenant stand here without `/console/{tenant_id}`, as they begin with `…`.
pub(crate) const ROWS: &[(&str, &str, Needs)] = &[
    ("GET", "/", Nothing),
    ("GET", "/console/", Nothing),
    ("GET", "/playground", Person),
    ("GET", "/console/assets/{version}/{name}", Nothing),
    ("GET", "/console", Person),
    ("GET", "/console/sign-in", Nothing),
    ("POST", "/console/sign-in", Nothing),
    ("POST", SIGN_OUT, Person),
    ("GET", "/console/invitation", Nothing),
    ("POST", "/console/invitation", Nothing),
    ("POST", "/console/invitation/look", Nothing),
    ("GET", "/console/reset", Nothing),
    ("POST", "/console/reset", Nothing),
    ("GET", "/console/setup", Nothing),
    ("POST", "/console/setup", Nothing),
    ("GET", "/console/tenants/new", Person),
    ("POST", "/console/tenants/new", Person),
    ("GET", ACCOUNT, Person),
    ("GET", "/console/account/password", Person),
    ("POST", "/console/account/password", Person),
    ("GET", "/console/account/second-factor", Person),
    ("POST", "/console/account/second-factor", Person),
    ("POST", "/console/account/second-factor/confirm", Person),
    ("GET", "/console/account/second-factor/remove", Person),
    ("POST", "/console/account/second-factor/remove", Person),
    ("POST", "/console/account/sessions/end-others", Person),
    ("POST", "/console/account/sessions/{session_id}/end", Person),
    ("GET", "…", Member(Viewer)),
    ("GET", "…/keys", Member(Viewer)),
    ("POST", "…/keys/bulk", Member(Developer)),
    ("GET", "…/keys/new", Member(Developer)),
    ("POST", "…/keys/new", Member(Developer)),
    ("GET", "…/keys/permissions", Member(Developer)),
    ("GET", "…/keys/{api_key_id}", Member(Viewer)),
    ("GET", "…/keys/{api_key_id}/edit", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/edit", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/rotate", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/rotate", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/regenerate", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/regenerate", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/disable", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/disable", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/enable", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/enable", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/block", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/block", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/unblock", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/unblock", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/revoke", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/revoke", Member(Developer)),
    ("GET", "…/keys/{api_key_id}/delete", Member(Developer)),
    ("POST", "…/keys/{api_key_id}/delete", Member(Developer)),
    ("GET", "…/leaks", Member(Viewer)),
    ("GET", "…/leaks/rules", Member(Viewer)),
    ("GET", "…/leaks/{leak_id}", Member(Viewer)),
    ("GET", "…/customers", Member(Viewer)),
    ("GET", "…/customers/new", Member(Developer)),
    ("POST", "…/customers/new", Member(Developer)),
    ("GET", "…/customers/{customer_id}", Member(Viewer)),
    ("GET", "…/customers/{customer_id}/edit", Member(Developer)),
    ("POST", "…/customers/{customer_id}/edit", Member(Developer)),
    ("GET", "…/customers/{customer_id}/archive", Member(Developer)),
    ("POST", "…/customers/{customer_id}/archive", Member(Developer)),
    ("POST", "…/customers/{customer_id}/restore", Member(Developer)),
    ("GET", "…/events", Member(Viewer)),
    ("GET", "…/events/{event_id}", Member(Viewer)),
    ("GET", "…/jobs", Member(Viewer)),
    // A viewer may export; what changes keys takes more.
    ("GET", "…/jobs/new", Member(Viewer)),
    ("POST", "…/jobs/new", Member(Viewer)),
    ("GET", "…/jobs/{job_id}", Member(Viewer)),
    // Or whoever asked for the job, which is none of them.
    ("POST", "…/jobs/{job_id}/cancel", Member(Developer)),
    ("POST", "…/jobs/{job_id}/retry", Member(Developer)),
    ("GET", "…/jobs/{job_id}/result", Member(Viewer)),
    ("POST", "…/jobs/{job_id}/secrets", Maker),
    ("GET", "…/entities", Member(Viewer)),
    ("GET", "…/entities/{entity_type}/{entity_id}", Member(Viewer)),
    ("GET", "…/sources", Member(Viewer)),
    ("GET", "…/applications", Member(Viewer)),
    ("GET", "…/applications/new", Member(Admin)),
    ("POST", "…/applications/new", Member(Admin)),
    ("GET", "…/applications/{application_id}", Member(Viewer)),
    ("GET", "…/applications/{application_id}/edit", Member(Admin)),
    ("POST", "…/applications/{application_id}/edit", Member(Admin)),
    ("GET", "…/applications/{application_id}/archive", Member(Admin)),
    ("POST", "…/applications/{application_id}/archive", Member(Admin)),
    ("POST", "…/applications/{application_id}/restore", Member(Admin)),
    ("GET", "…/applications/{application_id}/permissions", Member(Viewer)),
    ("GET", "…/applications/{application_id}/new-permission", Member(Admin)),
    ("POST", "…/applications/{application_id}/new-permission", Member(Admin)),
    ("GET", "…/applications/{application_id}/permissions/{permission}", Member(Admin)),
    ("POST", "…/applications/{application_id}/permissions/{permission}", Member(Admin)),
    ("GET", "…/applications/{application_id}/permissions/{permission}/remove", Member(Admin)),
    ("POST", "…/applications/{application_id}/permissions/{permission}/remove", Member(Admin)),
    ("GET", "…/applications/{application_id}/routing", Member(Viewer)),
    ("GET", "…/applications/{application_id}/routing/edit", Member(Admin)),
    ("POST", "…/applications/{application_id}/routing/edit", Member(Admin)),
    ("GET", "…/applications/{application_id}/gateways", Member(Viewer)),
    ("GET", "…/logs", Member(Viewer)),
    ("GET", "…/logs/export", Member(Viewer)),
    ("GET", "…/logs/live", Member(Viewer)),
    ("GET", "…/logs/stream", Member(Viewer)),
    ("GET", "…/logs/{log_id}", Member(Viewer)),
    ("GET", "…/keys/{api_key_id}/exposure", Member(Viewer)),
    ("GET", "…/keys/{api_key_id}/exposure/export", Member(Viewer)),
    ("GET", "…/audit", Member(Viewer)),
    ("GET", "…/audit/export", Member(Viewer)),
    ("GET", "…/audit/check", Member(Viewer)),
    ("POST", "…/audit/check", Member(Viewer)),
    ("GET", "…/playground", Member(Viewer)),
    ("GET", "…/playground/{name}", Member(Viewer)),
    ("POST", "…/playground/token", Member(Viewer)),
    ("GET", "…/members", Member(Viewer)),
    ("GET", "…/members/invitations", Member(Viewer)),
    ("GET", "…/members/invite", Member(Admin)),
    ("POST", "…/members/invite", Member(Admin)),
    ("POST", "…/members/invitations/{invitation_id}/withdraw", Member(Admin)),
    ("GET", "…/members/{person_id}/role", Member(Admin)),
    ("POST", "…/members/{person_id}/role", Member(Admin)),
    ("GET", "…/members/{person_id}/remove", Member(Admin)),
    ("POST", "…/members/{person_id}/remove", Member(Admin)),
    ("GET", "…/members/{person_id}/reset", Member(Admin)),
    ("POST", "…/members/{person_id}/reset", Member(Admin)),
    ("GET", "…/webhooks", Member(Admin)),
    ("GET", "…/webhooks/new", Member(Admin)),
    ("POST", "…/webhooks/new", Member(Admin)),
    ("GET", "…/webhooks/{webhook_id}", Member(Admin)),
    ("GET", "…/webhooks/{webhook_id}/edit", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/edit", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/test", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/enable", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/disable", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/redeliver", Member(Admin)),
    ("GET", "…/webhooks/{webhook_id}/rotate", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/rotate", Member(Admin)),
    ("GET", "…/webhooks/{webhook_id}/delete", Member(Admin)),
    ("POST", "…/webhooks/{webhook_id}/delete", Member(Admin)),
    ("GET", "…/settings", Member(Viewer)),
    ("POST", "…/settings", Member(Owner)),
];

/// Who may do that; a place without a row fails.
#[track_caller]
pub(crate) fn row(method: &str, path: &str) -> Needs {
    let path = path.replace("/console/{tenant_id}", "…");
    let found = ROWS.iter().find(|(of, at, _)| *of == method && *at == path);
    found.unwrap_or_else(|| panic!("{method} {path} has no row: say who may open or send it")).2
}
