//! `keystile keys addresses`.

use clap::Args;
use keystile_core::Timestamp;
use keystile_wire::KeyAddressView;

use super::{Context, Which};
use crate::commands::moment::ago;
use crate::commands::output::{Form, Report};
use crate::commands::table::table;
use crate::failure::Failure;

/// Lists from where a key was used in the last 30 days, the last seen first; also one that is deleted.
///
/// At most 32 addresses are kept of a key, of requests that were allowed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile keys addresses key_01J8Z3V5N0QK7Y2M4T6B8D9FGH
  keystile keys addresses key_01J8Z3V5N0QK7Y2M4T6B8D9FGH --json | jq -r '.data[].ip'")]
pub(super) struct Addresses {
    #[command(flatten)]
    which: Which,
}

impl Addresses {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let tenant = context.session.tenant().await?;
        let addresses = context.session.client.key_addresses(tenant, self.which.id).await?;
        match context.form {
            Form::Json => Report::json(&addresses),
            Form::Text if addresses.data.is_empty() => Ok(Report::default()
                .note("No address is known from which the key was used in the last 30 days.")),
            Form::Text => Ok(Report::default().data(&rows(&addresses.data, context.now))),
        }
    }
}

fn rows(addresses: &[KeyAddressView], now: Timestamp) -> String {
    let row = |address: &KeyAddressView| {
        [address.ip.to_string(), ago(address.last_seen_at, now), address.first_seen_at.to_string()]
    };
    table(["ADDRESS", "LAST SEEN", "SEEN SINCE"], &addresses.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_a_table() {
        let at = |text: &str| text.parse().unwrap();
        let seen = |ip: &str, first: &str, last: &str| KeyAddressView {
            ip: ip.parse().unwrap(),
            first_seen_at: at(first),
            last_seen_at: at(last),
        };
        let addresses = [
            seen("203.0.113.9", "2026-01-30T09:30:00Z", "2026-01-31T09:27:00Z"),
            seen("2001:db8::7", "2026-01-29T09:30:00Z", "2026-01-29T09:30:00Z"),
        ];
        let expected = "\
ADDRESS      LAST SEEN  SEEN SINCE
203.0.113.9  3 min ago  2026-01-30T09:30:00.000Z
2001:db8::7  2 d ago    2026-01-29T09:30:00.000Z
";
        assert_eq!(rows(&addresses, at("2026-01-31T09:30:00Z")), expected);
    }
}
