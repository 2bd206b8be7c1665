//! Laws of the core's values, held against whatever input the generator finds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot build its input has failed")]

mod audit_chain;
mod base_url_laws;
mod decisions;
mod entities;
mod explanations;
mod key_search;
mod key_search_laws;
mod key_text;
mod key_text_laws;
mod key_text_seeds;
mod models;
mod network_laws;
mod path_laws;
mod path_seeds;
mod permission_laws;
mod permissions;
mod prices;
mod quotas;
mod rates;
mod routes;
mod scan_rules;
mod value_seeds;
mod values;
mod webhook_url_laws;
