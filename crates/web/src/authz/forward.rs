//! Forward authentication: a gateway passes the original request's headers by HTTP and obeys the status.

use http::{HeaderMap, Response};
use keystile_bearer::ClientIp;
use keystile_wire::Problem;

use super::original::Original;
use super::place::Place;
use super::{Question, decide};
use crate::problem::ApiProblem;
use crate::state::App;

/// Where this is mounted; the application's id follows.
pub(crate) const PATH: &str = "/api/v1/authz/";
/// The same as it is described.
pub(crate) const TEMPLATE: &str = "/api/v1/authz/{application_id}";

/// May the original request pass? Any method; the answer is in the status and, for a yes, in identity headers.
#[utoipa::path(method(get, head, post, put, patch, delete, options), path = "/api/v1/authz/{application_id}", tag = "verification",
    params(
        ("application_id" = String, Path, description = "The application that is protected."),
        ("environment" = Option<String>, Query, description = "The environment that is protected. Required, unless the application's routing tells it."),
        ("permission" = Option<Vec<String>>, Query, description = "Permissions that are needed; may be repeated."),
    ),
    responses(
    (status = 200, description = "Yes; `X-Keystile-…` headers say who it is."),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "Two credentials, an environment that is missing, or a parameter that breaks a rule."),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "Not now; let nothing pass."),
))]
pub(crate) async fn authorize(
    app: &App,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    client: ClientIp,
) -> Result<Response<()>, ApiProblem> {
    let question =
        Question { place: read_place(path, query)?, original: Original::Told(headers), headers, client };
    let identity = decide(app, &question).await?;
    let mut response = Response::new(());
    *response.headers_mut() = identity;
    Ok(response)
}

fn read_place<'a>(path: &str, query: &'a str) -> Result<Place<'a>, ApiProblem> {
    let application_id = path.strip_prefix(PATH).and_then(|id| id.parse().ok());
    let mut place = Place::new(application_id.ok_or_else(|| ApiProblem::not_found("application"))?);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        place.set(&name, value)?;
    }
    Ok(place)
}
