//! Which keys of a tenant a list shows.

use keystile_core::{ApplicationId, CustomerId, Environment, KeyStatus, Timestamp, TrustLevel};

use crate::value::Value;
use crate::{record, tags};

/// Which keys a list shows; what is `None` does not matter.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// When the list is made; the status is as of then.
    pub now: Timestamp,
    /// Works there.
    pub environment: Option<Environment>,
    /// Has this status at `now`.
    pub status: Option<KeyStatus>,
    /// Is of this kind, by one of [`keystile_core::KeyKind::NAMES`].
    pub kind: Option<String>,
    /// Was issued to it.
    pub application_id: Option<ApplicationId>,
    /// Is restricted to it.
    pub customer_id: Option<CustomerId>,
    /// Is held by this source.
    pub source_id: Option<String>,
    /// Is treated so.
    pub trust_level: Option<TrustLevel>,
    /// Has this anywhere in its name, in capitals or not.
    pub name_contains: Option<String>,
    /// Has a tag of this name, or this `name:value`.
    pub tag: Option<String>,
    /// Whether its secret was made by this moment and it has not ended.
    pub rotation_due: Option<(bool, Timestamp)>,
    /// Was neither made nor used after this.
    pub unused_since: Option<Timestamp>,
    /// As what keys that are switched off are looked for.
    pub inactive_as: KeyStatus,
    /// Whether deleted keys are shown, too.
    pub include_deleted: bool,
}

impl KeyFilter {
    /// Every key that is not deleted.
    pub fn all(now: Timestamp) -> Self {
        Self {
            now,
            environment: None,
            status: None,
            kind: None,
            application_id: None,
            customer_id: None,
            source_id: None,
            trust_level: None,
            name_contains: None,
            tag: None,
            rotation_due: None,
            unused_since: None,
            inactive_as: KeyStatus::Inactive,
            include_deleted: false,
        }
    }

    /// The conditions of the filter, which take the places from `$4` on; the status is told as `ApiKey` does.
    pub(crate) const CONDITIONS: &str = r"
        AND (environment = $4 OR $4 IS NULL)
        AND (kind = $5 OR $5 IS NULL)
        AND (application_id = $6 OR $6 IS NULL)
        AND (customer_id = $7 OR $7 IS NULL)
        AND (source_id = $8 OR $8 IS NULL)
        AND (trust_level = $9 OR $9 IS NULL)
        AND (name_search LIKE $10 ESCAPE '\' OR $10 IS NULL)
        AND (CASE
            WHEN revoked_at IS NOT NULL OR deleted_at IS NOT NULL THEN 'revoked'
            WHEN expires_at <= $11 THEN 'expired'
            WHEN enabled = 1 THEN 'active'
            ELSE $13 END = $12 OR $12 IS NULL)
        AND (COALESCE(last_used_at, created_at) <= $14 OR $14 IS NULL)
        AND (CASE
            WHEN revoked_at IS NULL AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $11)
                AND secret_created_at <= $15 THEN 'true'
            ELSE 'false' END = $16 OR $16 IS NULL)";

    /// One more condition, when a tag is asked for.
    pub(crate) const WITH_TAG: &str =
        "AND id IN (SELECT key_id FROM key_tags WHERE tenant_id = $1 AND tag = $17)";

    /// The values of [`Self::CONDITIONS`], and of [`Self::WITH_TAG`] when there is one.
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> {
        let (due, made_by) = self.rotation_due.unzip();
        let tag = self.tag.as_ref().map(|tag| tags::digest(tag).into());
        let values = [
            Value::opt_text(self.environment),
            Value::opt_text(self.kind.as_ref()),
            Value::opt_text(self.application_id),
            Value::opt_text(self.customer_id),
            Value::opt_text(self.source_id.as_ref()),
            Value::opt_text(self.trust_level),
            Value::opt_text(self.name_contains.as_deref().map(containing)),
            self.now.into(),
            Value::opt_text(self.status),
            Value::text(self.inactive_as),
            self.unused_since.into(),
            made_by.into(),
            Value::opt_text(due),
        ];
        values.into_iter().chain(tag)
    }
}

/// A pattern for texts with `part` in them. What `LIKE` would take for a wildcard stands for itself.
pub(crate) fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for character in record::fold(part).chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    #[test]
    fn wildcards_in_a_search_stand_for_themselves() {
        assert_eq!(super::containing(r"50%_Off\"), r"%50\%\_off\\%");
    }
}
