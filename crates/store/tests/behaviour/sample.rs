//! Sample rows. Everything follows from a number, so that a failing case can be run again as it was.

use std::sync::atomic::{AtomicU32, Ordering};

use keystile_core::key::mint;
use keystile_core::{
    Action, Actor, AllowedIps, ApiKey, Application, ApplicationId, AuditEntry, AuditId, BudgetPeriod,
    Customer, CustomerId, Environment, Grants, KeyId, KeyKind, Limits, LogRequests, Membership, NanoUsd,
    OnLeak, Person, PersonId, RateLimit, RequestLimits, Role, SealedEntry, SourceType, Tenant, TenantId,
    TenantSettings, Timestamp, TrustLevel, WhenAway,
};
use keystile_store::{AuditFilter, Founding, KeyFilter, Page, Sealing, Store};
use serde_json::json;

pub(crate) const NOW: i64 = 1_700_000_000_000;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

/// A new number, greater than all before it.
pub(crate) fn number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(1);
    LAST.fetch_add(1, Ordering::Relaxed)
}

/// A tenant with its owner and its application, as they are in the store.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) person: Person,
    pub(crate) tenant: Tenant,
    pub(crate) owner: Membership,
    pub(crate) application: Application,
}

/// Limits in every form.
pub(crate) fn limits() -> RequestLimits {
    RequestLimits { rpm: Some(60), rates: rates(90) }
}

/// Three limits of so many requests: with all that can be declared, and with nothing.
fn rates(limit: u64) -> Vec<RateLimit> {
    let rate = |name: &str, burst, when_away| RateLimit {
        name: name.into(),
        limit,
        window_seconds: 3_600,
        burst,
        when_away,
    };
    vec![
        rate("hourly", None, None),
        rate("ü", Some(7), Some(WhenAway::Refuse)),
        rate("shared", None, Some(WhenAway::LocalShare)),
    ]
}

impl World {
    pub(crate) fn new() -> Self {
        let n = number();
        let moment = at(n.into());
        let tenant = Tenant {
            id: TenantId::from_parts(moment, n.into()),
            name: format!("Tenant {n}").parse().unwrap(),
            key_label: "acme".parse().unwrap(),
            created_at: moment,
            settings: TenantSettings {
                rotation_days: 30,
                mfa_required: true,
                default_trust_level: TrustLevel::Internal,
                event_days: 60,
                less_trusted_overwrites: true,
                on_leak: OnLeak::Notify,
                log_requests: LogRequests::All,
                log_days: 20,
            },
            limits: limits(),
            log_whole_from: at(-i64::from(n)),
            version: 1,
        };
        let person = person(&format!("ada{n}@example.com"));
        let owner = Membership {
            tenant_id: tenant.id,
            person_id: person.id,
            role: Role::Owner,
            created_at: at(i64::from(n) + 1),
        };
        let application = application(tenant.id, "Main");
        Self { person, tenant, owner, application }
    }

    pub(crate) fn founding(&self) -> Founding {
        Founding {
            person: Some(self.person.clone()),
            tenant: self.tenant.clone(),
            owner: self.owner.clone(),
            application: self.application.clone(),
            audit: vec![entry(self.tenant.id, Action::TenantCreate, &self.tenant.id.to_string())],
        }
    }

    pub(crate) async fn founded(store: &Store) -> Self {
        let world = Self::new();
        store.found_tenant(world.founding()).await.unwrap();
        world
    }

    /// A key with only what every key has.
    pub(crate) fn key(&self) -> ApiKey {
        let n = number();
        let id = KeyId::from_parts(at(n.into()), n.into());
        let mut random = [0; 32];
        random[..4].copy_from_slice(&n.to_be_bytes());
        let secret = mint(&self.tenant.key_label, Environment::Production, &random);
        let (name, by) = (format!("Key {n}").parse().unwrap(), Actor::Person(self.person.id));
        ApiKey::new(id, self.tenant.id, self.application.id, name, &secret, by, at(n.into()))
    }

    /// A key with every field filled, each with a value of its own.
    pub(crate) fn full_key(&self) -> ApiKey {
        let key = self.key();
        let other = KeyId::from_parts(at(-5), 5);
        ApiKey {
            customer_id: Some(CustomerId::from_parts(at(-4), 4)),
            environment: Environment::Staging,
            kind: KeyKind::Service { issued_to_service: Some("checkout".into()) },
            source_id: Some("checkout-service".into()),
            trust_level: TrustLevel::Internal,
            scopes: Grants::parse(&["customers:read", "orders:*"]).unwrap(),
            allowed_ips: AllowedIps::parse(&["10.0.0.0/8", "2001:db8::1"]).unwrap(),
            limits: full_limits(),
            enabled: false,
            blocked: Some("leaked".into()),
            revoked: Some(keystile_core::key::Revocation { at: at(11), reason: Some("gone".into()) }),
            expires_at: Some(at(12)),
            last_used_at: Some(at(13)),
            last_used_ip: Some("192.0.2.7".into()),
            secret_created_at: at(14),
            rotated_from_key_id: Some(other),
            lineage_id: other,
            created_by: Actor::Key(other),
            updated_by: Actor::System,
            created_at: at(15),
            updated_at: at(16),
            deleted: Some((at(17), Actor::Person(self.person.id))),
            source: Some("console".into()),
            source_type: SourceType::Frontend,
            tags: object(&json!({"team": "payments", "n": 1})),
            metadata: object(&json!({"deep": {"list": [1, 2.5, null, "x"]}})),
            version: 7,
            schema_version: 3,
            ..key
        }
    }

