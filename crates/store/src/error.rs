//! What can go wrong, and who must act.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Doubt, Outdated};

/// The cause of an error, for the log.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// What must exist only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unique {
    /// A person's email address, in the installation.
    Email,
    /// An application's name, in its tenant.
    ApplicationName,
    /// The address of an open invitation, in its tenant.
    Invitation,
    /// What a tenant's own systems call a customer, in the tenant.
    ExternalId,
    /// The name of a provider of models, in its tenant.
    ProviderName,
    /// The name of a model, at its provider.
    ModelName,
    /// A key's secret, in the installation and for all time: a replaced secret stays taken.
    Secret,
}

impl Unique {
    /// Each rule with the name of its index and with SQLite's words for its columns.
    const RULES: [(Self, &'static str, &'static str); 7] = [
        (Self::Email, "persons_email", "persons.email"),
        (Self::ApplicationName, "applications_name", "applications.tenant_id, applications.name"),
        (Self::Invitation, "invitations_email", "invitations.tenant_id, invitations.email"),
        (Self::ExternalId, "customers_external_id", "customers.tenant_id, customers.external_id"),
        (Self::ProviderName, "providers_name", "providers.tenant_id, providers.name"),
        (Self::ModelName, "models_name", "models.tenant_id, models.provider_id, models.name"),
        (Self::Secret, "api_keys_digest", "api_keys.digest"),
    ];

    /// The rule that an index of this name, or SQLite's list of columns, stands for.
    pub(crate) fn named(text: &str) -> Option<Self> {
        let rule = Self::RULES.iter().find(|(_, index, columns)| *index == text || *columns == text);
        rule.map(|(unique, _, _)| *unique)
    }
}

/// What takes no new keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    /// An application.
    Application,
    /// A customer.
    Customer,
}

/// Why a transaction did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something like it exists already. The caller chooses another.
    #[error("{0:?} exists already")]
    Conflict(Unique),
    /// What a key was to belong to is archived. The caller chooses another.
    #[error("{0:?} is archived")]
    Archived(Archived),
    /// The database cannot be reached or did not answer in time, and nothing was written. The operator must
    /// look at it; the caller may try again.
    #[error("the database is unavailable")]
    Unavailable(#[source] Cause),
    /// The database was lost while it committed: whether the write happened, or is still to happen, is not known.
    /// The caller must not rely on either, and may look before trying again.
    #[error("the database was lost during a commit")]
    InDoubt {
        /// What [`crate::Store::has_ended`] can be asked about.
        doubt: Doubt,
        /// What the connection said.
        source: Cause,
    },
    /// The database would not take what it was given: an id that exists, a row that belongs to nothing, a
    /// text with U+0000. Whoever wrote the caller must act.
    #[error("the database refused what it was given: {0}")]
    Refused(String),
    /// What is stored cannot be read. The operator must restore or report it.
    #[error("the database holds what this program cannot read: {0}")]
    Corrupt(String),
}

impl StoreError {
    pub(crate) fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }

    /// Whether the database has failed, rather than whoever asked it.
    pub(crate) const fn is_of_the_database(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::InDoubt { .. } | Self::Corrupt(_) => true,
            Self::Conflict(_) | Self::Archived(_) | Self::Refused(_) => false,
        }
    }
}

/// Why a database cannot be used at all. Each message says who must do what.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database URL has a form nobody knows.
    #[error("the database URL {0}")]
    Location(String),
    /// Another process serves from the data file.
    #[error(
        "another Keystile process uses {}: stop it first",
        path.display()
    )]
    InUse {
        /// The data file.
        path: PathBuf,
    },
    /// Another server serves from the database.
    #[error(
        "another Keystile server serves from this database: stop it first, or start all of them with --cluster (without it, \
         a revocation on one would not reach the memory of the others)"
    )]
    Served,
    /// Several servers cannot share this database.
    #[error(
        "several servers (--cluster) need PostgreSQL: give --database-url, or start one without --cluster"
    )]
    Alone,
    /// Other nodes have another lease.
    #[error(
        "the nodes that run have a lease of {} ms: give this one the same (--cluster-lease-seconds), or stop them first",
        theirs.as_millis()
    )]
    OtherLease {
        /// How long it is.
        theirs: Duration,
    },
    /// The data file or its folder cannot be made or opened.
    #[error("cannot open {}: check that the folder exists and belongs to the user Keystile runs as", path.display())]
    File {
        /// The data file.
        path: PathBuf,
        /// What the system or the engine said.
        source: Cause,
    },
    /// The server cannot be reached, or refused us.
    #[error("cannot connect to PostgreSQL: check that it runs and that the database URL is right")]
    Connect(#[source] Cause),
    /// The server is not who it should be.
    #[error(
        "the certificate of PostgreSQL is not trusted: it must name the host of the database URL, and be signed by one \
         that this system trusts or that is in the file which `sslrootcert` in the URL names"
    )]
    Untrusted(#[source] Cause),
    /// The file of those to trust cannot be used.
    #[error("cannot read {}: `sslrootcert` must name a file of certificates in PEM", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Cause,
    },
    /// The engine is older than this program needs.
    #[error("{engine} {found} is too old: {needed} or later is needed")]
    TooOld {
        /// Which engine.
        engine: &'static str,
        /// Its version.
        found: String,
        /// The oldest that will do.
        needed: &'static str,
    },
    /// The server stores texts in an encoding that cannot hold every text.
    #[error("the PostgreSQL database has the encoding {0}: create it with ENCODING 'UTF8'")]
    Encoding(String),
    /// The database was migrated by a later version of this program, in a way that this one does not survive.
    #[error(
        "the database has schema {found}, this program knows up to {known} and cannot work with what came after: install the version that \
         migrated it, or a later one; to go back to this version, restore a backup from before"
    )]
    SchemaTooNew {
        /// What the database has.
        found: i64,
        /// The latest this program knows.
        known: i64,
    },
    /// Nodes run that would not survive what the database lacks.
    #[error(
        "the database has schema {found} and has to be brought to {known}, with which nodes cannot work that run: {}. Stop all nodes, start one of \
         this version, then the others; or update all of them to a version between first, if there is one that the notes of the release name",
        listed(by)
    )]
    NotSurvived {
        /// What the database has.
        found: i64,
        /// The latest this program knows.
        known: i64,
        /// Who would not.
        by: Vec<Outdated>,
    },
    /// The database lacks migrations.
    #[error("the database has schema {found}, this program needs {known}: run the migrations first")]
    SchemaBehind {
        /// What the database has; 0 when it is empty.
        found: i64,
        /// What this program needs.
        known: i64,
    },
    /// A statement failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(nodes: &[Outdated]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
