//! Any bytes as the target of a request that a gateway asks about.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/core/tests/properties/path_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
