//! A routing as text that people write: a line for each host, and one for each route.
//!
//! ```text
//! api.example.com          production
//!
//! GET,HEAD  /v1/orders       orders:read
//! POST      /v1/orders       orders:write and customers:read
//! *         /v1/admin/{*rest}  admin:all or staff:all in staging
//! GET       /health
//! ```

use std::fmt::Write as _;

use keystile_core::route::{HostRule, Needed, Route};
use keystile_core::{Environment, Invalid};
use keystile_wire::{HostBody, Object, PermissionsAsked, RouteBody};

/// Stands for every method.
const ANY_METHOD: &str = "*";

/// What is wrong with which line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) what: String,
}

/// Things with the lines that they stand on.
pub(super) struct Lines<T> {
    pub(super) items: Vec<Object<T>>,
    lines: Vec<usize>,
}

impl<T> Lines<T> {
    /// The line of an item.
    pub(super) fn line_of(&self, place: usize) -> Option<usize> {
        self.lines.get(place).copied()
    }
}

/// Writes hosts, one a line.
pub(super) fn hosts(rules: &[HostRule]) -> String {
    let widest = rules.iter().map(|rule| rule.host.as_str().len()).max().unwrap_or_default();
    lines_of(rules.iter().map(|rule| format!("{:widest$}  {}", rule.host, rule.environment)))
}

/// Writes routes, one a line.
pub(super) fn routes(routes: &[Route]) -> String {
    let methods: Vec<_> = routes.iter().map(methods).collect();
    let first = methods.iter().map(String::len).max().unwrap_or_default();
    let second = routes.iter().map(|route| route.path.as_str().len()).max().unwrap_or_default();
    lines_of(
        routes
            .iter()
            .zip(&methods)
            .map(|(route, methods)| format!("{methods:first$}  {:second$}  {}", route.path, needs(route))),
    )
}

fn lines_of(lines: impl Iterator<Item = String>) -> String {
    lines.fold(String::new(), |mut text, line| {
        // Writing to a text cannot fail.
        let _written = writeln!(text, "{}", line.trim_end());
        text
    })
}

/// The methods of a route, as the first word of its line.
pub(super) fn methods(route: &Route) -> String {
    let names: Vec<_> = route.methods.iter().map(keystile_core::route::Method::as_str).collect();
    if names.is_empty() { ANY_METHOD.to_owned() } else { names.join(",") }
}

/// What a route needs of a key, as the end of its line.
pub(super) fn needs(route: &Route) -> String {
    let word = match route.permissions {
        Needed::All(_) => " and ",
        Needed::Any(_) => " or ",
    };
    let names: Vec<_> = route.permissions.names().iter().map(keystile_core::PermissionName::as_str).collect();
    let permissions = names.join(word);
    match route.environment {
        Some(environment) => format!("{permissions} in {environment}").trim_start().to_owned(),
        None => permissions,
    }
}

/// Reads hosts.
///
/// # Errors
/// What is wrong with each line that cannot be read.
pub(super) fn read_hosts(text: &str) -> Result<Lines<HostBody>, Vec<Fault>> {
    read(text, |words| match words {
        [host, environment] => Ok(HostBody { host: (*host).to_owned(), environment: place(environment)? }),
        _ => Err("must be a host and its environment, such as `api.example.com production`".to_owned()),
    })
}

/// Reads routes.
///
/// # Errors
/// What is wrong with each line that cannot be read.
pub(super) fn read_routes(text: &str) -> Result<Lines<RouteBody>, Vec<Fault>> {
    read(text, |words| {
        let [methods, path, rest @ ..] = words else {
            return Err(
                "must be methods, a path and what it needs, such as `GET /v1/orders orders:read`".to_owned()
            );
        };
        let (needed, environment) = match rest {
            [needed @ .., "in", word] => (needed, Some(place(word)?)),
            needed => (needed, None),
        };
        let methods =
            if *methods == ANY_METHOD { Vec::new() } else { methods.split(',').map(str::to_owned).collect() };
        Ok(RouteBody { methods, path: (*path).to_owned(), permissions: permissions(needed)?, environment })
    })
}

