//! A control plane on a fresh database, with a clock that tests turn.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{
    Action, ApiKey, Application, ApplicationId, AuditEntry, Clock, Email, Entropy, Environment, KeyKind,
    KeyLabel, Membership, NoEntropy, Person, PersonId, Role, Secret, Tenant, TenantId, Timestamp,
};
use keystile_manage::{
    Bearer, Caller, ControlPlane, HeldKey, Issued, Origin, Present, Refused, ShownFactor, SignIn, SigningKey,
    Tokens, Vault,
};
use keystile_store::{AuditFilter, Founding, Location, Page, Sealing, Store};
use keystile_testkit::postgres::{Database, Postgres};

/// The address of the first person that [`Bench::signed_in`] makes, when that is an owner.
pub(crate) const OWNER: &str = "owner-1@example.com";
pub(crate) const PASSWORD: &str = "rusty-otter-41-lamp";

pub(crate) struct Turned(AtomicI64);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn elapsed_millis(&self) -> u64 {
        self.0.load(Ordering::Relaxed).unsigned_abs()
    }
}

/// Different bytes every time, the same in every run.
struct Counted(AtomicU64);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for chunk in bytes.chunks_mut(32) {
            let count = self.0.fetch_add(1, Ordering::Relaxed);
            let digest = Secret::new(format!("entropy {count}")).digest();
            chunk.copy_from_slice(&digest.as_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

pub(crate) struct Bench {
    pub(crate) control: ControlPlane,
    pub(crate) store: Store,
    pub(crate) clock: Arc<Turned>,
    tenants: AtomicU64,
    place: Place,
}

/// Where the database is, on the engine that the runner chooses.
enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Database<'static>),
}

impl Place {
    fn new() -> Self {
        if Postgres::is_chosen() {
            Self::Postgres(Postgres::shared().database())
        } else {
            Self::Sqlite(tempfile::tempdir().unwrap())
        }
    }

    fn file(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("keystile.db")
    }

    fn location(&self) -> Location {
        match self {
            Self::Sqlite(folder) => Location::Sqlite(Self::file(folder)),
            Self::Postgres(database) => Location::Postgres { url: database.url(), max_connections: 4 },
        }
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let place = Place::new();
        let store = Store::open(place.location()).await.unwrap();
        store.migrate().await.unwrap();
        let clock = Arc::new(Turned(AtomicI64::new(1_800_000_000_000)));
        let control = control(&store, &clock, 0);
        Self { control, store, clock, tenants: AtomicU64::new(1), place }
    }

    /// A control plane of another process on the same database.
    pub(crate) fn another_process(&self) -> ControlPlane {
        control(&self.store, &self.clock, 1_000_000)
    }

    pub(crate) fn turn(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// A person with this role in a tenant of their own, signed in.
    pub(crate) async fn signed_in(&self, role: Role) -> (Bearer, TenantId) {
        let count = u128::from(self.tenants.fetch_add(1, Ordering::Relaxed));
        let now = self.clock.now();
        let (tenant_id, person_id) = (TenantId::from_parts(now, count), PersonId::from_parts(now, count));
        let email: Email = format!("{role}-{count}@example.com").parse().unwrap();
        let hash = hashed(PASSWORD);
        let founding = Founding {
            person: Some(Person {
                id: person_id,
                email: email.clone(),
                password_hash: hash,
                created_at: now,
                disabled_at: None,
            }),
            tenant: Tenant {
                id: tenant_id,
                name: "T".parse().unwrap(),
                key_label: KeyLabel::default(),
                created_at: now,
                settings: keystile_core::TenantSettings::default(),
                limits: keystile_core::RequestLimits::default(),
                log_whole_from: Tenant::LOG_WHOLE,
                version: 1,
            },
            owner: Membership { tenant_id, person_id, role, created_at: now },
            application: Application::new(
                ApplicationId::from_parts(now, count),
                tenant_id,
                "A".parse().unwrap(),
                now,
            ),
            audit: Vec::new(),
        };
        self.store.found_tenant(founding).await.unwrap();
        let tokens = self.sign_in(email.as_str(), PASSWORD, None).await.unwrap();
        (self.control.check_token(tokens.access.0.expose()).unwrap(), tenant_id)
    }

    /// An attempt to sign in; an address that is none stands for itself.
    pub(crate) async fn sign_in(
        &self,
        email: &str,
        password: &str,
        factor: Option<ShownFactor>,
    ) -> Result<Tokens, Refused> {
        let attempt = SignIn {
            email: email.parse().ok(),
            password: Secret::new(password),
            tenant_id: None,
            factor,
            user_agent: Some("bench".to_owned()),
        };
        self.control.sign_in(attempt, &origin()).await
    }

    /// A person who signed in with [`PASSWORD`] as the owner of the first tenant.
    pub(crate) async fn owner(&self) -> Tokens {
        self.sign_in(OWNER, PASSWORD, None).await.unwrap()
    }

    /// Puts the owner of one tenant into another, with this role.
    pub(crate) fn join(&self, person_id: PersonId, tenant_id: TenantId, role: Role) {
        self.run_sql(&format!(
            "INSERT INTO memberships (person_id, tenant_id, role, created_at)
             VALUES ('{person_id}', '{tenant_id}', '{role}', 0)"
        ));
    }

    /// Runs SQL beside the control plane, for what it would never do.
    pub(crate) fn run_sql(&self, sql: &str) {
        match &self.place {
            Place::Sqlite(folder) => {
                rusqlite::Connection::open(Place::file(folder)).unwrap().execute_batch(sql).unwrap();
            }
            Place::Postgres(database) => database.run(sql).unwrap(),
        }
    }

    /// The one number that a query finds.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        match &self.place {
            Place::Sqlite(folder) => {
                let file = rusqlite::Connection::open(Place::file(folder)).unwrap();
                file.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Place::Postgres(database) => database.query(sql).unwrap().trim().parse().unwrap(),
        }
    }

