//! Backups: all rows of a database in one file, and back.
//!
//! Rows are read as values and written by the statements that both engines run, so a backup needs no programs of an engine's own,
//! and is the same for both. Reading sees one moment; writing is one transaction, whose tables are made by the very migrations that made those
//! which were backed up.

mod container;
mod dump;
mod encoding;
mod load;
mod tables;

use std::{fmt, io};

use keystile_core::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Location, OpenError};

pub use container::Backup;
pub use dump::back_up;
pub use load::{Restoration, Restored};

/// Which engine keeps the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// A data file.
    Sqlite,
    /// A server.
    #[serde(rename = "postgresql")]
    Postgres,
}

impl EngineName {
    /// The engine of a database.
    pub const fn of(location: &Location) -> Self {
        match location {
            Location::Sqlite(_) => Self::Sqlite,
            Location::Postgres { .. } => Self::Postgres,
        }
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupHeader {
    /// The engine whose rows they are.
    pub engine: EngineName,
    /// The last migration that the database had.
    pub schema: i64,
    /// When it was begun, by the clock of whoever made it.
    pub created_at: Timestamp,
}

/// A backup that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Backed {
    /// What it is of.
    pub header: BackupHeader,
    /// How many rows it has.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// The digest at its end, which stands for all of it.
    pub digest: Digest,
}

/// Why there is no backup, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Nothing was ever in the database.
    #[error("the database is empty: nothing has served from it yet")]
    Empty,
    /// The file cannot be written.
    #[error("the backup cannot be written")]
    Write(#[source] io::Error),
    /// The file cannot be read.
    #[error("the backup cannot be read")]
    Read(#[source] io::Error),
    /// The file is something else.
    #[error("this file is no backup of Keystile's")]
    Foreign,
    /// The file has a form of a later version.
    #[error(
        "the backup has the form {0}, which this version does not know: install the version that made it, or a later one"
    )]
    Format(u32),
    /// The file is not as it was made.
    #[error("the backup is damaged: {0}")]
    Damaged(&'static str),
}

/// Why a database was not put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreRefused {
    /// There is something that would be lost.
    #[error("the database is not empty")]
    NotEmpty,
    /// The backup, or what is in the database, is of a later version.
    #[error(transparent)]
    Schema(#[from] OpenError),
}
