//! Everything of a running Keystile except HTTP.
//!
//! [`Engine::start`] opens a database, takes the right to serve from it, brings it up to date, and starts what answers from
//! memory together with all that runs beside it. Its [`Planes`] are what others use of it: the verifier for decisions, the
//! control plane for changes, and [`Commits`], the one rule by which a change reaches verification before anybody is
//! answered. The server is this behind HTTP; a program of yours may hold one as well. It must never know HTTP, nor where
//! settings come from.

mod backup;
mod budgets;
mod cluster;
mod commits;
mod doubts;
mod encryption_key;
mod engine;
mod engine_error;
mod helm;
mod holds;
mod ingest;
mod ingest_measures;
mod jobs;
mod journal;
mod key_source;
mod limit_keeper;
mod opening;
mod place;
pub mod private_file;
mod quota_keeper;
mod refusals;
mod request_log;
mod sealer;
mod settings;
mod shared_rates;
mod signing;
mod sweeper;
mod system;

pub use backup::{Restore, back_up, open_backup, restore};
pub use cluster::{Cluster, ClusterMeasures, Duty, Leading, Receipt, carrying_receipt, with_receipt};
pub use commits::Commits;
pub use engine::{Engine, Planes};
pub use engine_error::EngineError;
pub use holds::{Holds, NotSettled};
pub use ingest::{Ingest, NotKept};
pub use ingest_measures::{IngestLoad, IngestMeasures};
pub use keystile_rates::{RedisUrl, RedisUrlError};
pub use opening::{control_plane, open_store};
pub use request_log::{
    LOG_EVERY, LogElsewhere, LogStats, NotLogged, REQUESTS_WAITING, ROWS_PER_WRITE, RequestLog, RequestSink,
    TAILS, TAILS_PER_TENANT, Tail, Tailed, Texts, TooManyTails,
};
pub use settings::{ClusterSettings, EngineSettings, JOURNAL, RateSettings};
pub use system::{SystemClock, SystemEntropy};
