//! A server with a signed-in owner.

use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::postgres::Database;
use keystile_testkit::server::{Credentials, Plan, Server};
use serde_json::{Value, json};

/// The program under test.
pub(crate) const KEYSTILE: &str = env!("CARGO_BIN_EXE_keystile");

/// A server, and what its owner has in hand.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) http: Http,
    pub(crate) credentials: Credentials,
    /// `Bearer …` of the owner.
    pub(crate) owner: String,
}

impl World {
    /// On the engine that is chosen, or on SQLite.
    pub(crate) async fn start() -> Self {
        Self::of(Plan::dev(KEYSTILE).start()).await
    }

    /// On SQLite, for tests that look into its files.
    pub(crate) async fn on_sqlite() -> Self {
        Self::of(Plan::dev(KEYSTILE).own_database().start()).await
    }

    /// On PostgreSQL.
    pub(crate) async fn on_postgres(database: &Database<'_>) -> Self {
        Self::at(&database.url()).await
    }

    /// On the database at this URL.
    pub(crate) async fn at(url: &str) -> Self {
        Self::of(Plan::dev(KEYSTILE).own_database().flag("--database-url", url).start()).await
    }

    pub(crate) async fn of(server: Server) -> Self {
        let (http, credentials) = (server.http(), server.credentials());
        let owner = sign_in(&http, &credentials.email, &credentials.password).await;
        Self { server, http, credentials, owner }
    }

    /// Starts a server that has ended again, with the same owner.
    pub(crate) fn start_again(&mut self) {
        self.server.start();
        self.http = self.server.http();
    }

    /// The path of the tenant.
    pub(crate) fn tenant(&self) -> String {
        format!("/api/v1/tenants/{}", self.credentials.tenant_id)
    }

    /// The path of the tenant's keys.
    pub(crate) fn keys(&self) -> String {
        format!("{}/api-keys", self.tenant())
    }

    /// Sends JSON as the owner.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.http.json(method, path, &self.owner, body).await
    }

    /// Reads as the owner.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.ask("GET", path, &NOTHING).await.expect(200)
    }

    /// Makes a key as the owner.
    pub(crate) async fn create(&self, body: &Value) -> Value {
        self.ask("POST", &self.keys(), body).await.expect(201)
    }

    /// Makes a customer as the owner, and gives its id.
    pub(crate) async fn customer(&self, name: &str) -> String {
        let body = json!({ "name": name });
        let made = self.ask("POST", &format!("{}/customers", self.tenant()), &body).await.expect(201);
        text(&made, "id").to_owned()
    }

    /// What happens to a key, as the owner; `what` is such as `/revoke`, or empty for the key itself.
    pub(crate) async fn change(&self, method: &str, id: &str, what: &str, body: &Value) -> Answer {
        self.ask(method, &format!("{}/{id}{what}", self.keys()), body).await
    }

    /// The answer to the question whether a key is good, asked with the production key.
    pub(crate) async fn verify(&self, question: &Value) -> Value {
        verify(&self.http, &self.asker(), question).await
    }

    /// `ApiKey …` of a key that may ask.
    pub(crate) fn asker(&self) -> String {
        as_key(self.credentials.secret("production"))
    }

    /// The path of forward authentication for an environment.
    pub(crate) fn authz(&self, environment: &str) -> String {
        format!("/api/v1/authz/{}?environment={environment}", self.credentials.application_id)
    }
}

/// Signs a person in: `Bearer …`.
pub(crate) async fn sign_in(http: &Http, email: &str, password: &str) -> String {
    let body = json!({ "email": email, "password": password });
    let answer = http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
    format!("Bearer {}", text(&answer, "access_token"))
}

/// Asks whether a key is good.
pub(crate) async fn verify(http: &Http, asker: &str, question: &Value) -> Value {
    http.json("POST", "/api/v1/keys/verify", asker, question).await.expect(200)
}

/// Sends a form of fields that need no encoding, with a credential, or with none when it is empty.
pub(crate) async fn submit(http: &Http, path: &str, credential: &str, fields: &[(&str, &str)]) -> Answer {
    let form: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = http.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
    let request = if credential.is_empty() { request } else { request.header("authorization", credential) };
    http.send(request, form.join("&")).await
}

/// The id of the last entry of the tenant's audit log.
pub(crate) async fn last_entry(world: &World) -> String {
    let log = world.read(&format!("{}/audit?limit=1", world.tenant())).await;
    text(&log["data"][0], "id").to_owned()
}

/// `ApiKey …`
pub(crate) fn as_key(secret: &str) -> String {
    format!("ApiKey {secret}")
}

/// A member that is text.
#[track_caller]
pub(crate) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}"))
}
