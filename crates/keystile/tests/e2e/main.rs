//! The real program, asked over HTTP as its users ask it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot build its surroundings has failed, and must say why"
)]

mod addresses;
mod audit;
mod authorization;
mod automation;
mod bad_input;
mod bad_requests;
mod batch;
mod browser_downloads;
mod browser_flow;
mod browser_pages;
mod browser_roles;
mod caddy;
mod canaries;
mod client_address;
mod connections;
mod console;
mod console_account;
mod console_applications;
mod console_audit;
mod console_authorization;
mod console_customers;
mod console_downloads;
mod console_keys;
mod console_links;
mod console_looks;
mod console_members;
mod console_once;
mod console_places;
mod console_tenant;
mod contract;
mod database_away;
mod dev;
mod doubt;
mod durability;
mod envoy;
mod envoy_listener;
mod events;
mod explain;
mod exposition;
mod exposure;
mod file_modes;
mod floods;
mod full_disk;
mod guarded;
mod haproxy;
mod idempotency;
mod import;
mod integration;
mod isolation;
mod key_lists;
mod keys_fields;
mod keys_life;
mod leak_intake;
mod leaks;
mod limits;
mod matrix;
mod metrics;
mod nginx;
mod oauth;
mod one_server;
mod overview;
mod readme;
mod request_log;
mod revocation;
mod rotation;
mod routes;
mod scene;
mod seat;
mod second_factor;
mod secrets;
mod secrets_console;
mod sessions;
mod set_up;
mod tenancy;
mod traces;
mod traefik;
mod usage;
mod whoami;
mod world;
