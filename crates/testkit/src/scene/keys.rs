//! The keys of the tenant: twenty systems, most of them in all three environments.

use serde_json::{Value, json};

use super::{Asker, text};
use crate::http::NOTHING;

/// A key with its secret.
#[derive(Debug, Clone)]
pub struct SceneKey {
    /// What it is called.
    pub name: String,
    /// Which one.
    pub id: String,
    /// The application it was issued to.
    pub application_id: String,
    /// Where it works.
    pub environment: &'static str,
    /// What it is now.
    pub fate: Fate,
    /// Its secret, which nobody is shown again.
    pub secret: String,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is used.
    Used,
    /// It never was.
    Unused,
    /// Its time is nearly over.
    Expiring,
    /// It is over.
    Expired,
    /// It is older than the tenant wants keys to be.
    Old,
    /// It has a successor, and works beside it for a while.
    Rotated,
    /// It is switched off.
    Disabled,
    /// It is blocked.
    Blocked,
    /// It was revoked.
    Revoked,
    /// It was deleted.
    Deleted,
}

/// A system that has keys.
struct System {
    name: &'static str,
    kind: &'static str,
    source: Option<&'static str>,
    trust: &'static str,
    application: usize,
    customer: Option<usize>,
    scopes: &'static [&'static str],
    rpm: Option<u32>,
    /// Of its key in production; those elsewhere are used, or not.
    fate: Fate,
}

const fn system(
    name: &'static str,
    application: usize,
    scopes: &'static [&'static str],
    fate: Fate,
) -> System {
    System {
        name,
        kind: "service",
        source: None,
        trust: "internal",
        application,
        customer: None,
        scopes,
        rpm: None,
        fate,
    }
}

const READ: &[&str] = &["orders:read", "customers:read"];
const SHOP: &[&str] = &["orders:*", "customers:read", "shipments:read"];
const BILLING: &[&str] = &["invoices:*", "payments:read"];
const SEND: &[&str] = &["keystile.events:write"];

/// A limit that is reached.
const LOW_LIMIT: u32 = 40;
const SYSTEMS: [System; 20] = [
    System { rpm: Some(6000), trust: "trusted", ..system("Checkout service", 0, SHOP, Fate::Used) },
    System { rpm: Some(600), ..system("Warehouse sync", 0, &["shipments:*", "orders:read"], Fate::Used) },
    System { rpm: Some(LOW_LIMIT), ..system("Returns desk", 0, READ, Fate::Used) },
    System { customer: Some(0), trust: "external", ..system("Northern Bakery shop", 0, SHOP, Fate::Used) },
    System { customer: Some(1), trust: "external", ..system("Harbour Books ERP", 0, READ, Fate::Expiring) },
    System {
        customer: Some(2),
        trust: "external",
        ..system("Blue Window storefront", 0, SHOP, Fate::Blocked)
    },
    System { customer: Some(5), trust: "external", ..system("Oakfield purchasing", 0, READ, Fate::Old) },
    System { trust: "trusted", ..system("Invoice run", 1, BILLING, Fate::Used) },
    System {
        rpm: Some(300),
        ..system("Payment matcher", 1, &["payments:read", "invoices:read"], Fate::Rotated)
    },
    system("Dunning letters", 1, BILLING, Fate::Disabled),
    system("Quarterly reports", 1, &["invoices:read"], Fate::Unused),
    System {
        kind: "ingest",
        source: Some("gate-scanner-01"),
        trust: "external",
        ..system("Gate scanner, hall 1", 0, SEND, Fate::Used)
    },
    System {
        kind: "ingest",
        source: Some("gate-scanner-02"),
        trust: "external",
        ..system("Gate scanner, hall 2", 0, SEND, Fate::Used)
    },
    System {
        kind: "ingest",
        source: Some("van-telemetry"),
        trust: "trusted",
        ..system("Van telemetry", 0, SEND, Fate::Old)
    },
    System { kind: "user", ..system("Migration laptop", 0, &["*"], Fate::Revoked) },
    System { kind: "user", ..system("Support tooling", 0, READ, Fate::Used) },
    System {
        kind: "virtual_llm",
        rpm: Some(120),
        ..system("Support assistant", 2, &["chat:use"], Fate::Used)
    },
    System { kind: "virtual_llm", ..system("Contract summaries", 2, &["chat:use"], Fate::Expired) },
    system("Old mobile app", 0, SHOP, Fate::Deleted),
    System { trust: "external", ..system("Partner sandbox", 0, READ, Fate::Revoked) },
];

const ENVIRONMENTS: [(&str, &str); 3] =
    [("production", ""), ("staging", " (staging)"), ("development", " (dev)")];
/// In days, of a key whose end is not near.
const A_YEAR: i64 = 365;

/// Makes the keys, and lets happen to them what has.
pub(super) async fn make(owner: &Asker, applications: &[String], customers: &[String]) -> Vec<SceneKey> {
    let mut keys = Vec::new();
    // The newest come first in lists: what is in production should.
    for (environment, suffix) in ENVIRONMENTS.iter().rev() {
        for system in SYSTEMS.iter().rev() {
            let body = system.key(environment, suffix, applications, customers);
            let made = owner.make("/api-keys", &body).await;
            let key = SceneKey {
                name: text(&made, "name"),
                id: text(&made, "id"),
                application_id: text(&made, "application_id"),
                environment,
                fate: system.fate_in(environment),
                secret: text(&made, "secret"),
            };
            owner.verify(&key, system).await;
            owner.bring_about(&key).await;
            keys.push(key);
        }
    }
    keys
}

