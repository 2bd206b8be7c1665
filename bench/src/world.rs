//! What must be there before anything is measured: an owner who signed in, a key that may ask, and many keys.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use keystile_core::{Limits, Secret, TenantId};
use keystile_store::Location;
use serde_json::{Value, json};

use crate::client::Client;
use crate::keys::{self, Owner, Stock};
use crate::server::{EMAIL, PASSWORD, Server};
use crate::wrk::{Load, Order};

/// The SQLite file in the folder of an installation.
pub(crate) const DATABASE: &str = "keystile.db";
/// The series of the keys that are in the store.
pub(crate) const STORED: u32 = 0;
/// Questions of one batch.
pub(crate) const BATCH: usize = 100;
/// Clients that ask at the same time, unless a row says otherwise.
pub(crate) const CLIENTS: usize = 64;

/// An installation that is filled, and the requests that can be sent to it.
pub(crate) struct World {
    folder: PathBuf,
    flags: Vec<String>,
    pub(crate) owner: Owner,
    token: Secret,
    caller: Secret,
}

/// Which requests of the tenant are in its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logged {
    All,
    None,
}

impl Logged {
    const fn setting(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::None => "none",
        }
    }
}

impl World {
    /// Makes an installation in `folder` with `count` keys of these limits: in a SQLite file, or in the PostgreSQL at `url`.
    pub(crate) async fn make(
        folder: PathBuf,
        url: Option<&str>,
        count: usize,
        limits: Limits,
    ) -> Result<Self> {
        let flags = url.map(|url| vec!["--database-url".to_owned(), url.to_owned()]).unwrap_or_default();
        let location = match url {
            Some(url) => url.parse()?,
            None => Location::Sqlite(folder.join(DATABASE)),
        };
        let world = Self::found(folder, flags).await?;
        keys::fill(location, &Stock { owner: world.owner, series: STORED, count, limits }).await?;
        keys::write_file(&world.file("stored.keys"), STORED, count, str::to_owned)?;
        Ok(world)
    }

    /// The first start makes owner, tenant and application; the rest is asked for over HTTP. Requests are logged in the rows that say so.
    async fn found(folder: PathBuf, flags: Vec<String>) -> Result<Self> {
        let server = Server::keystile(&folder, &borrowed(&flags)).await?;
        let mut client = Client::connect(server.address()).await?;
        let person = json!({ "email": EMAIL, "password": PASSWORD });
        let signed_in = client.post("/api/v1/auth/token", "", &person).await?;
        let token = Secret::new(signed_in.text("/access_token")?);
        let tenant_id = signed_in.text("/tenant_id")?;
        let bearer = format!("Bearer {}", token.expose());
        let applications = client.get(&format!("/api/v1/tenants/{tenant_id}/applications"), &bearer).await?;
        let application_id = applications.text("/data/0/id")?;
        let draft = json!({ "name": "Gateway", "environment": "production",
            "scopes": ["orders:read", "keystile.keys:verify"] });
        let made = client.post(&format!("/api/v1/tenants/{tenant_id}/api-keys"), &bearer, &draft).await?;
        let caller = Secret::new(made.text("/secret")?);
        let owner = Owner { tenant_id: tenant_id.parse()?, application_id: application_id.parse()? };
        let world = Self { folder, flags, owner, token, caller };
        world.log(&server, Logged::None).await?;
        Ok(world)
    }

    /// Starts a server on it.
    pub(crate) async fn serve(&self, flags: &[&str]) -> Result<Server> {
        let mut all = borrowed(&self.flags);
        all.extend(flags);
        Server::keystile(&self.folder, &all).await
    }

    /// Starts one of several nodes on it, which has a folder of its own for what nodes do not share.
    pub(crate) async fn serve_as_node(&self, name: &str, flags: &[&str]) -> Result<Server> {
        let shared = |name: &str| self.file(name).display().to_string();
        let (signing, encryption) = (shared("signing-key.der"), shared("encryption-key"));
        let files = ["--signing-key-file", &signing, "--encryption-key-file", &encryption];
        let mut all = borrowed(&self.flags);
        all.extend(["--cluster", "--node-name", name]);
        all.extend(files);
        all.extend(flags);
        Server::keystile(&self.file(name), &all).await
    }

    /// Has the tenant's requests logged, or none of them.
    pub(crate) async fn log(&self, server: &Server, logged: Logged) -> Result<()> {
        let mut client = Client::connect(server.address()).await?;
        let path = format!("/api/v1/tenants/{}", self.owner.tenant_id);
        let settings = json!({ "log_requests": logged.setting() });
        let answer = client.patch(&path, &self.bearer(), &settings).await?;
        ensure!(answer.status.is_success(), "the log of requests cannot be set: {}", answer.status);
        Ok(())
    }

    /// A file of this world.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Its data file; none if the rows are in PostgreSQL.
    pub(crate) fn data_file(&self) -> Option<PathBuf> {
        self.flags.is_empty().then(|| self.file(DATABASE))
    }

