//! A service with API keys of its own, and no Keystile server beside it.
//!
//! ```text
//! cargo run -p keystile-guard --example embedded
//! curl -H 'X-API-Key: sk_…' http://127.0.0.1:8080/orders/7
//! ```
//!
//! What it keeps is gone when it ends. A real service names a folder that stays, keeps the ids of its tenant and
//! application beside its other settings, and makes keys where its own people ask for them.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use keystile_core::key::{KeyDraft, KeyPatch};
use keystile_core::{Environment, Grants, KeyKind, Secret};
use keystile_engine::{Engine, EngineSettings, Planes};
use keystile_guard::{Guard, InProcess, VerifiedKey};
use keystile_manage::{FirstOwner, Founded, Origin, SignIn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let engine = Engine::start(&EngineSettings::in_folder(folder.path())).await?;
    let (founded, secret) = first_key(engine.planes()).await?;

    let authority = InProcess::new(engine.planes(), founded.tenant.id);
    let guard = Guard::new(authority, founded.application.id, Environment::Production)
        .all_of(["orders:read".parse()?]);
    let service = Router::new().route("/orders/{id}", get(order)).layer(guard);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    writeln!(std::io::stdout(), "curl -H 'X-API-Key: {}' http://127.0.0.1:8080/orders/7", secret.expose())?;
    let stop = async {
        // If it cannot be listened for, Ctrl-C ends the process at once.
        let _stopped = tokio::signal::ctrl_c().await;
    };
    // With the peers of its connections, so that keys can be bound to addresses.
    let service = service.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    engine.stop().await;
    Ok(())
}

async fn order(key: VerifiedKey, Path(id): Path<u32>) -> String {
    format!("order {id}, as {} may see it\n", key.key_id)
}

/// Makes an owner, a tenant with an application, and a key of it.
async fn first_key(planes: &Planes) -> Result<(Founded, Secret), Box<dyn Error>> {
    let (control, password) = (&planes.control, "correct horse battery staple");
    let first = FirstOwner {
        email: "ada@example.com".parse()?,
        password: Secret::new(password),
        tenant_name: "Shop".parse()?,
    };
    let founded = control.set_up_as_operator(first).await?;
    let founded = founded.ok_or("somebody was here before")?;
    let ada = SignIn {
        email: Some("ada@example.com".parse()?),
        password: Secret::new(password),
        tenant_id: None,
        factor: None,
        user_agent: None,
    };
    let tokens = control.sign_in(ada, &Origin::default()).await?;
    let signed_in = control.check_token(tokens.access.0.expose())?;
    let caller = control.enter(&signed_in, founded.tenant.id, Origin::default()).await?;
    let draft = KeyDraft {
        name: "First key".parse()?,
        environment: Environment::Production,
        application_id: None,
        kind: KeyKind::Service { issued_to_service: None },
        secret: None,
        settings: KeyPatch { scopes: Some(Grants::parse(&["orders:*"])?), ..KeyPatch::default() },
    };
    let make = control.clone();
    let issued = planes.commits.carry_out(async move { make.create_key(&caller, draft).await }).await?;
    Ok((founded, issued.secret))
}
