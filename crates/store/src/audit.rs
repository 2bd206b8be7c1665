//! The audit log: telling it something, and reading what was sealed.

use std::ops::RangeInclusive;

use keystile_core::{
    Action, Actor, AuditEntry, AuditId, RecordedEntry, SealedEntry, Seq, TenantId, Timestamp,
};

use crate::page::{MAX_LIMIT, unseen};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, chain};

pub(crate) const INSERT: &str = "INSERT INTO audit_entries
    (tenant_id, id, at, actor, action, target, ip, request_id, changes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// Entries before the place `$2`, the last first, with a condition for `$8`.
macro_rules! page {
    ($more:literal) => {
        concat!(
            "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
            FROM audit_entries WHERE tenant_id = $1 AND seq < $2
                AND (actor = $4 OR $4 IS NULL)
                AND (action = $5 OR $5 IS NULL)
                AND (at >= $6 OR $6 IS NULL)
                AND (at < $7 OR $7 IS NULL)",
            $more,
            " ORDER BY seq DESC LIMIT $3"
        )
    };
}

const PAGE: &str = page!(" AND seq >= $8");
/// Spelled apart, as an index leads to what was done to one thing. With a second bound on the place, SQLite would take the index of places.
const PAGE_OF_TARGET: &str = page!(" AND target {by_bytes} = $8");
/// Of the last entries about one thing, at most `$9`, those that pass the rest of the filter. The bound is a number of entries, as one
/// on the place would make SQLite take the index of places.
const LOOK_AT_TARGET: &str = concat!(
    "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
    FROM (SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
        FROM audit_entries WHERE tenant_id = $1 AND target {by_bytes} = $8 AND seq < $2
        ORDER BY seq DESC LIMIT ",
    unseen!("$9"),
    ") AS looked_at
    WHERE (actor = $4 OR $4 IS NULL)
        AND (action = $5 OR $5 IS NULL)
        AND (at >= $6 OR $6 IS NULL)
        AND (at < $7 OR $7 IS NULL)
    ORDER BY seq DESC LIMIT $3"
);
/// The last entry of such a look, if there are so many.
const LOOKED_TO: &str = concat!(
    "SELECT seq FROM audit_entries
    WHERE tenant_id = $1 AND target {by_bytes} = $2 AND seq < $3 ORDER BY seq DESC LIMIT 1 OFFSET ",
    unseen!("$4")
);
const ONE: &str =
    "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
    FROM audit_entries WHERE tenant_id = $1 AND id = $2 AND seq IS NOT NULL";
pub(crate) const RANGE: &str =
    "SELECT tenant_id, id, at, actor, action, target, ip, request_id, changes, seq, previous, hash
    FROM audit_entries WHERE tenant_id = $1 AND seq >= $2 AND seq <= $3 ORDER BY seq LIMIT $4";

/// Which entries a list shows; what is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Made by.
    pub actor: Option<Actor>,
    /// Tells of this.
    pub action: Option<Action>,
    /// Done to what has this id.
    pub target: Option<String>,
    /// Made then or later.
    pub from: Option<Timestamp>,
    /// Made before.
    pub to: Option<Timestamp>,
}

impl AuditFilter {
    /// Whether there may be entries that it passes over one by one: to what was done to one thing an index leads, but not to who
    /// did it, what, and when.
    const fn passes_over(&self) -> bool {
        let Self { actor, action, target: _, from, to } = self;
        actor.is_some() || action.is_some() || from.is_some() || to.is_some()
    }
}

/// What was found in a part of a log.
#[derive(Debug)]
pub struct AuditFound {
    /// The entries, the last sealed first.
    pub entries: Vec<SealedEntry>,
    /// Where to look on, if the part ended before the page was full: entries before this place were not looked at.
    pub looked_to: Option<Seq>,
}

impl Store {
    /// A page of the tenant's log, the last sealed first. What is not sealed yet is not in it.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit(
        &self,
        tenant_id: TenantId,
        filter: &AuditFilter,
        page: Page<Seq>,
    ) -> Result<Vec<SealedEntry>, StoreError> {
        let which = Which { tenant_id, filter: filter.clone(), page };
        self.read(which, |which, tx| Box::pin(read_page(which, Seq::FIRST, tx))).await
    }

    /// The same, but looks at no more than `most` entries for it, so that it takes about as long for any filter. Entries about one
    /// thing are looked at without others, and as many of them at the most.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn look_in_audit(
        &self,
        tenant_id: TenantId,
        filter: &AuditFilter,
        page: Page<Seq>,
        most: u32,
    ) -> Result<AuditFound, StoreError> {
        let which = Which { tenant_id, filter: filter.clone(), page };
        self.read((which, most), |(which, most), tx| Box::pin(look(which, *most, tx))).await
    }

    /// One entry of the tenant's log, once it is sealed.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit_entry(
        &self,
        tenant_id: TenantId,
        id: AuditId,
    ) -> Result<Option<SealedEntry>, StoreError> {
        let args = [Value::text(tenant_id), Value::text(id)];
        self.read(args, |args, tx| Box::pin(read_one(args, tx))).await
    }

    /// The first `limit` entries that stand at these places, in their order.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn audit_at(
        &self,
        tenant_id: TenantId,
        places: RangeInclusive<Seq>,
        limit: u32,
    ) -> Result<Vec<SealedEntry>, StoreError> {
        let (first, last) = places.into_inner();
        let args = [Value::text(tenant_id), first.into(), last.into(), i64::from(limit).into()];
        self.read(args, |args, tx| Box::pin(read_many(RANGE, args, tx))).await
    }
}

