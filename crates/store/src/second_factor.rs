//! Second factors: TOTP secrets, sealed, and the digests of recovery codes.

use keystile_core::{AuditEntry, Digest, PersonId, SessionId, Timestamp};

use crate::row::{Read, Row};
use crate::sessions::tell;
use crate::tx::Tx;
use crate::value::Value;
use crate::{Factor, Store, StoreError, jobs, llm, webhooks};

const ENROL: &str = "INSERT INTO second_factors (person_id, sealed_by, sealed, created_at, last_step)
    VALUES ($1, $2, $3, $4, 0)";
const FORGET_UNCONFIRMED: &str = "DELETE FROM second_factors WHERE person_id = $1 AND confirmed_at IS NULL";
const ONE: &str = "SELECT sealed_by, sealed, confirmed_at FROM second_factors WHERE person_id = $1";
/// The secret is compared, too: one that was enrolled meanwhile has not been confirmed.
const CONFIRM: &str = "UPDATE second_factors SET confirmed_at = $2, last_step = $3
    WHERE person_id = $1 AND confirmed_at IS NULL AND sealed = $4";
const SPEND_STEP: &str = "UPDATE second_factors SET last_step = $2
    WHERE person_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2";
const STEP_LEFT: &str = "SELECT 1 AS found FROM second_factors
    WHERE person_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2";
const CODE_LEFT: &str = "SELECT 1 AS found FROM recovery_codes WHERE person_id = $1 AND digest = $2";
const SPEND_CODE: &str = "DELETE FROM recovery_codes WHERE person_id = $1 AND digest = $2";
const ADD_CODE: &str = "INSERT INTO recovery_codes (person_id, digest) VALUES ($1, $2)";
const FORGET: &str = "DELETE FROM second_factors WHERE person_id = $1";
const FORGET_CODES: &str = "DELETE FROM recovery_codes WHERE person_id = $1";
const PROVEN: &str = "UPDATE sessions SET second_factor = 1 WHERE id = $1";
const UNPROVEN: &str = "UPDATE sessions SET second_factor = 0 WHERE person_id = $1";
const SEALED_BY: &str = "SELECT DISTINCT sealed_by FROM second_factors
    UNION SELECT DISTINCT sealed_by FROM job_chunks WHERE sealed_by IS NOT NULL";

/// A value that only the holder of a key can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Fingerprint of the key.
    pub by: Digest,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// A person's TOTP secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The secret.
    pub secret: Sealed,
    /// Since when it is asked for. Until then the person has not shown that they have it.
    pub confirmed_at: Option<Timestamp>,
}

impl Store {
    /// Keeps a TOTP secret until it is confirmed, in place of one that never was. False when the person has one that
    /// is confirmed.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn enrol(
        &self,
        person_id: PersonId,
        secret: Sealed,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = [Value::text(person_id), secret.by.into(), Value::blob(secret.bytes), at.into()];
        self.write(values, |values, tx| Box::pin(enrol(values, tx))).await
    }

    /// The TOTP secret of a person, confirmed or not.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn enrolled(&self, person_id: PersonId) -> Result<Option<Enrolled>, StoreError> {
        self.read(person_id, |id, tx| Box::pin(read_one(*id, tx))).await
    }

    /// Confirms the TOTP secret, with recovery codes beside it, and notes that the session has shown it. False when
    /// there is no such secret to confirm.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn confirm_factor(
        &self,
        (person_id, session_id): (PersonId, SessionId),
        (secret, step, at): (Sealed, i64, Timestamp),
        codes: Vec<Digest>,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        let values = [Value::text(person_id), at.into(), step.into(), Value::blob(secret.bytes)];
        let args = (values, Value::text(session_id), codes, audit);
        self.write(args, |(values, session, codes, audit), tx| {
            Box::pin(confirm(values, session, codes, audit, tx))
        })
        .await
    }

    /// Takes the second factor away when `factor` can be spent; [`Factor::Nothing`] always can. False when it
    /// cannot, or there is none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn remove_factor(
        &self,
        person_id: PersonId,
        factor: Factor,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        let args = (person_id, factor, audit);
        self.write(args, |(id, factor, audit), tx| Box::pin(remove(*id, *factor, audit, tx))).await
    }

    /// Whether a second factor could be used up now; true for nothing at all.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn can_spend(&self, person_id: PersonId, factor: Factor) -> Result<bool, StoreError> {
        self.read((person_id, factor), |(id, factor), tx| Box::pin(is_left(*id, *factor, tx))).await
    }

    /// Fingerprints of the keys without which something here cannot be read any more.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn sealing_keys(&self) -> Result<Vec<Digest>, StoreError> {
        self.read((), |(), tx| Box::pin(read_sealing_keys(tx))).await
    }
}

