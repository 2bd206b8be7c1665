//! Any lines of forwarded addresses.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/bearer/tests/laws/forwarded.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
