//! Requests are found again.

use keystile_core::request_log::Statuses;
use keystile_core::{
    ApplicationId, Code, CustomerId, KeyId, LogFilter, LogId, LogResult, LoggedRequest, TenantId, Timestamp,
};

use super::rows::{self, COLUMNS};
use crate::page::unseen;
use crate::row::Read;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

/// Most requests that are looked at for one page of a list: a few milliseconds. A filter that few requests pass has pages with
/// few of them, or none, and leads on.
const SCAN: u32 = 5_000;
/// Most requests on one page.
const MOST: u32 = 2_000;
/// Sorts behind every character of a path.
const BEHIND_ALL: char = '\u{10ffff}';

const PASSES: &str = "tenant_id = $6
    AND (application_id = $7 OR $7 IS NULL) AND (customer_id = $8 OR $8 IS NULL)
    AND (environment = $9 OR $9 IS NULL) AND (face = $10 OR $10 IS NULL) AND (code = $11 OR $11 IS NULL)
    AND (status >= $12 OR $12 IS NULL) AND (status <= $13 OR $13 IS NULL)
    AND (path >= $14 OR $14 IS NULL) AND (path <= $15 OR $15 IS NULL) AND (ip = $16 OR $16 IS NULL)
    AND (code <> $17 OR $17 IS NULL) AND (code = $18 OR $18 IS NULL)
    AND (face <> $19 OR $19 IS NULL)";

/// Which end of a span of time is read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest.
    OldestFirst,
    /// The latest.
    LatestFirst,
}

/// A part of a log.
#[derive(Debug, Clone)]
pub struct LogPage {
    /// The requests; fewer than asked for, when a filter passes over many.
    pub requests: Vec<LoggedRequest>,
    /// Where to read on; the log ends where there is nothing.
    pub next: Option<LogId>,
}

/// A part of a log to read.
pub(crate) struct Asked {
    pub(crate) tenant_id: TenantId,
    pub(crate) filter: LogFilter,
    pub(crate) order: Order,
    pub(crate) after: Option<LogId>,
    pub(crate) limit: u32,
}

impl Store {
    /// A part of the log of a tenant behind `after`: `limit` requests of it at most, and 2,000.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn logged_requests(
        &self,
        tenant_id: TenantId,
        filter: LogFilter,
        order: Order,
        after: Option<LogId>,
        limit: u32,
    ) -> Result<LogPage, StoreError> {
        let asked = Asked { tenant_id, filter, order, after, limit: limit.min(MOST) };
        self.read(asked, |asked, tx| Box::pin(read_page(asked, tx))).await
    }

    /// One request of the log of a tenant.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn logged_request(
        &self,
        tenant_id: TenantId,
        id: LogId,
    ) -> Result<Option<LoggedRequest>, StoreError> {
        let sought = [Value::bits(tenant_id.as_u128()), Value::bits(id.as_u128())];
        self.read(sought, |sought, tx| Box::pin(read_one(sought, tx))).await
    }
}

async fn read_one(sought: &[Value; 2], tx: &mut Tx<'_>) -> Read<Option<LoggedRequest>> {
    let sql = format!("SELECT {COLUMNS} FROM requests WHERE tenant_id = $1 AND id = $2");
    tx.query_opt(&sql, sought).await?.map(rows::read).transpose()
}

async fn read_page(asked: &Asked, tx: &mut Tx<'_>) -> Read<LogPage> {
    let [(page, values), (end, of_end)] = asked.statements();
    let found = tx.query(&page, &values).await?;
    let mut requests = found.into_iter().map(rows::read).collect::<Read<Vec<_>>>()?;
    let limit = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    if requests.len() > limit {
        requests.truncate(limit);
        let next = requests.last().map(|request| request.id);
        return Ok(LogPage { requests, next });
    }
    let next = tx.query_opt(&end, &of_end).await?.map(|mut row| row.bits("id")).transpose()?;
    Ok(LogPage { requests, next: next.map(LogId::from_u128) })
}

