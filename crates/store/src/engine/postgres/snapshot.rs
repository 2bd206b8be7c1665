//! A database as it is at one moment, for whoever reads all of it.

use deadpool_postgres::{ClientWrapper, Object};

use super::{pool, statement};
use crate::OpenError;

/// Reading everything takes as long as it takes, and whoever writes it down may be slow.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// A connection of its own whose transaction sees one moment. It ends with the value.
pub(crate) struct Snapshot {
    client: ClientWrapper,
}

impl Snapshot {
    /// Connects, beside whoever serves from the database.
    pub(crate) async fn take(url: &str) -> Result<Self, OpenError> {
        let pool = pool::open(url, 1).await?;
        let client = Object::take(pool::take(&pool).await?);
        statement::script(&client, BEGIN).await?;
        Ok(Self { client })
    }

    pub(crate) fn client(&self) -> &ClientWrapper {
        &self.client
    }
}
