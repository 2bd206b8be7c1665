//! Keys of the tenant that somebody has seen where they do not belong.

use serde_json::json;

use super::keys::SceneKey;
use super::{Asker, text};
use crate::wait::eventually;

/// A key, and where it was seen; told in this order.
const SEEN: [(&str, &str); 3] = [
    ("Migration laptop", "https://git.example.com/acme/infra/commit/5f1c0de, terraform.tfvars, line 31"),
    ("Blue Window storefront", "a support ticket with a screenshot of the shop's configuration"),
    ("Warehouse sync", "https://gist.example.com/kenneth/41ac09, docker-compose.yml, line 12"),
];

/// Reports them, and gives the id of the latest report.
pub(super) async fn make(owner: &Asker, keys: &[SceneKey]) -> String {
    let mut latest = String::new();
    for (number, (name, place)) in SEEN.into_iter().enumerate() {
        let key =
            keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no key is called {name}"));
        let report = json!({ "key": key.secret, "place": place });
        owner.http.json("POST", "/api/v1/leaks/report", "", &report).await.expect(202);
        // The answer does not wait for what comes of a report.
        latest = eventually("the report of a leak", async || {
            let reports = owner.list("/leaks").await;
            (reports.len() > number).then(|| text(&reports[0], "id"))
        })
        .await;
    }
    latest
}
