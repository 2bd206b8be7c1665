//! Routes: however a path is written, it never reaches a weaker route.

use keystile_core::Routing;
use keystile_core::route::{Needed, NoRoute, PlainPath, Route, Table, Unmatched};
use proptest::prelude::*;

use crate::path_laws;

const ODD_PARTS: &[&str] = &[
    "/", "//", ".", "..", "admin", "ADMIN", "%61dmin", "x", "%", "%2", "%2f", "%2e", "%25", "%00", "%c3%a9",
    "%ff", "é", ";", ";a=b", "\\", "?", "?q", "#", " ", "%20", "+",
];

/// Templates over few texts, so that they meet each other often.
fn template() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => "[ab]", 1 => Just("{x}".to_owned())];
    let rest = prop_oneof![Just(String::new()), Just("/{*rest}".to_owned())];
    (proptest::collection::vec(segment, 1..4), rest)
        .prop_map(|(segments, rest)| format!("/{}{rest}", segments.join("/")))
}

/// Any table, in which whatever is not covered may pass: the weakest route of all.
fn table() -> impl Strategy<Value = Table> {
    proptest::collection::btree_set(template(), 1..8).prop_map(|templates| {
        let route = |path: &String| Route {
            methods: Vec::new(),
            path: path.parse().unwrap(),
            permissions: Needed::All(Vec::new()),
            environment: None,
        };
        let routes = templates.iter().map(route).collect();
        Table::new(Routing { hosts: Vec::new(), routes, unmatched: Unmatched::Authenticate }).unwrap()
    })
}

/// Paths as everybody reads them.
fn plain() -> impl Strategy<Value = String> {
    proptest::collection::vec("[abc]{1}|aa", 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

/// Ways to write something that some server takes for the same path.
fn trick() -> impl Strategy<Value = (usize, &'static str, &'static str)> {
    let tricks = prop_oneof![
        Just(("/", "//")),
        Just(("/", "/./")),
        Just(("/", "/c/../")),
        Just(("/", "/%2e/")),
        Just(("/", "/c/%2E%2e/")),
        Just(("/", "/;c/")),
        Just(("/", ";c=d/")),
        Just(("/", "/.;/")),
        Just(("/", "%2f")),
        Just(("/", "%252F")),
        Just(("/", "\\")),
        Just(("/", "%5c")),
        Just(("a", "%61")),
        Just(("a", "%2561")),
        Just(("a", "A")),
        Just(("b", "%42")),
        Just(("a", "a%20")),
        Just(("a", "a.")),
        Just(("a", "a%00")),
        Just(("a", "a\t")),
    ];
    (any::<prop::sample::Index>(), tricks).prop_map(|(place, (from, to))| (place.index(16), from, to))
}

/// What is put behind a path.
fn tail() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "", "/", "//", "/.", "/./", "/%2e", ";", "%00", "?", "?x=/b", "%3fx", "#x", "%23", "%2f",
    ])
}

fn write(plain: &str, tricks: &[(usize, &str, &str)], tail: &str) -> String {
    let play = |path: String, (place, from, to): &(usize, &str, &str)| {
        let places: Vec<usize> = path.match_indices(from).map(|(at, _)| at).collect();
        let Some(at) = places.get(place % places.len().max(1)) else { return path };
        format!("{}{to}{}", &path[..*at], &path[at + from.len()..])
    };
    tricks.iter().fold(plain.to_owned(), play) + tail
}

fn found<'t>(table: &'t Table, target: &str) -> Result<Option<&'t str>, Option<NoRoute>> {
    let path = PlainPath::parse(target.as_bytes()).map_err(|_| None)?;
    table.route("GET", &path).map(|route| route.map(|route| route.path.as_str())).map_err(Some)
}

/// By the words: of all templates that fit, the first one in the order fixed, any, rest, from the left.
fn expected<'t>(table: &'t Table, path: &str) -> Option<&'t str> {
    let fits = |template: &&str| {
        let mut rest = path.split('/');
        template.split('/').all(|own| match own {
            "{*rest}" => rest.by_ref().count() < usize::MAX,
            "{x}" => rest.next().is_some(),
            own => rest.next() == Some(own),
        }) && rest.next().is_none()
    };
    let rank = |template: &&str| {
        template
            .split('/')
            .map(|own| ["{x}", "{*rest}"].iter().position(|kind| *kind == own).map_or(0, |rank| rank + 1))
            .collect::<Vec<_>>()
    };
    table.routing().routes.iter().map(|route| route.path.as_str()).filter(fits).min_by_key(rank)
}

proptest! {
    #[test]
    fn the_route_of_a_path_is_the_most_specific_that_fits(table in table(), path in plain()) {
        prop_assert_eq!(found(&table, &path), Ok(expected(&table, &path)));
    }

    #[test]
    fn no_way_of_writing_a_path_reaches_another_route(
        table in table(),
        path in plain(),
        tricks in proptest::collection::vec(trick(), 0..3),
        tail in tail(),
    ) {
        let written = write(&path, &tricks, tail);
        if let Ok(route) = found(&table, &written) {
            prop_assert_eq!(Ok(route), found(&table, &path), "{} for {}", written, path);
        }
    }

    #[test]
    fn no_bytes_are_too_odd(target in proptest::collection::vec(any::<u8>(), 0..64)) {
        path_laws::hold(&target);
    }

    #[test]
    fn no_text_of_odd_parts_is_too_odd(
        parts in proptest::collection::vec(prop::sample::select(ODD_PARTS), 0..10),
    ) {
        path_laws::hold(format!("/{}", parts.concat()).as_bytes());
    }
}
