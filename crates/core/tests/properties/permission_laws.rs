//! What is true of any bytes as a permission or a grant. The fuzz target searches for bytes that break it; the test beside it
//! replays the seeds.

use keystile_core::{Grant, Grants, Permission};

/// Panics when a law is broken for `bytes`.
pub(crate) fn hold(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(permission) = Permission::parse(text) {
        a_permission_is_its_text_and_covered_by_those_above_it(text, permission);
    }
    if let Ok(grant) = text.parse::<Grant>() {
        a_grant_is_its_text_and_enough_to_hand_itself_out(text, &grant);
    }
}

fn grant(text: &str) -> Grant {
    text.parse().unwrap()
}

fn a_permission_is_its_text_and_covered_by_those_above_it(text: &str, permission: Permission<'_>) {
    assert_eq!(permission.as_str(), text);
    assert!(grant(text).covers(permission));
    assert_eq!(grant("*").covers(permission), !permission.is_reserved());
    for (at, _) in text.match_indices(':') {
        assert!(grant(&format!("{}:*", &text[..at])).covers(permission));
        let another = format!("{}x:*", &text[..at]).parse::<Grant>();
        assert!(!another.is_ok_and(|another| another.covers(permission)), "another resource");
    }
}

fn a_grant_is_its_text_and_enough_to_hand_itself_out(text: &str, grant: &Grant) {
    assert_eq!(grant.as_str(), text);
    assert!(grant.covers_grant(grant));
    assert_eq!(Grants::parse(&[text, text]).unwrap().iter().collect::<Vec<_>>(), [grant]);
    assert_eq!(text.contains('*'), Permission::parse(text).is_err(), "only a concrete one can be asked for");
}
