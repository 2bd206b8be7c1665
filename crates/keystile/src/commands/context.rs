//! What the commands about a tenant share: whom to ask, how to print, and lists that are read page by page.

use std::process::ExitCode;

use clap::{Args, value_parser};
use keystile_client::ClientError;
use keystile_core::Clock;
use keystile_wire::{Listing, MAX_PAGE};
use serde::Serialize;

use super::connection::{Connection, Session};
use super::output::{Form, Report};
use crate::failure::Failure;

/// Options of every such command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print JSON, as the API gives it.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A server that knows who asks, and the form of its answers.
pub(crate) struct Context {
    pub(crate) session: Session,
    form: Form,
}

impl Common {
    pub(crate) async fn open(&self, clock: &dyn Clock) -> Result<Context, Failure> {
        Ok(Context { session: self.connection.open(clock).await?, form: self.form() })
    }

    /// The address of the server, for what nobody has to be signed in for.
    pub(crate) fn address(&self) -> String {
        self.connection.address()
    }

    pub(crate) fn form(&self) -> Form {
        Form::of(self.json)
    }
}

impl Context {
    /// One record; people read `sheet`, and beside it what was done.
    pub(crate) fn record<T: Serialize>(
        &self,
        record: &T,
        sheet: fn(&T) -> String,
        done: Option<&str>,
    ) -> Result<Report, Failure> {
        match self.form {
            Form::Json => Report::json(record),
            Form::Text => {
                let report = Report::default().data(&sheet(record));
                Ok(report.note(done.unwrap_or_default()))
            }
        }
    }

    /// A list; people read `rows`, or `nothing` when there are none.
    pub(crate) fn list<T: Serialize>(
        &self,
        listing: &Listing<T>,
        rows: fn(&[T]) -> String,
        nothing: &str,
    ) -> Result<Report, Failure> {
        match (self.form, &listing.next_cursor) {
            (Form::Json, _) => Report::json(listing),
            (Form::Text, _) if listing.data.is_empty() => Ok(Report::default().note(nothing)),
            (Form::Text, None) => Ok(Report::default().data(&rows(&listing.data))),
            (Form::Text, Some(_)) => Ok(Report::default()
                .data(&rows(&listing.data))
                .note("There are more: --limit COUNT or --all lists them.")),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Prints what there is to say, and ends the session if it began here.
    pub(crate) async fn print(self, report: Result<Report, Failure>) -> Result<ExitCode, Failure> {
        let printed = report.and_then(Report::print);
        self.session.close().await;
        printed
    }
}

/// How much of a list to read.
#[derive(Debug, Args)]
pub(crate) struct Pages {
    /// Most entries to list.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    limit: u32,
    /// List everything.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// Read on from here: `next_cursor` of an earlier list.
    #[arg(long)]
    cursor: Option<String>,
}

impl Pages {
    /// Reads page by page until there are enough. `page` takes how many entries to ask for, and where to read on.
    pub(crate) async fn read<T>(
        self,
        mut page: impl AsyncFnMut(Option<u16>, Option<String>) -> Result<Listing<T>, ClientError>,
    ) -> Result<Listing<T>, Failure> {
        let most = if self.all { usize::MAX } else { self.limit as usize };
        let (mut data, mut cursor) = (Vec::new(), self.cursor);
        loop {
            let wanted = u16::try_from(most - data.len()).unwrap_or(MAX_PAGE).min(MAX_PAGE);
            let Listing { data: more, next_cursor } = page(Some(wanted), cursor.clone()).await?;
            data.extend(more);
            // A page may be empty and lead on, but one that leads to itself would never end.
            let leads_on = next_cursor.is_some() && next_cursor != cursor;
            if !leads_on || data.len() >= most {
                return Ok(Listing { data, next_cursor });
            }
            cursor = next_cursor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten numbers, at most four at a time.
    async fn first(pages: Pages) -> Listing<usize> {
        let page = async |limit: Option<u16>, cursor: Option<String>| {
            let from: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
            let to = (from + usize::from(limit.unwrap()).min(4)).min(10);
            Ok(Listing { data: (from..to).collect(), next_cursor: (to < 10).then(|| to.to_string()) })
        };
        pages.read(page).await.unwrap()
    }

    #[tokio::test]
    async fn a_list_is_read_until_there_are_enough() {
        let pages = |limit, all| Pages { limit, all, cursor: None };
        let some = first(pages(6, false)).await;
        assert_eq!((some.data.len(), some.next_cursor.as_deref()), (6, Some("6")));
        let all = first(pages(50, true)).await;
        assert_eq!((all.data, all.next_cursor), ((0..10).collect::<Vec<_>>(), None));
        let rest = first(Pages { cursor: Some("8".to_owned()), ..pages(50, false) }).await;
        assert_eq!(rest.data, [8, 9]);
    }
}
