//! `GET /models`.

use http::Response;
use serde_json::{Value, json};

use crate::body::Body;
use crate::exchange::{CREATED, respond};
use crate::routes::Shape;
use crate::server::State;

/// The models that the mock was given.
pub(crate) fn list(state: &State, shape: Shape) -> Response<Body> {
    let models = state.models.iter().map(|name| describe(name, shape)).collect::<Vec<_>>();
    let list = match shape {
        Shape::OpenAi => json!({ "object": "list", "data": models }),
        Shape::Anthropic => json!({
            "data": models, "has_more": false,
            "first_id": state.models.first(), "last_id": state.models.last(),
        }),
    };
    respond("application/json", Body::of(list.to_string()))
}

/// One model; every name is one.
pub(crate) fn one(name: &str, shape: Shape) -> Response<Body> {
    respond("application/json", Body::of(describe(name, shape).to_string()))
}

fn describe(name: &str, shape: Shape) -> Value {
    match shape {
        Shape::OpenAi => json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "mock" }),
        Shape::Anthropic => json!({
            "type": "model", "id": name, "display_name": name, "created_at": "2023-11-14T22:13:20Z",
            "lifecycle": "active",
        }),
    }
}
