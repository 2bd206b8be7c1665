//! One engine with three faces: forward authentication, a guard that asks over HTTP, and a guard in process.

use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use keystile_bearer::{loopback_proxies, usual_key_headers};
use keystile_client::{Client, Credential};
use keystile_core::webhook::Reach;
use keystile_core::{ApplicationId, Clock, Entropy, Environment, Secret, TenantId};
use keystile_courier::Courier;
use keystile_engine::{Engine, EngineSettings, SystemClock, SystemEntropy};
use keystile_guard::{Authority, Guard, InProcess, Peer, Remote, VerifiedKey};
use keystile_manage::FirstOwner;
use keystile_proxy::{Gateway, GatewaySettings};
use keystile_testkit::http::{Answer, Http};
use keystile_web::{App, HttpSettings, Server, ServerLimits, Site};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceExt, service_fn};

use bytes::Bytes;

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct horse battery staple";
const SEED: u64 = 7;

pub(crate) type Headers<'a> = [(&'static str, &'a str)];

/// An engine, a server on it, and an owner.
pub(crate) struct World {
    pub(crate) http: Http,
    pub(crate) tenant_id: TenantId,
    pub(crate) application_id: ApplicationId,
    pub(crate) remote: Remote,
    pub(crate) in_process: InProcess,
    owner: String,
    engine: Engine,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start(location: Option<keystile_store::Location>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = EngineSettings::in_folder(folder.path());
        let location = location.unwrap_or_else(|| settings.location.clone());
        let engine = Engine::start(&EngineSettings { location, ..settings }).await.unwrap();
        let planes = engine.planes().clone();
        let first = FirstOwner {
            email: EMAIL.parse().unwrap(),
            password: Secret::new(PASSWORD),
            tenant_name: "Shop".parse().unwrap(),
        };
        let founded = planes.control.set_up_as_operator(first).await.unwrap().unwrap();
        let http = HttpSettings {
            trusted_proxies: loopback_proxies(),
            key_headers: usual_key_headers(),
            body_timeout: Duration::from_secs(30),
            trace_ratio: None,
            body_bytes: 1024 * 1024,
            github_keys: None,
        };
        let of = (planes.store.clone(), planes.control.clone());
        let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
            (Arc::new(SystemClock), Arc::new(SystemEntropy));
        let courier = Courier::new(of, (clock, entropy), Reach::default()).unwrap();
        let upstreams = GatewaySettings::reaching(Reach::default());
        let gateway = Arc::new(Gateway::new(Arc::clone(&planes.verifier), &upstreams).unwrap());
        let app = App::new(planes, courier, gateway, Site::default(), http, SEED);
        let limits = ServerLimits { drain: Duration::from_secs(1), ..ServerLimits::default() };
        let server = Server::bind(([127, 0, 0, 1], 0).into(), app, limits).await.unwrap();
        let address = server.address().unwrap().to_string();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.serve(async move {
            stopped.await.unwrap_or_default();
        }));
        let http = Http::new(&address);
        let owner = sign_in(&http).await;
        let (tenant_id, application_id) = (founded.tenant.id, founded.application.id);
        let asker = json!({ "name": "asker", "scopes": ["keystile.keys:verify"] });
        let path = format!("/api/v1/tenants/{tenant_id}/api-keys");
        let asker = http.json("POST", &path, &owner, &asker).await.expect(201);
        let asker = Credential::Key(Secret::new(asker["secret"].as_str().unwrap()));
        let client = Client::new(&format!("http://{address}"), &asker).unwrap();
        Self {
            remote: Remote::new(client),
            in_process: InProcess::new(engine.planes(), tenant_id),
            http,
            tenant_id,
            application_id,
            owner,
            engine,
            stop,
            server,
            _folder: folder,
        }
    }

    /// Sends JSON as the owner, to a path below the tenant's.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.http_as_owner(method, &format!("/api/v1/tenants/{}{path}", self.tenant_id), body).await
    }

    /// Sends JSON as the owner.
    pub(crate) async fn http_as_owner(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.http.json(method, path, &self.owner, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text);
        answer.json
    }

    /// A key with these settings, and permission to read orders unless they say otherwise: its id and its secret.
    pub(crate) async fn key(&self, settings: &Value) -> (String, String) {
        let mut body = json!({ "name": "a key", "scopes": ["orders:read"] });
        for (name, value) in settings.as_object().unwrap() {
            body[name] = value.clone();
        }
        let key = self.ask("POST", "/api-keys", &body).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&key["id"]), text(&key["secret"]))
    }

    pub(crate) async fn change(&self, id: &str, action: &str, body: &Value) {
        self.ask("POST", &format!("/api-keys/{id}/{action}"), body).await;
    }

    /// What forward authentication answers where orders are read in production.
    pub(crate) async fn forward(&self, headers: &Headers<'_>) -> Answer {
        let query = "environment=production&permission=orders:read";
        let request = self.http.request("GET", &format!("/api/v1/authz/{}?{query}", self.application_id));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.http.send(request, "").await
    }

    /// A guard of the same place.
    pub(crate) fn guard<A: Authority>(&self, authority: A) -> Guard<A> {
        let guard = Guard::new(authority, self.application_id, Environment::Production);
        guard.all_of(["orders:read".parse().unwrap()])
    }

    /// Ends the server, then the engine.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.server.await.unwrap();
        self.engine.stop().await;
    }
}

