//! What `keystile dev` makes on its first start and keeps.

use std::path::Path;

use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{Email, Entropy, Environment, Grants, Invalid, KeyKind, Secret};
use keystile_engine::SystemEntropy;
use keystile_engine::private_file::{read_private, write_private};
use keystile_manage::{Caller, ControlPlane, FirstOwner, Founded, Issued, Origin, SignIn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::failure::Failure;

const EMAIL: &str = "owner@localhost";
/// Where the facts are kept, in the data folder.
pub(super) const NOTES: &str = "dev.json";
const TENANT_NAME: &str = "Playground";
/// Everything in the application, and asking Keystile itself.
const SCOPES: [&str; 2] = ["*", "keystile.keys:verify"];

/// What is known on every start; nothing in it is secret.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) email: String,
    pub(super) tenant_id: String,
    pub(super) application_id: String,
}

/// What is known on the first start only.
pub(super) struct Workspace {
    pub(super) facts: Facts,
    pub(super) password: Secret,
    pub(super) keys: Vec<Issued>,
}

/// The workspace, new or kept.
pub(super) enum Opened {
    New(Workspace),
    Kept(Facts),
}

impl Facts {
    /// Writes where the server is now into the credentials of its first start, unless they are those of another one.
    pub(super) fn move_to(&self, base_url: &str, file: &Path) -> Result<(), Failure> {
        const FIELD: &str = "base_url";
        let Some(text) = read_private(file, "the credentials")? else { return Ok(()) };
        let Ok(Value::Object(mut credentials)) = serde_json::from_slice(&text) else { return Ok(()) };
        let is_ours = credentials.get("tenant_id").and_then(Value::as_str) == Some(&self.tenant_id);
        if !is_ours || credentials.get(FIELD).and_then(Value::as_str) == Some(base_url) {
            return Ok(());
        }
        credentials.insert(FIELD.to_owned(), base_url.into());
        Ok(write_private(file, &serde_json::to_vec_pretty(&credentials).unwrap_or_default())?)
    }
}

impl Workspace {
    /// Makes the workspace, or finds the one that was made before.
    pub(super) async fn open(control: &ControlPlane, folder: &Path) -> Result<Opened, Failure> {
        let notes = folder.join(NOTES);
        if let Ok(text) = std::fs::read(&notes) {
            let facts = serde_json::from_slice(&text);
            let damaged = |error| {
                Failure::because(
                    format!("{} is damaged; delete the folder to start anew", notes.display()),
                    &error,
                )
            };
            return facts.map(Opened::Kept).map_err(damaged);
        }
        let workspace = Self::make(control).await?;
        let unfinished = || {
            let folder = folder.display();
            Failure::new(format!(
                "the first start in {folder} did not end, or `keystile serve` made what is there: name another folder with \
                 --data-dir; or, if nobody needs what is there, delete the folder to start anew"
            ))
        };
        workspace.map(Opened::New).ok_or_else(unfinished)
    }

    /// Notes that the first start ended. Only now do later starts believe that its secrets were shown.
    pub(super) fn remember(&self, folder: &Path) -> Result<(), Failure> {
        let text = serde_json::to_vec_pretty(&self.facts).unwrap_or_default();
        Ok(write_private(&folder.join(NOTES), &text)?)
    }

    async fn make(control: &ControlPlane) -> Result<Option<Self>, Failure> {
        let failed = |error: &dyn std::error::Error| Failure::because("the first start failed", error);
        let email: Email = EMAIL.parse().map_err(|error: Invalid| failed(&error))?;
        let name = TENANT_NAME.parse().map_err(|error: Invalid| failed(&error))?;
        let password = random_password()?;
        let first =
            FirstOwner { email: email.clone(), password: Secret::new(password.expose()), tenant_name: name };
        let founded = control.set_up_as_operator(first).await;
        let Some(founded) = founded.map_err(|error| failed(&error))? else { return Ok(None) };
        let owner =
            sign_in(control, email.clone(), &password, &founded).await.map_err(|error| failed(&*error))?;
        let mut keys = Vec::new();
        for environment in Environment::ALL {
            let draft = draft(*environment).map_err(|error| failed(&error))?;
            let committed = control.create_key(&owner, draft).await.map_err(|error| failed(&error))?;
            // Nothing is served yet, so there is nobody who could believe anything else.
            drop(committed.change);
            keys.push(committed.value);
        }
        let facts = Facts {
            email: email.to_string(),
            tenant_id: founded.tenant.id.to_string(),
            application_id: founded.application.id.to_string(),
        };
        Ok(Some(Self { facts, password, keys }))
    }

    /// The credentials as scripts read them.
    pub(super) fn to_json(&self, base_url: &str) -> Vec<u8> {
        let of_key = |issued: &Issued| {
            let value = json!({ "id": issued.key.id, "secret": issued.secret.expose() });
            (issued.key.environment.to_string(), value)
        };
        let keys: Map<String, Value> = self.keys.iter().map(of_key).collect();
        let Facts { email, tenant_id, application_id } = &self.facts;
        let document = json!({
            "base_url": base_url,
            "email": email,
            "password": self.password.expose(),
            "tenant_id": tenant_id,
            "application_id": application_id,
            "keys": keys,
        });
        serde_json::to_vec_pretty(&document).unwrap_or_default()
    }
}

async fn sign_in(
    control: &ControlPlane,
    email: Email,
    password: &Secret,
    founded: &Founded,
) -> Result<Caller, Box<dyn std::error::Error>> {
    let attempt = SignIn {
        email: Some(email),
        password: Secret::new(password.expose()),
        tenant_id: None,
        factor: None,
        user_agent: Some("keystile dev".to_owned()),
    };
    let tokens = control.sign_in(attempt, &Origin::default()).await?;
    let signed_in = control.check_token(tokens.access.0.expose())?;
    Ok(control.enter(&signed_in, founded.tenant.id, Origin::default()).await?)
}

fn draft(environment: Environment) -> Result<KeyDraft, Invalid> {
    Ok(KeyDraft {
        name: format!("Example {environment} key").parse()?,
        environment,
        application_id: None,
        kind: KeyKind::Service { issued_to_service: None },
        secret: None,
        settings: KeyPatch { scopes: Some(Grants::parse(&SCOPES)?), ..KeyPatch::default() },
    })
}

/// 128 random bits in hexadecimal.
fn random_password() -> Result<Secret, Failure> {
    let mut random = [0; 16];
    SystemEntropy.fill(&mut random).map_err(|error| Failure::because("no password was made", &error))?;
    Ok(Secret::new(format!("{:032x}", u128::from_be_bytes(random))))
}
