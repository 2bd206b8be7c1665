//! The table of the console's pages. Whoever adds a page adds it here.

use super::deeds;
use crate::browser::Browser;
use crate::scene::Scene;

/// A page to look at.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// What its pictures are called.
    pub name: &'static str,
    /// Who sees it.
    pub who: Who,
    /// Where it is. `{tenant}`, `{key}`, `{blocked}`, `{revoked}` and `{leaked}` (other keys), `{application}`, `{customer}`,
    /// `{event}`, `{job}`, `{leak}`, `{log}` (a request in the log), `{webhook}` and `{failing}` (another webhook), `{llm}` (a key for language
    /// models), `{provider}`, `{model}` and `{unpriced}` (another model), `{charge}` and `{hold}` stand for those of the scene, and `{empty}` for
    /// a tenant that has only just been made.
    pub path: &'static str,
    /// What it is answered with.
    pub status: u16,
    /// The error that the console is told of, because the page is answered with one.
    pub complaint: Option<&'static str>,
    /// What is done on it before it is looked at.
    pub then: fn(&Browser),
    /// Where that leads, if it is another place; it is named as the path is.
    pub end: Option<&'static str>,
}

/// Who looks at a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Somebody before a server that nobody has set up.
    FirstOwner,
    /// Somebody who has not signed in.
    Nobody,
    /// The owner of the scene's tenant.
    Owner,
    /// A member who may only read.
    Viewer,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 4] = [Self::FirstOwner, Self::Nobody, Self::Owner, Self::Viewer];
}

const fn page(name: &'static str, who: Who, path: &'static str) -> Page {
    Page { name, who, path, status: 200, complaint: None, then: |_| {}, end: None }
}

