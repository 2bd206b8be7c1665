//! Any bytes as a permission and as a grant.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/core/tests/properties/permission_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
