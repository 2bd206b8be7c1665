//! Finding the route of a request.
//!
//! The table is a tree of segments. At each one the fixed text is tried first, then `{any}`, then `{*rest}`, so the most
//! specific template decides. Fixed texts are found whatever their case, as some servers do not tell cases apart;
//! a path that is spelled otherwise than its template is refused, lest it reach a weaker route.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::template::Segment;
use super::{Host, HostRule, MAX_HOSTS, MAX_ROUTES, PlainPath, Route, Routing, Unmatched};
use crate::{Environment, Invalid};

/// A routing, made ready for finding.
#[derive(Debug)]
pub struct Table {
    routing: Routing,
    root: Node,
}

/// Why no key may make a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRoute {
    /// Nothing is known of the path.
    #[error("no route of this application covers this path")]
    Path,
    /// The path is known, but not with this method.
    #[error("the route of this path does not take this method")]
    Method,
    /// The path is known in another spelling.
    #[error("this path is known with other upper and lower case letters")]
    Spelling,
}

#[derive(Debug, Default)]
struct Node {
    fixed: HashMap<Box<str>, Fixed>,
    any: Option<Box<Node>>,
    own: Leaf,
    rest: Leaf,
}

#[derive(Debug)]
struct Fixed {
    spelled: Box<str>,
    node: Node,
}

/// The places of the routes whose template ends here.
type Leaf = Vec<usize>;

impl Table {
    /// Checks a routing as a whole, and makes its table.
    ///
    /// # Errors
    /// When it is too long, or two of its rules contradict each other.
    pub fn new(routing: Routing) -> Result<Self, Invalid> {
        check_hosts(&routing.hosts)?;
        if routing.routes.len() > MAX_ROUTES {
            return Err(Invalid::new("routes", format!("must have at most {MAX_ROUTES} entries")));
        }
        let mut root = Node::default();
        for place in 0..routing.routes.len() {
            let invalid = |invalid: Invalid| invalid.at(&format!("routes[{place}]"));
            root.insert(&routing.routes, place).map_err(invalid)?;
        }
        Ok(Self { routing, root })
    }

    /// The document it was made of.
    pub const fn routing(&self) -> &Routing {
        &self.routing
    }

    /// The same, without the table.
    pub fn into_routing(self) -> Routing {
        self.routing
    }

    /// Whether it looks at the path of a request.
    pub fn has_routes(&self) -> bool {
        !self.routing.routes.is_empty() || self.routing.unmatched == Unmatched::Refuse
    }

    /// Whether it looks at the host of a request.
    pub fn has_hosts(&self) -> bool {
        !self.routing.hosts.is_empty()
    }

    /// The route of a request; none when any good key may make it.
    ///
    /// # Errors
    /// When no key may.
    pub fn route(&self, method: &str, path: &PlainPath) -> Result<Option<&Route>, NoRoute> {
        let Some((leaf, spelled)) = self.root.find(path.segments()) else {
            return match self.routing.unmatched {
                Unmatched::Refuse => Err(NoRoute::Path),
                Unmatched::Authenticate => Ok(None),
            };
        };
        if !spelled {
            return Err(NoRoute::Spelling);
        }
        let routes = || leaf.iter().filter_map(|place| self.routing.routes.get(*place));
        let own = routes().find(|route| route.methods.iter().any(|own| own.as_str() == method));
        let own = own.or_else(|| routes().find(|route| route.methods.is_empty()));
        own.map(Some).ok_or(NoRoute::Method)
    }

    /// The environment that a host serves. `host` may have a port.
    pub fn environment_of(&self, host: &str) -> Option<Environment> {
        let host = host.rsplit_once(':').map_or(host, |(name, _port)| name);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if host.parse::<Host>().is_err() {
            return None;
        }
        let exact = self.routing.hosts.iter().find(|rule| rule.host.as_str() == host);
        let below = || self.routing.hosts.iter().filter(|rule| is_below(&host, rule));
        let rule = exact.or_else(|| below().max_by_key(|rule| rule.host.as_str().len()));
        rule.map(|rule| rule.environment)
    }
}

/// Whether the host is one label or more below that of a `*.example.com`.
fn is_below(host: &str, rule: &HostRule) -> bool {
    let parent = rule.host.as_str().strip_prefix('*');
    parent.is_some_and(|parent| host.len() > parent.len() && host.ends_with(parent))
}

fn check_hosts(hosts: &[HostRule]) -> Result<(), Invalid> {
    if hosts.len() > MAX_HOSTS {
        return Err(Invalid::new("hosts", format!("must have at most {MAX_HOSTS} entries")));
    }
    for (place, rule) in hosts.iter().enumerate() {
        if let Some(earlier) = hosts.iter().take(place).position(|earlier| earlier.host == rule.host) {
            return Err(Invalid::new(
                format!("hosts[{place}].host"),
                format!("stands in hosts[{earlier}], too"),
            ));
        }
    }
    Ok(())
}

