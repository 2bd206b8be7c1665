//! What the tenant's sources have sent.

use serde_json::{Value, json};

use super::keys::SceneKey;
use super::{Asker, text};

/// A key, what it says happened, to what, and what it says of that.
type Said = (&'static str, &'static str, &'static str, fn() -> Value);

const SAID: [Said; 7] = [
    (
        "Gate scanner, hall 1",
        "shipment.arrived",
        "shipment/SH-20417",
        || json!({ "hall": 1, "weight_kg": 412.5 }),
    ),
    (
        "Gate scanner, hall 1",
        "shipment.arrived",
        "shipment/SH-20418",
        || json!({ "hall": 1, "weight_kg": 77 }),
    ),
    ("Gate scanner, hall 2", "shipment.left", "shipment/SH-20417", || json!({ "hall": 2, "seal": "intact" })),
    ("Van telemetry", "van.moved", "van/HH-AL-112", || json!({ "speed_kmh": 48, "heading": "north-east" })),
    (
        "Van telemetry",
        "van.moved",
        "van/HH-AL-112",
        || json!({ "speed_kmh": 51, "load": ["SH-20417", "SH-20418"] }),
    ),
    ("Van telemetry", "shipment.loaded", "shipment/SH-20417", || json!({ "van": "HH-AL-112", "hall": null })),
    ("Gate scanner, hall 2", "shipment.left", "shipment/SH-20418", || json!({ "hall": 2, "seal": "broken" })),
];

/// Sends it, and gives the id of the latest event.
pub(super) async fn make(owner: &Asker, keys: &[SceneKey]) -> String {
    for (name, kind, entity, data) in SAID {
        let key =
            keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no key is called {name}"));
        let (entity_type, id) = entity.split_once('/').unwrap();
        let entity = json!({ "type": entity_type, "id": id });
        let event = json!({ "type": kind, "entity": entity, "data": data() });
        let credential = format!("ApiKey {}", key.secret);
        owner.http.json("POST", "/api/v1/events", &credential, &event).await.expect(202);
    }
    let telemetry = keys.iter().find(|key| key.name == "Van telemetry").unwrap();
    let broken = json!([{ "type": "van.moved", "entity": { "type": "van" } }]);
    let credential = format!("ApiKey {}", telemetry.secret);
    owner.http.json("POST", "/api/v1/events", &credential, &broken).await.expect(202);
    text(&owner.list("/events").await[0], "id")
}
