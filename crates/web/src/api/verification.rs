//! May this key do this: the question of services that read the answer themselves.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::Full;
use hyper::body::Body;
use keystile_bearer::{ClientIp, RequestId};
use keystile_core::{Ask, TenantId};
use keystile_verify::{CachedKey, Explanation, Verdict};
use keystile_wire::{CheckView, Problem, VerifyAnswer, VerifyRequest};

use super::answer::{explained, written};
use super::asking::asking_tenant;
use super::question::Question;
use crate::body::{MAX_BODY, read_whole};
use crate::metrics::Face;
use crate::problem::ApiProblem;
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
    let tenant_id = asking_tenant(app, &headers, client, request_id).await?;
    let (request, _): (VerifyRequest, _) = read_whole(&headers, body, &app.reading, MAX_BODY).await?;
    if request.explain {
        let text = Box::pin(explain(app, &request, tenant_id)).await?;
        return Ok(answer(headers, text));
    }
    let question = Question::of(&request)?;
    let verdict = verdict(app, question.key(), &question.ask(tenant_id)).await;
    app.metrics.decided(Face::Verify, verdict.code());
    Ok(answer(headers, written(&verdict)))
}

/// Every check, without using anything up.
async fn explain(app: &App, request: &VerifyRequest, tenant_id: TenantId) -> Result<String, ApiProblem> {
    let question = Question::of(request)?;
    let ask = question.ask(tenant_id);
    let Explanation { verdict, checks } = app.verifier.explain(question.key(), &ask).await;
    let facts = verdict.key.as_deref().map(CachedKey::facts);
    let views: Vec<_> = checks.iter().map(|checked| CheckView::of(checked, facts.as_ref(), &ask)).collect();
    Ok(explained(&verdict, &views))
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
