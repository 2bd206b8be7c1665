//! Keys that follow from a number, so that load and store agree on them without talking.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use keystile_core::key::mint;
use keystile_core::limit::MAX_COUNT;
use keystile_core::{
    Action, Actor, ApiKey, ApplicationId, AuditEntry, AuditId, Digest, Environment, Grants, Invalid, KeyId,
    KeyLabel, Limits, RateLimit, Secret, TenantId, Timestamp,
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

/// A typical key: a source, three short scopes and two limits, which nobody reaches; no metadata.
fn record(owner: Owner, series: u32, number: usize) -> Result<ApiKey, Invalid> {
    let now = Timestamp::from_millis(1_700_000_000_000 + number as i64 / 8);
    let id = KeyId::from_parts(now, number as u128);
    let (name, secret) = (format!("Key {number}").parse()?, text(series, number));
    let daily = RateLimit {
        name: "daily".to_owned(),
        limit: MAX_COUNT,
        window_seconds: 86_400,
        burst: None,
        when_away: None,
    };
    Ok(ApiKey {
        limits: Limits { rpm: Some(MAX_COUNT), rates: vec![daily], ..Limits::default() },
        source_id: Some("checkout-service".to_owned()),
        scopes: Grants::parse(&["customers:read", "orders:read", "orders:write"])?,
        ..ApiKey::new(id, owner.tenant_id, owner.application_id, name, &secret, Actor::System, now)
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
