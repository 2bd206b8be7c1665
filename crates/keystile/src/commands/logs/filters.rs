//! Which requests of the log.

use std::net::IpAddr;

use clap::Args;
use keystile_core::{ApplicationId, CustomerId, Environment, KeyId, LogFace, LogResult, Timestamp};
use keystile_wire::{LogExportQuery, LogListQuery, LogStreamQuery};

use crate::commands::moment::Past;
use crate::commands::words::{environment, log_face, log_result};

/// Only requests of which all this is true.
#[derive(Debug, Args)]
pub(super) struct Filters {
    /// Only requests about this key, or asked with it.
    #[arg(long, value_name = "KEY_ID")]
    key: Option<KeyId>,
    /// Only those of keys of this application.
    #[arg(long, value_name = "APPLICATION_ID")]
    app: Option<ApplicationId>,
    /// Only those of keys that are restricted to this customer.
    #[arg(long, value_name = "CUSTOMER_ID")]
    customer: Option<CustomerId>,
    /// Only those of this environment; all by default.
    #[arg(long, value_parser = environment())]
    environment: Option<Environment>,
    /// Only those in which this was asked.
    #[arg(long, value_parser = log_face())]
    face: Option<LogFace>,
    /// Only those in which something else was asked: `console` leaves out the pages and forms of the console.
    #[arg(long, value_name = "FACE", value_parser = log_face())]
    except_face: Option<LogFace>,
    /// Only those that were allowed, or only those that were refused or went wrong.
    #[arg(long, value_parser = log_result())]
    result: Option<LogResult>,
    /// Only those with this code, such as `allowed` or `key_revoked`.
    #[arg(long)]
    code: Option<String>,
    /// Only those that were answered with this status, or one of a class: `403` or `4xx`.
    #[arg(long)]
    status: Option<String>,
    /// Only those whose path begins so.
    #[arg(long)]
    path: Option<String>,
    /// Only those from this address.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Only what was answered then or later: a time, or a span before now such as `24h`.
    #[arg(long, value_name = "TIME", value_parser = Past::parse)]
    from: Option<Past>,
    /// Only what was answered before.
    #[arg(long, value_name = "TIME", value_parser = Past::parse)]
    to: Option<Past>,
}

/// A query with these filters, and with nothing in the fields that only it has: each query has the same fields for them, as its type
/// is declared by one macro.
macro_rules! query {
    ($name:ident { $($own:ident)* }, $filters:expr, $now:expr) => {{
        let (filters, now): (Filters, Timestamp) = ($filters, $now);
        $name {
            $($own: None,)*
            key_id: filters.key,
            application_id: filters.app,
            customer_id: filters.customer,
            environment: filters.environment,
            face: filters.face,
            except_face: filters.except_face,
            result: filters.result,
            code: filters.code,
            status: filters.status,
            path: filters.path,
            ip: filters.ip,
            from: filters.from.map(|from| from.moment(now)),
            to: filters.to.map(|to| to.moment(now)),
        }
    }};
}

impl Filters {
    pub(super) fn into_list(self, now: Timestamp) -> LogListQuery {
        query!(LogListQuery { limit cursor }, self, now)
    }

    pub(super) fn into_export(self, now: Timestamp) -> LogExportQuery {
        query!(LogExportQuery { format }, self, now)
    }

    pub(super) fn into_stream(self, now: Timestamp) -> LogStreamQuery {
        query!(LogStreamQuery {}, self, now)
    }
}
