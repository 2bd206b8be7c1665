//! `keystile key inspect`.

use crate::run::{keystile, ran, ran_with_input};

/// A key of nobody: the form and the check digits are all that is right with it.
const WELL_FORMED: &str = include_str!("../../../../fuzz/seeds/key_text/ours_stage");
const WRONG_DIGITS: &str = include_str!("../../../../fuzz/seeds/key_text/malformed_check");

#[test]
fn a_well_formed_key_tells_its_environment_and_a_wrong_one_does_not() {
    let good = ran_with_input(&mut keystile(&["key", "inspect"]), WELL_FORMED);
    assert!(good.out.contains("environment   staging"), "{good:?}");
    assert!(good.out.contains("tenant label  acme2"), "{good:?}");
    assert!(good.notes.contains("cannot tell whether the key exists"), "{good:?}");
    assert_eq!(good.status, Some(0));
    let wrong = ran_with_input(&mut keystile(&["key", "inspect", "--json"]), WRONG_DIGITS);
    let answer: serde_json::Value = serde_json::from_str(&wrong.out).unwrap();
    assert_eq!(
        (answer["well_formed"].as_bool(), answer["check_digits"].as_str()),
        (Some(false), Some("wrong"))
    );
    assert_eq!(wrong.status, Some(1));
}

#[test]
fn nothing_to_read_is_neither_yes_nor_no() {
    let nothing = ran(&mut keystile(&["key", "inspect"]));
    assert_eq!((nothing.status, nothing.out.as_str()), (Some(2), ""));
}
