//! Who is in a tenant, and as what.

use keystile_core::{AuditEntry, Email, Member, Membership, PersonId, Role, TenantId};

use crate::edit::{take, tell};
use crate::row::{Read, Row};
use crate::tx::Tx;
use crate::value::Value;
use crate::{Page, Store, StoreError};

/// All that changes the places of one tenant waits for this lock, so that each sees what the one before did.
pub(crate) const LOCK: &str = "SELECT id FROM tenants WHERE id = $1 {for_update}";
const ONE: &str =
    "SELECT person_id, role, created_at FROM memberships WHERE tenant_id = $1 AND person_id = $2";
const STANDING: &str = "SELECT m.role FROM memberships AS m JOIN persons AS p ON p.id = m.person_id
    WHERE m.tenant_id = $1 AND m.person_id = $2 AND p.disabled_at IS NULL";
const OTHER_OWNERS: &str =
    "SELECT COUNT(*) AS owners FROM memberships AS m JOIN persons AS p ON p.id = m.person_id
    WHERE m.tenant_id = $1 AND m.person_id <> $2 AND m.role = 'owner' AND p.disabled_at IS NULL";
const PAGE: &str = "SELECT m.person_id, m.role, m.created_at, p.email, p.disabled_at
    FROM memberships AS m JOIN persons AS p ON p.id = m.person_id
    WHERE m.tenant_id = $1 AND m.person_id < $2 AND ((p.email = $4 AND p.disabled_at IS NULL) OR $4 IS NULL)
    ORDER BY m.person_id DESC LIMIT $3";
const SET_ROLE: &str = "UPDATE memberships SET role = $3 WHERE tenant_id = $1 AND person_id = $2";
const REMOVE: &str = "DELETE FROM memberships WHERE tenant_id = $1 AND person_id = $2";

/// A member's place while nobody else changes who is in the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The place.
    pub membership: Membership,
    /// The role of whoever asks, as of now; none for one who is no member any more.
    pub role_of_actor: Option<Role>,
    /// How many others own the tenant and can sign in.
    pub other_owners: u64,
}

/// What becomes of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceChange {
    /// The member has this role from now on.
    Role(Role),
    /// The member is none any more.
    End,
}

impl Store {
    /// A page of the tenant's members, the latest to sign up first; with `email`, the one with that address, unless they
    /// were disabled.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn members(
        &self,
        tenant_id: TenantId,
        email: Option<&Email>,
        page: Page<PersonId>,
    ) -> Result<Vec<Member>, StoreError> {
        let values = [Value::text(tenant_id), page.below(), page.limit(), Value::opt_text(email)];
        self.read((tenant_id, values), |(tenant_id, values), tx| Box::pin(read_page(*tenant_id, values, tx)))
            .await
    }

    /// The role of a member who is not disabled.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn standing(
        &self,
        tenant_id: TenantId,
        person_id: PersonId,
    ) -> Result<Option<Role>, StoreError> {
        self.read((tenant_id, person_id), |(tenant_id, person_id), tx| {
            Box::pin(standing(*tenant_id, *person_id, tx))
        })
        .await
    }

    /// Changes the place of a member, on behalf of `actor`: reads it, lets `change` decide, and writes it with the
    /// audit entry, while nobody else changes who is in the tenant. Gives the place as it was and what became of it;
    /// nothing is written when `change` fails or returns nothing.
    ///
    /// # Errors
    /// When the database is unavailable or holds what cannot be read.
    pub async fn change_member<E: Send + 'static>(
        &self,
        tenant_id: TenantId,
        person_id: PersonId,
        actor: PersonId,
        change: impl FnOnce(&Place) -> Result<Option<(PlaceChange, AuditEntry)>, E> + Send + 'static,
    ) -> Result<Option<Result<(Place, Option<PlaceChange>), E>>, StoreError> {
        let who = [tenant_id.to_string(), person_id.to_string(), actor.to_string()].map(Value::Text);
        self.write((tenant_id, who, Some(change)), |(tenant_id, who, change), tx| {
            Box::pin(change_place(*tenant_id, who, change, tx))
        })
        .await
    }
}

async fn read_page(
    tenant_id: TenantId,
    values: &[Value; 4],
    tx: &mut Tx<'_>,
) -> Result<Vec<Member>, StoreError> {
    let read = |mut row: Row| {
        let membership = read(tenant_id, &mut row)?;
        let (email, disabled) = (row.parsed("email")?, row.opt_time("disabled_at")?.is_some());
        Ok(Member { membership, email, disabled })
    };
    tx.query(PAGE, values).await?.into_iter().map(read).collect()
}

async fn change_place<E, F>(
    tenant_id: TenantId,
    who: &[Value; 3],
    change: &mut Option<F>,
    tx: &mut Tx<'_>,
) -> Result<Option<Result<(Place, Option<PlaceChange>), E>>, StoreError>
where
    F: FnOnce(&Place) -> Result<Option<(PlaceChange, AuditEntry)>, E>,
{
    tx.query(LOCK, &who[..1]).await?;
    let Some(place) = read_place(tenant_id, who, tx).await? else { return Ok(None) };
    match take(change)?(&place) {
        Err(refusal) => Ok(Some(Err(refusal))),
        Ok(None) => Ok(Some(Ok((place, None)))),
        Ok(Some((what, entry))) => {
            let [tenant, person, _] = who.clone();
            match what {
                PlaceChange::Role(role) => {
                    tell(&[(SET_ROLE, &[tenant, person, Value::text(role)])], &entry, tx).await?;
                }
                PlaceChange::End => tell(&[(REMOVE, &[tenant, person])], &entry, tx).await?,
            }
            Ok(Some(Ok((place, Some(what)))))
        }
    }
}

async fn read_place(
    tenant_id: TenantId,
    who: &[Value; 3],
    tx: &mut Tx<'_>,
) -> Result<Option<Place>, StoreError> {
    let [tenant, _, actor] = who.clone();
    let Some(mut row) = tx.query_opt(ONE, &who[..2]).await? else { return Ok(None) };
    let membership = read(tenant_id, &mut row)?;
    let actor = tx.query_opt(ONE, &[tenant, actor]).await?;
    let role_of_actor = actor.map(|mut row| read(tenant_id, &mut row).map(|place| place.role)).transpose()?;
    let owners = tx.query_opt(OTHER_OWNERS, &who[..2]).await?;
    let other_owners = owners.map(|mut row| row.opt_count("owners")).transpose()?.flatten().unwrap_or(0);
    Ok(Some(Place { membership, role_of_actor, other_owners }))
}

fn read(tenant_id: TenantId, row: &mut Row) -> Read<Membership> {
    Ok(Membership {
        tenant_id,
        person_id: row.parsed("person_id")?,
        role: row.parsed("role")?,
        created_at: row.time("created_at")?,
    })
}

/// The role of a person who is in the tenant and can sign in.
pub(crate) async fn standing(
    tenant_id: TenantId,
    person_id: PersonId,
    tx: &mut Tx<'_>,
) -> Result<Option<Role>, StoreError> {
    let found = tx.query_opt(STANDING, &[Value::text(tenant_id), Value::text(person_id)]).await?;
    found.map(|mut row| row.parsed("role")).transpose()
}

/// Whether the person is in the tenant.
pub(crate) async fn is_member(
    tenant_id: TenantId,
    person_id: PersonId,
    tx: &mut Tx<'_>,
) -> Result<bool, StoreError> {
    Ok(tx.query_opt(ONE, &[Value::text(tenant_id), Value::text(person_id)]).await?.is_some())
}
