//! Any bytes as a network.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/core/tests/properties/network_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