impl Node {
    fn insert(&mut self, routes: &[Route], place: usize) -> Result<(), Invalid> {
        let Some(route) = routes.get(place) else { return Ok(()) };
        let mut node = self;
        for segment in route.path.segments() {
            node = match segment {
                Segment::Fixed(text) => node.fixed(text)?,
                Segment::Any => node.any.get_or_insert_default(),
                Segment::Rest => return join(&mut node.rest, routes, place),
            };
        }
        join(&mut node.own, routes, place)
    }

    fn fixed(&mut self, text: &str) -> Result<&mut Self, Invalid> {
        let fixed = match self.fixed.entry(text.to_ascii_lowercase().into()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Fixed { spelled: text.into(), node: Self::default() }),
        };
        if *fixed.spelled == *text {
            return Ok(&mut fixed.node);
        }
        let rule =
            format!("has `{text}` where an earlier route has `{}`; spell it in one way", fixed.spelled);
        Err(Invalid::new("path", rule))
    }

    /// The routes of the most specific template, and whether the path is spelled as they are.
    fn find(&self, rest: Option<&str>) -> Option<(&Leaf, bool)> {
        let Some(rest) = rest else {
            return [&self.own, &self.rest]
                .into_iter()
                .find(|leaf| !leaf.is_empty())
                .map(|leaf| (leaf, true));
        };
        let (segment, rest) =
            rest.split_once('/').map_or((rest, None), |(segment, rest)| (segment, Some(rest)));
        let fixed = || {
            let fixed = self.fixed.get(folded(segment).as_ref())?;
            let (leaf, spelled) = fixed.node.find(rest)?;
            Some((leaf, spelled && *fixed.spelled == *segment))
        };
        let any = || self.any.as_ref()?.find(rest);
        let below = || (!self.rest.is_empty()).then_some((&self.rest, true));
        fixed().or_else(any).or_else(below)
    }
}

/// The text as servers that do not tell cases apart see it, whether they compare in upper or lower case.
fn folded(segment: &str) -> Cow<'_, str> {
    let is_folded = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if segment.bytes().all(is_folded) { segment.into() } else { segment.to_uppercase().to_lowercase().into() }
}

/// Puts a route beside others with the same template.
fn join(leaf: &mut Leaf, routes: &[Route], place: usize) -> Result<(), Invalid> {
    let earlier = leaf.iter().find(|earlier| overlap(&routes[**earlier], &routes[place]));
    if let Some(earlier) = earlier {
        let path = &routes[*earlier].path;
        let rule = format!("covers the same as routes[{earlier}], `{path}`, with the same method");
        return Err(Invalid::new("path", rule));
    }
    leaf.push(place);
    Ok(())
}

