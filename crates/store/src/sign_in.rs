//! Signing in: what it is decided on, counting attempts in vain, and starting a session.

use std::time::Duration;

use keystile_core::{AuditEntry, Digest, Email, Person, PersonId, Session, SessionEnd, Timestamp};

use crate::second_factor::{self, Enrolled};
use crate::sessions::{self, tell};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError, people};

const FACTS: &str = "SELECT id, email, password_hash, created_at, disabled_at, failed_sign_ins, retry_at
    FROM persons WHERE email = $1";
const FACTS_BY_ID: &str =
    "SELECT id, email, password_hash, created_at, disabled_at, failed_sign_ins, retry_at
    FROM persons WHERE id = $1";
/// `failed_sign_ins` is still the count before this attempt.
const COUNT: &str = "UPDATE persons SET failed_sign_ins = failed_sign_ins + 1,
        retry_at = $2 + CASE WHEN failed_sign_ins + 1 < $3 THEN 0 ELSE (failed_sign_ins + 2 - $3) * $4 END
    WHERE id = $1 AND failed_sign_ins < $5 AND retry_at <= $2";
/// The first attempt in each pause; after the last pause of a locked account no other before `$4`.
const TELL_REFUSAL: &str = "UPDATE persons
    SET refusal_told_until = CASE WHEN retry_at > $2 THEN retry_at ELSE $4 END
    WHERE id = $1 AND (failed_sign_ins >= $3 OR retry_at > $2) AND refusal_told_until <= $2";
const TELL_CHALLENGE: &str = "UPDATE persons SET challenge_told_until = $3
    WHERE id = $1 AND challenge_told_until <= $2";
const COUNT_NOBODY: &str = "UPDATE refused_sign_ins SET count = count + 1 WHERE id = 1";
const FORGIVE: &str = "UPDATE persons SET failed_sign_ins = 0, retry_at = 0
    WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL AND failed_sign_ins < $3 AND retry_at <= $4";
const CROWD_OUT: &str = "UPDATE sessions SET ended_at = $2, end_reason = $3
    WHERE person_id = $1 AND ended_at IS NULL AND id NOT IN (
        SELECT id FROM sessions WHERE person_id = $1 AND ended_at IS NULL
        ORDER BY refreshed_at DESC, id DESC LIMIT $4)";
const SWEEP_TOKENS: &str = "DELETE FROM refresh_tokens WHERE session_id IN
    (SELECT id FROM sessions WHERE person_id = $1 AND created_at <= $2)";
const SWEEP: &str = "DELETE FROM sessions WHERE person_id = $1 AND created_at <= $2";

/// Live sessions of one person; signing in once more ends the one that was refreshed longest ago. More than anybody
/// has devices, and few enough to be shown on one page.
const MOST_SESSIONS: i64 = 100;

/// Of the attempts to sign in as somebody who is locked, one in so long is told to the audit log: whoever knows an address
/// must not fill it.
const LOCKED_TOLD_EVERY: Duration = Duration::from_secs(60 * 60);
/// Of right passwords without a second factor, one in so long is told: whoever knows a password must not fill the log
/// either, and whoever signs in does so twice in a row.
const CHALLENGE_TOLD_EVERY: Duration = Duration::from_secs(60);

/// How many attempts in vain are borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From this many on in a row, each is followed by a pause.
    pub free: u32,
    /// The first pause; each further one is longer by the same.
    pub pause: Duration,
    /// At this many in a row, no more are looked at.
    pub most: u32,
}

/// What signing in is decided on.
#[derive(Debug, Clone)]
pub struct SignInFacts {
    /// Who.
    pub person: Person,
    /// Attempts in vain since the last that succeeded.
    pub failures: u32,
    /// From when on an attempt is looked at.
    pub retry_at: Timestamp,
    /// The second factor, once it is confirmed.
    pub factor: Option<Enrolled>,
}

impl SignInFacts {
    /// Whether an attempt is looked at now.
    pub fn may_try(&self, patience: Patience, now: Timestamp) -> bool {
        self.failures < patience.most && self.retry_at <= now
    }
}

/// What was shown beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// Nothing.
    Nothing,
    /// The code of this step.
    Step(i64),
    /// A recovery code.
    RecoveryCode(Digest),
}

/// A session to start.
#[derive(Debug)]
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// Of its first refresh token.
    pub token: Digest,
    /// The hash that the password was compared with. A password that was changed meanwhile starts nothing.
    pub password_hash: String,
    /// What was shown beside the password; it is spent.
    pub factor: Factor,
    /// What the audit logs are told.
    pub audit: Vec<AuditEntry>,
}

