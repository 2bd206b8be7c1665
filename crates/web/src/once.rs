//! `Idempotency-Key`: a request that makes something is carried out once, however often it is sent.

use axum::body::Body;
use axum::extract::{FromRequest, OriginalUri, Request};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use keystile_core::text::check_word;
use keystile_core::{Digest, Invalid, Secret};
use keystile_engine::carrying_receipt;
use keystile_manage::{Asked, Asker, Attempt, Refused, Repeated};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::Instrument;

use crate::body::{MAX_BODY, read_optional, read_whole};
use crate::problem::ApiProblem;
use crate::state::App;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 255;
/// Headers that belong to an answer.
const KEPT: [HeaderName; 4] = [CONTENT_TYPE, CACHE_CONTROL, ETAG, LOCATION];

/// A JSON body of at most `LONGEST` bytes that asks to make something, and the sender's name for the request, if it has
/// one.
pub(crate) struct Making<T, const LONGEST: usize = MAX_BODY>(pub(crate) T, pub(crate) Option<Asked>);

impl<T: DeserializeOwned, const LONGEST: usize> FromRequest<App> for Making<T, LONGEST> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let (parts, body) = request.into_parts();
        let key = idempotency_key(&parts)?;
        let (value, bytes) = read_whole(&parts.headers, body, &app.reading, LONGEST).await?;
        Ok(Self(value, key.map(|key| asked(key, &parts, &bytes))))
    }
}

/// The same with a body that may be left out.
pub(crate) struct MakingOptional<T>(pub(crate) T, pub(crate) Option<Asked>);

impl<T: DeserializeOwned + Default> FromRequest<App> for MakingOptional<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiProblem> {
        let (parts, body) = request.into_parts();
        let key = idempotency_key(&parts)?;
        let (value, bytes) = read_optional(&parts.headers, body, &app.reading, MAX_BODY).await?;
        Ok(Self(value, key.map(|key| asked(key, &parts, &bytes))))
    }
}

fn idempotency_key(parts: &Parts) -> Result<Option<Secret>, ApiProblem> {
    let mut lines = parts.headers.get_all(&IDEMPOTENCY_KEY).iter();
    let broken = |invalid: Invalid| ApiProblem::from(invalid.at("Idempotency-Key"));
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => {
            let text = check_word(line.to_str().unwrap_or_default(), MAX_KEY).map_err(broken)?;
            Ok(Some(Secret::new(text)))
        }
        (Some(_), Some(_)) => Err(broken(Invalid::rule("stands here twice"))),
    }
}

fn asked(key: Secret, parts: &Parts, body: &[u8]) -> Asked {
    let path = parts.extensions.get().map_or(&parts.uri, |OriginalUri(uri)| uri).path();
    // The same calls are served with and without it.
    let path = path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
    Asked { key, path, body: Digest::of(body) }
}

/// Carries a request out, or gives the answer that it was given before. With an idempotency key it runs to its end even
/// when the client goes away, so that the answer is there for the next attempt.
pub(crate) async fn once<F>(
    app: &App,
    asker: Asker,
    asked: Option<Asked>,
    work: impl FnOnce(App) -> F + Send + 'static,
) -> Result<Response, ApiProblem>
where
    F: Future<Output = Result<Response, ApiProblem>> + Send + 'static,
{
    let Some(asked) = asked else { return work(app.clone()).await };
    match app.control.begin(asker, &asked).await? {
        Repeated::With(answer) => replayed(&answer),
        Repeated::Not(attempt) => {
            carry_out(app, attempt, |app| async move { Kept::of(work(app).await?).await }).await
        }
    }
}

/// Carries an attempt out to its end, even when the client goes away. `work` gives what it made, and what of it is kept for
/// whoever sends the request again.
pub async fn carry_out<T, F>(
    app: &App,
    attempt: Attempt,
    work: impl FnOnce(App) -> F + Send + 'static,
) -> Result<T, ApiProblem>
where
    T: Send + 'static,
    F: Future<Output = Result<(T, Vec<u8>), ApiProblem>> + Send + 'static,
{
    let task = tokio::spawn(carrying_receipt(carried_out(app.clone(), attempt, work).in_current_span()));
    task.await.map_err(|_| ApiProblem::from(Refused::Internal("the request was interrupted".to_owned())))?
}

async fn carried_out<T, F>(
    app: App,
    attempt: Attempt,
    work: impl FnOnce(App) -> F + Send,
) -> Result<T, ApiProblem>
where
    F: Future<Output = Result<(T, Vec<u8>), ApiProblem>> + Send,
{
    match work(app.within(&attempt)).await {
        Ok((made, kept)) => {
            app.control.keep(attempt, kept).await;
            Ok(made)
        }
        Err(doubtful) if doubtful.leaves_doubt() => Err(doubtful),
        Err(refused) => {
            app.control.give_up(attempt).await;
            Err(refused)
        }
    }
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Kept {
    /// Takes an answer down, and gives it back.
    async fn of(response: Response) -> Result<(Response, Vec<u8>), ApiProblem> {
        let broken =
            |why: &str| ApiProblem::from(Refused::Internal(format!("an answer cannot be kept: {why}")));
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.map_err(|_| broken("it broke off"))?.to_bytes();
        let text = |name: &HeaderName| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        let kept = Self {
            status: parts.status.as_u16(),
            headers: KEPT.iter().filter_map(|name| Some((name.to_string(), text(name)?))).collect(),
            body: String::from_utf8(bytes.to_vec()).map_err(|_| broken("it is no text"))?,
        };
        let written = serde_json::to_vec(&kept).map_err(|_| broken("it cannot be written"))?;
        Ok((Response::from_parts(parts, Body::from(bytes)), written))
    }
}

fn replayed(answer: &[u8]) -> Result<Response, ApiProblem> {
    let broken = || ApiProblem::from(Refused::Internal("a kept answer cannot be read".to_owned()));
    let kept: Kept = serde_json::from_slice(answer).map_err(|_| broken())?;
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).map_err(|_| broken())?;
    let headers = response.headers_mut();
    for (name, value) in kept.headers {
        let name = HeaderName::try_from(name).map_err(|_| broken())?;
        headers.insert(name, HeaderValue::try_from(value).map_err(|_| broken())?);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