/// Whether two routes of one path claim the same method. A route for every method yields to one that names it.
fn overlap(one: &Route, other: &Route) -> bool {
    match (one.methods.as_slice(), other.methods.as_slice()) {
        ([], []) => true,
        (one, other) => one.iter().any(|method| other.contains(method)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Needed;
    use super::*;

    fn route(methods: &[&str], path: &str) -> Route {
        let methods = methods.iter().map(|method| method.parse().unwrap()).collect();
        Route {
            methods,
            path: path.parse().unwrap(),
            permissions: Needed::All(Vec::new()),
            environment: None,
        }
    }

    fn routing(unmatched: Unmatched, routes: Vec<Route>) -> Routing {
        Routing { hosts: Vec::new(), routes, unmatched }
    }

    fn found<'t>(table: &'t Table, method: &str, target: &str) -> Result<Option<&'t str>, NoRoute> {
        let path = PlainPath::parse(target.as_bytes()).unwrap();
        table.route(method, &path).map(|route| route.map(|route| route.path.as_str()))
    }

    #[test]
    fn the_most_specific_template_decides() {
        let paths = [
            "/",
            "/v1/{*rest}",
            "/v1/users/{id}",
            "/v1/users/me",
            "/v1/users/{id}/keys",
            "/v1/{kind}/all/{*rest}",
        ];
        let routes = paths.map(|path| route(&[], path)).into();
        let table = Table::new(routing(Unmatched::Refuse, routes)).unwrap();
        for (target, path) in [
            ("/", "/"),
            ("/v1", "/v1/{*rest}"),
            ("/v1/", "/v1/{*rest}"),
            ("/v1/x/y", "/v1/{*rest}"),
            ("/v1/users", "/v1/{*rest}"),
            ("/v1/users/7", "/v1/users/{id}"),
            ("/v1/users/me/", "/v1/users/me"),
            ("/v1/users/me/keys", "/v1/users/{id}/keys"),
            ("/v1/users/me/other", "/v1/{*rest}"),
            ("/v1/orders/all", "/v1/{kind}/all/{*rest}"),
            ("/v1/orders/all/a/b", "/v1/{kind}/all/{*rest}"),
        ] {
            assert_eq!(found(&table, "GET", target), Ok(Some(path)), "{target}");
        }
        assert_eq!(found(&table, "GET", "/v2"), Err(NoRoute::Path));
    }

    #[test]
    fn a_path_that_is_known_takes_its_own_methods_only() {
        let routes = vec![route(&["POST"], "/orders"), route(&[], "/{*rest}"), route(&["GET"], "/{*other}")];
        let table = Table::new(routing(Unmatched::Authenticate, routes)).unwrap();
        assert_eq!(found(&table, "POST", "/orders"), Ok(Some("/orders")));
        for method in ["GET", "HEAD", "post", ""] {
            assert_eq!(found(&table, method, "/orders"), Err(NoRoute::Method), "{method}");
        }
        assert_eq!(found(&table, "GET", "/a"), Ok(Some("/{*other}")));
        assert_eq!(found(&table, "HEAD", "/a"), Ok(Some("/{*rest}")));
    }

    #[test]
    fn another_spelling_of_a_known_path_is_refused() {
        let routes = vec![route(&[], "/Admin/{id}"), route(&[], "/{*rest}")];
        let table = Table::new(routing(Unmatched::Authenticate, routes)).unwrap();
        assert_eq!(found(&table, "GET", "/Admin/A"), Ok(Some("/Admin/{id}")));
        for target in ["/admin/A", "/ADMIN/A", "/%61dmin/A", "/adm%C4%B1n/A"] {
            assert_eq!(found(&table, "GET", target), Err(NoRoute::Spelling), "{target}");
        }
        assert_eq!(found(&table, "GET", "/admin/A/B"), Ok(Some("/{*rest}")));
    }

    #[test]
    fn what_no_route_covers_is_refused_or_passes_as_the_application_says() {
        let table = |unmatched| Table::new(routing(unmatched, vec![route(&[], "/a")])).unwrap();
        assert_eq!(found(&table(Unmatched::Refuse), "GET", "/b"), Err(NoRoute::Path));
        assert_eq!(found(&table(Unmatched::Authenticate), "GET", "/b"), Ok(None));
        assert_eq!(found(&table(Unmatched::Authenticate), "GET", "/a/b"), Ok(None));
    }

    #[test]
    fn contradictions_are_refused_and_both_rules_are_named() {
        for (routes, field, part) in [
            (vec![route(&[], "/a/{x}"), route(&[], "/a/{y}")], "routes[1].path", "routes[0], `/a/{x}`"),
            (vec![route(&["GET"], "/a"), route(&["PUT", "GET"], "/a")], "routes[1].path", "routes[0], `/a`"),
            (
                vec![route(&[], "/a/{*x}"), route(&[], "/b"), route(&[], "/a/{*y}")],
                "routes[2].path",
                "routes[0]",
            ),
            (vec![route(&["GET"], "/Users/x"), route(&["PUT"], "/users/y")], "routes[1].path", "`Users`"),
            (vec![route(&[], "/a"); MAX_ROUTES + 1], "routes", "at most 1000"),
        ] {
            let refused = Table::new(routing(Unmatched::Refuse, routes)).unwrap_err();
            assert_eq!(refused.field, field);
            assert!(refused.rule.contains(part), "{refused}");
        }
        let host = HostRule { host: "a.example".parse().unwrap(), environment: Environment::Staging };
        let hosts = vec![host.clone(), host];
        let refused = Table::new(Routing { hosts, ..Routing::NONE }).unwrap_err();
        assert_eq!(refused.to_string(), "hosts[1].host: stands in hosts[0], too");
    }

    #[test]
    fn a_host_tells_the_environment_and_the_nearest_rule_wins() {
        use Environment::{Development, Production, Staging};
        let rule = |(host, environment): (&str, _)| HostRule { host: host.parse().unwrap(), environment };
        let rules =
            [("api.example.com", Production), ("*.example.com", Staging), ("*.dev.example.com", Development)];
        let hosts = rules.map(rule).into();
        let table = Table::new(Routing { hosts, ..Routing::NONE }).unwrap();
        for (host, environment) in [
            ("api.example.com", Some(Production)),
            ("API.Example.com.:8443", Some(Production)),
            ("other.example.com", Some(Staging)),
            ("api.dev.example.com:80", Some(Development)),
            ("example.com", None),
            (".example.com", None),
            ("badexample.com", None),
            ("api.example.com, a.dev.example.com", None),
            ("", None),
        ] {
            assert_eq!(table.environment_of(host), environment, "{host}");
        }
    }
}
