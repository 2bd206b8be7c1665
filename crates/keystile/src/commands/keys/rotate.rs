//! `keystile keys rotate`.

use std::time::Duration;

use clap::Args;
use keystile_core::Invalid;
use keystile_core::key::MAX_OVERLAP;
use keystile_wire::RotateKey;

use super::own_secret::OwnSecret;
use super::refused::in_flags;
use super::{Context, Which, changed, shown_once};
use crate::commands::moment::span;
use crate::commands::output::{Form, Report};
use crate::failure::Failure;

/// Gives a key a successor with the same settings and prints its secret, once. The old key lives on for the overlap.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  KEY=$(keystile keys rotate key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --overlap 24h)
  keystile keys rotate key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --overlap 0

Both keys share one set of limits and one budget. A key that was rotated can be
rotated again only when its successor has ended.")]
pub(super) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// How long the old key lives on: `0`, `90min`, `24h`, `7d`, at most `30d`.
    #[arg(long, value_name = "SPAN", value_parser = overlap)]
    overlap: Duration,
    #[command(flatten)]
    own: OwnSecret,
}

impl Rotate {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let request = RotateKey { overlap_seconds: self.overlap.as_secs(), secret: self.own.read()? };
        let tenant = context.session.tenant().await?;
        let client = &context.session.client;
        let created = client.rotate_key(tenant, self.which.id, &request).await.map_err(in_flags)?;
        let report = match context.form {
            Form::Text if request.secret.is_some() => {
                changed(&created.key, "is the successor, with the secret you brought", context)?
            }
            Form::Text | Form::Json => shown_once(&created, "made", context)?,
        };
        Ok(report.note(if self.overlap.is_zero() {
            format!("The old key, {}, is revoked.", self.which.id)
        } else {
            format!("The old key, {}, is refused in {} s.", self.which.id, self.overlap.as_secs())
        }))
    }
}

/// Reads how long an old key lives on.
pub(crate) fn overlap(text: &str) -> Result<Duration, Invalid> {
    let given = if text == "0" { Some(Duration::ZERO) } else { span(text) };
    given.filter(|span| *span <= MAX_OVERLAP).ok_or_else(|| {
        Invalid::rule("must be `0` or a span such as `90min`, `24h` or `7d`, of at most 30 days")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_nothing_or_a_span_of_at_most_thirty_days() {
        assert_eq!(overlap("0"), Ok(Duration::ZERO));
        assert_eq!(overlap("30d"), Ok(MAX_OVERLAP));
        for bad in ["", "1", "31d", "-1s", "0 s", "soon"] {
            assert!(overlap(bad).is_err(), "{bad}");
        }
    }
}