impl System {
    /// How often it asks in the minute that is made.
    fn requests(&self) -> usize {
        // So that one has more requests than it may.
        if self.rpm == Some(LOW_LIMIT) { 55 } else { 9 + 2 * (self.name.len() % 9) }
    }

    /// From where: our own systems are in a network of ours.
    fn address(&self, round: usize) -> String {
        let own = self.name.len();
        if self.trust == "external" {
            format!("203.0.113.{}", own + round % 2)
        } else {
            format!("10.20.4.{}", own + round % 2)
        }
    }

    fn fate_in(&self, environment: &str) -> Fate {
        match (environment, self.fate) {
            ("production", fate) => fate,
            ("staging", Fate::Revoked | Fate::Deleted) => Fate::Unused,
            ("staging", _) => Fate::Used,
            _ => Fate::Unused,
        }
    }

    fn key(&self, environment: &str, suffix: &str, applications: &[String], customers: &[String]) -> Value {
        let mut body = json!({
            "name": format!("{}{suffix}", self.name),
            "environment": environment,
            "application_id": applications[self.application],
            "kind": self.kind,
            "trust_level": self.trust,
            "scopes": self.scopes,
            "rpm_limit": self.rpm,
            "customer_id": self.customer.map(|place| customers[place].as_str()),
            "source_id": self.source,
            "tags": { "team": if self.application == 1 { "billing" } else { "orders" } },
        });
        match self.kind {
            "user" => body["issued_to_user_id"] = json!(format!("u-{}", self.name.len() * 37)),
            "virtual_llm" => {
                body["allowed_models"] = json!(["claude-*", "gpt-4o-mini"]);
                body["max_budget_usd"] = json!(250.0);
                body["budget_period"] = json!("month");
                body["tpm_limit"] = json!(100_000);
            }
            _ => {}
        }
        if self.trust == "trusted" {
            body["allowed_ips"] = json!(["10.20.0.0/16", "127.0.0.0/8"]);
        }
        if self.fate == Fate::Expired || self.fate == Fate::Expiring {
            body["expires_at"] = json!("2999-12-31T00:00:00Z");
        }
        body
    }
}

impl Asker {
    /// Asks about a key that is used, as services do: for what it may, and now and then for what it may not.
    async fn verify(&self, key: &SceneKey, system: &System) {
        if !key.fate.is_used() {
            return;
        }
        let foreign = if key.environment == "production" { "staging" } else { "production" };
        for round in 0..system.requests() {
            let scope = system.scopes[round % system.scopes.len()].replace('*', "read");
            let scope = if scope == "read" { "orders:read" } else { scope.as_str() };
            let (environment, permission) = match round % 9 {
                7 => (key.environment, "reports:read"),
                8 => (foreign, scope),
                _ => (key.environment, scope),
            };
            let question = json!({
                "key": key.secret,
                "environment": environment,
                "permissions": [permission],
                "ip": system.address(round),
            });
            self.http.json("POST", "/api/v1/keys/verify", &self.credential, &question).await.expect(200);
        }
    }

    async fn bring_about(&self, key: &SceneKey) {
        let what = |action: &str| format!("/api-keys/{}{action}", key.id);
        match key.fate {
            // The past does these.
            Fate::Used | Fate::Unused | Fate::Expiring | Fate::Expired | Fate::Old => {}
            Fate::Rotated => {
                self.make(&what("/rotate"), &json!({ "overlap_seconds": 7 * 86_400 })).await;
            }
            Fate::Disabled => {
                self.make(&what("/disable"), &NOTHING).await;
            }
            Fate::Blocked => {
                self.make(&what("/block"), &json!({ "reason": "invoice 2117 is unpaid" })).await;
            }
            Fate::Revoked => {
                self.make(&what("/revoke"), &json!({ "reason": "the laptop was lost" })).await;
            }
            Fate::Deleted => {
                self.tell("DELETE", &what(""), &NOTHING).await;
            }
        }
    }
}

impl Fate {
    /// Whether requests are made with it, whatever comes of them.
    const fn is_used(self) -> bool {
        !matches!(self, Self::Unused | Self::Deleted)
    }

    /// How many days ago it was made, how many are left of it, and how many minutes ago it was used last.
    pub(super) const fn days(self) -> (i64, i64, i64) {
        match self {
            Self::Used => (48, A_YEAR, 2),
            Self::Unused => (70, A_YEAR, 0),
            Self::Expiring => (83, 5, 14),
            Self::Expired => (75, -3, 4 * 1440),
            Self::Old => (131, A_YEAR, 35),
            Self::Rotated => (88, A_YEAR, 7),
            Self::Disabled => (60, A_YEAR, 9 * 1440),
            Self::Blocked => (52, A_YEAR, 90),
            Self::Revoked => (66, A_YEAR, 17 * 1440),
            Self::Deleted => (240, A_YEAR, 40 * 1440),
        }
    }
}
