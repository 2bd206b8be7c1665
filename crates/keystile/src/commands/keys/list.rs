//! `keystile keys list`.

use clap::{Args, value_parser};
use keystile_core::key::{KeySort, SortOrder};
use keystile_wire::{KeyListQuery, KeySelection, KeyView, Listing, MAX_PAGE};

use super::Context;
use crate::commands::filters::Filters;
use crate::commands::output::{Form, Report};
use crate::commands::record::rows;
use crate::commands::words::{key_sort, sort_order};
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
    #[command(flatten)]
    filters: Filters,
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
        let selection = self.filters.selection();
        let is_filtered = selection != KeySelection::default();
        let query = KeyListQuery {
            cursor: self.cursor,
            sort: self.sort,
            order: self.order,
            include_deleted: self.include_deleted.then_some(true),
            ..KeyListQuery::from(selection)
        };
        let most = if self.all { usize::MAX } else { self.limit as usize };
        let listing = pages(query, most, context).await?;
        match context.form {
            Form::Json => Report::json(&listing),
            Form::Text => Ok(report(&listing, is_filtered, context)),
        }
    }
}

/// Reads page by page until there are enough.
async fn pages(mut query: KeyListQuery, most: usize, context: &Context) -> Result<Listing<KeyView>, Failure> {
    let tenant = context.session.tenant().await?;
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
