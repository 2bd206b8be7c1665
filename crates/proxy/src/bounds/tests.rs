//! The bound of each operation, and what is refused where there is none.

use keystile_core::llm::{Model, PicoUsd, Price, Protocol, Provider, Upstream};
use keystile_core::{ModelId, ProviderId, Secret, TenantId, Timestamp};

use super::*;
use crate::call::tests::call;
use crate::operation::Operation;

/// A model that is called `real` by its provider, and has neither bounds nor a price.
pub(crate) fn upstream() -> Upstream {
    at("https://models.example/v1")
}

/// The same of a provider somewhere else.
pub(crate) fn at(base_url: &str) -> Upstream {
    let moment = Timestamp::from_millis(0);
    let (tenant_id, provider_id) = (TenantId::from_u128(1), ProviderId::from_u128(2));
    let provider = Provider {
        id: provider_id,
        tenant_id,
        name: "Models".parse().unwrap(),
        protocol: Protocol::OpenAi,
        base_url: base_url.parse().unwrap(),
        environment: None,
        enabled: true,
        created_at: moment,
        updated_at: moment,
        version: 1,
    };
    let model = Model {
        id: ModelId::from_u128(3),
        tenant_id,
        provider_id,
        name: "own".parse().unwrap(),
        aliases: Vec::new(),
        upstream_name: "real".parse().unwrap(),
        rank: 0,
        context_window: None,
        max_output_tokens: None,
        encoding: None,
        price: None,
        price_version: 0,
        enabled: true,
        created_at: moment,
        updated_at: moment,
        version: 1,
    };
    Upstream { provider, credential: Secret::new("sk-upstream"), model }
}

/// A price of 5 for input and 7 for output, in pico-dollars, and none else.
pub(crate) fn price() -> Price {
    Price {
        input: PicoUsd::from_picos(5),
        cached_input: None,
        cache_write: None,
        output: PicoUsd::from_picos(7),
        image: None,
        character: None,
        second: None,
    }
}

/// With that price, and these bounds.
pub(crate) fn priced(context_window: Option<u64>, max_output_tokens: Option<u64>) -> Upstream {
    let mut own = upstream();
    own.model = Model { context_window, max_output_tokens, price: Some(price()), ..own.model };
    own
}

fn need(operation: Operation, body: &str, upstream: &Upstream) -> Need {
    call(operation, body).need(upstream, Budgeted::Money).unwrap()
}

const CHAT: Operation = Operation::ChatCompletions;

#[test]
fn input_is_fixed_and_each_token_of_output_counts_for_all_choices() {
    let body = r#"{"model":"m","n":3,"max_tokens":1000,"messages":[{"role":"user","content":"hi"}]}"#;
    let own = need(CHAT, body, &priced(None, None));
    assert_eq!(own.each, Amount { tokens: 3, picos: 21 });
    assert_eq!(own.fixed.picos, u128::from(own.fixed.tokens) * 5);
    assert_eq!((own.least, own.most), (16, 1_000));
}

