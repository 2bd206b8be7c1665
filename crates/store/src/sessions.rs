//! Sessions of persons, and the refresh tokens that carry them on.

use keystile_core::{
    AuditEntry, Digest, Person, PersonId, Role, Session, SessionEnd, SessionId, TenantId, Timestamp,
};

use crate::row::{Read, Row};
use crate::tx::{Statement, Tx};
use crate::value::Value;
use crate::{Store, StoreError, audit, people};

/// The columns that [`read`] takes.
macro_rules! columns {
    () => {
        "s.id, s.person_id, s.tenant_id, s.created_at, s.refreshed_at, s.ended_at, s.end_reason, s.ip,
         s.user_agent, s.second_factor"
    };
}

/// What [`read_entrance`] takes.
macro_rules! entrance {
    () => {
        concat!(
            "SELECT ",
            columns!(),
            ", p.id AS of_person, p.email, p.password_hash, p.created_at AS person_created_at, p.disabled_at, m.role,
                t.mfa_required"
        )
    };
}

const INSERT: &str = "INSERT INTO sessions
    (id, person_id, tenant_id, created_at, refreshed_at, ip, user_agent, second_factor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const INSERT_TOKEN: &str = "INSERT INTO refresh_tokens (digest, session_id, issued_at) VALUES ($1, $2, $3)";
const ENTER: &str = concat!(
    entrance!(),
    " FROM sessions AS s JOIN persons AS p ON p.id = s.person_id
    LEFT JOIN memberships AS m ON m.person_id = p.id AND m.tenant_id = $3
    LEFT JOIN tenants AS t ON t.id = m.tenant_id
    WHERE s.id = $1 AND s.person_id = $2"
);
const ENTER_BY_UNUSED_TOKEN: &str = concat!(
    entrance!(),
    " FROM refresh_tokens AS r JOIN sessions AS s ON s.id = r.session_id JOIN persons AS p ON p.id = s.person_id
    LEFT JOIN memberships AS m ON m.person_id = p.id AND m.tenant_id = $2
    LEFT JOIN tenants AS t ON t.id = m.tenant_id
    WHERE r.digest = $1 AND r.used_at IS NULL"
);
const BY_TOKEN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM refresh_tokens AS r JOIN sessions AS s ON s.id = r.session_id WHERE r.digest = $1"
);
const LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions AS s WHERE s.person_id = $1 AND s.ended_at IS NULL AND s.refreshed_at > $2
      AND s.created_at > $3 ORDER BY s.id DESC LIMIT 1000"
);
const USE_TOKEN: &str = "UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1 AND used_at IS NULL";
const REFRESH: &str = "UPDATE sessions SET refreshed_at = $2 WHERE id = $1 AND ended_at IS NULL
    AND refreshed_at > $3 AND created_at > $4
    AND person_id IN (SELECT id FROM persons WHERE disabled_at IS NULL)";
const END: &str = "UPDATE sessions SET ended_at = $3, end_reason = $4
    WHERE id = $1 AND person_id = $2 AND ended_at IS NULL";
const END_ALL_BUT: &str = "UPDATE sessions SET ended_at = $3, end_reason = $4
    WHERE person_id = $1 AND id <> $2 AND ended_at IS NULL";

/// What decides whether a session may be used, and in a tenant.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The session, whether it has ended or not.
    pub session: Session,
    /// Whose it is.
    pub person: Person,
    /// The person's role in the tenant that was asked for, and whether it takes a second factor to enter.
    pub place: Option<(Role, bool)>,
}

/// An exchange of a refresh token for the next one.
#[derive(Debug)]
pub struct Refresh {
    /// The session of the token.
    pub session: Session,
    /// The token that is used up.
    pub used: Digest,
    /// The one that follows.
    pub next: Digest,
    /// Now.
    pub at: Timestamp,
    /// What the audit logs are told if the token was used before.
    pub if_reused: Vec<AuditEntry>,
}

/// What became of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// The session goes on with the next token.
    Yes,
    /// The session had ended.
    Ended,
    /// The token was used before, so the session was ended.
    Reused,
}

impl Store {
    /// The session with its person, and the person's place in `tenant_id`.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn entrance(
        &self,
        tenant_id: Option<TenantId>,
        person_id: PersonId,
        id: SessionId,
    ) -> Result<Option<Entrance>, StoreError> {
        let args = [Value::text(id), Value::text(person_id), Value::opt_text(tenant_id)];
        self.read(args, |args, tx| Box::pin(read_entrance(ENTER, args, tx))).await
    }

    /// The session that a refresh token belongs to, used or not.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn session_of_token(&self, token: Digest) -> Result<Option<Session>, StoreError> {
        self.read([token.into()], |args, tx| Box::pin(read_by_token(args, tx))).await
    }

    /// The session that a refresh token carries on, with its person, and the person's place in `tenant_id`; nothing if the token
    /// was exchanged for another.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn entrance_by_token(
        &self,
        token: Digest,
        tenant_id: Option<TenantId>,
    ) -> Result<Option<Entrance>, StoreError> {
        let args = [token.into(), Value::opt_text(tenant_id)];
        self.read(args, |args, tx| Box::pin(read_entrance(ENTER_BY_UNUSED_TOKEN, args, tx))).await
    }

    /// Notes that a session was used without its token being exchanged; nothing happens to one that has ended.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_session_use(&self, id: SessionId, at: Timestamp) -> Result<(), StoreError> {
        let args = alive(id, at);
        self.write_quietly(args, |args, tx| {
            Box::pin(async move { tx.execute(REFRESH, args).await.map(drop) })
        })
        .await
    }

    /// Exchanges a refresh token for the next one. Of any number of exchanges of one token at most one succeeds; each
    /// other one ends the session.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn refresh(&self, rotation: Refresh) -> Result<Refreshed, StoreError> {
        self.write(rotation, |rotation, tx| Box::pin(rotate(rotation, tx))).await
    }

    /// The person's sessions that can be used, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn live_sessions(
        &self,
        person_id: PersonId,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let args =
            [Value::text(person_id), now.minus(Session::IDLE).into(), now.minus(Session::LONGEST).into()];
        self.read(args, |args, tx| Box::pin(read_live(args, tx))).await
    }

    /// Ends one session of a person. False when the person has no such session that lasts.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn end_session(
        &self,
        person_id: PersonId,
        id: SessionId,
        (at, reason): (Timestamp, SessionEnd),
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        let values = [Value::text(id), Value::text(person_id), at.into(), Value::text(reason)];
        self.write((values, audit), |(values, audit), tx| Box::pin(end(values, audit, tx))).await
    }

    /// Ends all sessions of a person, but for the one that is kept, if one is.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn end_sessions(
        &self,
        (person_id, kept): (PersonId, Option<SessionId>),
        (at, reason): (Timestamp, SessionEnd),
        audit: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        let args = (person_id, kept, (at, reason), audit);
        self.write(args, |(person_id, kept, why, audit), tx| {
            Box::pin(async move {
                end_all_but(*kept, *person_id, *why, tx).await?;
                tell(&*audit, tx).await
            })
        })
        .await
    }
}

