//! Which keys of a tenant a list shows.

use keystile_core::{ApplicationId, CustomerId, Environment, KeyStatus, Timestamp, TrustLevel};

use crate::record;
use crate::value::Value;

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
            ELSE 'inactive' END = $12 OR $12 IS NULL)";

    /// The values of [`Self::CONDITIONS`].
    pub(crate) fn values(&self) -> [Value; 9] {
        [
            Value::opt_text(self.environment),
            Value::opt_text(self.kind.as_ref()),
            Value::opt_text(self.application_id),
            Value::opt_text(self.customer_id),
            Value::opt_text(self.source_id.as_ref()),
            Value::opt_text(self.trust_level),
            Value::opt_text(self.name_contains.as_deref().map(containing)),
            self.now.into(),
            Value::opt_text(self.status),
        ]
    }
}

/// A pattern for texts with `part` in them. What `LIKE` would take for a wildcard stands for itself.
fn containing(part: &str) -> String {
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
