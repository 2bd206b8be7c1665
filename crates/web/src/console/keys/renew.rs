//! A new secret for a key: by rotation, with a time in which both work, or at once.

use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use keystile_core::{ApiKey, Invalid, KeyId};
use keystile_manage::{Right, VersionGuard};
use keystile_wire::{RegenerateKey, RotateKey};

use super::issued::{self, Occasion};
use super::usage::lately;
use super::used_from::{UsedFrom, used_from};
use crate::api::Answer;
use crate::console::chart::Chart;
use crate::console::form::{Fields, Form, Wrong};
use crate::console::page::{page, unprocessable};
use crate::console::shell::Shell;
use crate::console::visitor::Inside;
use crate::console::{assets, parts};
use crate::extract::PathId;
use crate::problem::ApiProblem;
use crate::state::App;

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
    key: ApiKey,
    overlap: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "keys/regenerate.html")]
struct Regeneration {
    shell: Shell,
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
    page(&Rotation { shell, key, overlap: USUAL_OVERLAP.to_owned(), wrong: Wrong::default() })
}

/// Gives the key a successor, and shows its secret.
pub(super) async fn rotate(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    headers: HeaderMap,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let rotated = match requested(&fields) {
        Ok((request, guard)) => {
            let (seconds, overlap) = (request.overlap_seconds, request.overlap());
            match overlap {
                Ok(overlap) => {
                    let work = |app: App| async move {
                        app.control.rotate_key(&caller, id, overlap, request.secret, guard).await
                    };
                    app.commit(work).await.map(|issued| (issued, seconds)).map_err(ApiProblem::from)
                }
                Err(invalid) => Err(invalid.into()),
            }
        }
        Err(invalid) => Err(invalid.into()),
    };
    match rotated {
        Ok((issued, overlap_seconds)) => {
            issued::show(shell, &headers, issued, Occasion::Rotated { overlap_seconds })
        }
        Err(problem) => {
            let overlap = fields.text("overlap_seconds").to_owned();
            unprocessable(&Rotation { shell, key, overlap, wrong: Wrong::mendable(problem)? })
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
    let used_from = used_from(&app, &caller, id).await?;
    page(&Regeneration { shell, key, usage, used_from, wrong: Wrong::default() })
}

/// Gives the key a new secret, and shows it.
pub(super) async fn regenerate(
    State(app): State<App>,
    Inside { caller, shell }: Inside,
    PathId(id): PathId<KeyId>,
    headers: HeaderMap,
    Form(fields): Form,
) -> Answer {
    caller.require(Right::ManageKeys)?;
    let key = app.control.key(&caller, id).await?;
    let usage = lately(&app, &caller, id, shell.now).await?;
    let used_from = used_from(&app, &caller, id).await?;
    let RegenerateKey { secret } = RegenerateKey { secret: fields.secret("secret") };
    let renewed = match guard(&fields) {
        Ok(guard) => {
            let work = |app: App| async move { app.control.regenerate_key(&caller, id, secret, guard).await };
            app.commit(work).await.map_err(ApiProblem::from)
        }
        Err(invalid) => Err(invalid.into()),
    };
    match renewed {
        Ok(issued) => issued::show(shell, &headers, issued, Occasion::Regenerated),
        Err(problem) => {
            unprocessable(&Regeneration { shell, key, usage, used_from, wrong: Wrong::mendable(problem)? })
        }
    }
}
