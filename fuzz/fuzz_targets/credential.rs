//! Any lines of the headers that carry a credential.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/bearer/tests/laws/credential.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
