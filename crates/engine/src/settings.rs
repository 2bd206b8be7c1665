//! What an engine has to be told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use keystile_core::WhenAway;
use keystile_rates::RedisUrl;
use keystile_store::Location;
use keystile_verify::Bounds;

use crate::{LogElsewhere, RequestSink};

/// The database in a data folder.
const DATABASE: &str = "keystile.db";
/// The revocation journal in a data folder.
pub const JOURNAL: &str = "revocations.journal";

/// Where an engine keeps what, and how much of it in memory.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Folder of the data, made for its owner alone when it is not there.
    pub data_dir: PathBuf,
    /// The database. Programs that serve from one take turns, unless all are nodes of a cluster: a second one does not start.
    pub location: Location,
    /// File with the key that signs access tokens; made when it is not there.
    pub signing_key_file: PathBuf,
    /// File with the key that encrypts secrets in the database; made when it is not there and the database has no need of it.
    pub encryption_key_file: PathBuf,
    /// File of the revocation journal, outside of the database and best outside of its backup; made when it is not there.
    pub revocation_journal: PathBuf,
    /// Whether another journal may be made where the one is missing that the database was told to: what it knows beside the database is lost.
    pub new_revocation_journal: bool,
    /// Most that verification remembers.
    pub bounds: Bounds,
    /// Where requests go that are logged, beside the database.
    pub request_sinks: Vec<Arc<dyn RequestSink>>,
    /// Where they go instead of the database, if they do.
    pub request_log_elsewhere: Option<LogElsewhere>,
    /// How it serves beside others from one database; `None` for one that serves alone.
    pub cluster: Option<ClusterSettings>,
}

/// How an engine serves beside others.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// What operators call this node.
    pub name: String,
    /// Where it serves, for operators.
    pub address: String,
    /// How long it answers from memory behind a renewal of its lease; the same for all nodes. A change waits so long, and half a second,
    /// for a node that has stopped.
    pub lease: Duration,
    /// Where the nodes count limits together; without it each counts for itself.
    pub rates: Option<RateSettings>,
}

/// How limits are shared.
#[derive(Debug, Clone)]
pub struct RateSettings {
    /// The Redis that all nodes use.
    pub url: RedisUrl,
    /// What holds for limits that do not say what becomes of requests while Redis is away.
    pub when_away: WhenAway,
    /// How long an answer of Redis may take.
    pub patience: Duration,
}

impl RateSettings {
    /// The usual patience.
    pub const USUAL_PATIENCE: Duration = Duration::from_millis(100);
}

impl ClusterSettings {
    /// The usual lease.
    pub const USUAL_LEASE: Duration = Duration::from_secs(3);
}

impl EngineSettings {
    /// Everything in one folder, with SQLite, and the bounds that a server has.
    #[must_use]
    pub fn in_folder(data_dir: &Path) -> Self {
        Self {
            location: Location::Sqlite(data_dir.join(DATABASE)),
            signing_key_file: data_dir.join("signing-key.der"),
            encryption_key_file: data_dir.join("encryption-key"),
            revocation_journal: data_dir.join(JOURNAL),
            new_revocation_journal: false,
            bounds: Bounds::default(),
            request_sinks: Vec::new(),
            request_log_elsewhere: None,
            cluster: None,
            data_dir: data_dir.to_owned(),
        }
    }
}
