//! What each provider's answers come to.

use keystile_core::llm::{PicoUsd, Price};
use serde_json::json;

use super::*;
use crate::bounds::tests::{price, priced, upstream};
use crate::call::tests::call;

const CHAT: &str = r#"{"model":"m","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;
const STREAM: &str =
    r#"{"model":"m","stream":true,"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;

fn reading(operation: Operation, body: &str) -> Reading {
    Reading::of(&call(operation, body), &priced(None, None))
}

/// What an answer comes to that came as a whole.
fn whole(operation: Operation, body: &str, answer: &str) -> (Consumption, Basis) {
    let mut reading = reading(operation, body);
    reading.whole(answer.as_bytes());
    reading.used()
}

/// What a stream comes to, and how each of its events was passed on.
fn stream(operation: Operation, body: &str, data: &[&str]) -> ((Consumption, Basis), Vec<Passing>) {
    let mut reading = reading(operation, body);
    let event = |data: &str| format!("data: {}\n\n", data.replace('\n', " "));
    let passed = data.iter().map(|data| reading.frame(event(data).as_bytes())).collect();
    (reading.used(), passed)
}

fn tokens(input: u64, cached_input: u64, cache_write: u64, output: u64) -> Consumption {
    Consumption { input, cached_input, cache_write, output, ..Consumption::default() }
}

#[test]
fn cached_and_reasoning_tokens_are_told_by_each_provider_in_its_own_way() {
    let responses = r#"{"model":"m","max_output_tokens":100,"input":"hi"}"#;
    for (operation, body, usage, expected) in [
        (
            Operation::ChatCompletions,
            CHAT,
            r#"{"prompt_tokens":1200,"completion_tokens":300,"total_tokens":1500,
                "prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},
                "completion_tokens_details":{"reasoning_tokens":192}}"#,
            tokens(176, 1_024, 0, 300),
        ),
        (
            Operation::Responses,
            responses,
            r#"{"input_tokens":75,"input_tokens_details":{"cached_tokens":32},
                "output_tokens":1186,"output_tokens_details":{"reasoning_tokens":1024},"total_tokens":1261}"#,
            tokens(43, 32, 0, 1_186),
        ),
        (
            Operation::Messages,
            CHAT,
            r#"{"input_tokens":21,"cache_creation_input_tokens":188086,"cache_read_input_tokens":100,"output_tokens":393}"#,
            tokens(21, 100, 188_086, 393),
        ),
        (
            Operation::Messages,
            CHAT,
            r#"{"input_tokens":10,"cache_creation_input_tokens":30,"cache_read_input_tokens":0,"output_tokens":5,
                "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}"#,
            // A token that is kept for an hour costs two of input.
            tokens(50, 0, 10, 5),
        ),
        // Who leaves thoughts out of the completion has them in the total.
        (
            Operation::ChatCompletions,
            CHAT,
            r#"{"prompt_tokens":7,"completion_tokens":2,"total_tokens":59}"#,
            tokens(7, 0, 0, 52),
        ),
        (
            Operation::ChatCompletions,
            CHAT,
            r#"{"prompt_tokens":16,"prompt_cache_hit_tokens":12,"prompt_cache_miss_tokens":4,"completion_tokens":8}"#,
            tokens(4, 12, 0, 8),
        ),
        (
            Operation::ChatCompletions,
            CHAT,
            r#"{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":99,"cache_write_tokens":5}}"#,
            tokens(0, 10, 0, 1),
        ),
    ] {
        assert_eq!(
            whole(operation, body, &format!(r#"{{"usage":{usage}}}"#)),
            (expected, Basis::Upstream),
            "{usage}"
        );
    }
}

#[test]
fn embeddings_use_input_alone() {
    let answer = r#"{"data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    let used = whole(Operation::Embeddings, r#"{"model":"m","input":"a"}"#, answer);
    assert_eq!(used, (tokens(8, 0, 0, 0), Basis::Upstream));
}

#[test]
fn the_chunk_with_usage_is_dropped_unless_the_client_asked_for_it() {
    let chunks = [
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"Hel"}}],"usage":null}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":"stop"}],"usage":null}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
        "[DONE]",
    ];
    let asking =
        STREAM.replace("\"stream\":true", r#""stream":true,"stream_options":{"include_usage":true}"#);
    for (body, third) in [(STREAM, Passing::Drop), (asking.as_str(), Passing::Pass)] {
        let (used, passed) = stream(Operation::ChatCompletions, body, &chunks);
        assert_eq!(used, (tokens(9, 0, 0, 2), Basis::Upstream));
        assert_eq!(passed, [Passing::Pass, Passing::Pass, third, Passing::Pass]);
    }
    let filters = r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#;
    assert_eq!(stream(Operation::ChatCompletions, STREAM, &[filters]).1, [Passing::Pass]);
}

