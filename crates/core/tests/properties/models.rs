//! Models that keys may use: which pattern is enough to hand out which.

use keystile_core::KeyKind;
use keystile_core::key::ModelPattern;
use proptest::prelude::*;

/// Short names over few letters, so that patterns meet each other often.
fn pattern() -> impl Strategy<Value = ModelPattern> {
    "[ab]{0,3}\\*|[ab]{1,3}".prop_map(|text| text.parse().unwrap())
}

fn patterns() -> impl Strategy<Value = Vec<ModelPattern>> {
    proptest::collection::vec(pattern(), 0..4)
}

fn llm(allowed_models: &[ModelPattern]) -> KeyKind {
    KeyKind::VirtualLlm { allowed_models: allowed_models.to_vec() }
}

/// The model that a pattern names, or two that its beginning is of, one of which is not named by another pattern.
fn meant(pattern: &ModelPattern) -> Vec<String> {
    match pattern.as_str().strip_suffix('*') {
        Some(beginning) => vec![beginning.to_owned(), format!("{beginning}-")],
        None => vec![pattern.as_str().to_owned()],
    }
}

proptest! {
    #[test]
    fn what_may_be_handed_out_opens_no_other_model((held, handed, model) in (pattern(), pattern(), "[ab]{1,4}")) {
        prop_assert!(!held.covers(&handed) || !handed.matches(&model) || held.matches(&model));
    }

    #[test]
    fn what_may_not_be_handed_out_would_open_one((held, handed) in (pattern(), pattern())) {
        let opens_more = |model: &String| handed.matches(model) && !held.matches(model);
        prop_assert_eq!(held.covers(&handed), !meant(&handed).iter().any(opens_more));
    }

    #[test]
    fn handing_out_is_reflexive_and_transitive((first, second, third) in (pattern(), pattern(), pattern())) {
        prop_assert!(first.covers(&first));
        if first.covers(&second) && second.covers(&third) {
            prop_assert!(first.covers(&third));
        }
    }

    #[test]
    fn a_kind_hands_out_what_it_may_use((held, wanted, model) in (patterns(), patterns(), "[ab]{1,4}")) {
        let (own, other) = (llm(&held), llm(&wanted));
        let beyond = own.first_model_beyond(&other);
        prop_assert_eq!(beyond, wanted.iter().find(|one| !held.iter().any(|pattern| pattern.covers(one))));
        if beyond.is_none() && other.allows_model(&model) {
            prop_assert!(own.allows_model(&model));
        }
        for none in [KeyKind::Ingest, KeyKind::Service { issued_to_service: None }, KeyKind::User { issued_to_user_id: None }] {
            prop_assert_eq!(none.first_model_beyond(&other), wanted.first());
            prop_assert_eq!(own.first_model_beyond(&none), None);
        }
    }
}
