//! Which keys of a tenant a list shows.

use keystile_core::key::KeySort;
use keystile_core::{ApplicationId, CustomerId, Environment, KeyStatus, Timestamp, TrustLevel};
use serde::{Deserialize, Serialize};

use crate::value::Value;
use crate::{record, tags};

/// Which keys a list shows; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// How keys with a tag are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tagged {
    /// All of them, by the tag; then those that pass the rest of the filter.
    Together,
    /// Each key that a bounded look comes to is asked whether it has the tag.
    OneByOne,
}

/// Takes a condition, and its value if it has one.
pub(crate) type Also<'a> = &'a mut dyn FnMut(&str, Option<Value>);

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

    /// The conditions of the filter that are asked of a key, with the places from `$3` on; the status is told as `ApiKey` does.
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
            self.name_pattern(),
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

    /// Whether there may be keys that a list passes over one by one; of those with a tag it has to be asked how many there are.
    pub(crate) const fn passes_over(&self) -> bool {
        self.environment.is_some()
            || self.status.is_some()
            || self.kind.is_some()
            || self.application_id.is_some()
            || self.customer_id.is_some()
            || self.source_id.is_some()
            || self.trust_level.is_some()
            || self.name_contains.is_some()
            || self.rotation_due.is_some()
            || self.blocked.is_some()
            || self.expires_by.is_some()
            || self.unused_since.is_some()
    }

    /// The pattern of names that are asked for.
    pub(crate) fn name_pattern(&self) -> Value {
        Value::opt_text(self.name_contains.as_deref().map(containing))
    }

    /// Whether keys may be passed over for anything but their names.
    pub(crate) fn passes_over_more_than_names(&self) -> bool {
        self.tag.is_some() || Self { name_contains: None, ..self.clone() }.passes_over()
    }

    /// Whether names are asked for and can be looked through in this order, so that keys with other names are passed over without reading
    /// their rows.
    pub(crate) fn passes_over_names(&self, sort: KeySort) -> bool {
        self.name_contains.is_some() && self.goes_through_names(sort)
    }

    /// Whether the keys that a list in this order goes through are those that have names to look through, in an order of theirs.
    pub(crate) fn goes_through_names(&self, sort: KeySort) -> bool {
        let is_ordered = match sort {
            KeySort::Created | KeySort::Name => !self.include_deleted,
            KeySort::LastUsed | KeySort::Expires => false,
        };
        let mut is_led = false;
        self.lead(sort, &mut |_, _| is_led = true);
        is_ordered && !is_led
    }

    /// Tells the conditions that an index is for, each with its value for `{}`.
    pub(crate) fn spell(&self, sort: KeySort, tagged: Tagged, also: Also<'_>) {
        self.lead(sort, also);
        self.spell_rest(tagged, &mut |condition, value| also(&condition.replace("{aside}", ""), value));
    }

    /// Of these conditions those that are not told by [`Self::lead`], or not fully, so that none of them leads. A key is never used before it
    /// is made.
    pub(crate) fn spell_rest(&self, tagged: Tagged, also: Also<'_>) {
        if let Some(tag) = &self.tag {
            let condition = match tagged {
                Tagged::Together => "id IN (SELECT key_id FROM key_tags WHERE tenant_id = $1 AND tag = {})",
                // In this form no planner reads all that has the tag first.
                Tagged::OneByOne => {
                    "(SELECT asked.tag FROM key_tags AS asked WHERE asked.tenant_id = $1
                        AND asked.key_id = api_keys.id AND asked.tag = {}) IS NOT NULL"
                }
            };
            also(condition, Some(tags::digest(tag).into()));
        }
        if let Some(moment) = self.expires_by {
            let expires = "revoked_at IS NULL AND deleted_at IS NULL AND {aside}ends_order > $10 AND {aside}ends_order <= {}";
            also(expires, Some(moment.into()));
        }
        if let Some(moment) = self.unused_since {
            also("{aside}used_order <= {} AND created_at <= {}", Some(moment.into()));
        }
    }

    /// Of these conditions tells those that an index leads by in this order, so that no key is passed over for them; at most one thing
    /// that a key has, as there is an index for each, and a statement.
    pub(crate) fn lead(&self, sort: KeySort, also: Also<'_>) {
        if self.include_deleted {
            return;
        }
        match sort {
            KeySort::Created => self.lead_by_belonging(also),
            KeySort::LastUsed => {
                if let Some(moment) = self.unused_since {
                    also("used_order <= {}", Some(moment.into()));
                }
            }
            KeySort::Expires => {
                if let Some(moment) = self.expires_by {
                    also("ends_order > {}", Some(self.now.into()));
                    also("ends_order <= {}", Some(moment.into()));
                }
            }
            KeySort::Name => {}
        }
    }

    fn lead_by_belonging(&self, also: Also<'_>) {
        if let Some(id) = self.customer_id {
            also("customer_id = {}", Some(Value::text(id)));
        } else if let Some(source) = &self.source_id {
            also("source_id {by_bytes} = {}", Some(Value::text(source)));
        } else if self.blocked == Some(true) {
            also("blocked_reason IS NOT NULL", None);
        } else if let Some(id) = self.application_id {
            also("application_id = {}", Some(Value::text(id)));
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
