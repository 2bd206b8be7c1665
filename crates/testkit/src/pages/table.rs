//! The table of the console's pages. Whoever adds a page adds it here.

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
    /// models), `{provider}`, `{model}` and `{unpriced}` (another model), `{charge}` and `{hold}` stand for those of the scene.
    pub path: &'static str,
    /// What it is answered with.
    pub status: u16,
    /// The error that the console is told of, because the page is answered with one.
    pub complaint: Option<&'static str>,
    /// What is done on it before it is looked at.
    pub then: fn(&Browser),
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
    Page { name, who, path, status: 200, complaint: None, then: |_| {} }
}

/// Every page of the console.
pub const PAGES: &[Page] = &[
    page("setup", Who::FirstOwner, "/console/setup"),
    page("sign-in", Who::Nobody, "/console/sign-in"),
    Page {
        then: refused_sign_in,
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
        then: preview_import,
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
    page("account", Who::Owner, "/console/account"),
    page("account-second-factor", Who::Owner, "/console/account/second-factor"),
    page("tenant-new", Who::Owner, "/console/tenants/new"),
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
        ];
        put.iter().fold(self.path.to_owned(), |path, (name, id)| path.replace(name, id))
    }
}

fn preview_import(browser: &Browser) {
    browser.control("See what would be taken").click();
    browser.css("h1").wait_for_text(|text| text == "What would be taken over");
}

fn refused_sign_in(browser: &Browser) {
    browser.css("[name=email]").fill("grace@acme.example");
    browser.css("[name=password]").fill("not-the-right-one");
    browser.css("[type=submit]").click();
    browser.css("[role=alert]").wait();
}
