//! Commands that need no server of their own: they ask one that runs, or nobody.

mod account;
pub(crate) mod audit;
mod connection;
mod credentials;
mod failed;
mod input;
pub(crate) mod key;
pub(crate) mod keys;
mod moment;
mod output;
pub(crate) mod print;
mod prompt;
mod rate;
mod record;
mod stored;
mod table;
mod words;

pub(crate) use account::{LoginCommand, LogoutCommand, PasswordCommand, WhoamiCommand};
pub(crate) use audit::AuditCommand;
pub(crate) use key::KeyCommand;
pub(crate) use keys::KeysCommand;
pub(crate) use output::Report;
