//! Refusals as pages.

use askama::Template;
use axum::extract::{OriginalUri, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, StatusCode, Uri};
use keystile_bearer::RequestId;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::form::SEC_FETCH_SITE;
use super::page::{go_to, page, page_with};
use super::parts;
use super::shell::Surroundings;
use super::{assets, cookie};
use keystile_web::api::Answer;
use keystile_web::problem::ApiProblem;
use keystile_web::request_log::RefusedWith;

#[derive(Template)]
#[template(path = "trouble.html")]
struct TroublePage<'a> {
    title: &'a str,
    detail: &'a str,
    request_id: &'a str,
    theme: Option<&'static str>,
    /// Whether a second factor is what is missing.
    needs_factor: bool,
    /// Whether trying again may help.
    may_pass: bool,
    /// Whether what was asked for may have been done.
    is_in_doubt: bool,
}

#[derive(Template)]
#[template(path = "trouble_panel.html")]
struct TroublePanel<'a> {
    title: &'a str,
    detail: &'a str,
    request_id: &'a str,
    may_pass: bool,
    is_in_doubt: bool,
}

/// Browsers do not show the session to a page that a link elsewhere leads to; to one that a page of ours leads to they do.
#[derive(Template)]
#[template(path = "moment.html")]
struct OneMoment<'a> {
    path: &'a str,
    theme: Option<&'static str>,
}

/// Whoever asks for what is not there.
pub(super) async fn no_such_page() -> Answer {
    Err(ApiProblem::new(StatusCode::NOT_FOUND, "not_found", "there is no such page"))
}

/// Whoever opens what only a form is sent to, or sends a form to what is only opened.
pub(super) async fn no_such_method(method: Method) -> Answer {
    let detail = match method {
        Method::GET | Method::HEAD => "a form is sent here, but there is no page to open",
        _ => "there may be a page to open here, but no form is sent to it",
    };
    Err(ApiProblem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail))
}

/// Shows refusals as pages, and the way in to whoever is not signed in.
pub(super) async fn show(request: Request, next: Next) -> Response {
    let surroundings = Surroundings::of(request.headers());
    let theme = cookie::theme(request.headers());
    let method = request.method().clone();
    let asked = request.extensions().get::<OriginalUri>();
    let uri = asked.map_or(request.uri(), |OriginalUri(uri)| uri).clone();
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().to_owned());
    let comes_from_elsewhere = request.headers().get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site")
        && method == Method::GET;
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<ApiProblem>() else { return response };
    if problem.is_session_over() && comes_from_elsewhere {
        let path = uri.path_and_query().map_or(super::CONSOLE, PathAndQuery::as_str);
        return page(&OneMoment { path, theme }).unwrap_or_else(IntoResponse::into_response);
    }
    if problem.is_session_over() {
        return go_to(&way_in(&method, &uri), surroundings).unwrap_or_else(IntoResponse::into_response);
    }
    let mut response = rendered(&problem, request_id.as_deref().unwrap_or_default(), surroundings, theme)
        .unwrap_or_else(IntoResponse::into_response);
    if let Some(seconds) = problem.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(RefusedWith(problem.code()));
    response
}

fn rendered(
    problem: &ApiProblem,
    request_id: &str,
    surroundings: Surroundings,
    theme: Option<&'static str>,
) -> Answer {
    let (status, title, detail) = (problem.status(), title(problem), problem.detail());
    let is_in_doubt = problem.leaves_doubt() && status.is_server_error();
    let may_pass = status.is_server_error() && !is_in_doubt;
    match surroundings {
        Surroundings::Panel => {
            page_with(status, &TroublePanel { title, detail, request_id, may_pass, is_in_doubt })
        }
        Surroundings::Page => {
            let needs_factor = problem.wants_second_factor();
            let trouble =
                TroublePage { title, detail, request_id, theme, needs_factor, may_pass, is_in_doubt };
            page_with(status, &trouble)
        }
    }
}

/// Signing in, and then back to where one wanted to go; a form cannot be sent once more.
fn way_in(method: &Method, uri: &Uri) -> String {
    let wanted = uri.path_and_query().map_or("", PathAndQuery::as_str);
    if *method != Method::GET || wanted.is_empty() || wanted == super::CONSOLE {
        return "/console/sign-in".to_owned();
    }
    format!("/console/sign-in?next={}", utf8_percent_encode(wanted, NON_ALPHANUMERIC))
}

fn title(problem: &ApiProblem) -> &'static str {
    match problem.status() {
        _ if problem.was_sent_before() => "Sent twice",
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::CONFLICT => "Changed meanwhile",
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
            "That does not work"
        }
        StatusCode::SERVICE_UNAVAILABLE => "Keystile cannot answer now",
        StatusCode::INTERNAL_SERVER_ERROR => "Something is wrong with Keystile",
        _ => "Refused",
    }
}
