//! Any bytes as where a provider's API is.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/core/tests/properties/base_url_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
