//! Pages of the console, which people wait for.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::Full;

use super::say;
use crate::client::Client;
use crate::server::{EMAIL, PASSWORD, Server};
use crate::table::Row;
use crate::world::World;

/// How often each page is loaded.
const LOADS: usize = 500;

/// Pages of a tenant with so many keys, loaded one after the other.
pub(super) async fn rows(world: &World, engine: &str, keys: usize) -> Result<Vec<Row>> {
    say(&format!("pages of the console, {engine}"));
    let server = world.serve(&[]).await?;
    // What was filled in is unsealed, and pages that show the audit log would wait for that.
    server.settled().await?;
    let mut browser = Browser::sign_in(&server).await?;
    let newest = world.newest_key(&server).await?;
    let tenant = format!("/console/{}", world.tenant_id());
    let pages = [
        ("overview", tenant.clone()),
        ("keys", format!("{tenant}/keys")),
        ("keys, a search", format!("{tenant}/keys?q=99&status=active")),
        ("keys, a search in vain", format!("{tenant}/keys?q=nobody")),
        ("keys, a kind that none has", format!("{tenant}/keys?kind=ingest")),
        ("keys, a source that none has", format!("{tenant}/keys?source_id=nobody")),
        (
            "keys, unused for long",
            format!("{tenant}/keys?unused_days=90&status=active&sort=last_used&order=asc"),
        ),
        ("keys, by last use", format!("{tenant}/keys?sort=last_used&order=desc")),
        ("one key", format!("{tenant}/keys/{newest}")),
        ("new key", format!("{tenant}/keys/new")),
        ("audit log", format!("{tenant}/audit")),
        ("audit log, what was never done", format!("{tenant}/audit?action=key.block")),
    ];
    let mut rows = Vec::new();
    for (name, path) in pages {
        let (latencies, bytes) = browser.load(&path).await.with_context(|| path.clone())?;
        let row = Row::of_latencies(format!("console, {name}, {keys} keys, {engine}"), latencies);
        rows.push(Row { note: format!("{:.1} KiB compressed", bytes as f64 / 1024.0), ..row });
    }
    Ok(rows)
}

/// Somebody who is signed in, on one connection.
struct Browser {
    client: Client,
    origin: String,
    host: String,
    cookie: String,
}

impl Browser {
    async fn sign_in(server: &Server) -> Result<Self> {
        let host = server.address().to_string();
        let origin = format!("http://{host}");
        let mut client = Client::connect(server.address()).await?;
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("email", EMAIL), ("password", PASSWORD)])
            .finish();
        let request = Request::post("/console/sign-in")
            .header(HOST, &host)
            .header(ORIGIN, &origin)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        let answer = client.ask(request).await?;
        ensure!(answer.status == StatusCode::SEE_OTHER, "signing in was answered with {}", answer.status);
        let cookie = answer.headers.get(SET_COOKIE).context("no session was given")?.to_str()?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(Self { client, origin, host, cookie })
    }

    /// How long a page took each time, in microseconds, and how long it is. The first time is not counted: it fills what is warm then.
    async fn load(&mut self, path: &str) -> Result<(Vec<f64>, usize)> {
        let (mut latencies, mut bytes) = (Vec::with_capacity(LOADS), 0);
        for _ in 0..=LOADS {
            let request = Request::get(path)
                .header(HOST, &self.host)
                .header(ORIGIN, &self.origin)
                .header(COOKIE, &self.cookie)
                .header(ACCEPT_ENCODING, "gzip")
                .body(Full::default())?;
            let begun = Instant::now();
            let answer = self.client.ask(request).await?;
            latencies.push(begun.elapsed().as_secs_f64() * 1e6);
            ensure!(answer.status == StatusCode::OK, "answered with {}", answer.status);
            bytes = answer.body.len();
        }
        latencies.remove(0);
        Ok((latencies, bytes))
    }
}
