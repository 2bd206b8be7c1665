//! What is true of the path of a request for any bytes at all. The fuzz target searches for bytes that break it; the
//! test beside it replays the seeds.

use keystile_core::Routing;
use keystile_core::route::{Needed, NoRoute, PlainPath, Route, Table, Unmatched};

/// Panics when a law is broken for `bytes`, as the target of a request.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(path) = PlainPath::parse(bytes) else { return };
    assert!(bytes.starts_with(b"/"), "a target that is read is a path");
    the_query_plays_no_part(bytes, &path);
    another_layer_of_encoding_is_refused_or_the_same(bytes, &path);
    one_route_covers_every_path(&path);
    what_is_protected_is_met_below_its_own_name_alone(bytes, &path);
}

fn before_query(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == b'?').next().unwrap_or_default()
}

fn the_query_plays_no_part(bytes: &[u8], path: &PlainPath) {
    let other = [before_query(bytes), b"?/../%2f;"].concat();
    assert_eq!(PlainPath::parse(&other).as_ref(), Ok(path));
}

/// All of it but slashes, percent-encoded where it is not yet.
fn another_layer_of_encoding_is_refused_or_the_same(bytes: &[u8], path: &PlainPath) {
    let mut encoded = Vec::new();
    let mut rest = before_query(bytes).iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'/' => encoded.push(b'/'),
            b'%' => encoded.extend([b'%'].into_iter().chain(rest.by_ref().take(2).copied())),
            byte => encoded.extend(format!("%{byte:02x}").bytes()),
        }
    }
    assert_eq!(PlainPath::parse(&encoded).as_ref(), Ok(path));
}

fn table(path: &str) -> Table {
    let needed = Needed::All(Vec::new());
    let route =
        Route { methods: Vec::new(), path: path.parse().unwrap(), permissions: needed, environment: None };
    Table::new(Routing { hosts: Vec::new(), routes: vec![route], unmatched: Unmatched::Authenticate })
        .unwrap()
}

fn one_route_covers_every_path(path: &PlainPath) {
    assert!(table("/{*rest}").route("GET", path).is_ok_and(|route| route.is_some()));
}

/// A server that lets case, parameters, dots and backslashes pass for something else finds `/admin` in no path but those
/// that are covered by its route, or refused.
fn what_is_protected_is_met_below_its_own_name_alone(bytes: &[u8], path: &PlainPath) {
    let table = table("/admin/{*rest}");
    let covered = table.route("GET", path);
    if covered == Ok(None) {
        let lenient = String::from_utf8_lossy(before_query(bytes)).to_lowercase().replace("%61", "a");
        let first = lenient.split(['/', '\\']).find(|part| !matches!(*part, "" | "." | ".."));
        assert!(first.is_none_or(|first| first.split(';').next() != Some("admin")), "{lenient}");
    } else {
        assert!(matches!(covered, Ok(Some(_)) | Err(NoRoute::Spelling)));
    }
}
