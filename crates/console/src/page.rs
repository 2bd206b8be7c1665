//! Answers: a filled template, or the way to another page.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::LOCATION;
use http::{HeaderName, HeaderValue, StatusCode};

use super::headers::ShowsSecret;
use super::shell::Surroundings;
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;

const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");
const HX_RETARGET: HeaderName = HeaderName::from_static("hx-retarget");

/// A page.
pub(super) fn page(template: &impl Template) -> Answer {
    page_with(StatusCode::OK, template)
}

/// A page that answers a form which breaks rules.
pub(super) fn unprocessable(template: &impl Template) -> Answer {
    page_with(StatusCode::UNPROCESSABLE_ENTITY, template)
}

/// A page in which a secret stands.
pub(super) fn page_with_secret(template: &impl Template) -> Answer {
    let mut response = page(template)?;
    response.extensions_mut().insert(ShowsSecret);
    Ok(response)
}

pub(super) fn page_with(status: StatusCode, template: &impl Template) -> Answer {
    let failed = |error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a page could not be made");
        ApiProblem::internal()
    };
    let text = template.render().map_err(failed)?;
    Ok((status, Html(text)).into_response())
}

/// After a form was carried out: the browser goes on to `path`, whether the form stood on a page or in a panel.
pub(super) fn go_to(path: &str, from: Surroundings) -> Answer {
    let path = HeaderValue::try_from(path).map_err(|_| ApiProblem::internal())?;
    Ok(match from {
        Surroundings::Page => (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response(),
        Surroundings::Panel => (StatusCode::OK, [(HX_REDIRECT, path)]).into_response(),
    })
}

/// What scripts put into another part of the page than the form asked for.
pub(super) fn into_target(selector: &'static str, mut response: Response) -> Answer {
    response.headers_mut().insert(HX_RETARGET, HeaderValue::from_static(selector));
    Ok(response)
}