/// Uses a second factor up, which can be done once. True for nothing at all.
pub(crate) async fn spend(person_id: PersonId, factor: Factor, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let person = Value::text(person_id);
    match factor {
        Factor::Nothing => Ok(true),
        Factor::Step(step) => Ok(tx.execute(SPEND_STEP, &[person, step.into()]).await? == 1),
        Factor::RecoveryCode(code) => Ok(tx.execute(SPEND_CODE, &[person, code.into()]).await? == 1),
    }
}

async fn is_left(person_id: PersonId, factor: Factor, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let (sql, shown) = match factor {
        Factor::Nothing => return Ok(true),
        Factor::Step(step) => (STEP_LEFT, step.into()),
        Factor::RecoveryCode(code) => (CODE_LEFT, code.into()),
    };
    Ok(tx.query_opt(sql, &[Value::text(person_id), shown]).await?.is_some())
}

/// The second factor that has to be shown.
pub(crate) async fn read_confirmed(
    person_id: PersonId,
    tx: &mut Tx<'_>,
) -> Result<Option<Enrolled>, StoreError> {
    Ok(read_one(person_id, tx).await?.filter(|enrolled| enrolled.confirmed_at.is_some()))
}

async fn read_one(person_id: PersonId, tx: &mut Tx<'_>) -> Result<Option<Enrolled>, StoreError> {
    let read = |mut row: Row| -> Read<Enrolled> {
        let secret = Sealed { by: row.digest("sealed_by")?, bytes: row.blob("sealed")? };
        Ok(Enrolled { secret, confirmed_at: row.opt_time("confirmed_at")? })
    };
    tx.query_opt(ONE, &[Value::text(person_id)]).await?.map(read).transpose()
}

async fn enrol(values: &[Value; 4], tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    tx.execute(FORGET_UNCONFIRMED, &values[..1]).await?;
    if tx.query_opt(ONE, &values[..1]).await?.is_some() {
        return Ok(false);
    }
    tx.execute(ENROL, values).await.map(|_| true)
}

async fn confirm(
    values: &[Value; 4],
    session: &Value,
    codes: &[Digest],
    audit: &[AuditEntry],
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    if tx.execute(CONFIRM, values).await? == 0 {
        return Ok(false);
    }
    tx.execute(FORGET_CODES, &values[..1]).await?;
    for code in codes {
        tx.execute(ADD_CODE, &[values[0].clone(), (*code).into()]).await?;
    }
    tx.execute(PROVEN, std::slice::from_ref(session)).await?;
    tell(audit, tx).await?;
    Ok(true)
}

async fn remove(
    person_id: PersonId,
    factor: Factor,
    audit: &[AuditEntry],
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    let person = [Value::text(person_id)];
    if !spend(person_id, factor, tx).await? || tx.execute(FORGET, &person).await? == 0 {
        return Ok(false);
    }
    tx.execute(FORGET_CODES, &person).await?;
    tx.execute(UNPROVEN, &person).await?;
    tell(audit, tx).await?;
    Ok(true)
}

async fn read_sealing_keys(tx: &mut Tx<'_>) -> Result<Vec<Digest>, StoreError> {
    let factors = tx.query(SEALED_BY, &[]).await?.into_iter().map(|mut row| row.digest("sealed_by"));
    let mut keys = factors.collect::<Result<Vec<_>, _>>()?;
    keys.extend(webhooks::sealing_keys(tx).await?);
    keys.extend(jobs::sealing_keys(tx).await?);
    keys.extend(llm::sealing_keys(tx).await?);
    Ok(keys)
}
