//! Invitations that are open.

use keystile_core::{
    AuditEntry, Digest, Invitation, InvitationId, Membership, Person, PersonId, Role, TenantId, Timestamp,
};

use crate::edit::tell;
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError, members, people};

const INSERT: &str = "INSERT INTO invitations
    (tenant_id, id, email, role, digest, invited_by, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const SWEEP: &str = "DELETE FROM invitations WHERE tenant_id = $1 AND expires_at <= $2";
const PAGE: &str =
    "SELECT tenant_id, id, email, role, digest, invited_by, created_at, expires_at FROM invitations
    WHERE tenant_id = $1 AND id < $2 AND expires_at > $4 ORDER BY id DESC LIMIT $3";
const BY_DIGEST: &str = "SELECT tenant_id, id, email, role, digest, invited_by, created_at, expires_at
    FROM invitations WHERE digest = $1";
const MEMBER: &str = "SELECT p.id FROM memberships AS m JOIN persons AS p ON p.id = m.person_id
    WHERE m.tenant_id = $1 AND p.email = $2";
const END: &str = "DELETE FROM invitations WHERE tenant_id = $1 AND id = $2";

/// What came of accepting an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The person is a member now.
    Joined,
    /// The person was one already; the invitation stays open.
    MemberBefore,
    /// It was accepted or taken back meanwhile, or whoever made it could not make it any more.
    Gone,
}

/// An invitation that is accepted.
#[derive(Debug, Clone)]
pub struct Joining {
    /// Which one.
    pub id: InvitationId,
    /// Who made it, and the weakest role that they must still have.
    pub by: (PersonId, Role),
    /// Who joins, when the person is new.
    pub person: Option<Person>,
    /// The place that it gives.
    pub place: Membership,
    /// What the audit log is told.
    pub entry: AuditEntry,
}

impl Store {
    /// Adds an invitation, and tells the audit log; nothing happens, and the answer is no, when the address is a
    /// member's. Invitations of the tenant that have expired by the time it is made are dropped.
    ///
    /// # Errors
    /// `Conflict(Invitation)` when the address has an open one.
    pub async fn create_invitation(
        &self,
        invitation: Invitation,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let args = (values(&invitation), invitation.created_at, entry);
        self.write(args, |(values, now, entry), tx| Box::pin(create(values, *now, entry, tx))).await
    }

    /// A page of the tenant's invitations that are open at `now`, newest first.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn invitations(
        &self,
        tenant_id: TenantId,
        now: Timestamp,
        page: Page<InvitationId>,
    ) -> Result<Vec<Invitation>, StoreError> {
        let args = [Value::text(tenant_id), page.below(), page.limit(), now.into()];
        self.read(args, |args, tx| Box::pin(read_page(args, tx))).await
    }

    /// The invitation whose token has this digest. It says by itself which tenant it is for.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn invitation_by_digest(&self, digest: Digest) -> Result<Option<Invitation>, StoreError> {
        self.read([digest.into()], |args, tx| Box::pin(read_one(args, tx))).await
    }

    /// Takes an invitation back, and tells the audit log; nothing happens, and the answer is no, when there is none.
    ///
    /// # Errors
    /// When the database is unavailable.
    pub async fn revoke_invitation(
        &self,
        tenant_id: TenantId,
        id: InvitationId,
        entry: AuditEntry,
    ) -> Result<bool, StoreError> {
        let args = ([Value::text(tenant_id), Value::text(id)], entry);
        self.write(args, |(which, entry), tx| Box::pin(revoke(which, entry, tx))).await
    }

    /// Uses an invitation up: makes `person` if it is a new one, and gives the place. All of it, or nothing; of many
    /// attempts with one invitation one succeeds.
    ///
    /// # Errors
    /// `Conflict(Email)` when the new person's address was taken meanwhile.
    pub async fn accept_invitation(&self, joining: Joining) -> Result<Accepted, StoreError> {
        self.write(joining, |joining, tx| Box::pin(accept(joining, tx))).await
    }
}

async fn create(
    values: &[Value; 8],
    now: Timestamp,
    entry: &AuditEntry,
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    let [tenant, _, email, ..] = values.clone();
    if tx.query_opt(MEMBER, &[tenant.clone(), email]).await?.is_some() {
        return Ok(false);
    }
    tell(&[(SWEEP, &[tenant, now.into()]), (INSERT, values)], entry, tx).await?;
    Ok(true)
}

async fn read_page(args: &[Value; 4], tx: &mut Tx<'_>) -> Result<Vec<Invitation>, StoreError> {
    tx.query(PAGE, args).await?.into_iter().map(read).collect()
}

async fn read_one(digest: &[Value; 1], tx: &mut Tx<'_>) -> Result<Option<Invitation>, StoreError> {
    tx.query_opt(BY_DIGEST, digest).await?.map(read).transpose()
}

async fn revoke(which: &[Value; 2], entry: &AuditEntry, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    if tx.execute(END, which).await? == 0 {
        return Ok(false);
    }
    tell(&[], entry, tx).await?;
    Ok(true)
}

/// The tenant's lock comes first, as for every change of its places.
async fn accept(joining: &Joining, tx: &mut Tx<'_>) -> Result<Accepted, StoreError> {
    let Joining { id, by: (inviter, needed), person, place, entry } = joining;
    let tenant = Value::text(place.tenant_id);
    tx.query(members::LOCK, std::slice::from_ref(&tenant)).await?;
    if members::is_member(place.tenant_id, place.person_id, tx).await? {
        return Ok(Accepted::MemberBefore);
    }
    let standing = members::standing(place.tenant_id, *inviter, tx).await?;
    let could_give = standing.is_some_and(|role| role >= *needed);
    if !could_give || tx.execute(END, &[tenant, Value::text(id)]).await? == 0 {
        return Ok(Accepted::Gone);
    }
    if let Some(person) = person {
        tx.execute(people::INSERT, &people::values(person)).await?;
    }
    tell(&[(people::JOIN, &people::join_values(place))], entry, tx).await?;
    Ok(Accepted::Joined)
}

fn values(invitation: &Invitation) -> [Value; 8] {
    [
        Value::text(invitation.tenant_id),
        Value::text(invitation.id),
        Value::text(&invitation.email),
        Value::text(invitation.role),
        invitation.digest.into(),
        Value::text(invitation.invited_by),
        invitation.created_at.into(),
        invitation.expires_at.into(),
    ]
}

fn read(mut row: Row) -> Read<Invitation> {
    Ok(Invitation {
        tenant_id: row.parsed("tenant_id")?,
        id: row.parsed("id")?,
        email: row.parsed("email")?,
        role: row.parsed("role")?,
        digest: row.digest("digest")?,
        invited_by: row.parsed("invited_by")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}