    /// The header that proves the owner.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token.expose())
    }

    /// The path of the tenant's keys.
    pub(crate) fn keys_path(&self) -> String {
        format!("/api/v1/tenants/{}/api-keys", self.owner.tenant_id)
    }

    /// The tenant that all keys belong to.
    pub(crate) const fn tenant_id(&self) -> TenantId {
        self.owner.tenant_id
    }

    /// The id of the key that was made last.
    pub(crate) async fn newest_key(&self, server: &Server) -> Result<String> {
        let mut client = Client::connect(server.address()).await?;
        client.get(&format!("{}?limit=1", self.keys_path()), &self.bearer()).await?.text("/data/0/id")
    }

    /// Makes a key, and tells its text.
    pub(crate) async fn issue(&self, server: &Server, draft: &Value) -> Result<String> {
        let mut client = Client::connect(server.address()).await?;
        client.post(&self.keys_path(), &self.bearer(), draft).await?.text("/secret")
    }

    /// The path a gateway asks.
    pub(crate) fn authz_path(&self) -> String {
        format!("/api/v1/authz/{}?environment=production&permission=orders:read", self.owner.application_id)
    }

    /// Whether a key is good, asked by a service with a key of its own.
    pub(crate) fn verify(&self) -> Result<PathBuf> {
        let body = r#"{"key": "@KEY@", "environment": "production", "permissions": ["orders:read"]}"#;
        self.post("verify", "/api/v1/keys/verify", &format!("ApiKey {}", self.caller.expose()), body)
    }

    /// Whether the first [`BATCH`] keys are good, asked at once.
    pub(crate) fn batch(&self) -> Result<PathBuf> {
        let question = |number| {
            let key = keys::text(STORED, number);
            json!({ "key": key.expose(), "environment": "production", "permissions": ["orders:read"] })
        };
        let body = json!({ "requests": (0..BATCH).map(question).collect::<Vec<_>>() }).to_string();
        self.post("batch", "/api/v1/keys/verify-batch", &format!("ApiKey {}", self.caller.expose()), &body)
    }

    /// Sends [`BATCH`] events, with a key that is made for it.
    pub(crate) async fn events(&self, server: &Server) -> Result<PathBuf> {
        let draft = json!({ "name": "Sender", "environment": "production", "source_id": "checkout" });
        let authorization = format!("ApiKey {}", self.issue(server, &draft).await?);
        let event = |number| {
            json!({ "type": "order.paid", "entity": { "type": "order", "id": number },
                "data": { "total": 42, "currency": "EUR", "status": "paid", "customer": format!("cus-{number}") } })
        };
        let body = json!((0..BATCH).map(|number| event(number.to_string())).collect::<Vec<_>>()).to_string();
        self.post("events", "/api/v1/events", &authorization, &body)
    }

    /// Asks a language model with this key.
    pub(crate) fn chat(&self, key: &str, streams: bool) -> Result<PathBuf> {
        let question = "Say something about a fox and a dog, in one sentence.";
        let body = json!({ "model": "bench", "stream": streams, "max_tokens": 64,
            "messages": [{ "role": "user", "content": question }] });
        let name = if streams { "chat-streamed" } else { "chat" };
        self.post(name, "/v1/chat/completions", &format!("Bearer {key}"), &body.to_string())
    }

    /// Makes a key.
    pub(crate) fn create(&self) -> Result<PathBuf> {
        let body = r#"{"name": "Checkout", "environment": "staging", "scopes": ["orders:read"]}"#;
        self.post("create", &self.keys_path(), &self.bearer(), body)
    }

    /// Whether a request may pass, asked by a gateway with the headers of the request.
    pub(crate) fn authz(&self) -> Result<PathBuf> {
        let path = self.authz_path();
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: ApiKey @KEY@\r\n\r\n");
        self.write("authz", &request)
    }

    /// The body of the answer about a good key.
    pub(crate) async fn sample_answer(&self, server: &Server) -> Result<String> {
        let question = json!({ "key": keys::text(STORED, 0).expose(), "environment": "production",
            "permissions": ["orders:read"] });
        let caller = format!("ApiKey {}", self.caller.expose());
        let mut client = Client::connect(server.address()).await?;
        let answer = client.post("/api/v1/keys/verify", &caller, &question).await?;
        let json = answer.json()?;
        let allowed = json["valid"].as_bool().unwrap_or(false);
        allowed.then_some(()).with_context(|| format!("a stored key is refused: {json}"))?;
        Ok(String::from_utf8(answer.body.to_vec())?)
    }

    fn post(&self, name: &str, path: &str, authorization: &str, body: &str) -> Result<PathBuf> {
        // Keys of ours for production all have the same length.
        let key_length = keys::text(STORED, 0).expose().len();
        let length = body.replace("@KEY@", &"k".repeat(key_length)).len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: {authorization}\r\n\
            Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.write(name, &request)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.file(&format!("{name}.http"));
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Sends `request` with one key over and over.
pub(crate) fn hot(request: &Path, folder: &Path) -> Result<Load> {
    let one = folder.join("one.key");
    keys::write_file(&one, STORED, 1, str::to_owned)?;
    Ok(with_keys(request, one, Order::SequenceAfter(0)))
}

/// Sends `request` with keys of a file.
pub(crate) fn with_keys(request: &Path, keys: PathBuf, order: Order) -> Load {
    Load { keys: Some((keys, order)), ..Load::of(request.to_owned()) }
}

fn borrowed(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
