//! Import: keys of another system are taken over by the hashes of their secrets, so that nobody needs a new one.

use std::collections::{HashMap, HashSet};

use keystile_core::key::KeyImport;
use keystile_core::{Action, ApiKey, AuditEntry, Change, Digest, Invalid, KeyId, KeyStatus, Timestamp};
use keystile_measure::SPANS;
use keystile_store::{Held, Import};
use serde_json::{Value, json};
use tracing::instrument;

use crate::audit::describe;
use crate::touched::Touched;
use crate::{Caller, Committed, ControlPlane, Lacking, Refused, Right};

/// Most broken rules that are told of one import.
const MAX_TOLD: usize = 20;
/// What of a key is no setting, and so may have changed since it was imported.
const NO_SETTINGS: [&str; 5] = ["enabled", "blocked_reason", "revoked_at", "revoked_reason", "deleted_at"];

/// What became of one key of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// The key that has the hash.
    pub id: KeyId,
    /// Its status.
    pub status: KeyStatus,
    /// Whether it was there before.
    pub was_there: bool,
}

impl ControlPlane {
    /// Takes keys over by the hashes of their secrets: all of them, or none. A key that is there with the same settings
    /// stays as it is, so that an import can be repeated. The keys work when this returns.
    ///
    /// # Errors
    /// Names each key that breaks a rule, or whose hash another key has or had; for what a key as caller does not have
    /// itself.
    #[instrument(target = SPANS, skip_all)]
    pub async fn import_keys(
        &self,
        caller: &Caller,
        imports: Vec<KeyImport>,
    ) -> Result<Committed<Vec<Imported>>, Refused> {
        caller.require(Right::ManageKeys)?;
        let wanted = self.wanted(caller, imports).await?;
        let batch = self.entry(caller, Action::KeysImport, caller.tenant_id.to_string(), Value::Null)?;
        let mut drawn = Vec::with_capacity(wanted.len());
        for key in wanted {
            let entry = self.entry(caller, Action::KeyImport, key.id.to_string(), Value::Null)?;
            drawn.push((key, entry));
        }
        let digests: Vec<Digest> = drawn.iter().map(|(key, _)| key.secret.digest).collect();
        // The secrets may have been asked for, in vain, before they were imported.
        let change = Change::of_new(digests.iter().copied());
        let decide = move |held: &Held| decide(drawn, batch, held);
        let told = self.store.import_keys::<_, Refused>(caller.tenant_id, digests, decide).await;
        let told = Touched::known(change.clone()).outcome(told)??;
        Ok(Committed { value: told, change })
    }

    /// The keys as they are asked for.
    pub(crate) async fn wanted(
        &self,
        caller: &Caller,
        imports: Vec<KeyImport>,
    ) -> Result<Vec<ApiKey>, Refused> {
        let (mut applications, mut first, mut customers) = (HashMap::new(), HashMap::new(), HashSet::new());
        let trust_level = self.default_trust_level(caller).await?;
        let (mut wanted, mut broken) = (Vec::with_capacity(imports.len()), Vec::new());
        for (index, KeyImport { draft, secret }) in imports.into_iter().enumerate() {
            let named = draft.application_id;
            let application = match applications.get(&named) {
                Some(known) => *known,
                None => match self.application_for(caller, named).await {
                    Ok(found) => *applications.entry(named).or_insert(found),
                    Err(Refused::NotFound(_)) => {
                        broken.push(at(
                            index,
                            Invalid::new("application_id", "is no application of this tenant"),
                        ));
                        continue;
                    }
                    Err(refused) => return Err(refused),
                },
            };
            if let Some(earlier) = first.insert(secret.digest, index) {
                broken.push(at(index, Invalid::new("hash", format!("is that of keys[{earlier}], too"))));
            }
            match self.drawn(caller, draft, (application, trust_level), secret) {
                Ok(key) if customers.contains(&key.customer_id) => wanted.push(key),
                Ok(key) => match self.require_customer(caller.tenant_id, key.customer_id).await {
                    Ok(()) => {
                        customers.insert(key.customer_id);
                        wanted.push(key);
                    }
                    Err(Refused::Invalid(rules)) => {
                        broken.extend(rules.into_iter().map(|rule| at(index, rule)));
                    }
                    Err(refused) => return Err(refused),
                },
                Err(Refused::Invalid(rules)) => broken.extend(rules.into_iter().map(|rule| at(index, rule))),
                Err(Refused::Forbidden(Lacking::Own(lacking))) => {
                    let named = Lacking::Own(format!("{lacking} of keys[{index}]"));
                    return Err(Refused::Forbidden(named));
                }
                Err(refused) => return Err(refused),
            }
        }
        broken.truncate(MAX_TOLD);
        if broken.is_empty() { Ok(wanted) } else { Err(Refused::Invalid(broken)) }
    }
}

fn at(index: usize, broken: Invalid) -> Invalid {
    broken.at(&format!("keys[{index}]"))
}

/// What to write, when every key is either new or there already.
fn decide(
    drawn: Vec<(ApiKey, AuditEntry)>,
    mut batch: AuditEntry,
    held: &Held,
) -> Result<Import<Vec<Imported>>, Refused> {
    let (mut keys, mut audit, mut told, mut taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, (key, mut entry)) in drawn.into_iter().enumerate() {
        match held.own.get(&key.secret.digest) {
            None if held.taken.contains(&key.secret.digest) => {
                taken.push(at(index, Invalid::new("hash", "is or was that of another key")));
            }
            Some(there) if settings(there) != settings(&key) => {
                let rule = format!("is that of {}, which has other settings", there.id);
                taken.push(at(index, Invalid::new("hash", rule)));
            }
            Some(there) => told.push(imported(there, batch.at, true)),
            None => {
                entry.changes = Value::Object(describe(&key));
                told.push(imported(&key, batch.at, false));
                keys.push(key);
                audit.push(entry);
            }
        }
    }
    if !taken.is_empty() {
        taken.truncate(MAX_TOLD);
        return Err(Refused::HashesTaken(taken));
    }
    if !keys.is_empty() {
        batch.changes = json!({ "imported": keys.len(), "there_before": told.len() - keys.len() });
        audit.push(batch);
    }
    Ok(Import { keys, audit, told })
}

fn imported(key: &ApiKey, now: Timestamp, was_there: bool) -> Imported {
    Imported { id: key.id, status: key.status(now), was_there }
}

/// What an import says of a key.
pub(crate) fn settings(key: &ApiKey) -> serde_json::Map<String, Value> {
    let mut fields = describe(key);
    fields.retain(|field, _| !NO_SETTINGS.contains(&field.as_str()));
    fields
}
