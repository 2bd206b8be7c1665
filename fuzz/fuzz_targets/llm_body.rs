//! Any bytes as the body of a request to a language model.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/proxy/tests/laws/call_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold_json(bytes));
