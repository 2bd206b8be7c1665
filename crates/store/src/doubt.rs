//! Transactions whose commit was not answered.

use crate::tx::{Tx, Work};
use crate::value::Value;
use crate::{Store, StoreError};

/// PostgreSQL forgets the end of old transactions, not that they have ended.
const HAS_ENDED: &str = "SELECT CASE WHEN pg_xact_status(CAST(CAST($1 AS TEXT) AS xid8)) = 'in progress' THEN 0 ELSE 1 END AS ended";

/// A transaction that may have been committed, or still be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt(pub(crate) Transaction);

impl Doubt {
    /// Of a transaction that is known to have ended.
    pub const ENDED: Self = Self(Transaction::OfFile);
}

/// What there is to ask about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// PostgreSQL's number of it.
    Number(u64),
    /// The last one of a file. Nobody sees it while the process lives, and the next commit writes over it; a process that
    /// opens the file before that may find it committed.
    OfFile,
}

impl Store {
    /// Whether the transaction has ended: then each read that begins later sees all that it will ever have done.
    ///
    /// # Errors
    /// When the database cannot say so now.
    pub async fn has_ended(&self, doubt: Doubt) -> Result<bool, StoreError> {
        let Transaction::Number(number) = doubt.0 else { return Ok(true) };
        let work: Work<Value, bool> = |number, tx| Box::pin(ask(number, tx));
        match self.read(Value::text(number), work).await {
            // A database that has never counted so far is another one, put into the place of the one that was lost.
            Err(StoreError::Refused(_)) => Ok(true),
            answer => answer,
        }
    }
}

async fn ask(number: &Value, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let row = tx.query_opt(HAS_ENDED, std::slice::from_ref(number)).await?;
    row.map_or(Ok(true), |mut row| row.truth("ended"))
}