#[test]
fn the_last_usage_counts_and_zeros_change_nothing() {
    let of = |input: u64, output: u64| {
        format!(r#"{{"choices":[],"usage":{{"prompt_tokens":{input},"completion_tokens":{output}}}}}"#)
    };
    let (first, last, zero) = (of(9, 1), of(9, 20), of(0, 0));
    let (used, _) = stream(Operation::ChatCompletions, STREAM, &[&first, &last, &zero, "[DONE]"]);
    assert_eq!(used, (tokens(9, 0, 0, 20), Basis::Upstream));
}

#[test]
fn a_message_begins_with_a_placeholder_and_tells_its_output_cumulatively() {
    let events = [
        r#"{"type":"message_start","message":{"type":"message","content":[],"usage":{"input_tokens":472,
            "cache_read_input_tokens":100,"cache_creation_input_tokens":7,"output_tokens":8}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,"output_tokens":5}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let (used, passed) = stream(Operation::Messages, STREAM, &events);
    assert_eq!(used, (tokens(472, 100, 7, 5), Basis::Upstream));
    assert!(passed.iter().all(|passing| *passing == Passing::Pass));
    // Cut behind any event before the first delta of the message, nobody knows how long it would have been.
    for cut in 1..5 {
        let ((used, basis), _) = stream(Operation::Messages, STREAM, &events[..cut]);
        assert_eq!((used, basis), (tokens(472, 100, 7, 100), Basis::Hold), "cut behind {cut}");
    }
}

#[test]
fn a_response_tells_its_usage_however_it_ends() {
    let body = r#"{"model":"m","stream":true,"max_output_tokens":100,"input":"hi"}"#;
    let delta = r#"{"type":"response.output_text.delta","item_id":"msg_1","delta":"Hi there"}"#;
    for end in ["completed", "incomplete", "failed"] {
        let last = format!(
            r#"{{"type":"response.{end}","response":{{"usage":{{"input_tokens":7,"output_tokens":3,"total_tokens":10}}}}}}"#
        );
        let (used, _) = stream(Operation::Responses, body, &[delta, &last]);
        assert_eq!(used, (tokens(7, 0, 0, 3), Basis::Upstream), "{end}");
    }
    let failed = r#"{"type":"response.failed","response":{"usage":null}}"#;
    let ((used, basis), _) = stream(Operation::Responses, body, &[delta, failed]);
    assert_eq!((used.output, basis), (8, Basis::Counted));
}

#[test]
fn without_usage_what_was_passed_on_is_counted() {
    let bound = reading(Operation::ChatCompletions, CHAT).load.input;
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"zwölf"}}]}"#;
    let (used, _) = stream(Operation::ChatCompletions, STREAM, &[chunk, chunk, "[DONE]"]);
    assert_eq!(used, (tokens(bound, 0, 0, 12), Basis::Counted));
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"id":"call_1","type":"function",
        "function":{"name":"weather","arguments":"{\"city\":"}}]}}]}"#;
    let (used, _) = stream(Operation::ChatCompletions, STREAM, &[call, "[DONE]"]);
    assert_eq!(used, (tokens(bound, 0, 0, 15), Basis::Counted));
    let long =
        format!(r#"{{"choices":[{{"message":{{"role":"assistant","content":"{}"}}}}]}}"#, "x".repeat(500));
    let capped = whole(Operation::ChatCompletions, CHAT, &long);
    assert_eq!(
        capped,
        (tokens(bound, 0, 0, 100), Basis::Counted),
        "no more than the cap, as bytes are no tokens"
    );
    let zero = r#"{"choices":[{"message":{"content":"seven b"}}],"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    assert_eq!(whole(Operation::ChatCompletions, CHAT, zero), (tokens(bound, 0, 0, 7), Basis::Counted));
    let lying = r#"{"choices":[{"message":{"content":"seven b"}}],"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
    assert_eq!(whole(Operation::ChatCompletions, CHAT, lying), (tokens(9, 0, 0, 7), Basis::Counted));
    let message = r#"{"type":"message","role":"assistant","content":[{"type":"text","text":"seven b"}]}"#;
    assert_eq!(whole(Operation::Messages, CHAT, message).0.output, 7);
}