/// Those that are looked at, without a bound: of a tenant, or about a key and asked with it. Of each part of the latter no more
/// is read than could be wanted of both, which is `$4`, or one more.
fn looked_at(key_id: Option<KeyId>, order: Order) -> String {
    let direction = order.direction();
    let part = |condition: &str| {
        format!(
            "SELECT {COLUMNS} FROM requests WHERE {condition} AND id > $2 AND id < $3 ORDER BY id {direction}"
        )
    };
    if key_id.is_none() {
        return part("tenant_id = $1");
    }
    let bound = concat!("LIMIT ", unseen!("$4"), " + 1");
    let about = part("key_id = $1");
    // A key that asks about itself is in the first part.
    let asked = part("asked_by = $1 AND (key_id <> $1 OR key_id IS NULL)");
    format!(
        "SELECT {COLUMNS} FROM (
            SELECT * FROM ({about} {bound}) AS about UNION ALL SELECT * FROM ({asked} {bound}) AS asked
         ) AS either ORDER BY id {direction}"
    )
}

impl Order {
    const fn direction(self) -> &'static str {
        match self {
            Self::OldestFirst => "ASC",
            Self::LatestFirst => "DESC",
        }
    }
}

impl Asked {
    /// What reads the page, and what tells where the next begins when fewer were found than asked for: nothing follows where
    /// fewer were looked at than there could be, and nothing of a key of another tenant, whose requests must not be told by their places.
    pub(crate) fn statements(&self) -> [(String, Vec<Value>); 2] {
        let scanned = if self.filter.is_sparse() { SCAN } else { self.limit + 1 };
        let (looked_at, direction) = (looked_at(self.filter.key_id, self.order), self.order.direction());
        let scans = unseen!("$4");
        let page = format!(
            "SELECT {COLUMNS} FROM ({looked_at} LIMIT {scans}) AS looked_at
             WHERE {PASSES} ORDER BY id {direction} LIMIT $5"
        );
        let end = format!("SELECT id FROM ({looked_at} LIMIT 1 OFFSET {scans}) AS last WHERE tenant_id = $5");
        let bounded = |count: u32| {
            let [place, above, below] = self.span();
            vec![place, above, below, i64::from(count).into()]
        };
        let (mut values, mut of_end) = (bounded(scanned), bounded(scanned - 1));
        values.push(i64::from(self.limit + 1).into());
        values.extend(self.passing());
        of_end.push(Value::bits(self.tenant_id.as_u128()));
        [(page, values), (end, of_end)]
    }

    /// Whose, and the ids between which they are.
    fn span(&self) -> [Value; 3] {
        let LogFilter { key_id, from, to, .. } = &self.filter;
        let before = |moment: Timestamp| LogId::from_parts(moment, 0).as_u128();
        let mut above = from.map_or(0, |from| before(from).saturating_sub(1));
        let mut below = to.map_or(u128::MAX, before);
        match (self.after.map(LogId::as_u128), self.order) {
            (Some(after), Order::OldestFirst) => above = above.max(after),
            (Some(after), Order::LatestFirst) => below = below.min(after),
            (None, _) => {}
        }
        let place = key_id.map_or(self.tenant_id.as_u128(), KeyId::as_u128);
        [place, above, below].map(Value::bits)
    }

    /// What is asked of those that are looked at.
    fn passing(&self) -> [Value; 14] {
        let filter = &self.filter;
        let allowed = |result| filter.result.filter(|own| *own == result).map(|_| Code::Allowed);
        let statuses = filter.status.map(Statuses::range);
        let status = |bound: Option<u16>| bound.map_or(Value::Null, |status| Value::Int(status.into()));
        [
            Value::bits(self.tenant_id.as_u128()),
            Value::opt_bits(filter.application_id.map(ApplicationId::as_u128)),
            Value::opt_bits(filter.customer_id.map(CustomerId::as_u128)),
            Value::opt_text(filter.environment),
            Value::opt_text(filter.face),
            Value::opt_text(filter.code.as_ref()),
            status(statuses.as_ref().map(|statuses| *statuses.start())),
            status(statuses.as_ref().map(|statuses| *statuses.end())),
            Value::opt_text(filter.path.as_ref()),
            Value::opt_text(filter.path.as_ref().map(|path| format!("{path}{BEHIND_ALL}"))),
            Value::opt_text(filter.ip),
            Value::opt_text(allowed(LogResult::Refused)),
            Value::opt_text(allowed(LogResult::Allowed)),
            Value::opt_text(filter.except_face),
        ]
    }
}
