//! Any bytes as the URL of a webhook.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/core/tests/properties/webhook_url_laws.rs"]
mod laws;

fuzz_target!(|bytes: &[u8]| laws::hold(bytes));
