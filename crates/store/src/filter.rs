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
    /// Whether it is barred.
    pub blocked: Option<bool>,
    /// Has not ended, and expires by this moment.
    pub expires_by: Option<Timestamp>,
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
            blocked: None,
            expires_by: None,
            unused_since: None,
            inactive_as: KeyStatus::Inactive,
            include_deleted: false,
        }
    }

    /// The conditions of the filter that no index is for, with the places from `$3` on; the status is told as `ApiKey` does.
    pub(crate) const CONDITIONS: &str = r"
        AND (name_search LIKE $3 ESCAPE '\' OR $3 IS NULL)
        AND (environment = $4 OR $4 IS NULL)
        AND (kind = $5 OR $5 IS NULL)
        AND (application_id = $6 OR $6 IS NULL)
        AND (customer_id = $7 OR $7 IS NULL)
        AND (source_id = $8 OR $8 IS NULL)
        AND (trust_level = $9 OR $9 IS NULL)
        AND (CASE
            WHEN revoked_at IS NOT NULL OR deleted_at IS NOT NULL THEN 'revoked'
            WHEN expires_at <= $10 THEN 'expired'
            WHEN enabled = 1 THEN 'active'
            ELSE $12 END = $11 OR $11 IS NULL)
        AND (CASE WHEN blocked_reason IS NULL THEN 'false' ELSE 'true' END = $13 OR $13 IS NULL)
        AND (CASE
            WHEN revoked_at IS NULL AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $10)
                AND secret_created_at <= $14 THEN 'true'
            ELSE 'false' END = $15 OR $15 IS NULL)";

    /// The values of [`Self::CONDITIONS`].
    pub(crate) fn values(&self) -> impl Iterator<Item = Value> {
        let (due, made_by) = self.rotation_due.unzip();
        let values = [
            Value::opt_text(self.name_contains.as_deref().map(containing)),
            Value::opt_text(self.environment),
            Value::opt_text(self.kind.as_ref()),
            Value::opt_text(self.application_id),
            Value::opt_text(self.customer_id),
            Value::opt_text(self.source_id.as_ref()),
            Value::opt_text(self.trust_level),
            self.now.into(),
            Value::opt_text(self.status),
            Value::text(self.inactive_as),
            Value::opt_text(self.blocked),
            made_by.into(),
            Value::opt_text(due),
        ];
        values.into_iter()
    }

    /// Tells the conditions that an index is for, each with its value for `{}`. A key is never used before it is made.
    pub(crate) fn spell(&self, also: &mut dyn FnMut(&str, Value)) {
        if let Some(tag) = &self.tag {
            let tagged = "id IN (SELECT key_id FROM key_tags WHERE tenant_id = $1 AND tag = {})";
            also(tagged, tags::digest(tag).into());
        }
        if let Some(moment) = self.expires_by {
            also(
                "revoked_at IS NULL AND deleted_at IS NULL AND ends_order > $10 AND ends_order <= {}",
                moment.into(),
            );
        }
        if let Some(moment) = self.unused_since {
            also("used_order <= {} AND created_at <= {}", moment.into());
        }
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
