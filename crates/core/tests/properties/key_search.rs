//! The search for keys in bytes of any kind.

use keystile_core::Environment;
use keystile_core::key::mint;
use proptest::prelude::*;

use crate::key_search_laws::{found, hold};

/// Bytes with keys in them, and what nearly is one.
fn planted() -> impl Strategy<Value = Vec<u8>> {
    let key = ("[a-z0-9]{2,12}", proptest::sample::select(Environment::ALL), any::<[u8; 32]>()).prop_map(
        |(label, environment, random)| {
            mint(&label.parse().unwrap(), environment, &random).expose().as_bytes().to_vec()
        },
    );
    let nearly =
        "sk_[a-z0-9A-Z]{0,14}_(live|stage|dev|prod|)_?[0-9A-Za-z_]{0,60}".prop_map(String::into_bytes);
    let between = proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..40);
    let part = prop_oneof![2 => key, 1 => nearly, 2 => between, 1 => Just(b"sk_".to_vec())];
    proptest::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn every_key_is_found_once_wherever_the_bytes_are_cut(bytes in planted()) {
        hold(&bytes);
    }

    #[test]
    fn no_cut_makes_a_difference(bytes in planted(), piece in 1..200_usize) {
        prop_assert_eq!(found(&bytes, piece), found(&bytes, bytes.len().max(1)));
    }
}
