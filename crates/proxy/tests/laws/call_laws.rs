//! What is true of any bytes as the body of a request. The fuzz targets search for bytes that break it; the test beside it replays the
//! seeds.

use bytes::Bytes;
use http::HeaderValue;
use keystile_core::llm::{Model, PicoUsd, Price, Protocol, Provider, Upstream};
use keystile_core::{ModelId, ProviderId, Secret, TenantId, Timestamp};
use keystile_proxy::{Budgeted, Call, Operation, Reading, UNCAPPED};
use serde_json::{Value, json};

/// What the upstream calls the model.
const REAL: &str = "real-model";
/// Operations that are asked for in JSON.
const IN_JSON: [Operation; 7] = [
    Operation::ChatCompletions,
    Operation::Responses,
    Operation::Completions,
    Operation::Embeddings,
    Operation::ImagesEdits,
    Operation::AudioSpeech,
    Operation::Messages,
];
/// A model with a price and a window.
pub(crate) fn upstream() -> Upstream {
    let moment = Timestamp::from_millis(0);
    let (tenant_id, provider_id) = (TenantId::from_u128(1), ProviderId::from_u128(2));
    let provider = Provider {
        id: provider_id,
        tenant_id,
        name: "Models".parse().unwrap(),
        protocol: Protocol::OpenAi,
        base_url: "https://models.example/v1".parse().unwrap(),
        environment: None,
        enabled: true,
        created_at: moment,
        updated_at: moment,
        version: 1,
    };
    let price = |picos| Some(PicoUsd::from_picos(picos));
    let model = Model {
        id: ModelId::from_u128(3),
        tenant_id,
        provider_id,
        name: "own".parse().unwrap(),
        aliases: Vec::new(),
        upstream_name: REAL.parse().unwrap(),
        rank: 0,
        context_window: Some(100_000),
        max_output_tokens: Some(4_000),
        encoding: None,
        price: Some(Price {
            input: PicoUsd::from_picos(5),
            cached_input: price(1),
            cache_write: price(6),
            output: PicoUsd::from_picos(20),
            image: price(1_000),
            character: price(2),
            second: price(100),
        }),
        price_version: 1,
        enabled: true,
        created_at: moment,
        updated_at: moment,
        version: 1,
    };
    Upstream { provider, credential: Secret::new("sk-upstream"), model }
}

/// Panics when a law is broken for `bytes`, as a body in JSON.
pub(crate) fn hold_json(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    for operation in IN_JSON {
        let Ok(call) = Call::read(&operation, None, &body) else { continue };
        let sent: Value = serde_json::from_slice(bytes).unwrap();
        what_is_rebuilt_is_what_was_meant(&operation, &call, &sent);
        what_is_rebuilt_has_no_greater_cap(&call);
        what_is_needed_is_a_bound(&operation, &call);
    }
}

/// Panics when a law is broken for `bytes`, as a form with the boundary `X`.
pub(crate) fn hold_form(bytes: &[u8]) {
    let operation = Operation::ImagesEdits;
    let content_type = HeaderValue::from_static("multipart/form-data; boundary=X");
    let Ok(call) = Call::read(&operation, Some(&content_type), &Bytes::copy_from_slice(bytes)) else {
        return;
    };
    // One that is full of our own boundaries is refused.
    let Ok((content_type, body)) = call.for_upstream(&upstream(), UNCAPPED) else { return };
    let again = Call::read(&operation, Some(&content_type), &body).unwrap();
    assert_eq!(again.model(), Some(REAL));
    assert_eq!(again.streams(), call.streams());
    let need = |call: &Call| call.need(&upstream(), Budgeted::Money).unwrap();
    assert_eq!(need(&again), need(&call));
    let (_, twice) = again.for_upstream(&upstream(), UNCAPPED).unwrap();
    assert_eq!(twice.len(), body.len(), "writing it once more changes nothing");
}

/// Every member but those that the gateway sets is as it was sent, at every depth.
fn what_is_rebuilt_is_what_was_meant(operation: &Operation, call: &Call, sent: &Value) {
    let (content_type, body) = call.for_upstream(&upstream(), UNCAPPED).unwrap();
    assert_eq!(content_type, "application/json");
    let rebuilt: Value = serde_json::from_slice(&body).unwrap();
    let mut expected = sent.clone();
    expected["model"] = json!(REAL);
    if call.streams() && matches!(operation, Operation::ChatCompletions | Operation::Completions) {
        if expected["stream_options"].is_null() {
            expected["stream_options"] = json!({});
        }
        expected["stream_options"]["include_usage"] = json!(true);
    }
    assert!(is_same(&rebuilt, &expected), "{rebuilt} is not {expected}");
    let again = Call::read(operation, None, &body).unwrap();
    assert_eq!(again.model(), Some(REAL));
    assert_eq!(again.streams(), call.streams());
}

/// Numbers may lose the last bit when they are read.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (Some(own), Some(theirs)) = (one.as_f64(), other.as_f64()) else { return one == other };
            one == other || (own - theirs).abs() <= own.abs() * 1e-12
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

fn what_is_rebuilt_has_no_greater_cap(call: &Call) {
    let names: &[&str] = match call.operation() {
        Operation::ChatCompletions => &["max_tokens", "max_completion_tokens"],
        Operation::Messages => &["max_tokens"],
        Operation::Responses => &["max_output_tokens"],
        _ => return,
    };
    let Ok((_, body)) = call.for_upstream(&upstream(), 3) else { return };
    let rebuilt: Value = serde_json::from_slice(&body).unwrap();
    let caps: Vec<u64> = names.iter().filter_map(|name| rebuilt[*name].as_u64()).collect();
    assert!(!caps.is_empty() && caps.iter().all(|cap| *cap <= 3), "{rebuilt}");
}

/// What is held covers an answer that breaks off, and one that is as long as the cap.
fn what_is_needed_is_a_bound(operation: &Operation, call: &Call) {
    let upstream = upstream();
    let Ok(need) = call.need(&upstream, Budgeted::Money) else { return };
    assert!(need.least <= need.most);
    let reading = Reading::of(call, &upstream).within(need.most);
    let (used, _) = reading.used();
    let held = need.at(need.most);
    let price = upstream.model.price.unwrap();
    assert!(price.picos(&used) <= held.picos, "{operation:?}: {used:?} costs more than {held:?}");
    assert!(used.tokens() <= held.tokens, "{operation:?}: {used:?} is more than {held:?}");
    let free = call.need(&upstream, Budgeted::No).unwrap();
    assert_eq!(free.fixed, need.fixed, "the input is the same, whoever asks");
}