/// An attempt to sign in, in vain.
#[derive(Debug)]
pub struct FailedSignIn {
    /// As whom; nobody's attempt costs the same.
    pub person_id: Option<PersonId>,
    /// When.
    pub at: Timestamp,
    /// What the audit logs are told of an attempt that counts.
    pub counted: Vec<AuditEntry>,
    /// What they are told of one at a time at which none is looked at: once in a pause, and once an hour while the
    /// account is locked.
    pub in_pause: Vec<AuditEntry>,
}

/// Whether a session was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It was.
    Yes,
    /// Somebody disabled the person, changed the password or failed too often meanwhile, or the second factor was
    /// spent before.
    No,
}

impl Store {
    /// What signing in with this address is decided on.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn sign_in_facts(&self, email: &Email) -> Result<Option<SignInFacts>, StoreError> {
        self.read(Value::text(email), |email, tx| Box::pin(read_facts(FACTS, email, tx))).await
    }

    /// The same for somebody who is known.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn sign_in_facts_of(&self, id: PersonId) -> Result<Option<SignInFacts>, StoreError> {
        self.read(Value::text(id), |id, tx| Box::pin(read_facts(FACTS_BY_ID, id, tx))).await
    }

    /// Counts an attempt in vain, unless the person is not looked at now anyway, and tells the audit logs.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn count_failure(&self, failed: FailedSignIn, patience: Patience) -> Result<(), StoreError> {
        self.write((failed, patience), |(failed, patience), tx| Box::pin(count(failed, *patience, tx))).await
    }

    /// Tells the audit logs of a right password that a second factor has to follow, at most once a minute.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn note_challenge(
        &self,
        person_id: PersonId,
        now: Timestamp,
        audit: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        let values = [Value::text(person_id), now.into(), now.plus(CHALLENGE_TOLD_EVERY).into()];
        self.write((values, audit), |(values, audit), tx| {
            Box::pin(async move {
                if tx.execute(TELL_CHALLENGE, values).await? == 0 {
                    return Ok(());
                }
                tell(&*audit, tx).await
            })
        })
        .await
    }

    /// Starts a session, which forgives earlier attempts in vain. What this person's sessions left that ended by
    /// age is swept.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn start_session(&self, new: NewSession, patience: Patience) -> Result<Started, StoreError> {
        self.write((new, patience), |(new, patience), tx| Box::pin(start(new, *patience, tx))).await
    }
}

async fn read_facts(sql: &str, key: &Value, tx: &mut Tx<'_>) -> Result<Option<SignInFacts>, StoreError> {
    let Some(mut row) = tx.query_opt(sql, std::slice::from_ref(key)).await? else { return Ok(None) };
    let person = people::read(&mut row)?;
    let failures = u32::try_from(row.int("failed_sign_ins")?).unwrap_or(u32::MAX);
    let retry_at = row.time("retry_at")?;
    let factor = second_factor::read_confirmed(person.id, tx).await?;
    Ok(Some(SignInFacts { person, failures, retry_at, factor }))
}

async fn count(failed: &FailedSignIn, patience: Patience, tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let Some(person_id) = failed.person_id else {
        return tx.execute(COUNT_NOBODY, &[]).await.map(drop);
    };
    let (person, now, most) = (Value::text(person_id), failed.at, i64::from(patience.most));
    let pause = Value::count(u64::try_from(patience.pause.as_millis()).ok());
    let counting = [person.clone(), now.into(), i64::from(patience.free).into(), pause, most.into()];
    if tx.execute(COUNT, &counting).await? == 1 {
        return tell(&failed.counted, tx).await;
    }
    let later = now.plus(LOCKED_TOLD_EVERY).into();
    if tx.execute(TELL_REFUSAL, &[person, now.into(), most.into(), later]).await? == 1 {
        return tell(&failed.in_pause, tx).await;
    }
    tx.execute(COUNT_NOBODY, &[]).await.map(drop)
}

async fn start(new: &NewSession, patience: Patience, tx: &mut Tx<'_>) -> Result<Started, StoreError> {
    let (session, now) = (&new.session, new.session.created_at);
    let person = Value::text(session.person_id);
    if !second_factor::spend(session.person_id, new.factor, tx).await? {
        return Ok(Started::No);
    }
    let most = i64::from(patience.most).into();
    let forgive = [person.clone(), Value::text(&new.password_hash), most, now.into()];
    if tx.execute(FORGIVE, &forgive).await? == 0 {
        return Ok(Started::No);
    }
    let old = [person.clone(), now.minus(Session::LONGEST).into()];
    tx.execute(SWEEP_TOKENS, &old).await?;
    tx.execute(SWEEP, &old).await?;
    sessions::insert(session, new.token, tx).await?;
    let crowd = [person, now.into(), Value::text(SessionEnd::Crowded), MOST_SESSIONS.into()];
    tx.execute(CROWD_OUT, &crowd).await?;
    tell(&new.audit, tx).await?;
    Ok(Started::Yes)
}
