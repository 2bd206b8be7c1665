//! What an application needs of keys, by method and path.

use keystile_core::route::{HostRule, MAX_OF_ROUTE, Needed, Route, Routed, Unmatched};
use keystile_core::{Environment, Invalid, PermissionName, Routing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::broken::Broken;
use crate::{Object, PermissionsAsked, schema};

/// The routing of an application, to be written as a whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetRouting {
    /// Hosts that tell the environment; the nearest one does.
    #[schema(value_type = Vec<HostBody>, max_items = 100)]
    #[serde(default)]
    pub hosts: Vec<Object<HostBody>>,
    /// What paths need; of the templates that fit, the most specific one decides.
    #[schema(value_type = Vec<RouteBody>, max_items = 1000)]
    #[serde(default)]
    pub routes: Vec<Object<RouteBody>>,
    /// What becomes of requests that no route covers: `refuse`, unless there is no route.
    #[schema(schema_with = schema::maybe_unmatched)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<Unmatched>,
    /// The version the change was made for; refused with 409 when the routing has moved on.
    #[schema(minimum = 1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// A host and the environment it serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostBody {
    /// In lower case and without a port; `*.example.com` stands for all below one.
    #[schema(example = "api.example.com", max_length = 253)]
    pub host: String,
    /// What it serves.
    #[schema(schema_with = schema::environment)]
    pub environment: Environment,
}

/// What a path needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteBody {
    /// In upper case; none stands for every method that no other route of the same path names.
    #[schema(example = json!(["GET", "HEAD"]), max_items = 20)]
    #[serde(default)]
    pub methods: Vec<String>,
    /// A path in which `{id}` stands for any one segment, and at its end `{*rest}` for whatever follows, even nothing.
    #[schema(example = "/v1/customers/{id}/orders/{*rest}", max_length = 512)]
    pub path: String,
    /// What the key must have; without it, any good key of the application may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<PermissionsAsked>,
    /// Where the key must work.
    #[schema(schema_with = schema::maybe_environment)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

/// The routing of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RoutingView {
    /// Hosts that tell the environment.
    pub hosts: Vec<HostBody>,
    /// What paths need.
    pub routes: Vec<RouteBody>,
    /// What becomes of requests that no route covers.
    #[schema(schema_with = schema::unmatched)]
    pub unmatched: Unmatched,
    /// Counts the writes, from 1.
    #[schema(minimum = 1)]
    pub version: i64,
}

impl SetRouting {
    /// Checks every rule but those between routes.
    ///
    /// # Errors
    /// Every broken rule.
    pub fn parse(&self) -> Result<Routing, Vec<Invalid>> {
        let mut broken = Broken::default();
        let hosts = (0..).zip(&self.hosts).filter_map(|(place, Object(body)): (usize, _)| {
            let host = broken.required(&format!("hosts[{place}].host"), body.host.parse());
            host.map(|host| HostRule { host, environment: body.environment })
        });
        let hosts = hosts.collect();
        let mut routes = Vec::new();
        for (place, Object(body)) in self.routes.iter().enumerate() {
            routes.extend(body.parse(&format!("routes[{place}]"), &mut broken));
        }
        let unless_said = if routes.is_empty() { Unmatched::Authenticate } else { Unmatched::Refuse };
        broken.or(Some(Routing { hosts, routes, unmatched: self.unmatched.unwrap_or(unless_said) }))
    }
}

impl RouteBody {
    fn parse(&self, at: &str, broken: &mut Broken) -> Option<Route> {
        let methods = broken.required(&format!("{at}.methods"), all(&self.methods));
        let path = broken.required(&format!("{at}.path"), self.path.parse());
        let permissions = match &self.permissions {
            None => Ok(Needed::All(Vec::new())),
            Some(asked) => needed(asked),
        };
        let permissions = broken.required(&format!("{at}.permissions"), permissions);
        let (methods, path, permissions) = (methods?, path?, permissions?);
        Some(Route { methods, path, permissions, environment: self.environment })
    }
}

/// The texts in their order, each once.
fn all<T: std::str::FromStr<Err = Invalid> + PartialEq>(texts: &[String]) -> Result<Vec<T>, Invalid> {
    if texts.len() > MAX_OF_ROUTE {
        return Err(Invalid::rule(format!("must have at most {MAX_OF_ROUTE} entries")));
    }
    let mut parsed = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        let item = text.parse().map_err(|invalid: Invalid| invalid.at(&format!("[{place}]")))?;
        if parsed.contains(&item) {
            return Err(Invalid::new(format!("[{place}]"), "stands in this list twice"));
        }
        parsed.push(item);
    }
    Ok(parsed)
}

fn needed(asked: &PermissionsAsked) -> Result<Needed, Invalid> {
    let (texts, one_is_enough) = asked.parts();
    let names: Vec<PermissionName> = all(texts)?;
    match (one_is_enough, names.is_empty()) {
        (true, true) => Err(Invalid::new("any", "must not be empty; nobody could meet it")),
        (true, false) => Ok(Needed::Any(names)),
        (false, _) => Ok(Needed::All(names)),
    }
}

impl From<Routed> for RoutingView {
    fn from(routed: Routed) -> Self {
        let Routed { routing, version, .. } = routed;
        let host = |rule: HostRule| HostBody { host: rule.host.to_string(), environment: rule.environment };
        Self {
            hosts: routing.hosts.into_iter().map(host).collect(),
            routes: routing.routes.into_iter().map(RouteBody::from).collect(),
            unmatched: routing.unmatched,
            version,
        }
    }
}

impl From<Route> for RouteBody {
    fn from(route: Route) -> Self {
        let texts = route.permissions.names().iter().map(ToString::to_string).collect();
        let permissions = match route.permissions {
            Needed::All(_) => PermissionsAsked::All { all: texts },
            Needed::Any(_) => PermissionsAsked::Any { any: texts },
        };
        Self {
            methods: route.methods.iter().map(ToString::to_string).collect(),
            path: route.path.to_string(),
            permissions: Some(permissions),
            environment: route.environment,
        }
    }
}