async fn sign_in(http: &Http) -> String {
    let body = json!({ "email": EMAIL, "password": PASSWORD });
    let answer = http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
    format!("Bearer {}", answer["access_token"].as_str().unwrap())
}

/// What a service behind a guard says: whose the key is, and which headers that name somebody have arrived.
async fn whoami(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let key: &VerifiedKey = request.extensions().get().unwrap();
    let claims =
        request.headers().keys().filter(|name| name.as_str().replace('_', "-").starts_with("x-keystile"));
    let body = json!({
        "key_id": key.key_id,
        "tenant_id": key.tenant_id,
        "application_id": key.application_id,
        "customer_id": key.customer_id,
        "environment": key.environment,
        "kind": key.kind,
        "source_id": key.source_id,
        "trust_level": key.trust_level,
        "scopes": key.scopes,
        "metadata": key.metadata_as::<Value>().unwrap(),
        "expires_at": key.expires_at,
        "limits": key.limits,
        "claims": claims.count(),
    });
    Ok(Response::new(Full::from(body.to_string())))
}

/// What a client gets that sends a request with these headers to a service behind the guard.
pub(crate) async fn through<A: Authority>(guard: &Guard<A>, headers: &Headers<'_>) -> Answer {
    let request = Request::get("/orders").extension(Peer(Ipv4Addr::LOCALHOST.into()));
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let mut service = guard.layer(service_fn(whoami));
    let response = service.ready().await.unwrap().call(request.body(Full::default()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or_default();
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
}

/// What a client notices of an answer, with seconds that depend on the moment left out.
pub(crate) fn noticed(answer: &Answer) -> (u16, Vec<(&'static str, String)>, Value) {
    const FIELDS: [&str; 6] =
        ["content-type", "cache-control", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy"];
    let field = |name| (name, timeless(&answer.headers, name));
    let mut problem = answer.json.clone();
    if let Some(problem) = problem.as_object_mut() {
        problem.remove("request_id");
        if problem.get("limited_by").is_some() {
            problem.remove("detail");
            problem["limited_by"]["retry_after_seconds"] = Value::Null;
        }
    }
    (answer.status, FIELDS.map(field).to_vec(), problem)
}

fn timeless(headers: &HeaderMap, name: &str) -> String {
    let text = headers.get(name).map_or("", |value| value.to_str().unwrap());
    match (name, text.rsplit_once(";t=")) {
        ("ratelimit", Some((rest, _))) => rest.to_owned(),
        ("retry-after", _) if text.len() > 1 => "later".to_owned(),
        _ => text.to_owned(),
    }
}
