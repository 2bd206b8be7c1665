//! What stands around every page of somebody who is signed in.

use http::HeaderMap;
use keystile_core::{Digest, Role, Secret, Tenant, TenantId, Timestamp};
use keystile_manage::Me;

const HX_REQUEST: &str = "hx-request";

/// Where a page is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Surroundings {
    /// By itself.
    Page,
    /// In a panel over another page, without what stands around.
    Panel,
}

impl Surroundings {
    /// A script that asks says so.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        if headers.contains_key(HX_REQUEST) { Self::Panel } else { Self::Page }
    }
}

/// A tenant in the list of those that one can go to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: TenantId,
    pub(super) name: String,
}

/// What stands around a page: whose it is, where one can go, and the proof that its forms are ours.
#[derive(Debug, Clone)]
pub(super) struct Shell {
    pub(super) email: String,
    pub(super) tenant: Place,
    pub(super) tenants: Vec<Place>,
    pub(super) role: Role,
    pub(super) section: String,
    pub(super) form_token: String,
    pub(super) theme: Option<&'static str>,
    pub(super) told: Option<&'static str>,
    pub(super) surroundings: Surroundings,
    pub(super) now: Timestamp,
}

impl Shell {
    /// The path of a page of the tenant: `shell.path("keys")`.
    pub(super) fn path(&self, page: &str) -> String {
        format!("/console/{}/{page}", self.tenant.id)
    }

    pub(super) fn is_page(&self) -> bool {
        self.surroundings == Surroundings::Page
    }

    /// Whether the role is at least this one.
    pub(super) fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Whether keys can be made and changed.
    pub(super) fn may_manage_keys(&self) -> bool {
        self.may(Role::Developer)
    }

    /// Whether applications, members and the like can be changed.
    pub(super) fn may_administer(&self) -> bool {
        self.may(Role::Admin)
    }

    /// The pages of a group that the role may open.
    pub(super) fn pages_of(&self, group: &Group) -> impl Iterator<Item = &'static Entry> + use<> {
        let role = self.role;
        group.pages.iter().filter(move |page| role >= page.least)
    }

    /// `page` in the list of pages is the one that is shown.
    pub(super) fn is_at(&self, page: &str) -> bool {
        self.section == page
    }

    pub(super) fn navigation(&self) -> &'static [Group] {
        NAVIGATION
    }

    pub(super) fn initial(&self) -> char {
        self.tenant.name.chars().next().unwrap_or('K')
    }
}

/// What stands around a page that belongs to no tenant: what stands around those of the person's own tenant, or not much
/// for somebody who is in none.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) shell: Option<Shell>,
    pub(super) email: String,
    pub(super) form_token: String,
    pub(super) theme: Option<&'static str>,
    pub(super) told: Option<&'static str>,
    pub(super) surroundings: Surroundings,
    pub(super) now: Timestamp,
}

impl Frame {
    pub(super) fn is_page(&self) -> bool {
        self.surroundings == Surroundings::Page
    }
}

/// A group of pages in the navigation.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) pages: &'static [Entry],
}

/// A page in the navigation.
pub(super) struct Entry {
    /// Who may open it: whoever has at least this role.
    pub(super) least: Role,
    /// Behind the tenant's path.
    pub(super) path: &'static str,
    pub(super) icon: &'static str,
    pub(super) name: &'static str,
}

const fn entry(path: &'static str, icon: &'static str, name: &'static str) -> Entry {
    Entry { least: Role::Viewer, path, icon, name }
}

/// What can be gone to.
const NAVIGATION: &[Group] = &[
    Group {
        name: "",
        pages: &[
            entry("", "overview", "Overview"),
            entry("keys", "key", "API keys"),
            entry("leaks", "leak", "Leaks"),
            entry("customers", "customers", "Customers"),
            entry("applications", "application", "Applications"),
        ],
    },
    Group {
        name: "Language models",
        pages: &[
            entry("llm-keys", "key", "LLM keys"),
            entry("models", "model", "Models and prices"),
            Entry { least: Role::Admin, ..entry("providers", "provider", "Providers") },
            entry("spend", "money", "Spend"),
            entry("ledger", "list", "Ledger"),
            entry("holds", "clock", "Open holds"),
        ],
    },
    Group {
        name: "Ingest",
        pages: &[
            entry("events", "chart", "Events"),
            entry("sources", "link", "Sources"),
            entry("entities", "list", "Entities"),
        ],
    },
    Group {
        name: "Activity",
        pages: &[
            entry("logs", "logs", "Logs"),
            entry("jobs", "clock", "Jobs"),
            entry("audit", "audit", "Audit log"),
        ],
    },
    Group {
        name: "Tenant",
        pages: &[
            entry("members", "members", "Members"),
            Entry { least: Role::Admin, ..entry("webhooks", "webhook", "Webhooks") },
            entry("playground", "playground", "Playground"),
            entry("settings", "settings", "Settings"),
        ],
    },
];

/// The tenants that one can go to.
pub(super) fn places(tenants: &[(Tenant, Role)]) -> Vec<Place> {
    tenants.iter().map(|(tenant, _)| place(tenant)).collect()
}

/// The tenant where somebody begins: that of their session, or else their first.
pub(super) fn home(me: &Me) -> Option<&(Tenant, Role)> {
    let of_session = me.tenants.iter().find(|(tenant, _)| Some(tenant.id) == me.session.tenant_id);
    of_session.or_else(|| me.tenants.iter().min_by_key(|(tenant, _)| tenant.id))
}

pub(super) fn place(tenant: &Tenant) -> Place {
    Place { id: tenant.id, name: tenant.name.as_str().to_owned() }
}

/// What forms of this session carry. Whoever does not know the session cannot know it, and the session cannot be
/// told from it.
pub(super) fn form_token(session: &Secret) -> String {
    Digest::of(&[b"keystile console form\0", session.expose().as_bytes()].concat()).to_hex()
}
