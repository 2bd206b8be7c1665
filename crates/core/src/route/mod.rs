//! What an application needs of the keys that call it: which permission for which method and path, and which
//! environment at which host.
//!
//! [`Routing`] is the document that people write. [`Table`] is made of it, and finds the [`Route`] of a request.

mod path;
mod table;
mod template;

use serde::{Deserialize, Serialize};

use crate::invalid::text_enum;
use crate::permission::Requirement;
use crate::text::checked_text;
use crate::{ApplicationId, Environment, Invalid, Permission, PermissionName, TenantId};

pub use path::{PlainPath, Unclear};
pub use table::{NoRoute, Table};
pub use template::PathTemplate;

/// Most routes of one application.
pub const MAX_ROUTES: usize = 1_000;
/// Most hosts of one application.
pub const MAX_HOSTS: usize = 100;
/// Most methods, and most permissions, of one route.
pub const MAX_OF_ROUTE: usize = 20;
/// Longest method, in bytes.
const MAX_METHOD: usize = 20;
/// Longest host, in bytes: what a name in the DNS can have.
const MAX_HOST: usize = 253;

text_enum!(
    /// What becomes of a request that no route covers.
    Unmatched {
        /// It is refused.
        Refuse = "refuse",
        /// Any good key of the application may pass.
        Authenticate = "authenticate",
    }
);

checked_text!(
    /// A method of HTTP, in upper case: `GET`.
    Method,
    check_method
);

checked_text!(
    /// The name of a host, or `*.example.com` for all below one; in lower case.
    Host,
    check_host
);

/// What an application needs of the keys that call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routing {
    /// Hosts that tell the environment.
    pub hosts: Vec<HostRule>,
    /// What paths need.
    pub routes: Vec<Route>,
    /// What becomes of other paths.
    pub unmatched: Unmatched,
}

/// A host and the environment it serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRule {
    /// Which one.
    pub host: Host,
    /// What it serves.
    pub environment: Environment,
}

/// What a path needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// For these methods; none stands for every one that no other route of the same path names.
    pub methods: Vec<Method>,
    /// Below these paths.
    pub path: PathTemplate,
    /// What the key must have.
    pub permissions: Needed,
    /// Where the key must work.
    pub environment: Option<Environment>,
}

/// The permissions that a route needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Needed {
    /// Every one; an empty list needs nothing.
    All(Vec<PermissionName>),
    /// At least one.
    Any(Vec<PermissionName>),
}

/// The routing of an application, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The application.
    pub application_id: ApplicationId,
    /// What it needs.
    pub routing: Routing,
    /// Counts the writes, from 1.
    pub version: i64,
}

impl Routing {
    /// The routing of an application that has never been given one: any good key may pass.
    pub const NONE: Self = Self { hosts: Vec::new(), routes: Vec::new(), unmatched: Unmatched::Authenticate };

    /// Whether it says nothing about any request.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }
}

impl Needed {
    /// The permissions.
    pub fn names(&self) -> &[PermissionName] {
        match self {
            Self::All(names) | Self::Any(names) => names,
        }
    }

    /// The permissions, as they are asked for.
    pub fn permissions(&self) -> Vec<Permission<'_>> {
        self.names().iter().map(PermissionName::permission).collect()
    }

    /// What is needed when `more` is needed as well; `own` are [`Self::permissions`].
    pub const fn and<'a>(&self, own: &'a [Permission<'a>], more: &'a [Permission<'a>]) -> Requirement<'a> {
        match self {
            Self::All(_) => Requirement::AllOf([own, more]),
            Self::Any(_) => Requirement::AnyAndAll { any: own, all: more },
        }
    }
}

fn check_method(text: &str) -> Result<String, Invalid> {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
    if text.is_empty() || text.len() > MAX_METHOD || !text.bytes().all(is_letter) {
        return Err(Invalid::rule("must be a method in upper case, such as `GET`"));
    }
    Ok(text.to_owned())
}

fn check_host(text: &str) -> Result<String, Invalid> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_letter =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_letter);
    if text.len() > MAX_HOST || !name.split('.').all(is_label) {
        return Err(Invalid::rule(
            "must be a host in lower case without a port, such as `api.example.com` or `*.example.com`",
        ));
    }
    Ok(text.to_owned())
}
