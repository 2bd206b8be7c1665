//! The request log in ClickHouse: instead of the store, or beside it.
//!
//! Instead of it, each batch of the log is one insert, and the log waits for the answer as it does for that of the store: while
//! ClickHouse is away, requests wait in the log's own memory, and what finds no room there is told to be missing. Beside it, the
//! store's log goes on whatever ClickHouse does, so batches wait for it in a queue of their own.

mod insert;
mod measures;
mod queue;
mod row;
pub(crate) mod schema;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::HeaderValue;
use keystile_engine::{EngineSettings, LogElsewhere};
use keystile_measure::Exposition;
use reqwest::Url;

use crate::failure::Failure;
use insert::{Clickhouse, PATIENCE};
use queue::{Queue, Waiting};

pub(crate) use table::{Name, Table};

/// Where requests are logged.
#[derive(Debug)]
pub(crate) enum LogPlan {
    /// In the store alone.
    InStore,
    /// In ClickHouse alone.
    Instead(Destination),
    /// In both.
    Beside(Destination),
}

/// A table, where it is, and as whom it is written.
#[derive(Debug)]
pub(crate) struct Destination {
    /// The address of the HTTP interface, without query, user and password.
    pub(crate) url: Url,
    /// The user of ClickHouse.
    pub(crate) user: HeaderValue,
    /// The user's password, marked as sensitive, so that it is never shown.
    pub(crate) password: HeaderValue,
    /// The table.
    pub(crate) table: Table,
}

/// The part of a running server's request log that is in ClickHouse.
pub(crate) enum LogInClickhouse {
    /// Nothing.
    Nothing,
    /// The whole log, which is told to be in the table of this name.
    Instead(Arc<Clickhouse>, String),
    /// A copy of it.
    Beside(Arc<Clickhouse>, Queue),
}

impl LogInClickhouse {
    /// Begins what runs beside the log. Needs a Tokio runtime. ClickHouse may be away.
    pub(crate) fn start(plan: LogPlan) -> Result<Self, Failure> {
        let sink = |destination: &Destination| Clickhouse::new(destination, PATIENCE).map(Arc::new);
        Ok(match plan {
            LogPlan::InStore => Self::Nothing,
            LogPlan::Instead(destination) => {
                let name = format!("ClickHouse, in the table {}", destination.table);
                Self::Instead(sink(&destination)?, name)
            }
            LogPlan::Beside(destination) => {
                let sink = sink(&destination)?;
                let measures = Arc::clone(sink.measures());
                let queue = Queue::start(Arc::<Clickhouse>::clone(&sink), measures);
                Self::Beside(sink, queue)
            }
        })
    }

    /// The settings of an engine whose log goes here, too.
    pub(crate) fn joined(&self, mut settings: EngineSettings) -> EngineSettings {
        match self {
            Self::Nothing => {}
            Self::Instead(sink, name) => {
                let (sink, name) = (Arc::<Clickhouse>::clone(sink), name.clone());
                settings.request_log_elsewhere = Some(LogElsewhere { sink, name });
            }
            Self::Beside(_, queue) => settings.request_sinks.push(Arc::<Waiting>::clone(queue.waiting())),
        }
        settings
    }

    /// What writes its metrics.
    pub(crate) fn metrics(&self) -> impl Fn(&mut Exposition) + Send + Sync + 'static + use<> {
        let (sink, waiting) = match self {
            Self::Nothing => (None, None),
            Self::Instead(sink, _) => (Some(Arc::clone(sink)), None),
            Self::Beside(sink, queue) => (Some(Arc::clone(sink)), Some(Arc::clone(queue.waiting()))),
        };
        move |page| {
            if let Some(sink) = &sink {
                sink.measures().write(waiting.as_ref().map(|waiting| waiting.count()), page);
            }
        }
    }

    /// Ends it, when nothing is logged any more.
    pub(crate) async fn stop(self) {
        match self {
            Self::Nothing | Self::Instead(..) => {}
            Self::Beside(_, queue) => queue.stop().await,
        }
    }
}
