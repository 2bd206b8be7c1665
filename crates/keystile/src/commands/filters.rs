//! Which keys a command is about.

use clap::{Args, value_parser};
use keystile_core::{ApplicationId, CustomerId, Environment, KeyKind, KeyStatus, TrustLevel};
use keystile_wire::KeySelection;

use super::words::{environment, one_of, status, trust_level};

/// The filters of lists of keys.
#[derive(Debug, Args)]
pub(crate) struct Filters {
    /// Only keys of this environment.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Only keys in this status now.
    #[arg(long, value_parser = status())]
    status: Option<KeyStatus>,
    /// Only keys of this kind.
    #[arg(long, value_parser = one_of(KeyKind::NAMES))]
    kind: Option<String>,
    /// Only keys issued to this application.
    #[arg(long, value_name = "APPLICATION_ID")]
    application: Option<ApplicationId>,
    /// Only keys restricted to this customer.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<CustomerId>,
    /// Only keys of this sending system.
    #[arg(long, value_name = "SOURCE")]
    source_id: Option<String>,
    /// Only keys of this trust level.
    #[arg(long, value_parser = trust_level())]
    trust_level: Option<TrustLevel>,
    /// Only keys whose name contains this.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Only keys with this tag: its name, or `name:value`.
    #[arg(long, value_name = "NAME[:VALUE]")]
    tag: Option<String>,
    /// Only keys whose rotation is due; with `=false`, only those whose is not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rotation_due: Option<bool>,
    /// Only keys that were not used for so many days, and are as old.
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u16).range(1..=3650))]
    unused_days: Option<u16>,
    /// Only keys that are blocked; with `=false`, only those that are not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    blocked: Option<bool>,
    /// Only keys that have not ended and expire within so many days.
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u16).range(1..=3650))]
    expires_within_days: Option<u16>,
}

impl Filters {
    /// The same as the API takes it.
    pub(crate) fn selection(self) -> KeySelection {
        KeySelection {
            environment: self.environment,
            status: self.status,
            kind: self.kind,
            application_id: self.application,
            customer_id: self.customer,
            source_id: self.source_id,
            trust_level: self.trust_level,
            q: self.q,
            tag: self.tag,
            rotation_due: self.rotation_due,
            unused_days: self.unused_days,
            blocked: self.blocked,
            expires_within_days: self.expires_within_days,
            include_deleted: None,
        }
    }
}
