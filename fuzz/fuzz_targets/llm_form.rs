//! Any bytes as a form with images.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/proxy/tests/laws/call_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold_form(bytes));
