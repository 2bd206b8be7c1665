//! `POST /embeddings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Response;
use serde_json::{Value, json};

use crate::ask::CacheWrites;
use crate::behaviour::Told;
use crate::body::Body;
use crate::exchange::Exchange;

/// The vector of everything; its numbers are exact in binary.
const VECTOR: [f32; 4] = [0.5, -0.25, 0.125, 0.75];

pub(crate) async fn answer(exchange: &Exchange) -> Response<Body> {
    let ask = &exchange.ask;
    let usage = ask.input(CacheWrites::Unknown);
    let vector = if ask.body["encoding_format"] == "base64" { packed() } else { json!(VECTOR) };
    let one = |index: u64| json!({ "object": "embedding", "index": index, "embedding": vector });
    let all = (0..ask.prompts("input")).map(one).collect::<Vec<_>>();
    let mut answer = json!({ "object": "list", "model": ask.model, "data": all });
    let tokens = match ask.behaviour.told {
        Told::Truly | Told::Twice => Some(usage.input + usage.cached_input),
        Told::Zero => Some(0),
        Told::Missing => None,
    };
    if let Some(tokens) = tokens {
        answer["usage"] = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    }
    exchange.whole(&exchange.id("embd-"), usage, &answer).await
}

/// The vector as little-endian bytes in base64.
fn packed() -> Value {
    let bytes = VECTOR.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>();
    Value::String(STANDARD.encode(bytes))
}
