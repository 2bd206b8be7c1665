//! `keystile logs tail`.

use std::io::{self, Write as _};

use clap::{Args, value_parser};
use keystile_client::Streamed;
use keystile_core::Timestamp;
use keystile_wire::LoggedRequestView;

use super::filters::Filters;
use super::list::cells;
use crate::commands::context::Context;
use crate::commands::output::{Form, Report, plain, tell};
use crate::failure::Failure;

/// Prints requests as they are logged, a line each, until you end it with Ctrl-C or the server does.
#[derive(Debug, Args)]
pub(super) struct Tail {
    #[command(flatten)]
    filters: Filters,
    /// End after so many.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u64).range(1..))]
    count: Option<u64>,
}

impl Tail {
    pub(super) async fn run(self, context: &Context, now: Timestamp) -> Result<Report, Failure> {
        let (client, tenant) = (&context.session.client, context.session.tenant().await?);
        let mut stream = client.log_stream(tenant, &self.filters.into_stream(now)).await?;
        let mut left = self.count;
        while left != Some(0) {
            match stream.next().await? {
                Some(Streamed::Request(request)) => {
                    if !print(&request, context.form())? {
                        return Ok(Report::default());
                    }
                    left = left.map(|left| left - 1);
                }
                Some(Streamed::Skipped(count)) => {
                    tell(&format!("{count} more were passed over, as they come faster than they are read.\n"));
                }
                None => return Ok(Report::default().note("The server has ended it.")),
            }
        }
        Ok(Report::default())
    }
}

/// Prints one at once; false when nobody reads any more.
fn print(request: &LoggedRequestView, form: Form) -> Result<bool, Failure> {
    let line = match form {
        Form::Text => cells(request).map(|cell| plain(&cell).into_owned()).join("  "),
        Form::Json => serde_json::to_string(request)
            .map_err(|_| Failure::new("the answer cannot be written as JSON"))?,
    };
    let mut out = io::stdout().lock();
    match out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::because("standard output cannot be written", &error)),
    }
}
