//! Forward authentication: a gateway passes the original request's headers by HTTP and obeys the status.

use std::time::Instant;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body_util::Full;
use keystile_bearer::{ClientIp, RequestId};
use keystile_core::LogFace;
use keystile_wire::Problem;

use super::identity::identity;
use super::log::Passage;
use super::original::Original;
use super::place::Place;
use super::{Question, decide};
use crate::problem::ApiProblem;
use crate::state::App;

/// Where this is mounted; the application's id follows.
pub(crate) const PATH: &str = "/api/v1/authz/";
/// The same as it is described.
pub(crate) const TEMPLATE: &str = "/api/v1/authz/{application_id}";

/// May the original request pass? Any method; counts as one request against limits. The answer is in the status and, for a yes, in identity headers.
#[utoipa::path(method(get, head, post, put, patch, delete, options), path = "/api/v1/authz/{application_id}", tag = "verification",
    params(
        ("application_id" = String, Path, description = "The application that is protected."),
        ("environment" = Option<String>, Query, description = "The environment that is protected. Required, unless the application's routing tells it."),
        ("permission" = Option<Vec<String>>, Query, description = "Permissions that are needed; may be repeated."),
    ),
    responses(
    (status = 200, description = "Yes; `X-Keystile-…` headers say who it is.", headers(
        ("RateLimit-Policy" = String, description = "Every limit that bears on the key: `\"rpm\";q=60;w=60, \"tenant:daily\";q=5000;w=86400`. Left out if there is none."),
        ("RateLimit" = String, description = "What is left of each: `\"rpm\";r=59;t=1` is 59 requests now, and all of it again in a second. Left out if there is none."),
    )),
    (status = 400, body = Problem, content_type = "application/problem+json", description = "Two credentials, an environment that is missing, or a parameter that breaks a rule."),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "Not now; let nothing pass."),
))]
pub(crate) async fn authorize(
    app: &App,
    parts: &Parts,
    client: ClientIp,
    request_id: &RequestId,
) -> Result<Response<Full<Bytes>>, ApiProblem> {
    let began = Instant::now();
    let (uri, headers) = (&parts.uri, &parts.headers);
    let place = read_place(uri.path(), uri.query().unwrap_or_default())?;
    let question = Question { place, original: Original::Told(headers), headers, client };
    let mut passage = Passage::begin(app, (LogFace::Authz, began), request_id, &question);
    let decided = decide(app, &question, &mut passage.known).await;
    passage.decided(&decided);
    let verdict = decided?;
    let mut response = Response::new(Full::default());
    *response.headers_mut() = identity(&verdict);
    Ok(response)
}

fn read_place<'a>(path: &str, query: &'a str) -> Result<Place<'a>, ApiProblem> {
    let application_id = path.strip_prefix(PATH).and_then(|id| id.parse().ok());
    let mut place = Place::new(application_id.ok_or_else(|| ApiProblem::not_found("application"))?);
    if is_plain(query) {
        let mut rest = query;
        while !rest.is_empty() {
            let (pair, others) = split_at(rest, b'&');
            if !pair.is_empty() {
                let (name, value) = split_at(pair, b'=');
                place.set(name, value.into())?;
            }
            rest = others;
        }
    } else {
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            place.set(&name, value)?;
        }
    }
    Ok(place)
}

/// What stands before and behind the first `sign`, which is ASCII; all and nothing if there is none. `split_once` searches for any
/// character, which costs more than a few bytes.
fn split_at(text: &str, sign: u8) -> (&str, &str) {
    let at = text.bytes().position(|byte| byte == sign);
    at.map_or((text, ""), |at| (&text[..at], &text[at + 1..]))
}

/// Whether nothing in the query is encoded, as in the URLs of most gateways. Looking for it in each part took a sixteenth of
/// the instructions of an answer.
fn is_plain(query: &str) -> bool {
    query.bytes().all(|byte| byte != b'%' && byte != b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: &str = "/api/v1/authz/app_01J8Z3V5N0QK7Y2M4T6B8D9FGH";

    /// What is understood of a query, and of the same with something encoded in it that means nothing.
    fn both(query: &str) -> [Option<String>; 2] {
        let read = |query: &str| {
            let place = read_place(APPLICATION, query).ok()?;
            let needed = place.needed().ok()?;
            Some(format!("{:?} {needed:?}", place.environment))
        };
        assert!(is_plain(query));
        [read(query), read(&query.replace('a', "%61").replace('e', "%65"))]
    }

    #[test]
    fn a_plain_query_means_what_an_encoded_one_does() {
        for query in [
            "",
            "&",
            "environment=staging",
            "&&environment=staging&",
            "permission=a:read&environment=staging&permission=a:write&permission=a:b",
        ] {
            let [plain, encoded] = both(query);
            assert!(plain.is_some() && plain == encoded, "{query}: {plain:?} {encoded:?}");
        }
        for query in
            ["a", "=", "=a", "environment", "environment=", "environment==staging", "permission=a:b=c", "a=b"]
        {
            assert_eq!(both(query), [None, None], "{query}");
        }
    }
}
