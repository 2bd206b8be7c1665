//! What gateways have asked for, which the request log tells.

use super::keys::SceneKey;
use super::{Asker, text};

/// A key, the method and the path that a request with it has, and the software that sends it.
type Asked = (&'static str, &'static str, &'static str, &'static str);

const SHOP: &str = "shop-connector/1.9 (PHP 8.3)";
const LAPTOP: &str = "python-requests/2.32.3";

const ASKED: [Asked; 12] = [
    ("Checkout service", "GET", "/v1/orders/20417", "acme-checkout/4.2"),
    ("Checkout service", "POST", "/v1/orders", "acme-checkout/4.2"),
    ("Northern Bakery shop", "GET", "/v1/shipments/SH-20417", SHOP),
    ("Northern Bakery shop", "GET", "/v1/shipments/SH-20418", SHOP),
    ("Warehouse sync", "GET", "/v1/orders/20417", "warehouse/2026.1"),
    ("Warehouse sync", "GET", "/v1/admin/export", "warehouse/2026.1"),
    ("Support tooling", "GET", "/v1/orders/20418", "curl/8.5.0"),
    ("Support tooling", "PATCH", "/v1/orders/20418", "curl/8.5.0"),
    ("Blue Window storefront", "GET", "/v1/orders/20419", SHOP),
    ("Migration laptop", "GET", "/v1/customers/C-10021", LAPTOP),
    ("Migration laptop", "GET", "/v1/customers/C-10034", LAPTOP),
    ("Migration laptop", "POST", "/v1/orders", "curl/8.5.0"),
];

/// Asks as a gateway does, and gives the id of the latest request in the log.
pub(super) async fn make(owner: &Asker, keys: &[SceneKey]) -> String {
    let mut log = String::new();
    for (name, method, path, agent) in ASKED {
        let key =
            keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no key is called {name}"));
        let gateway = format!("/api/v1/authz/{}?environment=production", key.application_id);
        let request = owner.http.request("GET", &gateway).header("user-agent", agent);
        let request = request.header("authorization", format!("ApiKey {}", key.secret));
        let request = request.header("x-forwarded-method", method).header("x-forwarded-uri", path);
        let answer = owner.http.send(request, "").await;
        assert!(answer.status < 500, "{method} {path}: {}", answer.text);
        log = text(&owner.list(&format!("/logs?limit=1&key_id={}", key.id)).await[0], "id");
    }
    log
}
