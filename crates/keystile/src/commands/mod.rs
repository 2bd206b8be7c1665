//! Commands that need no server of their own: they ask one that runs, or nobody.

mod account;
pub(crate) mod apps;
pub(crate) mod audit;
mod connection;
mod context;
mod credentials;
pub(crate) mod customers;
mod failed;
mod input;
pub(crate) mod invitations;
pub(crate) mod key;
pub(crate) mod keys;
pub(crate) mod members;
mod moment;
mod output;
pub(crate) mod permissions;
pub(crate) mod print;
mod prompt;
mod rate;
mod record;
mod shared_limits;
mod stored;
mod table;
pub(crate) mod tenants;
mod words;

pub(crate) use account::{LoginCommand, LogoutCommand, PasswordCommand, WhoamiCommand};
pub(crate) use apps::AppsCommand;
pub(crate) use audit::AuditCommand;
pub(crate) use customers::CustomersCommand;
pub(crate) use invitations::InvitationsCommand;
pub(crate) use key::KeyCommand;
pub(crate) use keys::KeysCommand;
pub(crate) use members::MembersCommand;
pub(crate) use output::Report;
pub(crate) use permissions::PermissionsCommand;
pub(crate) use tenants::TenantsCommand;
