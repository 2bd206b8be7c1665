//! A server with a tenant as it may look after some months: what pages are shown with, and looked at.
//!
//! Everything is made over the API as people make it, and verified as services do. Only the past is written into the
//! database while the server is stopped: there is no other way to be three months old.

mod events;
mod jobs;
mod keys;
mod leaks;
mod llm;
mod past;
mod places;
mod requests;
mod sources;
mod webhooks;

use serde_json::{Value, json};

use crate::http::{Http, NOTHING};
use crate::receiver::Receiver;
use crate::server::{Plan, Server};

pub use keys::SceneKey;

/// Whoever made the tenant.
pub const OWNER: &str = "grace@acme.example";
/// Everybody's password.
pub const PASSWORD: &str = "correct-otter-lamp-41-river";
/// What the tenant is called.
pub const TENANT: &str = "Acme Logistics";
/// What the other tenant of its owner is called.
const ANOTHER_TENANT: &str = "Northwind Harbour";
/// Its other members.
const MEMBERS: [(&str, &str); 4] = [
    ("admin", "linus@acme.example"),
    ("developer", "margaret@acme.example"),
    ("developer", "dennis@acme.example"),
    ("viewer", "barbara@acme.example"),
];
/// Whoever is invited, and has not come yet.
const INVITED: [(&str, &str); 3] = [
    ("developer", "ken@acme.example"),
    ("viewer", "auditors@partner.example"),
    ("admin", "frances@acme.example"),
];

/// The server, and what is in it.
#[derive(Debug)]
pub struct Scene {
    /// The server.
    pub server: Server,
    /// The tenant.
    pub tenant_id: String,
    /// Its applications; keys are issued to the first unless they say.
    pub applications: Vec<String>,
    /// Its customers.
    pub customers: Vec<String>,
    /// Its keys, newest last.
    pub keys: Vec<SceneKey>,
    /// The latest event that was sent.
    pub event: String,
    /// The latest report of a leak.
    pub leak: String,
    /// A background job that is over.
    pub job: String,
    /// Its webhooks: one that takes everything, one that nobody answers at, one that is off.
    pub webhooks: Vec<String>,
    /// Where the first of them leads.
    pub receiver: Receiver,
    /// A request in its log.
    pub log: String,
    /// Who provides its language models.
    pub providers: Vec<String>,
    /// What it offers of them: one without a price, one that had another, and two more.
    pub models: Vec<String>,
    /// A charge that was corrected.
    pub charge: String,
    /// A hold that is open for a while.
    pub hold: String,
    /// Another tenant of its owner, in which there is nothing yet.
    pub empty: String,
}

/// One who asks the API.
struct Asker {
    http: Http,
    credential: String,
    tenant_id: String,
}

impl Scene {
    /// Starts the server and makes everything. `program` is the binary `keystile`.
    ///
    /// # Panics
    /// When anything is refused.
    pub async fn start(program: &str) -> Self {
        let server = Plan::serve(program)
            .variable("KEYSTILE_OWNER_EMAIL", OWNER)
            .variable("KEYSTILE_OWNER_PASSWORD", PASSWORD)
            .flag("--tenant-name", TENANT)
            .flag("--webhook-allow", "127.0.0.0/8")
            .start();
        let owner = Asker::sign_in(&server, OWNER).await;
        owner.bring_people(&server).await;
        let applications = places::applications(&owner).await;
        let customers = places::customers(&owner).await;
        let (webhooks, receiver) = webhooks::make(&owner).await;
        let keys = keys::make(&owner, &applications, &customers).await;
        let event = events::make(&owner, &keys).await;
        let leak = leaks::make(&owner, &keys).await;
        let job = jobs::make(&owner).await;
        let log = requests::make(&owner, &keys).await;
        let llm::Llm { providers, models, charge, hold } = llm::make(&owner, &keys).await;
        let empty = owner.open_another_tenant().await;
        let tenant_id = owner.tenant_id.clone();
        let mut scene = Self {
            server,
            tenant_id,
            applications,
            customers,
            keys,
            event,
            leak,
            job,
            log,
            webhooks,
            receiver,
            providers,
            models,
            charge,
            hold,
            empty,
        };
        past::make(&mut scene);
        scene
    }

    /// The first key with this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn key(&self, name: &str) -> &SceneKey {
        self.keys.iter().find(|key| key.name == name).unwrap_or_else(|| panic!("no key is called {name}"))
    }

    /// The address of the first member with a role.
    ///
    /// # Panics
    /// When nobody has it.
    pub fn email(&self, role: &str) -> &'static str {
        let mut all = [("owner", OWNER)].into_iter().chain(MEMBERS);
        all.find_map(|(own, email)| (own == role).then_some(email)).unwrap()
    }

    /// A path of the console in this tenant: `keys/new`, or nothing for the first page.
    pub fn page(&self, below: &str) -> String {
        format!("/console/{}/{below}", self.tenant_id).trim_end_matches('/').to_owned()
    }
}

#[cfg(feature = "browser")]
impl Scene {
    /// A browser in which the first member with this role has signed in.
    ///
    /// # Panics
    /// When the page for that is not as it should be.
    pub fn browser(&self, role: &str) -> crate::browser::Browser {
        let browser = crate::browser::Browser::start(self.server.address());
        browser.open("/console/sign-in");
        browser.css("[name=email]").fill(self.email(role));
        browser.css("[name=password]").fill(PASSWORD);
        browser.css("[name=password]").press(crate::browser::Key::Enter);
        browser.wait_for_path(|path| path != "/console/sign-in");
        browser
    }
}

impl Asker {
    async fn sign_in(server: &Server, email: &str) -> Self {
        let http = server.http();
        let body = json!({ "email": email, "password": PASSWORD });
        let tokens = http.json("POST", "/api/v1/auth/token", "", &body).await.expect(200);
        let credential = format!("Bearer {}", text(&tokens, "access_token"));
        Self { tenant_id: text(&tokens, "tenant_id"), http, credential }
    }

    /// What is made at a place in the tenant.
    async fn make(&self, what: &str, body: &Value) -> Value {
        self.tell("POST", what, body).await
    }

    async fn tell(&self, method: &str, what: &str, body: &Value) -> Value {
        let path = format!("/api/v1/tenants/{}{what}", self.tenant_id);
        let answer = self.http.json(method, &path, &self.credential, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path} {body}: {}", answer.text);
        answer.json
    }

    async fn open_another_tenant(&self) -> String {
        let body = json!({ "name": ANOTHER_TENANT, "key_label": "north" });
        let made = self.http.json("POST", "/api/v1/tenants", &self.credential, &body).await.expect(201);
        text(&made, "id")
    }

    async fn bring_people(&self, server: &Server) {
        let settings = json!({ "rpm_limit": 60_000, "key_label": "acme" });
        self.tell("PATCH", "", &settings).await;
        for (role, email) in MEMBERS {
            let invited = self.make("/invitations", &json!({ "email": email, "role": role })).await;
            let body = json!({ "token": invited["token"], "password": PASSWORD });
            let accept = "/api/v1/auth/invitations/accept";
            server.http().json("POST", accept, "", &body).await.expect(200);
        }
        for (role, email) in INVITED {
            self.make("/invitations", &json!({ "email": email, "role": role })).await;
        }
    }

    async fn list(&self, what: &str) -> Vec<Value> {
        self.tell("GET", what, &NOTHING).await["data"].as_array().unwrap().clone()
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {value}")).to_owned()
}