    pub(crate) fn entry(&self, action: Action, target: KeyId) -> AuditEntry {
        entry(self.tenant.id, action, &target.to_string())
    }

    /// Makes the customer of a key, unless it is there.
    pub(crate) async fn know_customer_of(&self, store: &Store, key: &ApiKey) {
        let Some(id) = key.customer_id else { return };
        if store.customer(self.tenant.id, id).await.unwrap().is_none() {
            let customer = Customer { id, ..self.customer("Globex") };
            let told = entry(self.tenant.id, Action::CustomerCreate, &id.to_string());
            store.create_customer(customer, told).await.unwrap();
        }
    }

    /// A customer with only what every customer has.
    pub(crate) fn customer(&self, name: &str) -> Customer {
        let n = number();
        Customer {
            id: CustomerId::from_parts(at(n.into()), n.into()),
            tenant_id: self.tenant.id,
            name: name.parse().unwrap(),
            external_id: None,
            metadata: serde_json::Map::new(),
            limits: RequestLimits::default(),
            created_at: at(n.into()),
            archived_at: None,
            version: 1,
        }
    }

    pub(crate) async fn create(&self, store: &Store, key: &ApiKey) {
        self.know_customer_of(store, key).await;
        store.create_key(key.clone(), self.entry(Action::KeyCreate, key.id)).await.unwrap();
    }

    pub(crate) async fn created(&self, store: &Store) -> ApiKey {
        let key = self.key();
        self.create(store, &key).await;
        key
    }

    pub(crate) async fn read(&self, store: &Store, id: KeyId) -> ApiKey {
        store.key(self.tenant.id, id).await.unwrap().unwrap()
    }

    /// The whole log, newest first, sealed for this purpose.
    pub(crate) async fn log(&self, store: &Store) -> Vec<AuditEntry> {
        let sealed = self.sealed(store).await;
        sealed.into_iter().map(|sealed| sealed.entry.into_value().unwrap()).collect()
    }

    pub(crate) async fn sealed(&self, store: &Store) -> Vec<SealedEntry> {
        while store.seal(self.tenant.id).await.unwrap() == Sealing::Partial {}
        store.audit(self.tenant.id, &AuditFilter::default(), page(1000)).await.unwrap()
    }

    pub(crate) async fn listed(&self, store: &Store, filter: &KeyFilter) -> Vec<KeyId> {
        ids(&store.keys(self.tenant.id, filter, page(1000)).await.unwrap())
    }
}

pub(crate) fn ids(keys: &[ApiKey]) -> Vec<KeyId> {
    keys.iter().map(|key| key.id).collect()
}

pub(crate) fn page<Id>(limit: u32) -> Page<Id> {
    Page { after: None, limit }
}

pub(crate) fn person(email: &str) -> Person {
    let n = number();
    Person {
        id: PersonId::from_parts(at(n.into()), n.into()),
        email: email.parse().unwrap(),
        password_hash: format!("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA${n}"),
        created_at: at(n.into()),
        disabled_at: Some(at(i64::from(n) + 2)),
    }
}

pub(crate) fn application(tenant_id: TenantId, name: &str) -> Application {
    let n = number();
    let id = ApplicationId::from_parts(at(n.into()), n.into());
    Application::new(id, tenant_id, name.parse().unwrap(), at(n.into()))
}

pub(crate) fn entry(tenant_id: TenantId, action: Action, target: &str) -> AuditEntry {
    let n = number();
    AuditEntry {
        id: AuditId::from_parts(at(n.into()), n.into()),
        tenant_id,
        at: at(n.into()),
        actor: Actor::System,
        action,
        target: target.to_owned(),
        ip: Some("2001:db8::7".parse().unwrap()),
        request_id: Some(format!("req-{n}")),
        changes: json!({"name": {"before": null, "after": n}}),
    }
}

pub(crate) fn object(value: &serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    value.as_object().unwrap().clone()
}

fn full_limits() -> Limits {
    Limits {
        rpm: Some(60),
        tpm: Some(1_000_000_000),
        rates: rates(100),
        max_budget: Some(NanoUsd::from_nanos(3_999_999_999_999_999)),
        budget_period: BudgetPeriod::Month,
        spend: NanoUsd::from_nanos(12_345_678_901),
    }
}
