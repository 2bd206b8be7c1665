//! A new secret for a key: by rotation, with a time in which both work, or at once.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::{ApiKey, Invalid, KeyId};
use keystile_manage::{Caller, Right, VersionGuard};
use keystile_wire::RotateKey;

use super::issued::{self, Occasion, issue};
use super::usage::lately;
use super::used_from::{UsedFrom, used_from};
use crate::chart::Chart;
use crate::form::{Fields, Wrong};
use crate::once::{FormName, MakingForm};
use crate::page::{page, unprocessable};
use crate::shell::Shell;
use crate::visitor::Inside;
use crate::{assets, parts};
use keystile_web::App;
use keystile_web::api::Answer;
use keystile_web::extract::PathId;

/// How long the old key can live on, in seconds.
const OVERLAPS: &[(&str, &str, &str)] = &[
    ("0", "Not at all", "The old key is revoked at once. For a leak."),
    ("3600", "One hour", "For one deploy."),
    ("86400", "One day", "For a few deploys."),
    ("604800", "One week", "For a partner who needs time."),
    ("2592000", "30 days", "The longest there is."),
];
const USUAL_OVERLAP: &str = "86400";

#[derive(Template)]
#[template(path = "keys/rotate.html")]
struct Rotation {
    shell: Shell,
    form_name: FormName,
    key: ApiKey,
    overlap: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "keys/regenerate.html")]
struct Regeneration {
    shell: Shell,
    form_name: FormName,
    key: ApiKey,
    usage: Chart,
    used_from: UsedFrom,
    wrong: Wrong,
}

impl Rotation {
    fn rest(&self) -> Option<String> {
        self.wrong.rest(&["overlap_seconds", "secret"])
    }
}

impl Regeneration {
    fn rest(&self) -> Option<String> {
        self.wrong.rest(&["secret"])
    }
}

/// Says what rotation does.
pub(super) async fn rotation(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let (form_name, overlap) = (FormName::new(&app)?, USUAL_OVERLAP.to_owned());
    page(&Rotation { shell, form_name, key, overlap, wrong: Wrong::default() })
}

/// Gives the key a successor, and shows its secret.
pub(super) async fn rotate(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    headers: HeaderMap,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let sent = async {
        let (request, guard) = requested(&fields)?;
        let (overlap, secret) = (request.overlap()?, request.secret);
        let rotate = move |app: App, caller: Caller| async move {
            app.require_journal()?;
            app.control.rotate_key(&caller, id, overlap, secret, guard).await
        };
        Ok((issue(&app, &caller, asked, rotate).await?, request.overlap_seconds))
    };
    match sent.await {
        Ok((sent, overlap_seconds)) => {
            let occasion = Occasion::Rotated { overlap_seconds };
            issued::answer(&app, (&caller, shell), &headers, sent, occasion).await
        }
        Err(problem) => {
            let (wrong, form_name) = (Wrong::mendable(problem)?, FormName::new(&app)?);
            let overlap = fields.text("overlap_seconds").to_owned();
            unprocessable(&Rotation { shell, form_name, key, overlap, wrong })
        }
    }
}

fn requested(fields: &Fields) -> Result<(RotateKey, VersionGuard), Invalid> {
    let overlap = fields.text("overlap_seconds").parse();
    let overlap_seconds =
        overlap.map_err(|_| Invalid::new("overlap_seconds", "choose how long the old key lives on"))?;
    Ok((RotateKey { overlap_seconds, secret: fields.secret("secret") }, guard(fields)?))
}

/// The version that the form was made for.
pub(super) fn guard(fields: &Fields) -> Result<VersionGuard, Invalid> {
    let version =
        fields.text("version").parse().map_err(|_| Invalid::new("version", "must be a whole number"))?;
    Ok(VersionGuard(Some(version)))
}

/// Says what a new secret does.
pub(super) async fn regeneration(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let usage = lately(&app, &caller, id, shell.now).await?;
    let (used_from, form_name) = (used_from(&app, &caller, &key).await?, FormName::new(&app)?);
    page(&Regeneration { shell, form_name, key, usage, used_from, wrong: Wrong::default() })
}

/// Gives the key a new secret, and shows it.
pub(super) async fn regenerate(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    headers: HeaderMap,
    MakingForm(fields, asked): MakingForm,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let sent = async {
        let (secret, guard) = (fields.secret("secret"), guard(&fields)?);
        let regenerate = move |app: App, caller: Caller| async move {
            app.require_journal()?;
            app.control.regenerate_key(&caller, id, secret, guard).await
        };
        issue(&app, &caller, asked, regenerate).await
    };
    match sent.await {
        Ok(sent) => issued::answer(&app, (&caller, shell), &headers, sent, Occasion::Regenerated).await,
        Err(problem) => {
            let (wrong, form_name) = (Wrong::mendable(problem)?, FormName::new(&app)?);
            let usage = lately(&app, &caller, id, shell.now).await?;
            let used_from = used_from(&app, &caller, &key).await?;
            unprocessable(&Regeneration { shell, form_name, key, usage, used_from, wrong })
        }
    }
}