    /// The person who has these tokens.
    pub(crate) async fn arrive(&self, tokens: &Tokens) -> Result<Present, Refused> {
        let Ok(Bearer::Person(signed_in)) = self.control.check_token(tokens.access.0.expose()) else {
            return Err(Refused::SessionEnded);
        };
        self.control.arrive(&signed_in, origin()).await
    }

    pub(crate) async fn caller(&self, role: Role) -> Caller {
        let (signed_in, tenant_id) = self.signed_in(role).await;
        self.control.enter(&signed_in, tenant_id, origin()).await.unwrap()
    }

    pub(crate) async fn key(&self, caller: &Caller) -> Issued {
        self.control.create_key(caller, draft("Reports")).await.unwrap().value
    }

    /// The tenant's audit log, newest first, without what signing in left.
    pub(crate) async fn log(&self, caller: &Caller) -> Vec<AuditEntry> {
        let log = self.whole_log(caller.tenant_id()).await;
        log.into_iter().filter(|entry| entry.action != Action::SessionStart).collect()
    }

    /// The tenant's audit log, newest first.
    pub(crate) async fn whole_log(&self, tenant_id: TenantId) -> Vec<AuditEntry> {
        while self.store.seal(tenant_id).await.unwrap() == Sealing::Partial {}
        let (all, page) = (AuditFilter::default(), Page { after: None, limit: 1000 });
        let sealed = self.store.audit(tenant_id, &all, page).await.unwrap();
        sealed.into_iter().map(|sealed| sealed.entry.into_value().unwrap()).collect()
    }
}

fn control(store: &Store, clock: &Arc<Turned>, entropy_from: u64) -> ControlPlane {
    let signing = SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap();
    let entropy = Arc::new(Counted(AtomicU64::new(entropy_from)));
    let vault = Vault::from_key(&[7; 32]).unwrap();
    let clock: Arc<dyn Clock> = Arc::<Turned>::clone(clock);
    ControlPlane::new(store.clone(), clock, entropy, signing, vault).unwrap()
}

/// The key as whoever knows its present secret holds it.
pub(crate) fn held(key: &ApiKey) -> HeldKey {
    HeldKey { tenant_id: key.tenant_id, key_id: key.id, digest: key.secret.digest }
}

pub(crate) fn origin() -> Origin {
    Origin { ip: Some([192, 0, 2, 7].into()), request_id: Some("req_7".to_owned()) }
}

pub(crate) fn draft(name: &str) -> KeyDraft {
    KeyDraft {
        name: name.parse().unwrap(),
        environment: Environment::Staging,
        application_id: None,
        kind: KeyKind::Service { issued_to_service: None },
        secret: None,
        settings: KeyPatch::default(),
    }
}

/// A password, hashed with the production parameters and a fixed salt.
pub(crate) fn hashed(password: &str) -> String {
    use argon2::PasswordHasher;
    let hash = argon2::Argon2::default().hash_password_with_salt(password.as_bytes(), &[7; 16]);
    hash.unwrap().to_string()
}
