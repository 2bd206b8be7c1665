//! Typed HTTP client of Keystile's API.
//!
//! [`Client`] has one method per call of the API, which takes and gives the types of `keystile_wire`. Redirects are
//! never followed, so that a credential reaches no other host; every call has a deadline; answers are read up to a
//! bound. This crate must never know files, terminals or environment variables: whoever uses it brings the address
//! and the credential.
//!
//! ```no_run
//! # async fn example() -> Result<(), keystile_client::ClientError> {
//! use keystile_client::Client;
//! use keystile_core::Secret;
//! use keystile_wire::CreateKey;
//!
//! let password = Secret::new("correct horse battery staple");
//! let (client, token) = Client::sign_in("http://127.0.0.1:7878", "ada@example.com", password, None).await?;
//! if let Some(tenant) = token.tenant_id {
//!     let request = CreateKey { name: "web".to_owned(), ..CreateKey::default() };
//!     let created = client.create_key(tenant, &request).await?;
//!     assert_eq!(created.key.version, 1);
//! }
//! # Ok(())
//! # }
//! ```

mod address;
mod answer;
mod audit;
mod catalogue;
mod client;
mod credential;
mod customers;
mod download;
mod error;
mod events;
mod health;
mod jobs;
mod keys;
mod leaks;
mod logs;
mod members;
mod models;
mod oauth;
mod providers;
mod second_factor;
mod sessions;
mod setup;
mod spending;
mod tenants;
mod webhooks;

pub use client::{ANSWER_TIMEOUT, CONNECT_TIMEOUT, Client};
pub use credential::Credential;
pub use download::{Download, EXPORT_TIMEOUT};
pub use error::ClientError;
pub use health::READY_TIMEOUT;
pub use logs::{LogStream, Streamed};

pub use answer::MAX_ANSWER;
