//! Passwords: changing one, setting one anew with a token, and disabling whose it is.

use keystile_core::{AuditEntry, Digest, PersonId, SessionEnd, SessionId, TenantId, Timestamp};

use crate::row::{Read, Row};
use crate::sessions::{end_all_but, tell};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Store, StoreError};

const CHANGE: &str = "UPDATE persons SET password_hash = $2, failed_sign_ins = 0, retry_at = 0
    WHERE id = $1 AND password_hash = $3";
const RESET: &str = "UPDATE persons SET password_hash = $2, failed_sign_ins = 0, retry_at = 0 WHERE id = $1";
const OFFER: &str = "INSERT INTO password_resets (digest, person_id, tenant_id, made_by, expires_at)
    VALUES ($1, $2, $3, $4, $5)";
const OFFERED: &str =
    "SELECT person_id, tenant_id, made_by, expires_at FROM password_resets WHERE digest = $1";
const TAKE: &str = "DELETE FROM password_resets WHERE digest = $1 AND expires_at > $2";
const WITHDRAW: &str = "DELETE FROM password_resets WHERE person_id = $1";
const DISABLE: &str = "UPDATE persons SET disabled_at = $2 WHERE id = $1 AND disabled_at IS NULL";
const ENABLE: &str = "UPDATE persons SET disabled_at = NULL WHERE id = $1 AND disabled_at IS NOT NULL";

/// Leave to set a person's password anew, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// Whose.
    pub person_id: PersonId,
    /// In which tenant it was made.
    pub tenant_id: Option<TenantId>,
    /// Who made it; the operator, when nobody.
    pub made_by: Option<PersonId>,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Store {
    /// Replaces a password's hash and ends the person's sessions but the one that is kept. False when the hash is
    /// not `old` any more.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn change_password(
        &self,
        (person_id, kept): (PersonId, SessionId),
        (old, new): (String, String),
        at: Timestamp,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        let args = ([Value::text(person_id), Value::Text(new), Value::Text(old)], person_id, kept, at, audit);
        self.write(args, |(values, person_id, kept, at, audit), tx| {
            Box::pin(async move {
                if tx.execute(CHANGE, values).await? == 0 {
                    return Ok(false);
                }
                tx.execute(WITHDRAW, &values[..1]).await?;
                end_all_but(Some(*kept), *person_id, (*at, SessionEnd::PasswordChange), tx).await?;
                tell(&*audit, tx).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Keeps leave to set a password anew, under the digest of its token, in place of any that the person had.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn offer_reset(
        &self,
        token: Digest,
        reset: Reset,
        audit: Vec<AuditEntry>,
    ) -> Result<(), StoreError> {
        self.write((token, reset, audit), |(token, reset, audit), tx| {
            Box::pin(offer(*token, reset, audit, tx))
        })
        .await
    }

    /// The leave that a token stands for, expired or not.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn reset(&self, token: Digest) -> Result<Option<Reset>, StoreError> {
        self.read([token.into()], |args, tx| Box::pin(read_offered(args, tx))).await
    }

    /// Uses a token up, sets the password's hash, and ends all sessions of the person. False when the token was
    /// used, replaced or has expired.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn reset_password(
        &self,
        token: Digest,
        (person_id, hash): (PersonId, String),
        at: Timestamp,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        let args = (token, [Value::text(person_id), Value::Text(hash)], person_id, at, audit);
        self.write(args, |(token, values, person_id, at, audit), tx| {
            Box::pin(async move {
                if tx.execute(TAKE, &[(*token).into(), (*at).into()]).await? == 0 {
                    return Ok(false);
                }
                tx.execute(RESET, values).await?;
                end_all_but(None, *person_id, (*at, SessionEnd::PasswordChange), tx).await?;
                tell(&*audit, tx).await?;
                Ok(true)
            })
        })
        .await
    }

    /// Disables a person and ends all their sessions. False when the person was disabled before.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn disable_person(
        &self,
        person_id: PersonId,
        at: Timestamp,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        self.write((person_id, at, audit), |(person_id, at, audit), tx| {
            Box::pin(disable(*person_id, *at, audit, tx))
        })
        .await
    }

    /// Lets a person sign in again. False when the person was not disabled.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn enable_person(
        &self,
        person_id: PersonId,
        audit: Vec<AuditEntry>,
    ) -> Result<bool, StoreError> {
        self.write((person_id, audit), |(person_id, audit), tx| Box::pin(enable(*person_id, audit, tx))).await
    }
}

async fn offer(
    token: Digest,
    reset: &Reset,
    audit: &[AuditEntry],
    tx: &mut Tx<'_>,
) -> Result<(), StoreError> {
    let person = Value::text(reset.person_id);
    tx.execute(WITHDRAW, std::slice::from_ref(&person)).await?;
    let values = [
        token.into(),
        person,
        Value::opt_text(reset.tenant_id),
        Value::opt_text(reset.made_by),
        reset.expires_at.into(),
    ];
    tx.execute(OFFER, &values).await?;
    tell(audit, tx).await
}

async fn read_offered(args: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<Reset>, StoreError> {
    let read = |mut row: Row| -> Read<Reset> {
        Ok(Reset {
            person_id: row.parsed("person_id")?,
            tenant_id: row.opt_parsed("tenant_id")?,
            made_by: row.opt_parsed("made_by")?,
            expires_at: row.time("expires_at")?,
        })
    };
    tx.query_opt(OFFERED, args).await?.map(read).transpose()
}

async fn disable(
    person_id: PersonId,
    at: Timestamp,
    audit: &[AuditEntry],
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    if tx.execute(DISABLE, &[Value::text(person_id), at.into()]).await? == 0 {
        return Ok(false);
    }
    end_all_but(None, person_id, (at, SessionEnd::PersonDisabled), tx).await?;
    tell(audit, tx).await?;
    Ok(true)
}

async fn enable(person_id: PersonId, audit: &[AuditEntry], tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if tx.execute(ENABLE, &[Value::text(person_id)]).await? == 0 {
        return Ok(false);
    }
    tell(audit, tx).await?;
    Ok(true)
}
