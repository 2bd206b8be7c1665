//! Where a database is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::OpenError;
use crate::engine::postgres;

/// Where a database is.
///
/// Texts it is read from: `sqlite:keystile.db` (relative), `sqlite:///var/lib/keystile/keystile.db`,
/// `postgres://user:password@host/database`, encrypted with `?sslmode=verify-full` or `?sslmode=prefer` (only
/// when the server offers it). The server's certificate and name are checked in every encrypted mode, against
/// whom the system trusts or the file that `&sslrootcert=` names. It prints without the password.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A data file on a local disk.
    Sqlite(PathBuf),
    /// A server.
    Postgres {
        /// Its URL, with the password.
        url: String,
        /// Most connections to it.
        max_connections: usize,
    },
}

impl Location {
    /// Connections of one node unless it is told otherwise: enough to keep the disk of a PostgreSQL server
    /// busy, and few enough for several nodes beside its usual limit of 100.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 16;
}

impl FromStr for Location {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let unknown = || OpenError::Location("must begin with `sqlite:` or `postgres://`".to_owned());
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let max_connections = Self::DEFAULT_MAX_CONNECTIONS;
            return Ok(Self::Postgres { url: url.to_owned(), max_connections });
        }
        let path = url.strip_prefix("sqlite:").ok_or_else(unknown)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains([':', '?']) {
            return Err(OpenError::Location("must name a data file after `sqlite:`".to_owned()));
        }
        Ok(Self::Sqlite(path.into()))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres { url, .. } => f.write_str(&postgres::shown(url)),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn a_location_is_read_from_a_url_and_prints_without_the_password() {
        let read = |url: &str| url.parse::<Location>();
        assert_eq!(read("sqlite:a/b.db").unwrap(), Location::Sqlite("a/b.db".into()));
        assert_eq!(read("sqlite:///a/b.db").unwrap(), Location::Sqlite("/a/b.db".into()));
        let server = read("postgres://ks:hunter2@db:5432/ks?sslmode=require&password=hunter2").unwrap();
        assert_eq!(format!("{server:?}"), "postgres://…@db:5432/ks");
        for bad in ["", "mysql://x", "sqlite:", "sqlite::memory:", "keystile.db"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
