//! Grants, permissions and requirements: who covers what.

use keystile_core::{Grant, Grants, Permission, Requirement};
use proptest::prelude::*;

/// Few segments over few letters, so that grants meet each other often.
fn segment() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab]{1,2}", 1 => Just("keystile.keys".to_owned()), 1 => "[A-Za-z0-9._-]{1,8}"]
}

fn path(segments: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    proptest::collection::vec(segment(), segments).prop_map(|parts| parts.join(":"))
}

fn permission() -> impl Strategy<Value = String> {
    path(2..=4)
}

fn grant() -> impl Strategy<Value = Grant> {
    let text = prop_oneof![permission(), path(1..=3).prop_map(|path| path + ":*"), Just("*".to_owned())];
    text.prop_map(|text| text.parse().unwrap())
}

fn grants() -> impl Strategy<Value = Grants> {
    proptest::collection::vec(grant(), 0..6).prop_map(|held| grants_of(&held))
}

fn grants_of(held: &[Grant]) -> Grants {
    Grants::parse(&held.iter().map(Grant::as_str).collect::<Vec<_>>()).unwrap()
}

/// What the words say: itself, everything below a resource, or everything that is not ours.
fn covers_by_the_words(grant: &str, permission: &str) -> bool {
    match grant.strip_suffix(":*") {
        _ if grant == "*" => !permission.starts_with("keystile."),
        Some(resource) => permission.strip_prefix(resource).is_some_and(|rest| rest.starts_with(':')),
        None => grant == permission,
    }
}

proptest! {
    #[test]
    fn a_grant_covers_what_its_words_say(grant in grant(), permission in permission()) {
        let covered = grant.covers(Permission::parse(&permission).unwrap());
        prop_assert_eq!(covered, covers_by_the_words(grant.as_str(), &permission));
    }

    #[test]
    fn a_grant_is_read_back_from_its_text(grant in grant()) {
        prop_assert_eq!(grant.to_string().parse::<Grant>().unwrap(), grant);
    }

    #[test]
    fn a_permission_is_a_grant_that_covers_itself(text in permission()) {
        let permission = Permission::parse(&text).unwrap();
        let grant = text.parse::<Grant>().unwrap();
        prop_assert!(grant.covers(permission) && grant.covers_grant(&grant));
    }

    #[test]
    fn what_may_be_handed_out_opens_nothing_new(
        (held, handed, permission) in (grant(), grant(), permission())
    ) {
        let permission = Permission::parse(&permission).unwrap();
        let opens_more = handed.covers(permission) && !held.covers(permission);
        prop_assert!(!(held.covers_grant(&handed) && opens_more));
    }

    #[test]
    fn handing_out_is_transitive((first, second, third) in (grant(), grant(), grant())) {
        if first.covers_grant(&second) && second.covers_grant(&third) {
            prop_assert!(first.covers_grant(&third));
        }
    }

    #[test]
    fn everything_never_includes_keystile_itself(rest in "[a-z.]{0,8}(:[a-z*]{1,4}){1,3}") {
        let everything = "*".parse::<Grant>().unwrap();
        let reserved = format!("keystile.{rest}");
        if let Ok(permission) = Permission::parse(&reserved) {
            prop_assert!(!everything.covers(permission));
        }
        if let Ok(grant) = reserved.parse::<Grant>() {
            prop_assert!(!everything.covers_grant(&grant));
        }
    }

    #[test]
    fn grants_cover_what_one_of_them_covers(held in proptest::collection::vec(grant(), 0..6), text in permission()) {
        let permission = Permission::parse(&text).unwrap();
        let one_does = held.iter().any(|grant| grant.covers(permission));
        prop_assert_eq!(grants_of(&held).cover(permission), one_does);
    }

    #[test]
    fn neither_order_nor_repeats_matter(held in proptest::collection::vec(grant(), 0..6)) {
        let mut twice_and_backwards = held.clone();
        twice_and_backwards.extend(held.iter().rev().cloned());
        prop_assert_eq!(grants_of(&twice_and_backwards), grants_of(&held));
    }

    #[test]
    fn the_first_grant_beyond_is_the_one_that_is_not_held(held in grants(), wanted in grants()) {
        let covered = |other: &Grant| held.iter().any(|grant| grant.covers_grant(other));
        prop_assert_eq!(held.first_beyond(&wanted), wanted.iter().find(|other| !covered(other)));
        prop_assert_eq!(held.first_beyond(&held), None);
    }

    #[test]
    fn all_needs_every_one_and_any_needs_one(
        held in grants(),
        texts in proptest::collection::vec(permission(), 1..5),
    ) {
        let asked = texts.iter().map(|text| Permission::parse(text).unwrap()).collect::<Vec<_>>();
        let missing = asked.iter().copied().find(|permission| !held.cover(*permission));
        let all = Requirement::All(&asked).check(&held);
        prop_assert_eq!(all, missing.map_or(Ok(()), |missing| Err(missing.as_str())));
        let one_is_held = asked.iter().any(|permission| held.cover(*permission));
        prop_assert_eq!(Requirement::Any(&asked).check(&held).is_ok(), one_is_held);
    }

    #[test]
    fn all_that_is_missing_begins_with_what_a_refusal_names(
        held in grants(),
        [one, other] in [proptest::collection::vec(permission(), 0..4), proptest::collection::vec(permission(), 0..4)],
    ) {
        let one = one.iter().map(|text| Permission::parse(text).unwrap()).collect::<Vec<_>>();
        let other = other.iter().map(|text| Permission::parse(text).unwrap()).collect::<Vec<_>>();
        for requirement in [
            Requirement::All(&one),
            Requirement::Any(&one),
            Requirement::AllOf([&one, &other]),
            Requirement::AnyAndAll { any: &one, all: &other },
        ] {
            let missing = requirement.missing(&held);
            match requirement.check(&held) {
                Ok(()) => prop_assert_eq!(missing, Vec::<&str>::new()),
                Err("") => prop_assert!(one.is_empty(), "only what can never be met has no name"),
                Err(first) => prop_assert_eq!(missing.first(), Some(&first)),
            }
        }
    }

    #[test]
    fn any_text_is_judged_without_a_panic_and_within_the_length(text in prop_oneof![".*", "[a:*.]{0,140}"]) {
        let permission = Permission::parse(&text);
        if text.parse::<Grant>().is_err() {
            prop_assert!(permission.is_err(), "every permission is a grant");
        } else {
            prop_assert!(text.len() <= 128);
            prop_assert_eq!(permission.is_ok(), !text.contains('*'));
        }
    }
}
