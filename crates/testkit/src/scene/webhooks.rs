//! Whom the tenant wants told of its keys.

use serde_json::json;

use super::{Asker, text};
use crate::receiver::Receiver;

/// Makes one that takes everything, one that nobody answers at, and one that is off.
pub(super) async fn make(owner: &Asker) -> (Vec<String>, Receiver) {
    let receiver = Receiver::start();
    let all = json!({ "url": receiver.url(), "description": "Inventory of keys" });
    // The port of a service that is switched off everywhere.
    let alarms = json!({
        "url": "http://127.0.0.1:9/alarms",
        "description": "Pager of the security team",
        "events": ["key.blocked", "key.revoked", "leak.reported"],
        "environments": ["production"],
    });
    let off = json!({ "url": "https://chat.acme.example/hooks/keys", "events": ["key.expiring"] });
    let mut ids = Vec::new();
    for body in [all, alarms, off] {
        ids.push(text(&owner.make("/webhooks", &body).await, "id"));
    }
    owner.tell("PATCH", &format!("/webhooks/{}", ids[2]), &json!({ "enabled": false })).await;
    (ids, receiver)
}
