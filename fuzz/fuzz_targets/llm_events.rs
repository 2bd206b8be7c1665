//! Any bytes as a stream of events.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/proxy/tests/laws/event_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
