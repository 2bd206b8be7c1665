//! One harness for every test that needs a real server.

#![cfg_attr(
    feature = "server",
    expect(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that cannot build its surroundings has failed, and must say why"
    )
)]

#[cfg(feature = "authenticator")]
pub mod authenticator;
#[cfg(feature = "browser")]
pub mod browser;
pub mod certificate;
#[cfg(feature = "server")]
pub mod clickhouse;
#[cfg(feature = "server")]
pub mod collector;
#[cfg(feature = "server")]
pub mod faults;
#[cfg(feature = "server")]
pub mod gateway;
#[cfg(feature = "server")]
pub mod history;
#[cfg(feature = "server")]
pub mod http;
#[cfg(feature = "server")]
pub mod nodes;
#[cfg(feature = "browser")]
pub mod pages;
pub mod postgres;
#[cfg(feature = "server")]
pub mod process;
pub mod proxy;
#[cfg(feature = "server")]
pub mod receiver;
#[cfg(feature = "server")]
pub mod redis;
mod run;
#[cfg(feature = "server")]
pub mod scene;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "browser")]
pub mod site;
#[cfg(feature = "server")]
pub mod standard_webhooks;
#[cfg(feature = "server")]
pub mod upstream;
#[cfg(feature = "server")]
pub mod virtual_key;
#[cfg(feature = "server")]
pub mod wait;