/// Every page of the console.
pub const PAGES: &[Page] = &[
    page("setup", Who::FirstOwner, "/console/setup"),
    page("sign-in", Who::Nobody, "/console/sign-in"),
    Page {
        then: deeds::refused_sign_in,
        complaint: Some("status of 422"),
        ..page("sign-in-refused", Who::Nobody, "/console/sign-in")
    },
    Page { complaint: Some("status of 404"), ..page("invitation", Who::Nobody, "/console/invitation") },
    page("reset", Who::Nobody, "/console/reset"),
    page("overview", Who::Owner, "/console/{tenant}"),
    page("keys", Who::Owner, "/console/{tenant}/keys"),
    page("keys-none-found", Who::Owner, "/console/{tenant}/keys?q=there-is-none"),
    page("key-new", Who::Owner, "/console/{tenant}/keys/new"),
    page("key", Who::Owner, "/console/{tenant}/keys/{key}"),
    page("key-edit", Who::Owner, "/console/{tenant}/keys/{key}/edit"),
    page("key-rotate", Who::Owner, "/console/{tenant}/keys/{key}/rotate"),
    page("key-regenerate", Who::Owner, "/console/{tenant}/keys/{key}/regenerate"),
    page("key-block", Who::Owner, "/console/{tenant}/keys/{key}/block"),
    page("key-revoke", Who::Owner, "/console/{tenant}/keys/{key}/revoke"),
    page("key-blocked", Who::Owner, "/console/{tenant}/keys/{blocked}"),
    page("key-leaked", Who::Owner, "/console/{tenant}/keys/{leaked}"),
    page("leaks", Who::Owner, "/console/{tenant}/leaks"),
    page("leaks-none-found", Who::Owner, "/console/{tenant}/leaks?key_id={key}"),
    page("leak", Who::Owner, "/console/{tenant}/leaks/{leak}"),
    page("leak-rules", Who::Owner, "/console/{tenant}/leaks/rules?format=detect-secrets"),
    page("customers", Who::Owner, "/console/{tenant}/customers"),
    page("customer-new", Who::Owner, "/console/{tenant}/customers/new"),
    page("customer", Who::Owner, "/console/{tenant}/customers/{customer}"),
    page("customer-archive", Who::Owner, "/console/{tenant}/customers/{customer}/archive"),
    page("applications", Who::Owner, "/console/{tenant}/applications"),
    page("application-new", Who::Owner, "/console/{tenant}/applications/new"),
    page("application", Who::Owner, "/console/{tenant}/applications/{application}"),
    page("application-permissions", Who::Owner, "/console/{tenant}/applications/{application}/permissions"),
    page("application-routing", Who::Owner, "/console/{tenant}/applications/{application}/routing"),
    page("application-routing-edit", Who::Owner, "/console/{tenant}/applications/{application}/routing/edit"),
    page("application-gateways", Who::Owner, "/console/{tenant}/applications/{application}/gateways"),
    page("events", Who::Owner, "/console/{tenant}/events"),
    page("events-none-found", Who::Owner, "/console/{tenant}/events?type=there.is.none"),
    page("event", Who::Owner, "/console/{tenant}/events/{event}"),
    page("sources", Who::Owner, "/console/{tenant}/sources"),
    page("sources-none-there", Who::Owner, "/console/{tenant}/sources?environment=development"),
    page("jobs", Who::Owner, "/console/{tenant}/jobs"),
    page("jobs-none-found", Who::Owner, "/console/{tenant}/jobs?state=failed"),
    page("job", Who::Owner, "/console/{tenant}/jobs/{job}"),
    page("job-export", Who::Owner, "/console/{tenant}/jobs/new?act=export&environment=production"),
    page("job-revoke", Who::Owner, "/console/{tenant}/jobs/new?act=revoke&environment=development"),
    page("job-none-found", Who::Owner, "/console/{tenant}/jobs/new?act=revoke&q=there.is.none"),
    page("job-rotate", Who::Owner, "/console/{tenant}/jobs/new?act=rotate&rotation_due=true"),
    page("entities", Who::Owner, "/console/{tenant}/entities"),
    page("entity", Who::Owner, "/console/{tenant}/entities/shipment/SH-20417"),
    page("logs", Who::Owner, "/console/{tenant}/logs"),
    page("logs-of-key", Who::Owner, "/console/{tenant}/logs?key_id={revoked}&result=refused"),
    page("logs-none-found", Who::Owner, "/console/{tenant}/logs?path=/there/is/none"),
    page("logs-live", Who::Owner, "/console/{tenant}/logs/live"),
    page("log", Who::Owner, "/console/{tenant}/logs/{log}"),
    page("key-exposure", Who::Owner, "/console/{tenant}/keys/{revoked}/exposure"),
    page("audit", Who::Owner, "/console/{tenant}/audit"),
    page("audit-check", Who::Owner, "/console/{tenant}/audit/check"),
    page("playground", Who::Owner, "/console/{tenant}/playground"),
    page("playground-keys", Who::Owner, "/console/{tenant}/playground/integration"),
    page("playground-create", Who::Owner, "/console/{tenant}/playground/create_key"),
    page("members", Who::Owner, "/console/{tenant}/members"),
    page("members-invitations", Who::Owner, "/console/{tenant}/members/invitations"),
    page("members-invite", Who::Owner, "/console/{tenant}/members/invite"),
    page("llm-keys", Who::Owner, "/console/{tenant}/llm-keys"),
    page("llm-keys-none-found", Who::Owner, "/console/{tenant}/llm-keys?q=there-is-none"),
    page("llm-key", Who::Owner, "/console/{tenant}/keys/{llm}"),
    page("llm-key-new", Who::Owner, "/console/{tenant}/keys/new?kind=virtual_llm"),
    page("models", Who::Owner, "/console/{tenant}/models"),
    page("models-none-found", Who::Owner, "/console/{tenant}/models?q=there-is-none"),
    page("models-import", Who::Owner, "/console/{tenant}/models/import?provider_id={provider}"),
    Page {
        then: deeds::preview_import,
        ..page("models-import-preview", Who::Owner, "/console/{tenant}/models/import")
    },
    page("model-new", Who::Owner, "/console/{tenant}/models/new?provider_id={provider}"),
    page("model", Who::Owner, "/console/{tenant}/models/{model}"),
    page("model-unpriced", Who::Owner, "/console/{tenant}/models/{unpriced}"),
    page("model-edit", Who::Owner, "/console/{tenant}/models/{model}/edit"),
    page("model-delete", Who::Owner, "/console/{tenant}/models/{model}/delete"),
    page("providers", Who::Owner, "/console/{tenant}/providers"),
    page("provider-new", Who::Owner, "/console/{tenant}/providers/new"),
    page("provider", Who::Owner, "/console/{tenant}/providers/{provider}"),
    page("provider-edit", Who::Owner, "/console/{tenant}/providers/{provider}/edit"),
    page("provider-delete", Who::Owner, "/console/{tenant}/providers/{provider}/delete"),
    page("spend", Who::Owner, "/console/{tenant}/spend"),
    page("spend-by-model", Who::Owner, "/console/{tenant}/spend?by=model"),
    page("spend-narrowed", Who::Owner, "/console/{tenant}/spend?environment=production&model=gpt-4o"),
    page("spend-of-nothing", Who::Owner, "/console/{tenant}/spend?from=2020-01-01&to=2020-01-31"),
    page("ledger", Who::Owner, "/console/{tenant}/ledger"),
    page("ledger-none-found", Who::Owner, "/console/{tenant}/ledger?model=there-is-none"),
    page("ledger-row", Who::Owner, "/console/{tenant}/ledger/{charge}"),
    page("ledger-correct", Who::Owner, "/console/{tenant}/ledger/{charge}/correct"),
    page("holds", Who::Owner, "/console/{tenant}/holds"),
    page("hold-settle", Who::Owner, "/console/{tenant}/holds/{hold}/settle"),
    page("webhooks", Who::Owner, "/console/{tenant}/webhooks"),
    page("webhook-new", Who::Owner, "/console/{tenant}/webhooks/new"),
    page("webhook", Who::Owner, "/console/{tenant}/webhooks/{webhook}"),
    page("webhook-failing", Who::Owner, "/console/{tenant}/webhooks/{failing}"),
    page("webhook-edit", Who::Owner, "/console/{tenant}/webhooks/{webhook}/edit"),
    page("webhook-rotate", Who::Owner, "/console/{tenant}/webhooks/{webhook}/rotate"),
    page("webhook-delete", Who::Owner, "/console/{tenant}/webhooks/{webhook}/delete"),
    page("settings", Who::Owner, "/console/{tenant}/settings"),
    page("first-overview", Who::Owner, "/console/{empty}"),
    page("first-keys", Who::Owner, "/console/{empty}/keys"),
    page("first-leaks", Who::Owner, "/console/{empty}/leaks"),
    page("first-customers", Who::Owner, "/console/{empty}/customers"),
    page("first-llm-keys", Who::Owner, "/console/{empty}/llm-keys"),
    page("first-models", Who::Owner, "/console/{empty}/models"),
    page("first-providers", Who::Owner, "/console/{empty}/providers"),
    page("first-spend", Who::Owner, "/console/{empty}/spend"),
    page("first-ledger", Who::Owner, "/console/{empty}/ledger"),
    page("first-holds", Who::Owner, "/console/{empty}/holds"),
    page("first-events", Who::Owner, "/console/{empty}/events"),
    page("first-sources", Who::Owner, "/console/{empty}/sources"),
    page("first-entities", Who::Owner, "/console/{empty}/entities"),
    page("first-logs", Who::Owner, "/console/{empty}/logs"),
    page("first-jobs", Who::Owner, "/console/{empty}/jobs"),
    page("first-webhooks", Who::Owner, "/console/{empty}/webhooks"),
    page("first-invitations", Who::Owner, "/console/{empty}/members/invitations"),
    page("account", Who::Owner, "/console/account"),
    page("account-second-factor", Who::Owner, "/console/account/second-factor"),
    Page {
        then: deeds::enrol,
        ..page("account-second-factor-secret", Who::Owner, "/console/account/second-factor")
    },
    page("tenant-new", Who::Owner, "/console/tenants/new"),
    Page { then: deeds::open_the_navigation, ..page("navigation", Who::Owner, "/console/{tenant}/settings") },
    page("keys-filtered", Who::Owner, "/console/{tenant}/keys?kind=service&trust_level=internal"),
    Page { then: deeds::open_the_panel, ..page("keys-panel", Who::Owner, "/console/{tenant}/keys?q=desk") },
    Page { then: deeds::choose_keys, ..page("keys-chosen", Who::Owner, "/console/{tenant}/keys?q=desk") },
    Page {
        then: deeds::ask_to_revoke_keys,
        end: Some("/console/{tenant}/keys/bulk"),
        ..page("keys-revoke", Who::Owner, "/console/{tenant}/keys?q=desk")
    },
    Page {
        then: deeds::open_the_menu_of_the_page,
        ..page("key-menu", Who::Owner, "/console/{tenant}/keys/{key}")
    },
    Page { then: deeds::open_everything, ..page("key-new-open", Who::Owner, "/console/{tenant}/keys/new") },
    Page {
        then: deeds::make_key_without_a_name,
        status: 422,
        complaint: Some("status of 422"),
        ..page("key-new-refused", Who::Owner, "/console/{tenant}/keys/new")
    },
    page(
        "application-routing-tried",
        Who::Owner,
        "/console/{tenant}/applications/{application}/routing?method=GET&path=/v1/orders/7",
    ),
    Page { then: deeds::open_entries, ..page("audit-entries", Who::Owner, "/console/{tenant}/audit") },
    Page {
        then: deeds::verify_the_chain,
        ..page("audit-verified", Who::Owner, "/console/{tenant}/audit/check")
    },
    Page { then: deeds::make_key, ..page("key-issued", Who::Owner, "/console/{tenant}/keys/new") },
    Page {
        status: 404,
        complaint: Some("status of 404"),
        ..page("not-found", Who::Owner, "/console/{tenant}/nothing-here")
    },
    page("overview-as-viewer", Who::Viewer, "/console/{tenant}"),
    page("logs-as-viewer", Who::Viewer, "/console/{tenant}/logs"),
    page("keys-as-viewer", Who::Viewer, "/console/{tenant}/keys"),
    page("leak-as-viewer", Who::Viewer, "/console/{tenant}/leaks/{leak}"),
    page("models-as-viewer", Who::Viewer, "/console/{tenant}/models"),
    page("ledger-row-as-viewer", Who::Viewer, "/console/{tenant}/ledger/{charge}"),
    page("key-as-viewer", Who::Viewer, "/console/{tenant}/keys/{key}"),
];

