//! Routes for pictures and sound, and moderations.

use http::Response;
use serde_json::json;

use crate::behaviour::Told;
use crate::body::Body;
use crate::exchange::{CREATED, Exchange};
use crate::records::Usage;
use crate::weigh;

/// The smallest PNG: one transparent pixel.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// Bytes of a second of sound.
const SECOND: usize = 16_000;
/// What is heard in every sound.
const HEARD: &str = "The sea was calm.";

/// `POST /moderations`: nothing is ever flagged, and nothing costs anything.
pub(crate) async fn moderate(exchange: &Exchange) -> Response<Body> {
    let result = json!({
        "flagged": false, "categories": { "violence": false }, "category_scores": { "violence": 0.0 },
        "category_applied_input_types": { "violence": ["text"] },
    });
    let results = (0..exchange.ask.prompts("input")).map(|_| result.clone()).collect::<Vec<_>>();
    let answer = json!({ "id": exchange.id("modr-"), "model": exchange.ask.model, "results": results });
    exchange.free("application/json", answer.to_string().into_bytes()).await
}

/// `POST /images/…`: `n` pictures.
pub(crate) async fn draw(exchange: &Exchange) -> Response<Body> {
    let images = (0..exchange.ask.choices).map(|_| json!({ "b64_json": PIXEL })).collect::<Vec<_>>();
    let answer = json!({ "created": CREATED, "data": images });
    let usage = Usage { images: exchange.ask.choices, ..Usage::default() };
    exchange.whole(&exchange.id("img-"), usage, &answer).await
}

/// `POST /audio/speech`: billed by the character.
pub(crate) async fn speak(exchange: &Exchange) -> Response<Body> {
    let spoken = exchange.ask.body["input"].as_str().unwrap_or_default();
    let characters = u64::try_from(spoken.chars().count()).unwrap_or(u64::MAX);
    let usage = Usage { characters, ..Usage::default() };
    // As much as is no sound, but has the form of one.
    let sound = b"ID3\x04\x00\x00\x00\x00\x00\x00".repeat(spoken.len().clamp(1, 4096));
    exchange.bytes(&exchange.id("speech-"), usage, "audio/mpeg", sound).await
}

/// `POST /audio/transcriptions` and `/audio/translations`: a second is 16,000 bytes of the file.
pub(crate) async fn hear(exchange: &Exchange) -> Response<Body> {
    let ask = &exchange.ask;
    let seconds = u64::try_from(ask.file_bytes.div_ceil(SECOND)).unwrap_or(u64::MAX);
    let usage = Usage { audio_millis: seconds.saturating_mul(1000), ..Usage::default() };
    let id = exchange.id("transcription-");
    let format = ask.body["response_format"].as_str().unwrap_or("json");
    if !["json", "verbose_json"].contains(&format) {
        let text = format!("{HEARD}\n").into_bytes();
        return exchange.bytes(&id, usage, "text/plain; charset=utf-8", text).await;
    }
    let mut answer = json!({ "text": HEARD });
    if format == "verbose_json" {
        answer["task"] = "transcribe".into();
        answer["language"] = "english".into();
        answer["duration"] = seconds.into();
        answer["segments"] = json!([]);
    }
    match ask.behaviour.told {
        Told::Truly | Told::Twice => answer["usage"] = json!({ "type": "duration", "seconds": seconds }),
        Told::Zero => answer["usage"] = json!({ "type": "duration", "seconds": 0 }),
        Told::Missing => {}
    }
    exchange.whole(&id, usage, &answer).await
}

/// What a text would count as, for routes that only count.
pub(crate) fn counted(exchange: &Exchange) -> u64 {
    exchange.ask.behaviour.input.unwrap_or_else(|| weigh::of_request(&exchange.ask.body))
}