#[test]
fn the_dearest_that_a_token_of_input_can_be_is_what_it_counts_as() {
    let mut own = priced(None, None);
    let dearer = Price {
        cached_input: Some(PicoUsd::from_picos(1)),
        cache_write: Some(PicoUsd::from_picos(9)),
        ..price()
    };
    own.model.price = Some(dearer);
    let own = need(CHAT, r#"{"model":"m","messages":[]}"#, &own);
    assert_eq!(own.fixed.picos, u128::from(own.fixed.tokens) * 9);
}

#[test]
fn most_is_the_least_of_what_client_model_and_window_allow() {
    for (cap, window, output, most) in [
        (r#""max_tokens":9000"#, None, Some(5_000), 5_000),
        (r#""max_tokens":9000"#, Some(8_000), None, 8_000),
        (r#""max_tokens":9000"#, None, None, 9_000),
        (r#""max_completion_tokens":10"#, Some(8_000), Some(5_000), 10),
        (r#""n":1"#, Some(80_000), Some(5_000), 5_000),
        (r#""n":1"#, None, Some(5_000), 5_000),
        (r#""n":1"#, None, None, 4_096),
    ] {
        let body = format!(r#"{{"model":"m",{cap},"messages":[]}}"#);
        let own = need(CHAT, &body, &priced(window, output));
        assert_eq!((own.most, own.least), (most, most.min(16)), "{cap} {window:?} {output:?}");
    }
}

#[test]
fn a_cap_that_nobody_gave_leaves_room_for_the_input() {
    let body = |bytes: usize| format!(r#"{{"model":"m","messages":["{}"]}}"#, "a".repeat(bytes));
    let window = priced(Some(8_000), Some(8_000));
    let own = need(CHAT, &body(3_000), &window);
    assert_eq!(own.most, 8_000 - own.fixed.tokens);
    let own = need(CHAT, &body(100_000), &window);
    assert_eq!((own.fixed.tokens, own.most), (8_000, 2_000));
}

#[test]
fn an_old_completion_goes_on_for_what_its_api_documents() {
    let own = need(Operation::Completions, r#"{"model":"m","prompt":"a"}"#, &priced(Some(9_000), None));
    assert_eq!((own.least, own.most), (16, 16));
    let own =
        need(Operation::Completions, r#"{"model":"m","prompt":"a","max_tokens":0}"#, &priced(None, None));
    assert_eq!((own.least, own.most), (0, 0));
}

#[test]
fn an_echo_and_a_guess_are_output_that_no_cap_bears_on() {
    let plain = need(Operation::Completions, r#"{"model":"m","prompt":"abc"}"#, &priced(None, None));
    let body = r#"{"model":"m","prompt":"abc","echo":true,"best_of":4}"#;
    let echoed = need(Operation::Completions, body, &priced(None, None));
    assert_eq!(echoed.fixed.tokens, 5 * plain.fixed.tokens);
    assert_eq!(echoed.fixed.picos, plain.fixed.picos + 4 * u128::from(plain.fixed.tokens) * 7);
    let body = r#"{"model":"m","messages":[],"prediction":{"type":"content","content":"0123456789"}}"#;
    let guessed = need(CHAT, body, &priced(None, None));
    assert!(guessed.fixed.picos > u128::from(guessed.fixed.tokens) * 5);
}

#[test]
fn thoughts_are_among_the_fewest_tokens_of_use() {
    let body =
        r#"{"model":"m","max_tokens":9000,"messages":[],"thinking":{"type":"enabled","budget_tokens":5000}}"#;
    let own = need(Operation::Messages, body, &priced(None, None));
    assert_eq!((own.least, own.most), (5_001, 9_000));
}

#[test]
fn hidden_input_is_the_whole_window_or_refused() {
    let body = r#"{"model":"m","max_output_tokens":20,"previous_response_id":"resp_1"}"#;
    assert_eq!(need(Operation::Responses, body, &priced(Some(128_000), None)).fixed.tokens, 128_000);
    let own = call(Operation::Responses, body);
    for budgeted in [Budgeted::Money, Budgeted::Tokens] {
        let fault = own.need(&priced(None, None), budgeted).unwrap_err();
        assert!(
            fault.message().starts_with("`previous_response_id` cannot be bounded"),
            "{}",
            fault.message()
        );
    }
    assert!(own.need(&priced(None, None), Budgeted::No).is_ok());
}

#[test]
fn input_is_never_more_than_the_window_of_each_prompt() {
    let long = "a".repeat(50_000);
    let body = format!(r#"{{"model":"m","input":["{long}","{long}","b"]}}"#);
    let own = need(Operation::Embeddings, &body, &priced(Some(8_192), None));
    assert_eq!(own, Need::of(Amount { tokens: 3 * 8_192, picos: 5 * 3 * 8_192 }));
}

#[test]
fn an_unbounded_key_gets_no_cap_and_is_refused_nothing() {
    let body = r#"{"model":"m","messages":[],"web_search_options":{},"service_tier":"priority"}"#;
    let own = call(CHAT, body);
    let free = own.need(&upstream(), Budgeted::No).unwrap();
    assert_eq!((free.each.picos, free.most), (0, UNCAPPED));
    assert_eq!(own.need(&priced(None, Some(9)), Budgeted::No).unwrap().most, UNCAPPED);
    assert!(own.need(&priced(None, None), Budgeted::Tokens).is_err());
}

#[test]
fn a_model_without_a_price_serves_no_budget() {
    let own = call(CHAT, r#"{"model":"m","messages":[]}"#);
    assert_eq!(own.need(&upstream(), Budgeted::Money).unwrap_err().code(), "model_price_unknown");
    assert!(own.need(&upstream(), Budgeted::Tokens).is_ok());
    let spoken = call(Operation::AudioSpeech, r#"{"model":"m","input":"a"}"#);
    assert_eq!(spoken.need(&priced(None, None), Budgeted::Money).unwrap_err().code(), "model_price_unknown");
}

#[test]
fn images_characters_and_seconds_are_counted_where_they_have_a_price() {
    let mut own = priced(None, None);
    let each = Some(PicoUsd::from_picos(1_000));
    own.model.price = Some(Price { image: each, character: each, second: each, ..price() });
    let images = need(Operation::ImagesGenerations, r#"{"model":"m","prompt":"a cat","n":4}"#, &own);
    assert_eq!(images, Need::of(Amount { tokens: 0, picos: 4_000 }));
    let spoken = need(Operation::AudioSpeech, r#"{"model":"m","input":"zwölf Zeichen"}"#, &own);
    assert_eq!(spoken, Need::of(Amount { tokens: 0, picos: 13_000 }));
    let by_token = need(
        Operation::ImagesGenerations,
        r#"{"model":"m","prompt":"a cat","n":2}"#,
        &priced(None, Some(100)),
    );
    assert!(by_token.fixed.tokens > 205 && by_token.fixed.tokens < 300, "{by_token:?}");
}

#[test]
fn speech_is_bounded_by_the_bytes_of_its_file() {
    let body = format!(
        "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--X\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n{}\r\n--X--",
        "s".repeat(1_001)
    );
    let content_type = http::HeaderValue::from_static("multipart/form-data; boundary=X");
    let own = Call::read(&Operation::AudioTranscriptions, Some(&content_type), &body.into()).unwrap();
    let mut upstream = priced(None, None);
    upstream.model.price = Some(Price { second: Some(PicoUsd::from_picos(1_000)), ..price() });
    let need = own.need(&upstream, Budgeted::Money).unwrap();
    assert_eq!(need, Need::of(Amount { tokens: 0, picos: 3_000 }));
}

#[test]
fn an_image_counts_most_where_either_name_of_the_model_says_so() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}"#;
    let mut deployed = priced(None, None);
    let plain = need(CHAT, body, &deployed).fixed.tokens;
    deployed.model.name = "gpt-4o-mini".parse().unwrap();
    let mini = need(CHAT, body, &deployed).fixed.tokens;
    assert!(plain < 17_000 && mini > 48_000, "{plain} {mini}");
}

#[test]
fn speech_that_is_elsewhere_is_bounded_by_nothing() {
    for name in ["url", "file"] {
        let body = format!(
            "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--X\r\n\
             Content-Disposition: form-data; name=\"{name}\"\r\n\r\nhttps://a.example/long.mp3\r\n--X--"
        );
        let content_type = http::HeaderValue::from_static("multipart/form-data; boundary=X");
        let own = Call::read(&Operation::AudioTranscriptions, Some(&content_type), &body.into()).unwrap();
        let fault = own.need(&priced(Some(9), None), Budgeted::Money).unwrap_err();
        assert!(fault.message().starts_with(&format!("`{name}` ")), "{}", fault.message());
        assert!(own.need(&upstream(), Budgeted::No).is_ok());
    }
}

#[test]
fn what_is_free_needs_nothing() {
    for operation in [Operation::Moderations, Operation::CountTokens] {
        let own = call(operation, r#"{"model":"m","input":"a","messages":[]}"#);
        assert_eq!(own.need(&upstream(), Budgeted::Money).unwrap(), Need::of(Amount::NOTHING));
    }
}
