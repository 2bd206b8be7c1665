//! `keystile keys list`.

use clap::{Args, value_parser};
use keystile_core::key::{KeySort, SortOrder};
use keystile_core::{ApplicationId, CustomerId, Environment, KeyKind, KeyStatus, TrustLevel};
use keystile_wire::{KeyListQuery, KeyView, Listing, MAX_PAGE};

use super::Context;
use crate::commands::output::{Form, Report};
use crate::commands::record::rows;
use crate::commands::words::{environment, key_sort, one_of, sort_order, status, trust_level};
use crate::failure::Failure;

/// Lists keys, newest first unless another order is asked for.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  keystile keys list --environment production --status active
  keystile keys list --rotation-due --tag team:payments
  keystile keys list --expires-within-days 30 --sort expires
  keystile keys list --all --json |
    jq -r '.data[] | select(.last_used_at == null) | .id'")]
pub(super) struct List {
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
    /// By what to order them, `created` by default. Keys that were never used come before all others, those that never expire
    /// behind all others.
    #[arg(long, value_parser = key_sort())]
    sort: Option<KeySort>,
    /// Which way round: `desc` by default for `created` and `last_used`, `asc` for `name` and `expires`.
    #[arg(long, value_parser = sort_order())]
    order: Option<SortOrder>,
    /// Deleted keys, too.
    #[arg(long)]
    include_deleted: bool,
    /// Most keys to list.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
    /// List all keys.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Read on from here: `next_cursor` of an earlier list.
    #[arg(long)]
    cursor: Option<String>,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<Report, Failure> {
        let is_filtered = self.is_filtered();
        let listing = self.pages(context).await?;
        match context.form {
            Form::Json => Report::json(&listing),
            Form::Text => Ok(report(&listing, is_filtered, context)),
        }
    }

    /// Reads page by page until there are enough.
    async fn pages(self, context: &Context) -> Result<Listing<KeyView>, Failure> {
        let tenant = context.session.tenant().await?;
        let most = if self.all { usize::MAX } else { self.limit as usize };
        let mut query = self.query();
        let mut data: Vec<KeyView> = Vec::new();
        loop {
            query.limit = Some(page_size(most - data.len()));
            let page = context.session.client.keys(tenant, &query).await?;
            // An empty page that promises more would never end.
            let is_empty = page.data.is_empty();
            data.extend(page.data);
            if is_empty || page.next_cursor.is_none() || data.len() >= most {
                return Ok(Listing { data, next_cursor: page.next_cursor });
            }
            query.cursor = page.next_cursor;
        }
    }

    fn is_filtered(&self) -> bool {
        let Self { environment, status, kind, application, customer, source_id, trust_level, q, tag, .. } =
            self;
        environment.is_some()
            || status.is_some()
            || kind.is_some()
            || application.is_some()
            || customer.is_some()
            || source_id.is_some()
            || trust_level.is_some()
            || q.is_some()
            || tag.is_some()
            || self.rotation_due.is_some()
            || self.unused_days.is_some()
            || self.blocked.is_some()
            || self.expires_within_days.is_some()
    }

    fn query(self) -> KeyListQuery {
        KeyListQuery {
            limit: None,
            cursor: self.cursor,
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
            sort: self.sort,
            order: self.order,
            include_deleted: self.include_deleted.then_some(true),
        }
    }
}

fn page_size(wanted: usize) -> u16 {
    u16::try_from(wanted).unwrap_or(MAX_PAGE).min(MAX_PAGE)
}

fn report(listing: &Listing<KeyView>, is_filtered: bool, context: &Context) -> Report {
    if listing.data.is_empty() {
        return Report::default().note(nothing(is_filtered));
    }
    let report = Report::default().data(&rows(&listing.data, context.now));
    match &listing.next_cursor {
        Some(_) => report.note("There are more keys: --limit COUNT or --all lists them."),
        None => report,
    }
}

fn nothing(is_filtered: bool) -> &'static str {
    if is_filtered {
        "No key is like that; leave out a filter to see more."
    } else {
        "There is no key yet. Create one: keystile keys create NAME"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_as_large_as_needed_and_never_larger_than_the_api_gives() {
        assert_eq!(page_size(7), 7);
        assert_eq!(page_size(200), 200);
        assert_eq!(page_size(usize::MAX), MAX_PAGE);
    }
}
