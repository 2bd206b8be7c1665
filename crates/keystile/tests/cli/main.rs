//! The commands as people and scripts run them, against a server of `keystile dev`.

#![expect(clippy::unwrap_used, reason = "a test that cannot build its surroundings has failed")]

mod account;
mod audit;
mod completions;
mod events;
mod health;
mod key_inspect;
mod keys;
mod keys_settings;
mod logs;
mod mock_llm;
mod models;
mod people;
mod run;
mod scan;
mod scan_rules;
mod server;
mod settings;
mod setup;
mod spending;
mod tenancy;
mod terminal;
mod webhooks;
