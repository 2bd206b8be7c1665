//! May this key do this: the question of services that read the answer themselves.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::Full;
use hyper::body::Body;
use keystile_bearer::{ClientIp, Credential, RequestId};
use keystile_core::permission::{MAX_COUNT, Requirement};
use keystile_core::{Ask, Invalid, Permission, TenantId};
use keystile_manage::{Bearer, Origin, Right};
use keystile_verify::Verdict;
use keystile_wire::{PermissionsAsked, Problem, VerifyAnswer, VerifyRequest};
use tracing::Instrument;

use super::answer::written;
use crate::body::{MAX_BODY, read_whole};
use crate::extract::{good, read_headers};
use crate::metrics::Face;
use crate::problem::ApiProblem;
use crate::service::in_request;
use crate::state::App;

/// May this key do this, here, now? Always answers 200 with `valid` and `code`; other statuses are about the caller.
#[utoipa::path(post, path = "/api/v1/keys/verify", tag = "verification", request_body = VerifyRequest, responses(
    (status = 200, body = VerifyAnswer<'static>, description = "Yes, or why not."),
    (status = 404, body = Problem, content_type = "application/problem+json", description = "The token is for no tenant."),
))]
pub(crate) async fn verify_key<B>(
    app: &App,
    headers: &HeaderMap,
    body: B,
    client: ClientIp,
    request_id: &RequestId,
) -> Result<Response<Full<Bytes>>, ApiProblem>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let tenant_id = asking_tenant(app, headers, client, request_id).await?;
    let (request, _): (VerifyRequest, _) = read_whole(headers, body, &app.reading, MAX_BODY).await?;
    let verdict = ask(app, &request, tenant_id).await?;
    app.metrics.decided(Face::Verify, verdict.code());
    Ok(answer(&verdict))
}

/// The tenant of whoever asks: a key that may verify, a token made from one, or a developer.
async fn asking_tenant(
    app: &App,
    headers: &HeaderMap,
    client: ClientIp,
    request_id: &RequestId,
) -> Result<TenantId, ApiProblem> {
    let refused = |problem: &ApiProblem| app.metrics.refused(Face::Caller, problem);
    let needed = Requirement::All(&[Permission::VERIFY_KEYS]);
    let right = Ask { ip: client.0, permissions: needed, ..Ask::ANYTHING };
    match read_headers(headers, app).inspect_err(refused)? {
        Credential::Key(key) => {
            let verdict = match app.verifier.try_identify(key, &right) {
                Ok(verdict) => verdict,
                Err(cold) => Box::pin(app.verifier.identify_cold(cold, &right)).await,
            };
            good(app, verdict).map(|key| key.tenant_id())
        }
        Credential::Token(token) => {
            let origin = Origin { ip: client.0, request_id: Some(request_id.as_str().to_owned()) };
            Box::pin(tenant_of_bearer(app, token, &right, origin).instrument(in_request(request_id))).await
        }
    }
}

async fn tenant_of_bearer(
    app: &App,
    token: &str,
    right: &Ask<'_>,
    origin: Origin,
) -> Result<TenantId, ApiProblem> {
    let bearer = app.control.check_token(token)?;
    if let Bearer::Automation(automation) = &bearer {
        let verdict = app.verifier.identify_held(automation.key().digest, right).await;
        return good(app, verdict).map(|key| key.tenant_id());
    }
    let tenant_id = bearer.tenant_id().ok_or_else(|| ApiProblem::not_found("tenant"))?;
    let caller = app.control.enter(&bearer, tenant_id, origin).await?;
    caller.require(Right::VerifyKeys)?;
    Ok(tenant_id)
}

/// Asks the verifier. The reading of a key that is not in memory is boxed, so that requests whose keys are do
/// not carry room for it.
pub(crate) async fn verdict(app: &App, presented: &str, ask: &Ask<'_>) -> Verdict {
    match app.verifier.try_verify(presented, ask) {
        Ok(verdict) => verdict,
        Err(cold) => Box::pin(app.verifier.verify_cold(cold, ask)).await,
    }
}

async fn ask(app: &App, request: &VerifyRequest, tenant_id: TenantId) -> Result<Verdict, ApiProblem> {
    let (texts, one_is_enough) =
        request.permissions.as_ref().map_or((&[][..], false), PermissionsAsked::parts);
    let permissions = permissions(texts)?;
    let needed = if one_is_enough { Requirement::Any(&permissions) } else { Requirement::All(&permissions) };
    let ask = Ask {
        tenant_id: Some(tenant_id),
        environment: request.environment,
        application_id: request.application_id,
        ip: request.ip,
        customer_id: request.customer_id,
        permissions: needed,
        model: request.model.as_deref(),
        cost: request.cost()?,
    };
    Ok(verdict(app, request.key.expose(), &ask).await)
}

fn permissions(texts: &[String]) -> Result<Vec<Permission<'_>>, ApiProblem> {
    if texts.len() > MAX_COUNT {
        return Err(ApiProblem::invalid([Invalid::new(
            "permissions",
            format!("must have at most {MAX_COUNT} entries"),
        )]));
    }
    let parse = |(index, text)| {
        Permission::parse(text).map_err(|invalid: Invalid| invalid.at(&format!("permissions[{index}]")))
    };
    let parsed = texts.iter().map(String::as_str).enumerate().map(parse);
    parsed.collect::<Result<_, _>>().map_err(|invalid| ApiProblem::invalid([invalid]))
}

fn answer(verdict: &Verdict) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(written(verdict))));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
