//! Keys that follow from a number, so that load and store agree on them without talking.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use keystile_core::key::{SecretFacts, mint};
use keystile_core::{
    Action, Actor, AllowedIps, ApiKey, ApplicationId, AuditEntry, AuditId, Digest, Environment, Grants,
    Invalid, KeyId, KeyKind, KeyLabel, Limits, Secret, SourceType, TenantId, Timestamp, TrustLevel,
};
use keystile_store::{Location, Store};

/// Tasks that write at the same time: as many as the store commits together.
const WRITERS: usize = 256;

/// Whose the keys are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) tenant_id: TenantId,
    pub(crate) application_id: ApplicationId,
}

/// The text of key number `number`. Different series have no key in common.
pub(crate) fn text(series: u32, number: usize) -> Secret {
    let seed = Digest::of(format!("{series} {number}").as_bytes());
    mint(&KeyLabel::default(), Environment::Production, seed.as_bytes())
}

/// Writes the texts of `count` keys, one a line, each changed by `change`.
pub(crate) fn write_file(path: &Path, series: u32, count: usize, change: fn(&str) -> String) -> Result<()> {
    let lines: String = (0..count).map(|number| change(text(series, number).expose()) + "\n").collect();
    Ok(std::fs::write(path, lines)?)
}

/// Puts `count` keys of `series` into the store, each durably and with its audit entry as in production.
pub(crate) async fn fill(location: Location, owner: Owner, series: u32, count: usize) -> Result<()> {
    let store = Store::open(location).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| tokio::spawn(write(store.clone(), Arc::clone(&next), owner, series, count)))
        .collect();
    for writer in writers {
        writer.await??;
    }
    store.close().await;
    Ok(())
}

async fn write(store: Store, next: Arc<AtomicUsize>, owner: Owner, series: u32, count: usize) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= count {
            return Ok(());
        }
        let key = record(owner, series, number)?;
        let entry = entry(&key);
        store.create_key(key, entry).await?;
    }
}

/// A typical key: a source and three short scopes, no metadata.
fn record(owner: Owner, series: u32, number: usize) -> Result<ApiKey, Invalid> {
    let now = Timestamp::from_millis(1_700_000_000_000 + number as i64 / 8);
    let id = KeyId::from_parts(now, number as u128);
    Ok(ApiKey {
        id,
        tenant_id: owner.tenant_id,
        application_id: owner.application_id,
        customer_id: None,
        name: format!("Key {number}").parse()?,
        environment: Environment::Production,
        kind: KeyKind::Service { issued_to_service: None },
        source_id: Some("checkout-service".to_owned()),
        trust_level: TrustLevel::External,
        scopes: Grants::parse(&["customers:read", "orders:read", "orders:write"])?,
        allowed_ips: AllowedIps::default(),
        limits: Limits::default(),
        enabled: true,
        blocked: None,
        revoked: None,
        expires_at: None,
        last_used_at: None,
        last_used_ip: None,
        secret: SecretFacts::of(&text(series, number)),
        secret_created_at: now,
        rotated_from_key_id: None,
        lineage_id: id,
        created_by: Actor::System,
        updated_by: Actor::System,
        created_at: now,
        updated_at: now,
        deleted: None,
        source: None,
        source_type: SourceType::Api,
        tags: serde_json::Map::new(),
        metadata: serde_json::Map::new(),
        version: 1,
        schema_version: ApiKey::SCHEMA_VERSION,
    })
}

fn entry(key: &ApiKey) -> AuditEntry {
    AuditEntry {
        id: AuditId::from_parts(key.created_at, key.id.as_u128()),
        tenant_id: key.tenant_id,
        at: key.created_at,
        actor: Actor::System,
        action: Action::KeyCreate,
        target: key.id.to_string(),
        ip: None,
        request_id: None,
        changes: serde_json::Value::Null,
    }
}
