//! May this key do this: the question of services that read the answer themselves.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::Full;
use hyper::body::Body;
use keystile_bearer::{ClientIp, RequestId};
use keystile_core::{Ask, LogFace};
use keystile_verify::{CachedKey, Explanation, Verdict};
use keystile_wire::{CheckView, Problem, VerifyAnswer, VerifyRequest};

use super::answer::{explained, written};
use super::asking::asker;
use super::estimate::{Quotas, left, need, settle_in};
use super::question::Question;
use crate::body::{MAX_BODY, read_whole};
use crate::metrics::Face;
use crate::problem::ApiProblem;
use crate::request_log::{Asked, Asker};
use crate::service::answer_in_place;
use crate::state::App;

/// May this key do this, here, now? Always answers 200 with `valid` and `code`; other statuses are about the caller. With
/// `explain` every check is told, and nothing is used up.
#[utoipa::path(post, path = "/api/v1/keys/verify", tag = "verification", request_body = VerifyRequest, responses(
    (status = 200, body = VerifyAnswer<'static>, description = "Yes, or why not."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The token is for no tenant."),
))]
pub(crate) async fn verify_key<B>(
    app: &App,
    headers: HeaderMap,
    body: B,
    client: ClientIp,
    request_id: &RequestId,
) -> Result<Response<Full<Bytes>>, ApiProblem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let asked = Asked::begin(LogFace::Verify, &headers, request_id);
    let asker = asker(app, &headers, client, &asked).await?;
    match told(app, (&headers, body), &asker, &asked).await {
        Ok(text) => Ok(answer(headers, text)),
        Err(problem) => {
            asked.refused(app, &asker.who, client, &problem);
            Err(problem)
        }
    }
}

/// What is decided, as it is told.
async fn told<B>(
    app: &App,
    (headers, body): (&HeaderMap, B),
    asker: &Asker,
    asked: &Asked<'_>,
) -> Result<String, ApiProblem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (request, _): (VerifyRequest, _) = read_whole(headers, body, &app.reading, MAX_BODY).await?;
    let question = Question::of(&request)?;
    let ask = question.ask(asker.tenant_id);
    if request.explain {
        return Ok(Box::pin(explain(app, (&question, &ask), asker, asked)).await);
    }
    let mut verdict = verdict(app, question.key(), &ask).await;
    let quotas = quotas(app, &mut verdict, &question, asked.request_id).await;
    app.metrics.decided(Face::Verify, verdict.code());
    let text = written(&verdict, &quotas);
    asked.decided(app, asker, (&verdict, &ask), Some(text.len()));
    Ok(text)
}

/// What is held and left of tokens and money. Boxed, so that requests about keys without such limits do not carry room for it.
async fn quotas(
    app: &App,
    verdict: &mut Verdict,
    question: &Question<'_>,
    request_id: &RequestId,
) -> Quotas {
    let estimate = question.estimate();
    let is_limited = |key: &Arc<CachedKey>| key.tokens().is_some() || key.budget().is_some();
    if estimate.0.is_none() && !verdict.key.as_ref().is_some_and(is_limited) {
        return Quotas::default();
    }
    Box::pin(settle_in(app, verdict, estimate, request_id)).await
}

/// Every check, without using anything up.
async fn explain(
    app: &App,
    (question, ask): (&Question<'_>, &Ask<'_>),
    asker: &Asker,
    asked: &Asked<'_>,
) -> String {
    let estimate = question.estimate().0.map(need);
    let explained_by = app.verifier.explain_with(question.key(), ask, estimate.as_ref()).await;
    let Explanation { verdict, checks } = explained_by;
    let quotas = match &verdict.key {
        Some(key) => left(app, key).await,
        None => Quotas::default(),
    };
    let facts = verdict.key.as_deref().map(CachedKey::facts);
    let views: Vec<_> = checks.iter().map(|checked| CheckView::of(checked, facts.as_ref(), ask)).collect();
    let text = explained(&verdict, &quotas, &views);
    asked.decided(app, asker, (&verdict, ask), Some(text.len()));
    text
}

/// Asks the verifier. The reading of a key that is not in memory is boxed, so that requests whose keys are do
/// not carry room for it.
pub(crate) async fn verdict(app: &App, presented: &str, ask: &Ask<'_>) -> Verdict {
    match app.verifier.try_verify(presented, ask) {
        Ok(verdict) => verdict,
        Err(cold) => Box::pin(app.verifier.verify_cold(cold, ask)).await,
    }
}

fn answer(asked: HeaderMap, text: String) -> Response<Full<Bytes>> {
    let mut response = answer_in_place(asked, Full::new(Bytes::from(text)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