fn read<T>(text: &str, item: impl Fn(&[&str]) -> Result<T, String>) -> Result<Lines<T>, Vec<Fault>> {
    let (mut found, mut faults) = (Lines { items: Vec::new(), lines: Vec::new() }, Vec::new());
    for (line, words) in (1..).zip(text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>())) {
        if words.is_empty() {
            continue;
        }
        match item(&words) {
            Ok(item) => {
                found.items.push(Object(item));
                found.lines.push(line);
            }
            Err(what) => faults.push(Fault { line, what }),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn place(word: &str) -> Result<Environment, String> {
    word.parse().map_err(|invalid: Invalid| format!("`{word}` {}", invalid.rule))
}

/// Permissions with one word between each two of them: `and`, or `or`.
fn permissions(words: &[&str]) -> Result<Option<PermissionsAsked>, String> {
    const RULE: &str = "permissions are joined by `and` or by `or`, always the same";
    let names: Vec<_> = words.iter().step_by(2).map(|word| (*word).to_owned()).collect();
    let mut joints = words.iter().skip(1).step_by(2);
    let joint = joints.next().copied();
    if joints.any(|other| Some(*other) != joint) || (!words.is_empty() && words.len().is_multiple_of(2)) {
        return Err(RULE.to_owned());
    }
    match (joint, names.is_empty()) {
        (_, true) => Ok(None),
        (None | Some("and"), false) => Ok(Some(PermissionsAsked::All { all: names })),
        (Some("or"), false) => Ok(Some(PermissionsAsked::Any { any: names })),
        (Some(_), false) => Err(RULE.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Routing;
    use keystile_wire::SetRouting;

    use super::*;

    const HOSTS: &str = "*.stage.example.com  staging\napi.example.com      production\n";
    const ROUTES: &str = "\
GET,HEAD  /v1/orders          orders:read
POST      /v1/orders          orders:write and customers:read
*         /v1/admin/{*rest}   admin:all or staff:all in staging
GET       /v1/orders/{id}     in production
GET       /health
";

    fn parsed(hosts_text: &str, routes_text: &str) -> Routing {
        let hosts = read_hosts(hosts_text).unwrap_or_else(|faults| panic!("{faults:?}")).items;
        let routes = read_routes(routes_text).unwrap_or_else(|faults| panic!("{faults:?}")).items;
        SetRouting { hosts, routes, ..SetRouting::default() }.parse().unwrap()
    }

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let routing = parsed(HOSTS, ROUTES);
        assert_eq!((routing.hosts.len(), routing.routes.len()), (2, 5));
        assert_eq!(hosts(&routing.hosts), HOSTS);
        let again = parsed(&hosts(&routing.hosts), &routes(&routing.routes));
        assert_eq!(again, routing);
        assert!(matches!(&routing.routes[2].permissions, Needed::Any(names) if names.len() == 2));
        assert_eq!(routing.routes[3].environment, Some(Environment::Production));
    }

    #[test]
    fn each_line_that_cannot_be_read_is_told_by_its_number() {
        let faults = |text: &str| {
            read_routes(text).err().unwrap().into_iter().map(|fault| fault.line).collect::<Vec<_>>()
        };
        let text =
            "GET /a\n\nGET\nGET /b a:b and\nGET /c a:b and c:d or e:f\nGET /d a:b c:d\nGET /e a:b in mars\n";
        assert_eq!(faults(text), [3, 4, 5, 6, 7]);
        let hosts = read_hosts("a.example.com\n\nb.example.com mars").err().unwrap();
        assert_eq!(hosts.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 3]);
        assert!(hosts[1].what.starts_with("`mars` must be"), "{}", hosts[1].what);
    }

    #[test]
    fn an_item_knows_its_line() {
        let read = read_routes("\nGET /a\n\n\nGET /b").unwrap_or_else(|faults| panic!("{faults:?}"));
        assert_eq!([read.line_of(0), read.line_of(1), read.line_of(2)], [Some(2), Some(5), None]);
    }
}
