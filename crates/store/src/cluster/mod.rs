//! Several servers on one database: who they are, and how each hears what the others have changed.
//!
//! Triggers note every change of what verification remembers, in its transaction (`migrations/0032_nodes.postgres.sql`), and notify. A node listens on a
//! connection of its own ([`Member`]), on which it renews its lease as well; each renewal reads what the snapshot of the last one did not
//! see, so that a notification may be lost. PostgreSQL only.

mod asking;
mod heard;
mod look;
mod peers;

use std::time::{Duration, Instant};

use keystile_core::NodeId;

use crate::engine::{Engine, postgres};
use crate::row::Row;
use crate::value::Value;
use crate::{OpenError, Store, StoreError, migrate};

pub use asking::{Message, Question, Reply};
pub use heard::{Heard, Told, Written};
pub use look::{Outlook, Peer};
pub use peers::Node;

/// The present moment by the clock of the database, in milliseconds.
macro_rules! now {
    () => {
        "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    };
}
pub(crate) use now;

/// How long a node that starts waits for a server that ends.
const HANDOVER: Duration = Duration::from_secs(3);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(200);
/// Most changes that a renewal reads one by one. When more were missed everything is forgotten.
const MOST_MISSED: usize = 5_000;
/// Most changes in one acknowledgement: PostgreSQL takes 8,000 bytes.
const ACKNOWLEDGED_AT_ONCE: usize = 150;

const JOIN: &str = concat!(
    "INSERT INTO nodes (id, server, name, address, version, knows_schema, started_at, lease_millis, lease_until, beat, applied, revision)
    VALUES ($1, $2, $3, $4, $5, $7, ",
    now!(),
    ", $6, ",
    now!(),
    " + $6, 1, CAST(pg_current_snapshot() AS TEXT), COALESCE((SELECT MAX(revision) FROM changes), 0))
    ON CONFLICT (id) DO UPDATE SET beat = nodes.beat + 1, lease_until = excluded.lease_until,
        applied = excluded.applied, revision = excluded.revision
    RETURNING applied"
);
/// A node whose lease differs: others count how long to wait for each by the leases that they know of.
const OTHER_LEASE: &str = concat!(
    "SELECT lease_millis FROM nodes WHERE id <> $1 AND lease_millis <> $2 AND lease_until > ",
    now!(),
    " LIMIT 1"
);
/// What was restored from a copy of another server carries numbers that this one has not given yet.
const FROM_ELSEWHERE: &str = "DELETE FROM changes WHERE xid >= pg_snapshot_xmax(pg_current_snapshot())";
/// One statement, so that what it reads and the snapshot that it tells are the same.
const RENEW: &str = concat!(
    "WITH renewed AS (UPDATE nodes SET beat = beat + 1, applied = $2, revision = GREATEST(revision, $3),
        lease_until = lease_millis + ",
    now!(),
    " WHERE id = $1 RETURNING id)
    SELECT CAST(pg_current_snapshot() AS TEXT) AS seen, CAST(missed.xid AS TEXT) AS xid, missed.revision, missed.what
    FROM renewed LEFT JOIN changes AS missed
        ON missed.xid >= pg_snapshot_xmin(CAST(CAST($2 AS TEXT) AS pg_snapshot))
        AND NOT pg_visible_in_snapshot(missed.xid, CAST(CAST($2 AS TEXT) AS pg_snapshot))
    ORDER BY missed.revision LIMIT $4"
);
const LEAVE: &str = "DELETE FROM nodes WHERE id = $1";

/// A node that is to join.
#[derive(Debug, Clone)]
pub struct NewNode {
    /// Names this run of it.
    pub id: NodeId,
    /// What operators call it.
    pub name: String,
    /// Where it serves.
    pub address: String,
    /// Which version of the program it is.
    pub version: String,
    /// How long it answers from memory behind a renewal.
    pub lease: Duration,
}

/// A snapshot of the database: all changes that it sees are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    snapshot: String,
    /// The last revision that was heard of.
    pub revision: i64,
}

/// What a renewal has brought.
#[derive(Debug)]
pub struct Renewal {
    /// What the snapshot of the last renewal did not see, in the order of revisions.
    pub missed: Vec<(Written, Heard)>,
    /// The snapshot of this one, to be told with the next when that was forgotten.
    pub applied: Applied,
}

/// A node's place among the others, for as long as its connection works.
pub struct Member {
    id: NodeId,
    connection: postgres::Member,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a node hears.
#[derive(Debug)]
pub struct Hearing(postgres::Messages);

impl Store {
    /// Joins the nodes that serve from the database, as one that knows nothing yet. From the moment before this was called the node has its lease.
    /// The database must have the present schema.
    ///
    /// # Errors
    /// [`OpenError::Served`] when a server serves alone, [`OpenError::Alone`] on SQLite, [`OpenError::OtherLease`] beside nodes with another
    /// lease, [`OpenError::SchemaTooNew`] when the database was migrated in a way that this program does not survive; otherwise when the
    /// database does not answer.
    pub async fn join(&self, node: &NewNode) -> Result<(Member, Hearing, Applied), OpenError> {
        self.join_anew(node, || {}).await
    }

    /// The same for a node that knows something from before. Others may read at once that it has applied all there is, so `forget` comes first:
    /// when it has returned, nothing of that may be believed.
    ///
    /// # Errors
    /// As [`Self::join`].
    pub async fn join_anew(
        &self,
        node: &NewNode,
        forget: impl FnOnce() + Send,
    ) -> Result<(Member, Hearing, Applied), OpenError> {
        let Engine::Postgres(engine) = self.engine() else { return Err(OpenError::Alone) };
        let started = Instant::now();
        loop {
            let (connection, messages) = engine.member().await?;
            if connection.share().await? {
                // Others wait for whoever is among the nodes, so who cannot serve is none of them even for a moment.
                self.check_schema().await?;
                let member = Member { id: node.id, connection };
                forget();
                let applied = member.register(node).await?;
                return match self.check_beside_migrations(&member).await {
                    Ok(()) => Ok((member, Hearing(messages), applied)),
                    Err(refused) => {
                        member.leave().await?;
                        Err(refused)
                    }
                };
            }
            if started.elapsed() >= HANDOVER {
                return Err(OpenError::Served);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whoever migrates looks at the nodes that there are: from here on this one is among them. Behind that the schema is looked at once more, as
    /// somebody may have migrated who has not seen it.
    async fn check_beside_migrations(&self, member: &Member) -> Result<(), OpenError> {
        member.connection.wait_for_schema().await?;
        self.check_schema().await
    }

    /// From now on nothing is written, and only a node reads: the right to serve beside others was lost.
    pub fn drift(&self) {
        self.adrift().store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// The right is back.
    pub fn anchor(&self) {
        self.adrift().store(false, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Member {
    async fn register(&self, node: &NewNode) -> Result<Applied, OpenError> {
        let lease = Value::Int(i64::try_from(node.lease.as_millis()).unwrap_or(i64::MAX));
        let others = self.connection.query(OTHER_LEASE, &[Value::text(node.id), lease.clone()]).await?;
        if let Some(mut other) = others.into_iter().next() {
            let millis = u64::try_from(other.int("lease_millis")?).unwrap_or(0);
            return Err(OpenError::OtherLease { theirs: Duration::from_millis(millis) });
        }
        self.connection.query(FROM_ELSEWHERE, &[]).await?;
        self.connection.run(&format!("LISTEN {}", asking::channel(node.id))).await?;
        let values = [
            Value::text(node.id),
            Value::bits(node.id.as_u128()),
            Value::text(&node.name),
            Value::text(&node.address),
            Value::text(&node.version),
            lease,
            Value::Int(migrate::latest()),
        ];
        let joined = self.connection.query(JOIN, &values).await?.into_iter().next();
        let snapshot = joined.map(|mut row| row.text("applied")).transpose()?;
        let nothing = || StoreError::Corrupt("a node has no row of its own".to_owned());
        Ok(Applied { snapshot: snapshot.ok_or_else(nothing)?, revision: 0 })
    }

    /// Renews the lease, tells what the node has applied, and reads what it has missed. From the moment before this was called the node has
    /// its lease, when it has forgotten what it missed. `None` when others have given the node up: it has to join again.
    ///
    /// # Errors
    /// When the database does not answer, or holds what cannot be read; the node has to join again then, too.
    pub async fn renew(&self, applied: &Applied) -> Result<Option<Renewal>, StoreError> {
        let most = i64::try_from(MOST_MISSED).unwrap_or(i64::MAX);
        let values = [
            Value::text(self.id),
            Value::text(&applied.snapshot),
            applied.revision.into(),
            most.saturating_add(1).into(),
        ];
        let rows = self.connection.query(RENEW, &values).await?;
        let (mut seen, mut missed) = (None, Vec::new());
        for mut row in rows {
            seen = Some(row.text("seen")?);
            if let Some(change) = read_change(&mut row)? {
                missed.push(change);
            }
        }
        let Some(snapshot) = seen else { return Ok(None) };
        if missed.len() > MOST_MISSED
            && let Some((_, last)) = missed.last_mut()
        {
            *last = Heard::Everything;
        }
        let revision = missed.iter().map(|(written, _)| written.revision).max();
        let revision = revision.unwrap_or(0).max(applied.revision);
        Ok(Some(Renewal { missed, applied: Applied { snapshot, revision } }))
    }

    /// Tells others that the node has forgotten what these changes made untrue.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn acknowledge(&self, written: &[Written]) -> Result<(), StoreError> {
        for part in written.chunks(ACKNOWLEDGED_AT_ONCE) {
            // An id and numbers, in which nothing can end the text. Nobody relies on it after the database was killed.
            let text = heard::acknowledgement(self.id, part);
            let sql = format!(
                "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_notify('keystile_acks', '{text}'); COMMIT"
            );
            self.connection.run(&sql).await?;
        }
        Ok(())
    }

    /// Tells other nodes these messages, in their order; what is longer than a message may be is left out. Nobody is told whether it was heard.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tell(&self, messages: &[(NodeId, Message)]) -> Result<(), StoreError> {
        let texts =
            messages.iter().filter_map(|(node, message)| Some((asking::channel(*node), message.write()?)));
        let told: String = texts
            .map(|(channel, text)| format!("SELECT pg_notify('{channel}', {}); ", quoted(&text)))
            .collect();
        if told.is_empty() {
            return Ok(());
        }
        // Who is not told asks again.
        self.connection.run(&format!("BEGIN; SET LOCAL synchronous_commit = off; {told}COMMIT")).await
    }

    /// Tries to become the node that does what only one may do at a time; it stays that until its connection is lost.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lead(&self) -> Result<bool, StoreError> {
        self.connection.lead().await
    }

    /// All nodes.
    ///
    /// # Errors
    /// When the database does not answer, or holds what cannot be read.
    pub async fn nodes(&self) -> Result<Vec<Node>, StoreError> {
        self.connection.query(peers::NODES, &[]).await?.into_iter().map(peers::read).collect()
    }

    /// Leaves, once the node answers nothing from memory any more: nobody waits for it from then on.
    ///
    /// # Errors
    /// When the database does not answer; others wait until the lease is over then.
    pub async fn leave(self) -> Result<(), StoreError> {
        self.connection.query(LEAVE, &[Value::text(self.id)]).await.map(drop)
    }
}

impl Hearing {
    /// Waits for what others, or this node itself, tell; `None` when the connection no longer works.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            let message = self.0.recv().await?;
            if let Some(told) = read_message(&message) {
                return Some(told);
            }
        }
    }

    /// What was told and waits, without waiting for more.
    pub fn waiting(&mut self) -> Option<Told> {
        while let Ok(message) = self.0.try_recv() {
            if let Some(told) = read_message(&message) {
                return Some(told);
            }
        }
        None
    }
}

/// A text as a constant of SQL, however the server reads backslashes (PostgreSQL's manual, § 4.1.2.2).
fn quoted(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

fn read_message(message: &tokio_postgres::Notification) -> Option<Told> {
    match message.channel() {
        "keystile_changes" => Told::change(message.payload()),
        "keystile_acks" => Told::applied(message.payload()),
        // Nothing else is listened to but the channel of the node.
        _ => Told::message(message.payload()),
    }
}

/// Reads three columns, which are empty where nothing was missed.
fn read_change(row: &mut Row) -> Result<Option<(Written, Heard)>, StoreError> {
    let (transaction, revision) = (row.opt_parsed("xid")?, row.opt_int("revision")?);
    let what = row.opt_text("what")?;
    let written = transaction.zip(revision);
    Ok(written
        .zip(what)
        .map(|((transaction, revision), what)| (Written { transaction, revision }, Heard::read(&what))))
}