impl Page {
    /// Its path, of the things in this scene.
    #[must_use]
    pub fn path_in(&self, scene: &Scene) -> String {
        named(self.path, scene)
    }

    /// The path where it is looked at, likewise.
    #[must_use]
    pub fn end_in(&self, scene: &Scene) -> String {
        named(self.end.unwrap_or(self.path), scene)
    }
}

/// A path, of the things in this scene.
fn named(path: &str, scene: &Scene) -> String {
    let key = |name: &str| scene.key(name).id.as_str();
    let put = [
        ("{tenant}", scene.tenant_id.as_str()),
        ("{key}", key("Checkout service")),
        ("{blocked}", key("Blue Window storefront")),
        ("{leaked}", key("Warehouse sync")),
        ("{application}", &scene.applications[0]),
        ("{customer}", &scene.customers[0]),
        ("{revoked}", key("Migration laptop")),
        ("{event}", &scene.event),
        ("{leak}", &scene.leak),
        ("{job}", &scene.job),
        ("{webhook}", &scene.webhooks[0]),
        ("{failing}", &scene.webhooks[1]),
        ("{log}", &scene.log),
        ("{llm}", key("Support assistant")),
        ("{provider}", &scene.providers[0]),
        ("{model}", &scene.models[1]),
        ("{unpriced}", &scene.models[0]),
        ("{charge}", &scene.charge),
        ("{hold}", &scene.hold),
        ("{empty}", &scene.empty),
    ];
    put.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
}
