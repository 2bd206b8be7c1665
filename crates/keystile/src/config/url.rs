//! Where the database is, as a setting.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use keystile_store::{Location, OpenError};
use serde::Deserialize;

/// A database's URL, taken as it is: whoever reads settings shows a value that they refuse, and this one may hold a
/// password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// What it says.
    pub(crate) fn location(&self) -> Result<Location, OpenError> {
        self.0.parse()
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(…)")
    }
}
