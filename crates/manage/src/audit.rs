//! Audit entries: who did what, and what it changed.

use keystile_core::{Action, Actor, ApiKey, AuditEntry, AuditId, TenantId, Timestamp};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use crate::{Caller, ControlPlane, Origin, Refused};

impl ControlPlane {
    /// The entry for something that a caller does to `target`.
    pub(crate) fn entry(
        &self,
        caller: &Caller,
        action: Action,
        target: String,
        changes: Value,
    ) -> Result<AuditEntry, Refused> {
        self.entry_by(caller.tenant_id, caller.actor, &caller.origin, action, target, changes)
    }

    /// The entry for something done where there is no caller yet.
    pub(crate) fn entry_by(
        &self,
        tenant_id: TenantId,
        actor: Actor,
        origin: &Origin,
        action: Action,
        target: String,
        changes: Value,
    ) -> Result<AuditEntry, Refused> {
        let id = self.told.follow(self.fresh(|at, random| (at, random))?);
        let at = self.now();
        let request_id = origin.request_id.clone();
        Ok(AuditEntry { id, tenant_id, at, actor, action, target, ip: origin.ip, request_id, changes })
    }
}

/// The id that was given last. Each is greater than the one before, so that the log tells the changes of one millisecond,
/// and those of one transaction, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Told(Mutex<(Timestamp, u128)>);

impl Told {
    pub(crate) fn nothing() -> Self {
        Self(Mutex::new((Timestamp::from_millis(0), 0)))
    }

    fn follow(&self, (at, random): (Timestamp, u128)) -> AuditId {
        let mut last = self.0.lock();
        // Half of the room is left for those that follow.
        *last = if at > last.0 { (at, random & (RANDOM >> 1)) } else { (last.0, (last.1 + 1) & RANDOM) };
        AuditId::from_parts(last.0, last.1)
    }
}

/// The random bits of an id.
const RANDOM: u128 = (1 << 80) - 1;

/// Everything about a key that a person could have changed, by its JSON name. Of the secret only what the
/// lists show, too.
pub(crate) fn describe(key: &ApiKey) -> Map<String, Value> {
    let end = key.revoked.as_ref();
    let fields = json!({
        "name": key.name,
        "application_id": key.application_id,
        "customer_id": key.customer_id,
        "environment": key.environment,
        "kind": key.kind.as_str(),
        "kind_settings": kind_settings(key),
        "source_id": key.source_id,
        "trust_level": key.trust_level,
        "scopes": key.scopes,
        "allowed_ips": key.allowed_ips.iter().collect::<Vec<_>>(),
        "rpm_limit": key.limits.rpm,
        "tpm_limit": key.limits.tpm,
        "rate_limits": key.limits.rates,
        "max_budget_usd": key.limits.max_budget.map(keystile_core::NanoUsd::to_dollars),
        "budget_period": key.limits.budget_period,
        "enabled": key.enabled,
        "blocked_reason": key.blocked,
        "revoked_at": end.map(|end| end.at),
        "revoked_reason": end.and_then(|end| end.reason.as_deref()),
        "expires_at": key.expires_at,
        "key_fingerprint": key.secret.digest.to_hex(),
        "deleted_at": key.deleted.map(|(at, _)| at),
        "source": key.source,
        "source_type": key.source_type,
        "tags": key.tags,
        "metadata": key.metadata,
    });
    object(fields)
}

/// The fields of an object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn kind_settings(key: &ApiKey) -> Value {
    use keystile_core::KeyKind::{Ingest, Service, User, VirtualLlm};
    match &key.kind {
        User { issued_to_user_id } => json!(issued_to_user_id),
        Service { issued_to_service } => json!(issued_to_service),
        Ingest => Value::Null,
        VirtualLlm { allowed_models } => {
            allowed_models.iter().map(keystile_core::key::ModelPattern::as_str).collect()
        }
    }
}

/// `{field: {before, after}}` for each field that differs.
pub(crate) fn difference(before: &ApiKey, after: &ApiKey) -> Value {
    changed(describe(before), &describe(after))
}

/// `{field: {before, after}}` for each of these fields that differs.
pub(crate) fn changed(before: Map<String, Value>, after: &Map<String, Value>) -> Value {
    let differing = before.into_iter().filter_map(|(field, before)| {
        let after = after.get(&field).cloned().unwrap_or_default();
        (before != after).then(|| (field, json!({ "before": before, "after": after })))
    });
    Value::Object(differing.collect())
}
