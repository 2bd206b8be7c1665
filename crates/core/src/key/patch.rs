//! A change of a key's settings, field by field.

use crate::key::{ApiKey, KeyKind, ModelPattern, ObjectPatch, SourceType, TrustLevel, object};
use crate::{AllowedIps, BudgetPeriod, CustomerId, Grants, Invalid, Name, NanoUsd, RateLimit, Timestamp};

/// Settings to write; `None` leaves a setting as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is the field of `ApiKey` with the same name")]
pub struct KeyPatch {
    pub name: Option<Name>,
    pub customer_id: Option<Option<CustomerId>>,
    pub issued_to_user_id: Option<Option<String>>,
    pub issued_to_service: Option<Option<String>>,
    pub source_id: Option<Option<String>>,
    pub trust_level: Option<TrustLevel>,
    pub scopes: Option<Grants>,
    pub allowed_ips: Option<AllowedIps>,
    pub allowed_models: Option<Vec<ModelPattern>>,
    pub rpm_limit: Option<Option<u64>>,
    pub tpm_limit: Option<Option<u64>>,
    pub rate_limits: Option<Vec<RateLimit>>,
    pub max_budget: Option<Option<NanoUsd>>,
    pub budget_period: Option<BudgetPeriod>,
    pub expires_at: Option<Option<Timestamp>>,
    pub blocked: Option<Option<String>>,
    pub source: Option<Option<String>>,
    pub source_type: Option<SourceType>,
    pub tags: Option<ObjectPatch>,
    pub metadata: Option<ObjectPatch>,
}

impl KeyPatch {
    /// Writes the settings into `key`.
    ///
    /// # Errors
    /// Every setting that the key's kind does not have, or that breaks a bound. The key may then be half
    /// written and must be thrown away.
    pub fn apply(self, key: &mut ApiKey) -> Result<(), Vec<Invalid>> {
        let mut broken = self.misplaced(&key.kind);
        write_kind(&mut key.kind, self.issued_to_user_id, self.issued_to_service, self.allowed_models);
        write(&mut key.name, self.name);
        write(&mut key.customer_id, self.customer_id);
        write(&mut key.source_id, self.source_id);
        write(&mut key.trust_level, self.trust_level);
        write(&mut key.scopes, self.scopes);
        write(&mut key.allowed_ips, self.allowed_ips);
        write(&mut key.limits.rpm, self.rpm_limit);
        write(&mut key.limits.tpm, self.tpm_limit);
        write(&mut key.limits.rates, self.rate_limits);
        write(&mut key.limits.max_budget, self.max_budget);
        write(&mut key.limits.budget_period, self.budget_period);
        write(&mut key.expires_at, self.expires_at);
        write(&mut key.blocked, self.blocked);
        write(&mut key.source, self.source);
        write(&mut key.source_type, self.source_type);
        for (object, patch) in [(&mut key.tags, self.tags), (&mut key.metadata, self.metadata)] {
            patch.into_iter().for_each(|patch| patch.apply(object));
        }
        broken.extend(key.limits.check().err());
        broken.extend(
            ["tags", "metadata"].into_iter().zip([&key.tags, &key.metadata]).filter_map(object::check),
        );
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }

    /// Settings that a key of `kind` does not have. Clearing one is always allowed.
    fn misplaced(&self, kind: &KeyKind) -> Vec<Invalid> {
        let set = |given: &Option<Option<String>>| matches!(given, Some(Some(_)));
        let models = self.allowed_models.as_ref().is_some_and(|models| !models.is_empty());
        let placed = [
            ("issued_to_user_id", set(&self.issued_to_user_id), "user"),
            ("issued_to_service", set(&self.issued_to_service), "service"),
            ("allowed_models", models, "virtual_llm"),
        ];
        let elsewhere = placed.into_iter().filter(|(_, given, owner)| *given && kind.as_str() != *owner);
        elsewhere
            .map(|(field, _, owner)| Invalid::new(field, format!("only a key of kind `{owner}` has it")))
            .collect()
    }
}

pub(crate) fn write<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn write_kind(
    kind: &mut KeyKind,
    user: Option<Option<String>>,
    service: Option<Option<String>>,
    models: Option<Vec<ModelPattern>>,
) {
    match kind {
        KeyKind::User { issued_to_user_id } => write(issued_to_user_id, user),
        KeyKind::Service { issued_to_service } => write(issued_to_service, service),
        KeyKind::VirtualLlm { allowed_models } => write(allowed_models, models),
        KeyKind::Ingest => {}
    }
}
