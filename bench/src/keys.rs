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

/// Two limits, which nobody reaches.
pub(crate) fn two_limits() -> Limits {
    let daily = RateLimit {
        name: "daily".to_owned(),
        limit: MAX_COUNT,
        window_seconds: 86_400,
        burst: None,
        when_away: None,
    };
    Limits { rpm: Some(MAX_COUNT), rates: vec![daily], ..Limits::default() }
}

/// Keys of one owner that have the same limits.
#[derive(Debug, Clone)]
pub(crate) struct Stock {
    pub(crate) owner: Owner,
    pub(crate) series: u32,
    pub(crate) count: usize,
    pub(crate) limits: Limits,
}

/// Puts keys into the store, each durably and with its audit entry as in production.
pub(crate) async fn fill(location: Location, stock: &Stock) -> Result<()> {
    let store = Store::open(location).await?;
    let next = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> =
        (0..WRITERS).map(|_| tokio::spawn(write(store.clone(), Arc::clone(&next), stock.clone()))).collect();
    for writer in writers {
        writer.await??;
    }
    store.close().await;
    Ok(())
}

async fn write(store: Store, next: Arc<AtomicUsize>, stock: Stock) -> Result<()> {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= stock.count {
            return Ok(());
        }
        let key = record(&stock, number)?;
        let entry = entry(&key);
        store.create_key(key, entry).await?;
    }
}

/// When key number `number` was made: eight in a millisecond.
fn made_at(number: usize) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + number as i64 / 8)
}

/// The id of key number `number` in the store.
pub(crate) fn id(number: usize) -> KeyId {
    KeyId::from_parts(made_at(number), number as u128)
}

/// A typical key: a source, three short scopes, and no metadata.
fn record(stock: &Stock, number: usize) -> Result<ApiKey, Invalid> {
    let Owner { tenant_id, application_id } = stock.owner;
    let (name, secret) = (format!("Key {number}").parse()?, text(stock.series, number));
    let made = made_at(number);
    Ok(ApiKey {
        limits: stock.limits.clone(),
        source_id: Some("checkout-service".to_owned()),
        scopes: Grants::parse(&["customers:read", "orders:read", "orders:write"])?,
        ..ApiKey::new(id(number), tenant_id, application_id, name, &secret, Actor::System, made)
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