/// Adds a session with its first refresh token.
pub(crate) async fn insert(session: &Session, token: Digest, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let values = [
        Value::text(session.id),
        Value::text(session.person_id),
        Value::opt_text(session.tenant_id),
        session.created_at.into(),
        session.refreshed_at.into(),
        Value::opt_text(session.ip),
        Value::opt_text(session.user_agent.as_ref()),
        session.second_factor.into(),
    ];
    tx.execute(INSERT, &values).await?;
    let token = [token.into(), Value::text(session.id), session.created_at.into()];
    tx.execute(INSERT_TOKEN, &token).await.map(drop)
}

/// Ends a person's sessions, all or all but one.
pub(crate) async fn end_all_but(
    kept: Option<SessionId>,
    person_id: PersonId,
    (at, reason): (Timestamp, SessionEnd),
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let kept = kept.map_or_else(String::new, |id| id.to_string());
    let values = [Value::text(person_id), Value::Text(kept), at.into(), Value::text(reason)];
    tx.execute(END_ALL_BUT, &values).await.map(drop)
}

/// Tells the audit logs, all at once: a person may be in many tenants.
pub(crate) async fn tell(
    entries: impl IntoIterator<Item = &AuditEntry>,
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let rows: Vec<_> = entries.into_iter().map(audit::values).collect();
    let statements: Vec<Statement<'_>> = rows.iter().map(|row| (audit::INSERT, row.as_slice())).collect();
    tx.pipeline(&statements).await.map(drop)
}

async fn read_entrance(sql: &str, args: &[Value], tx: &mut Tx<'_>) -> Result<Option<Entrance>, StoreError> {
    let read = |mut row: Row| -> Read<Entrance> {
        let session = read(&mut row)?;
        let person = people::read(&mut row)?;
        let role = row.opt_parsed("role")?;
        let mfa_required = row.opt_int("mfa_required")?.is_some_and(|truth| truth != 0);
        Ok(Entrance { session, person, place: role.map(|role| (role, mfa_required)) })
    };
    tx.query_opt(sql, args).await?.map(read).transpose()
}

async fn read_by_token(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<Session>, StoreError> {
    tx.query_opt(BY_TOKEN, args).await?.map(|mut row| read(&mut row)).transpose()
}

async fn read_live(args: &[Value; 3], tx: &mut Tx<'_>) -> Result<Vec<Session>, StoreError> {
    tx.query(LIVE, args).await?.into_iter().map(|mut row| read(&mut row)).collect()
}

async fn rotate(rotation: &Refresh, tx: &mut Tx<'_>) -> Result<Refreshed, StoreError> {
    let Refresh { session, used, next, at, if_reused } = rotation;
    if tx.execute(USE_TOKEN, &[(*used).into(), (*at).into()]).await? == 0 {
        let reason = Value::text(SessionEnd::TokenReuse);
        let values = [Value::text(session.id), Value::text(session.person_id), (*at).into(), reason];
        end(&values, if_reused, tx).await?;
        return Ok(Refreshed::Reused);
    }
    if tx.execute(REFRESH, &alive(session.id, *at)).await? == 0 {
        return Ok(Refreshed::Ended);
    }
    tx.execute(INSERT_TOKEN, &[(*next).into(), Value::text(session.id), (*at).into()]).await?;
    Ok(Refreshed::Yes)
}

/// The values of [`REFRESH`].
fn alive(id: SessionId, at: Timestamp) -> [Value; 4] {
    [Value::text(id), at.into(), at.minus(Session::IDLE).into(), at.minus(Session::LONGEST).into()]
}

async fn end(values: &[Value; 4], audit: &[AuditEntry], tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let ended = tx.execute(END, values).await? == 1;
    if ended {
        tell(audit, tx).await?;
    }
    Ok(ended)
}

fn read(row: &mut Row) -> Read<Session> {
    Ok(Session {
        id: row.parsed("id")?,
        person_id: row.parsed("person_id")?,
        tenant_id: row.opt_parsed("tenant_id")?,
        created_at: row.time("created_at")?,
        refreshed_at: row.time("refreshed_at")?,
        ended: row.opt_time("ended_at")?.zip(row.opt_parsed("end_reason")?),
        ip: row.opt_parsed("ip")?,
        user_agent: row.opt_text("user_agent")?,
        second_factor: row.truth("second_factor")?,
    })
}
