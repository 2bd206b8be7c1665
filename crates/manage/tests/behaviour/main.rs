//! Who may change what, and what a change leaves behind.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod addresses;
mod app_tokens;
mod audit;
mod automation;
mod bench;
mod customers;
mod jobs;
mod leaks;
mod life;
mod llm;
mod lockout;
mod members;
mod overview;
mod passwords;
mod people;
mod roles;
mod rotation;
mod second_factor;
mod sessions;
mod set_up;
mod sign_in_log;
mod webhooks;
