//! Any bytes as the hash of an imported key, in each encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/wire/tests/import_hash/laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
