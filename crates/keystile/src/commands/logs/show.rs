//! `keystile logs show`.

use std::fmt::Display;

use clap::Args;
use keystile_core::LogId;
use keystile_wire::LoggedRequestView;

use crate::commands::context::Context;
use crate::commands::output::Report;
use crate::commands::table::fields;
use crate::failure::Failure;

/// Shows one request with all that is known of it.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id, as `keystile logs list` shows it.
    #[arg(value_name = "LOG_ID")]
    id: LogId,
}

impl Show {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        context.record(&context.session.client.log(tenant, self.id).await?, sheet, None)
    }
}

fn sheet(request: &LoggedRequestView) -> String {
    fields(&[
        ("id", request.id.to_string()),
        ("at", request.at.to_string()),
        ("face", request.face.to_string()),
        ("code", request.code.clone()),
        ("status", known(request.status)),
        ("method", known(request.method)),
        ("path", known(request.path.as_deref())),
        ("address", known(request.ip)),
        ("user agent", known(request.user_agent.as_deref())),
        ("key", known(request.key_id)),
        ("caller", known(request.caller)),
        ("environment", known(request.environment)),
        ("application", known(request.application_id)),
        ("customer", known(request.customer_id)),
        ("took", request.duration_micros.map_or_else(|| "-".to_owned(), |micros| format!("{micros} µs"))),
        ("bytes in", known(request.bytes_in)),
        ("bytes out", known(request.bytes_out)),
        ("request", known(request.request_id.as_deref())),
    ])
}

fn known(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