/// A page of a log.
pub(crate) struct Which {
    pub(crate) tenant_id: TenantId,
    pub(crate) filter: AuditFilter,
    pub(crate) page: Page<Seq>,
}

impl Which {
    /// The statement and its values for the page, of entries from `first` on, or of all about one thing.
    pub(crate) fn statement(&self, first: Seq) -> (&'static str, Vec<Value>) {
        let Self { tenant_id, filter, page } = self;
        let mut values = vec![
            Value::text(tenant_id),
            page.after.map_or(Value::Int(i64::MAX), Value::from),
            page.limit(),
            Value::opt_text(filter.actor),
            Value::opt_text(filter.action),
            filter.from.into(),
            filter.to.into(),
        ];
        values.push(filter.target.as_ref().map_or_else(|| first.into(), Value::text));
        (if filter.target.is_some() { PAGE_OF_TARGET } else { PAGE }, values)
    }

    /// The statements and their values for the page of a look among the last `most` entries about `target`, and for where it ends.
    pub(crate) fn look_at(&self, target: &str, most: u32) -> [(&'static str, Vec<Value>); 2] {
        let (_, mut values) = self.statement(Seq::FIRST);
        values.push(Value::Int(most.into()));
        let below = self.page.after.map_or(Value::Int(i64::MAX), Value::from);
        let end =
            vec![Value::text(self.tenant_id), Value::text(target), below, Value::Int(i64::from(most) - 1)];
        [(LOOK_AT_TARGET, values), (LOOKED_TO, end)]
    }
}

async fn read_page(which: &Which, first: Seq, tx: &mut Tx<'_>) -> Result<Vec<SealedEntry>, StoreError> {
    let (sql, values) = which.statement(first);
    read_many(sql, &values, tx).await
}

async fn look(which: &Which, most: u32, tx: &mut Tx<'_>) -> Result<AuditFound, StoreError> {
    if !which.filter.passes_over() {
        return Ok(AuditFound { entries: read_page(which, Seq::FIRST, tx).await?, looked_to: None });
    }
    let head = chain::read_head(which.tenant_id, tx).await?;
    let behind_all = head.map_or(Seq::FIRST, |head| head.seq.next());
    let end = which.page.after.map_or(behind_all, |after| after.min(behind_all));
    if let Some(target) = &which.filter.target {
        // What is sealed between the two statements is in neither.
        let page = Page { after: Some(end), ..which.page };
        let within = Which { tenant_id: which.tenant_id, filter: which.filter.clone(), page };
        return look_at_target(&within, target, most, tx).await;
    }
    let first = Seq::new(end.as_u64().saturating_sub(most.into())).max(Seq::FIRST);
    let entries = read_page(which, first, tx).await?;
    let is_full = u32::try_from(entries.len()).is_ok_and(|found| found >= which.page.limit.min(MAX_LIMIT));
    let looked_to = Some(first).filter(|first| !is_full && *first > Seq::FIRST);
    Ok(AuditFound { entries, looked_to })
}

async fn look_at_target(which: &Which, target: &str, most: u32, tx: &mut Tx<'_>) -> Read<AuditFound> {
    let [(page, values), (end, of_end)] = which.look_at(target, most.max(1));
    let entries = read_many(page, &values, tx).await?;
    let is_full = u32::try_from(entries.len()).is_ok_and(|found| found >= which.page.limit.min(MAX_LIMIT));
    if is_full {
        return Ok(AuditFound { entries, looked_to: None });
    }
    let looked_to = tx.query_opt(end, &of_end).await?.map(|mut row| row.seq("seq")).transpose()?;
    Ok(AuditFound { entries, looked_to })
}

pub(crate) async fn read_many(
    sql: &str,
    args: &[Value],
    tx: &mut Tx<'_>,
) -> Result<Vec<SealedEntry>, StoreError> {
    tx.query(sql, args).await?.into_iter().map(read_sealed).collect()
}

async fn read_one(args: &[Value; 2], tx: &mut Tx<'_>) -> Result<Option<SealedEntry>, StoreError> {
    tx.query_opt(ONE, args).await?.map(read_sealed).transpose()
}

pub(crate) fn values(entry: &AuditEntry) -> [Value; 9] {
    [
        Value::text(entry.tenant_id),
        Value::text(entry.id),
        entry.at.into(),
        Value::text(entry.actor),
        Value::text(entry.action),
        Value::text(&entry.target),
        Value::opt_text(entry.ip),
        Value::opt_text(entry.request_id.as_ref()),
        Value::json(&entry.changes),
    ]
}

/// Reads the nine columns that an entry was recorded with.
pub(crate) fn read(row: &mut Row) -> Read<RecordedEntry> {
    Ok(RecordedEntry {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        at: row.time("at")?,
        actor: row.parsed("actor")?,
        action: row.parsed("action")?,
        target: row.text("target")?,
        ip: row.opt_parsed("ip")?,
        request_id: row.opt_text("request_id")?,
        changes: row.json_text("changes")?,
    })
}

fn read_sealed(mut row: Row) -> Read<SealedEntry> {
    Ok(SealedEntry {
        entry: read(&mut row)?,
        seq: row.seq("seq")?,
        previous: row.digest("previous")?,
        hash: row.digest("hash")?,
    })
}
