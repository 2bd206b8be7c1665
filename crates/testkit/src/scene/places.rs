//! The applications and customers of the tenant.

use serde_json::json;

use super::{Asker, text};

/// An application: its name, what it is, its hosts, its permissions, and its routes.
struct Application {
    name: &'static str,
    says: &'static str,
    host: &'static str,
    permissions: &'static [(&'static str, &'static str, &'static str)],
    routes: &'static [(&'static str, &'static str, &'static str)],
}

const APPLICATIONS: [Application; 3] = [
    Application {
        name: "Orders API",
        says: "Customers, orders and shipments, for shops and for our own services",
        host: "orders",
        permissions: &[
            ("customers:read", "Customer Read", "See customers and their addresses"),
            ("customers:write", "Customer Write", "Add and change customers"),
            ("orders:read", "Order Read", "See orders and where they are"),
            ("orders:write", "Order Write", "Place, change and cancel orders"),
            ("shipments:read", "Shipment Read", "Follow shipments"),
            ("shipments:write", "Shipment Write", "Book and redirect shipments"),
        ],
        routes: &[
            ("GET", "/v1/customers/{*rest}", "customers:read"),
            ("POST", "/v1/customers", "customers:write"),
            ("GET", "/v1/orders/{*rest}", "orders:read"),
            ("POST", "/v1/orders", "orders:write"),
            ("PATCH", "/v1/orders/{id}", "orders:write"),
            ("GET", "/v1/shipments/{id}", "shipments:read"),
            ("POST", "/v1/shipments", "shipments:write"),
        ],
    },
    Application {
        name: "Billing API",
        says: "Invoices and payments",
        host: "billing",
        permissions: &[
            ("invoices:read", "Invoice Read", "See invoices and what is open"),
            ("invoices:write", "Invoice Write", "Send and cancel invoices"),
            ("payments:read", "Payment Read", "See what was paid"),
        ],
        routes: &[
            ("GET", "/v1/invoices/{*rest}", "invoices:read"),
            ("POST", "/v1/invoices", "invoices:write"),
            ("GET", "/v1/payments/{*rest}", "payments:read"),
        ],
    },
    Application {
        name: "Models",
        says: "Language models, for teams that have a budget",
        host: "models",
        permissions: &[("chat:use", "Chat", "Ask models")],
        routes: &[],
    },
];

/// A customer: its name, what our systems call it, and its own limit.
const CUSTOMERS: [(&str, &str, Option<u32>); 9] = [
    ("Northern Bakery Cooperative", "C-10021", Some(1200)),
    ("Harbour Books", "C-10034", None),
    ("Blue Window Interiors", "C-10047", Some(600)),
    ("Lantern Cycles", "C-10058", None),
    ("Pine & Pepper", "C-10063", None),
    ("Oakfield Surgical Supplies", "C-10072", Some(3000)),
    ("Meridian Garden Centres", "C-10088", None),
    ("Tidewater Instruments", "C-10090", None),
    ("Old Mill Records", "C-10101", None),
];

/// The one that is no customer any more.
const LOST: &str = "Old Mill Records";

/// Makes the applications; the tenant's first is there and gets the first name.
pub(super) async fn applications(owner: &Asker) -> Vec<String> {
    let mut ids = Vec::new();
    for (place, application) in APPLICATIONS.iter().enumerate() {
        let described = json!({ "name": application.name, "description": application.says });
        let id = if place == 0 {
            let first = text(&owner.list("/applications").await[0], "id");
            owner.tell("PATCH", &format!("/applications/{first}"), &described).await;
            first
        } else {
            text(&owner.make("/applications", &described).await, "id")
        };
        describe(owner, &id, application).await;
        ids.push(id);
    }
    ids
}

async fn describe(owner: &Asker, id: &str, application: &Application) {
    for (name, label, description) in application.permissions {
        let body = json!({ "label": label, "description": description });
        owner.tell("PUT", &format!("/applications/{id}/permissions/{name}"), &body).await;
    }
    let host = |name: String, environment| json!({ "host": name, "environment": environment });
    let hosts = [
        host(format!("{}.acme.example", application.host), "production"),
        host(format!("{}.staging.acme.example", application.host), "staging"),
        host(format!("{}.dev.acme.example", application.host), "development"),
    ];
    let route = |(method, path, permission): &(&str, &str, &str)| json!({ "methods": [method], "path": path, "permissions": [permission] });
    let routes: Vec<_> = application.routes.iter().map(route).collect();
    let unmatched = if routes.is_empty() { "authenticate" } else { "refuse" };
    let routing = json!({ "hosts": hosts, "routes": routes, "unmatched": unmatched });
    owner.tell("PUT", &format!("/applications/{id}/routing"), &routing).await;
}

/// Makes the customers, one of whom is lost again.
pub(super) async fn customers(owner: &Asker) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, external_id, rpm_limit) in CUSTOMERS {
        let body = json!({ "name": name, "external_id": external_id, "rpm_limit": rpm_limit });
        let id = text(&owner.make("/customers", &body).await, "id");
        if name == LOST {
            owner.tell("PATCH", &format!("/customers/{id}"), &json!({ "archived": true })).await;
        } else {
            ids.push(id);
        }
    }
    ids
}