#[test]
fn an_answer_that_breaks_off_is_charged_what_was_held() {
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"Hi"}}]}"#;
    let body = STREAM.replace("\"stream\":true", r#""stream":true,"n":3"#);
    let mut own = reading(Operation::ChatCompletions, &body).within(40);
    own.frame(format!("data: {chunk}\n\n").as_bytes());
    assert!(!own.is_complete());
    let (used, basis) = own.used();
    assert_eq!((used.output, basis), (120, Basis::Hold));
    let unlimited = own.within(UNCAPPED).used();
    assert_eq!((unlimited.0.output, unlimited.1), (2, Basis::Counted), "nothing was held");
}

#[test]
fn what_is_no_json_is_passed_on_and_counted() {
    let (used, passed) = stream(Operation::ChatCompletions, STREAM, &["{broken", "[DONE]"]);
    assert_eq!((used.0.output, used.1, passed), (7, Basis::Counted, vec![Passing::Pass, Passing::Pass]));
    let mut own = reading(Operation::ChatCompletions, STREAM);
    assert_eq!(own.frame(b": keep-alive\n\n"), Passing::Pass);
    assert!(!own.is_complete());
    let absurd =
        r#"{"usage":{"prompt_tokens":-5,"completion_tokens":1e30,"total_tokens":18446744073709551615}}"#;
    assert_eq!(whole(Operation::ChatCompletions, CHAT, absurd).1, Basis::Counted);
}

