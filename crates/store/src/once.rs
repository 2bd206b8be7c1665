//! Requests that are carried out once, however often they are sent.
//!
//! Whoever carries one out holds its [`Receipt`]. The change commits together with a note that it was done; a receipt
//! that somebody else has taken over signs nothing any more, so two attempts never both succeed.

use keystile_core::{Digest, Timestamp};

use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// Most expired requests that a new one removes: more than one, so that they become fewer.
const SWEEP: &str = "DELETE FROM idempotent_requests WHERE scope IN (SELECT scope FROM idempotent_requests
    WHERE expires_at <= $1 ORDER BY expires_at LIMIT 16 {for_update} {skip_locked})";
const BEGIN: &str = "INSERT INTO idempotent_requests
    (scope, request, owner, begun_at, committed, answer, expires_at) VALUES ($1, $2, $3, $4, 0, NULL, $5)
    ON CONFLICT DO NOTHING";
const FOUND: &str = "SELECT request, begun_at, committed, answer, expires_at FROM idempotent_requests
    WHERE scope = $1 {for_update}";
const TAKE_OVER: &str =
    "UPDATE idempotent_requests SET request = $2, owner = $3, begun_at = $4, committed = 0,
    answer = NULL, expires_at = $5 WHERE scope = $1";
const SIGN: &str = "UPDATE idempotent_requests SET committed = 1 WHERE scope = $1 AND owner = $2";
const KEEP: &str = "UPDATE idempotent_requests SET answer = $3 WHERE scope = $1 AND owner = $2";
const GIVE_UP: &str = "DELETE FROM idempotent_requests WHERE scope = $1 AND owner = $2";

/// The right to carry out a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Stands for whose request it is, where it was sent to and its idempotency key.
    pub scope: Digest,
    /// Names this attempt among all.
    pub owner: Digest,
}

/// A request that is to be carried out once.
#[derive(Debug, Clone, Copy)]
pub struct Once {
    /// Of this attempt.
    pub receipt: Receipt,
    /// Stands for what is asked.
    pub request: Digest,
    /// When.
    pub now: Timestamp,
    /// Attempts that began by then and have committed nothing are taken over.
    pub stale: Timestamp,
    /// Until when the answer is kept.
    pub expires_at: Timestamp,
}

/// What was found of earlier attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// There was none that counts: carry it out.
    First,
    /// One is under way.
    Running,
    /// It was carried out; this is the answer, as it was kept.
    Done(Vec<u8>),
    /// It may have been carried out, but its answer was not kept.
    Lost,
    /// The idempotency key stands for another request.
    Other,
}

impl Store {
    /// Begins a request, unless there is an attempt already. Removes some that have expired.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn begin_once(&self, once: Once) -> Result<Begun, StoreError> {
        self.plain().write(once, |once, tx| Box::pin(begin(*once, tx))).await
    }

    /// Keeps the answer of a request that was carried out.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn keep_answer(&self, receipt: Receipt, answer: Vec<u8>) -> Result<(), StoreError> {
        let [scope, owner] = values(receipt);
        let args = [scope, owner, Value::blob(answer)];
        self.plain().write(args, |args, tx| Box::pin(run(KEEP, args, tx))).await
    }

    /// Forgets a request that was not carried out.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn give_up(&self, receipt: Receipt) -> Result<(), StoreError> {
        self.plain().write(values(receipt), |args, tx| Box::pin(run(GIVE_UP, args, tx))).await
    }
}

/// Notes that the transaction carries out the request.
pub(crate) async fn sign(receipt: Receipt, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    match tx.execute(SIGN, &values(receipt)).await? {
        0 => Err(StoreError::unavailable("the request took too long, and another attempt was made of it")),
        _ => Ok(()),
    }
}

async fn begin(once: Once, tx: &mut Tx<'_>) -> Result<Begun, StoreError> {
    tx.execute(SWEEP, &[once.now.into()]).await?;
    let [scope, owner] = values(once.receipt);
    let row = [scope, once.request.into(), owner, once.now.into(), once.expires_at.into()];
    if tx.execute(BEGIN, &row).await? == 1 {
        return Ok(Begun::First);
    }
    let again = || StoreError::unavailable("the earlier attempt was forgotten just now");
    let mut found = tx.query_opt(FOUND, &row[..1]).await?.ok_or_else(again)?;
    let (request, begun_at) = (found.digest("request")?, found.time("begun_at")?);
    let (committed, answer) = (found.truth("committed")?, found.opt_blob("answer")?);
    let is_stale = begun_at <= once.stale;
    match answer {
        _ if found.time("expires_at")? <= once.now => {}
        _ if request != once.request => return Ok(Begun::Other),
        Some(answer) => return Ok(Begun::Done(answer)),
        None if !is_stale => return Ok(Begun::Running),
        None if committed => return Ok(Begun::Lost),
        None => {}
    }
    tx.execute(TAKE_OVER, &row).await?;
    Ok(Begun::First)
}

async fn run(sql: &str, values: &[Value], tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.execute(sql, values).await.map(drop)
}

fn values(receipt: Receipt) -> [Value; 2] {
    [receipt.scope.into(), receipt.owner.into()]
}
