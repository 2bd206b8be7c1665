//! Spans of time in which requests of any tenant may be missing, and nobody could count them.

use keystile_core::{LogBreak, TenantSettings, Timestamp};

use super::sweep::DAY;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// A server that is ended by force again and again makes one span, not many.
const EXTEND: &str = "UPDATE request_breaks SET until = CASE WHEN until < $2 THEN $2 ELSE until END
    WHERE until >= $1 AND since <= $1";
const ADD: &str = "INSERT INTO request_breaks (since, until) VALUES ($1, $2)";
const OPEN: &str = "INSERT INTO request_breaks (since, node) VALUES ($1, $2)";
/// Of this server, or of nodes that are no more.
const OPENED: &str = "SELECT MIN(since) AS since FROM request_breaks
    WHERE until IS NULL AND (node = $1 OR node NOT IN (SELECT id FROM nodes))";
const CLOSE_OPENED: &str = "DELETE FROM request_breaks
    WHERE until IS NULL AND (node = $1 OR node NOT IN (SELECT id FROM nodes))";
const MARK: &str = "UPDATE request_breaks SET since = $1 WHERE until IS NULL AND node = $2";
const CLOSE: &str = "DELETE FROM request_breaks WHERE until IS NULL AND node = $1";
/// The longest that any tenant keeps its log.
const FORGET: &str = "DELETE FROM request_breaks WHERE until < $1";
/// Most spans that are told: nobody needs more to know that a log is not whole.
const BETWEEN: &str = "SELECT since, until FROM request_breaks WHERE until >= $1 AND since <= $2
    ORDER BY since DESC LIMIT 20";

impl Store {
    /// A server begins to log. If one before it did not end its log, requests of the time between may be missing.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn begin_log(&self, now: Timestamp) -> Result<(), StoreError> {
        let args = [Value::from(now), self.log_owner()];
        self.write_quietly((now, args), |(now, args), tx| Box::pin(begin(*now, args, tx))).await
    }

    /// Notes that of the server that logs now everything before this moment is written, or counted as missing.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn mark_log(&self, whole_until: Timestamp) -> Result<(), StoreError> {
        let args = [Value::from(whole_until), self.log_owner()];
        self.write_quietly(args, |args, tx| Box::pin(mark(args, tx))).await
    }

    /// The server that logs now has written everything, and logs nothing more.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn end_log(&self) -> Result<(), StoreError> {
        let args = [self.log_owner()];
        self.write_quietly(args, |args, tx| Box::pin(end(args, tx))).await
    }

    /// Whose log it is: one of several servers has its own.
    fn log_owner(&self) -> Value {
        self.node().map_or(Value::Word(""), Value::text)
    }

    /// Notes that requests of any tenant may be missing in this span.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn add_log_break(&self, span: LogBreak) -> Result<(), StoreError> {
        self.write_quietly(span, |span, tx| Box::pin(add(*span, tx))).await
    }

    /// The latest spans that have a part between `from` and `to` in which requests of any tenant may be missing; 20 at most.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn log_breaks(&self, from: Timestamp, to: Timestamp) -> Result<Vec<LogBreak>, StoreError> {
        let sought = [Value::from(from), Value::from(to)];
        self.read(sought, |sought, tx| Box::pin(read(sought, tx))).await
    }
}

async fn begin(now: Timestamp, args: &[Value; 2], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let [_, owner] = args;
    end_opened(owner, now, tx).await?;
    tx.execute(OPEN, args).await.map(drop)
}

/// Gives an end to the logs of nodes that are no more, and did not end them.
pub(crate) async fn end_lost(now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    // No node is called so, and no server that serves alone runs beside nodes.
    end_opened(&Value::Word(""), now, tx).await
}

async fn end_opened(owner: &Value, now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let owner = std::slice::from_ref(owner);
    let opened = tx.query_opt(OPENED, owner).await?.map(|mut row| row.opt_time("since")).transpose()?;
    if let Some(since) = opened.flatten() {
        // The clock may have been set back meanwhile.
        add(LogBreak { since: since.min(now), until: now }, tx).await?;
        tx.execute(CLOSE_OPENED, owner).await?;
    }
    Ok(())
}

async fn end(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute(CLOSE, args).await.map(drop)
}

/// Another server may have ended what this one began, while the right to serve was lost to it.
async fn mark(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    if tx.execute(MARK, args).await? == 0 {
        tx.execute(OPEN, args).await?;
    }
    Ok(())
}

async fn add(LogBreak { since, until }: LogBreak, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let span = [Value::from(since), Value::from(until)];
    if tx.execute(EXTEND, &span).await? == 0 {
        tx.execute(ADD, &span).await?;
    }
    Ok(())
}

async fn read(sought: &[Value; 2], tx: &mut Tx<'_>) -> Read<Vec<LogBreak>> {
    let span = |mut row: Row| -> Read<LogBreak> {
        Ok(LogBreak { since: row.time("since")?, until: row.time("until")? })
    };
    tx.query(BETWEEN, sought).await?.into_iter().map(span).collect()
}

/// Forgets what is older than any log.
pub(super) async fn sweep(now: Timestamp, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let days = u32::from(*TenantSettings::LOG_DAYS.end());
    tx.execute(FORGET, &[Value::from(now.minus(DAY * days))]).await.map(drop)
}