#[test]
fn an_answer_that_cannot_be_read_is_charged_by_its_usage_all_the_same() {
    let bound = reading(Operation::ChatCompletions, CHAT).load.input;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for said in [r#""half a letter: \ud800""#, deep.as_str()] {
        let of = |usage: &str| {
            let answer = format!(r#"{{"choices":[{{"message":{{"content":{said}}}}}]{usage}}}"#);
            (whole(Operation::ChatCompletions, CHAT, &answer), answer.len().min(100) as u64)
        };
        let (told, _) = of(r#","usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}"#);
        assert_eq!(told, (tokens(9, 0, 0, 2), Basis::Upstream), "{said}");
        let (untold, length) = of("");
        assert_eq!(untold, (tokens(bound, 0, 0, length), Basis::Counted), "{said}");
        let (lying, length) = of(r#","usage":{"prompt_tokens":9,"completion_tokens":0}"#);
        assert_eq!(lying, (tokens(9, 0, 0, length), Basis::Counted), "{said}");
    }
    let cut =
        whole(Operation::ChatCompletions, CHAT, r#"{"usage":{"prompt_tokens":9,"completion_tokens":2}"#);
    assert_eq!(cut, (tokens(bound, 0, 0, 50), Basis::Counted), "what has no end tells nothing");
    let twice = r#"{"data":[],"usage":{"prompt_tokens":1},"usage":{"prompt_tokens":8}}"#;
    let vectors = whole(Operation::Embeddings, r#"{"model":"m","input":"a"}"#, twice);
    assert_eq!(vectors.0, tokens(8, 0, 0, 0));
}

#[test]
fn images_are_counted_by_their_price_or_by_their_tokens() {
    let body = r#"{"model":"m","prompt":"a cat","n":4}"#;
    let answer = r#"{"data":[{"b64_json":"AAAA"},{"b64_json":"AAAA"}],"usage":{"input_tokens":50,"output_tokens":6208}}"#;
    assert_eq!(whole(Operation::ImagesGenerations, body, answer), (tokens(50, 0, 0, 6_208), Basis::Upstream));
    let mut own = upstream();
    own.model.price = Some(Price { image: Some(PicoUsd::from_picos(1)), ..price() });
    let call = call(Operation::ImagesGenerations, body);
    let mut reading = Reading::of(&call, &own);
    assert_eq!(reading.used(), (Consumption { images: 4, ..Consumption::default() }, Basis::Hold));
    reading.whole(answer.as_bytes());
    assert_eq!(reading.used(), (Consumption { images: 2, ..Consumption::default() }, Basis::Counted));
    let untold = whole(Operation::ImagesGenerations, body, r#"{"data":[{"url":"x"}]}"#);
    assert_eq!((untold.0.output, untold.1), (4 * 16_384, Basis::Hold), "bytes tell nothing of tokens");
}

#[test]
fn an_answer_that_is_not_kept_is_charged_by_the_usage_that_was_found_in_it_or_by_its_bytes() {
    let bound = reading(Operation::ChatCompletions, CHAT).load.input;
    let of = |passed: [usize; 2], found: &str| {
        let mut own = reading(Operation::ChatCompletions, CHAT).within(40);
        passed.into_iter().for_each(|bytes| own.passed(bytes));
        own.found(&serde_json::from_str(found).unwrap());
        own.used()
    };
    let usage = r#"{"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
    assert_eq!(of([300, 200], usage), (tokens(9, 0, 0, 2), Basis::Upstream));
    for none in ["{}", r#"{"usage":null}"#] {
        assert_eq!(of([3, 4], none), (tokens(bound, 0, 0, 7), Basis::Counted), "{none}");
        assert_eq!(of([30, 40], none), (tokens(bound, 0, 0, 40), Basis::Counted), "{none}");
    }
    let lying = r#"{"usage":{"prompt_tokens":9,"completion_tokens":0}}"#;
    assert_eq!(of([3, 4], lying), (tokens(9, 0, 0, 7), Basis::Counted));
    let mut endless = reading(Operation::ChatCompletions, CHAT).within(40);
    endless.passed(7);
    assert_eq!(endless.used(), (tokens(bound, 0, 0, 40), Basis::Hold), "more of it may have been made");
    assert_eq!(endless.within(UNCAPPED).used(), (tokens(bound, 0, 0, 7), Basis::Counted));
    let mut vectors = reading(Operation::Embeddings, r#"{"model":"m","input":"a"}"#);
    vectors.passed(7);
    vectors.found(&json!({ "usage": { "prompt_tokens": 8, "total_tokens": 8 } }));
    assert_eq!(vectors.used(), (tokens(8, 0, 0, 0), Basis::Upstream), "nothing of them is text");
}

#[test]
fn speech_is_counted_in_characters_and_in_seconds() {
    let mut own = upstream();
    let one = Some(PicoUsd::from_picos(1));
    own.model.price = Some(Price { character: one, second: one, ..price() });
    let spoken = Reading::of(&call(Operation::AudioSpeech, r#"{"model":"m","input":"zwölf"}"#), &own);
    assert_eq!(spoken.used(), (Consumption { characters: 5, ..Consumption::default() }, Basis::Counted));
    let form = "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--X\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n123\r\n--X--";
    let content_type = http::HeaderValue::from_static("multipart/form-data; boundary=X");
    let heard = Call::read(&Operation::AudioTranscriptions, Some(&content_type), &form.into()).unwrap();
    for (answer, millis, basis) in [
        (r#"{"text":"a","usage":{"type":"duration","seconds":4}}"#, 4_000, Basis::Upstream),
        (r#"{"text":"a","duration":8.47,"segments":[]}"#, 8_470, Basis::Upstream),
        (r#"{"text":"a","duration":"2.5"}"#, 2_500, Basis::Upstream),
        ("1\n00:00:00,000 --> 00:00:01,000\na\n", 1_000, Basis::Hold),
    ] {
        let mut reading = Reading::of(&heard, &own);
        reading.whole(answer.as_bytes());
        let expected = Consumption { audio_millis: millis, ..Consumption::default() };
        assert_eq!(reading.used(), (expected, basis), "{answer}");
    }
}

#[test]
fn what_is_free_uses_nothing() {
    let answer = r#"{"input_tokens":2095,"usage":{"input_tokens":7}}"#;
    for operation in [Operation::CountTokens, Operation::Moderations] {
        assert_eq!(whole(operation, CHAT, answer), (Consumption::default(), Basis::Upstream));
    }
}
