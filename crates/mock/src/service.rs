//! From a request to its answer.

use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::behaviour::Behaviour;
use crate::body::Body;
use crate::exchange::{Exchange, respond};
use crate::fault::{Fault, GZIP};
use crate::records::Asked;
use crate::routes::{Route, Shape};
use crate::server::State;
use crate::{anthropic, chat, completions, embeddings, media, models, responses};

/// Longest body that is read, in bytes: more than a gateway should pass on.
const MAX_BODY: usize = 64 * 1024 * 1024;

pub(crate) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    if let Some(name) = path.strip_prefix("/mock/") {
        return about_itself(&state, &head.method, name);
    }
    let place = path.strip_prefix("/v1").unwrap_or(&path).trim_start_matches('/');
    let (shape, number) = (Shape::of(place, &head.headers), state.number());
    let request_id = format!("req_mock{number:08}");
    let answer = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            state.records.note(Asked::new(&head, &body));
            reply(Incomer { state, head, shape, place: place.to_owned(), number }, &body).await
        }
        Err(_) => Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large, or broke off")),
    };
    let mut response = answer.unwrap_or_else(|fault| fault.into_response(shape, &request_id));
    let name = match shape {
        Shape::OpenAi => "x-request-id",
        Shape::Anthropic => "request-id",
    };
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// A request whose body is read.
struct Incomer {
    state: Arc<State>,
    head: Parts,
    shape: Shape,
    place: String,
    number: u64,
}

async fn reply(incomer: Incomer, body: &[u8]) -> Result<Response<Body>, Fault> {
    let Incomer { state, head, shape, place, number } = incomer;
    admit(&state, &head, shape)?;
    let missing = || Fault::new(StatusCode::NOT_FOUND, format!("Invalid URL ({} /{place})", head.method));
    let route = Route::of(&head.method, &place).ok_or_else(missing)?;
    if let Some(answer) = without_model(&state, shape, &route) {
        return answer;
    }
    let ask = Ask::read(&head.headers, body, &state.behaviour)?;
    let ask = Ask { behaviour: now(&state, &ask), ..ask };
    if ask.behaviour.hangs {
        std::future::pending::<()>().await;
    }
    if let Some(status) = ask.behaviour.error {
        return Err(failure(&ask.behaviour, status, &head));
    }
    let is_packed = ask.behaviour.is_packed;
    let exchange = Exchange { state, ask, shape, place, number };
    let mut response = of_model(&exchange, &route).await;
    if is_packed {
        response.headers_mut().insert(CONTENT_ENCODING, GZIP);
    }
    Ok(response)
}

/// The error that was asked for.
fn failure(behaviour: &Behaviour, status: u16, head: &Parts) -> Fault {
    let mut message = "The mock fails, as was asked for.".to_owned();
    if behaviour.echoes {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let sent: Vec<_> =
            head.headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect();
        message = format!("{message} It was sent {}", sent.join(", "));
    }
    Fault {
        retry_after: behaviour.retry_after,
        has_no_money: behaviour.has_no_money,
        is_packed: behaviour.is_packed,
        ..Fault::new(StatusCode::from_u16(status).unwrap_or_default(), message)
    }
}

/// How a model behaves this time.
fn now(state: &State, ask: &Ask) -> Behaviour {
    let behaviour = ask.behaviour.clone();
    let is_over = behaviour.times.is_some_and(|times| state.records.count(&ask.model) > times);
    if is_over { behaviour.recovered() } else { behaviour }
}

fn admit(state: &State, head: &Parts, shape: Shape) -> Result<(), Fault> {
    let header =
        |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if shape == Shape::Anthropic && header("anthropic-version").is_empty() {
        return Err(Fault::bad("anthropic-version: header is required"));
    }
    let Some(credential) = &state.credential else { return Ok(()) };
    let bearer = header(AUTHORIZATION.as_str()).strip_prefix("Bearer ").unwrap_or_default();
    let is_theirs = shape == Shape::Anthropic && header("x-api-key") == credential;
    let refused = || Fault::new(StatusCode::UNAUTHORIZED, "Incorrect API key provided.");
    (bearer == credential || is_theirs).then_some(()).ok_or_else(refused)
}

/// Answers to requests that name no model in a body.
fn without_model(state: &State, shape: Shape, route: &Route) -> Option<Result<Response<Body>, Fault>> {
    let found = |found: Option<Value>| -> Result<Response<Body>, Fault> {
        let found = found.ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "there is no such response"))?;
        Ok(respond("application/json", Body::of(found.to_string())))
    };
    let answer = match route {
        Route::Models => Ok(models::list(state, shape)),
        Route::Model(name) => Ok(models::one(name, shape)),
        Route::ReadResponse(id) => found(state.records.response(id)),
        Route::CancelResponse(id) => {
            let cancelled = state.records.response(id).map(|mut response| {
                response["status"] = "cancelled".into();
                response
            });
            found(cancelled)
        }
        Route::ForgetResponse(id) => {
            let gone = json!({ "id": id, "object": "response", "deleted": true });
            found(state.records.forget_response(id).map(|_| gone))
        }
        Route::Chat
        | Route::Completions
        | Route::Embeddings
        | Route::Moderations
        | Route::Images
        | Route::Speech
        | Route::Hearing
        | Route::Responses
        | Route::ResponsesTokens
        | Route::Messages
        | Route::CountTokens => return None,
    };
    Some(answer)
}

async fn of_model(exchange: &Exchange, route: &Route) -> Response<Body> {
    match route {
        Route::Chat => chat::answer(exchange).await,
        Route::Completions => completions::answer(exchange).await,
        Route::Embeddings => embeddings::answer(exchange).await,
        Route::Moderations => media::moderate(exchange).await,
        Route::Images => media::draw(exchange).await,
        Route::Speech => media::speak(exchange).await,
        Route::Hearing => media::hear(exchange).await,
        Route::Responses => responses::answer(exchange).await,
        Route::ResponsesTokens => responses::count(exchange).await,
        Route::Messages => anthropic::answer(exchange).await,
        Route::CountTokens => anthropic::count(exchange).await,
        // Those were answered before.
        Route::Models
        | Route::Model(_)
        | Route::ReadResponse(_)
        | Route::ForgetResponse(_)
        | Route::CancelResponse(_) => models::list(&exchange.state, exchange.shape),
    }
}

/// What tests ask the mock about itself.
fn about_itself(state: &State, method: &Method, name: &str) -> Response<Body> {
    let told = match (method.as_str(), name) {
        ("GET", "billed") => {
            let (billed, gone) = state.records.billed();
            json!({ "data": billed, "gone": gone })
        }
        ("GET", "asked") => {
            let (asked, gone) = state.records.asked();
            json!({ "data": asked, "gone": gone })
        }
        ("POST", "reset") => {
            state.records.reset();
            Value::Null
        }
        ("POST", "resume") => {
            state.resume();
            Value::Null
        }
        _ => {
            let missing = Fault::new(StatusCode::NOT_FOUND, "the mock has no such path");
            return missing.into_response(Shape::OpenAi, "");
        }
    };
    if told.is_null() {
        let mut done = Response::new(Body::of(""));
        *done.status_mut() = StatusCode::NO_CONTENT;
        return done;
    }
    respond("application/json", Body::of(told.to_string()))
}
