//! Which upstream serves a request, and what it is told.

use std::net::TcpListener;

use keystile_testkit::http::NOTHING;
use keystile_testkit::server::Plan;
use keystile_testkit::virtual_key::{VirtualKey, chat, message};
use serde_json::json;

use super::world::{CREDENTIAL, Llm, assert_anthropic, assert_error, charged, cost, tenfold};
use crate::exposition::Page;
use crate::world::{KEYSTILE, World, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_upstream_is_passed_over_before_the_first_byte() {
    let llm = Llm::start().await;
    // A port on which nobody listens any more.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = llm.provider("Away", "openai", &format!("http://{gone}/v1")).await;
    let second = llm.provider("Second mock", "openai", &format!("{}/v1", llm.mock.url())).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (name, first, upstream) in
        [("mock-away", &away, "mock"), ("mock-500", &llm.open_ai, "mock+error-500")]
    {
        llm.model_of(first, name, upstream, &json!({ "rank": 0 })).await;
        llm.model_of(&second, name, "mock-second", &json!({ "rank": 1 })).await;
        for streams in [false, true] {
            llm.mock.reset();
            let answer = key.chat(name, &json!({ "max_tokens": 4, "stream": streams })).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text);
            assert!(answer.text.contains("The"), "{name}: {}", answer.text);
            let asked = llm.mock.asked();
            assert_eq!(asked.last().unwrap().json()["model"], "mock-second", "{name}");
        }
    }
    let ledger = llm.settled(&key, 4).await;
    assert!(
        ledger.iter().all(|row| row["provider_id"] == second.as_str()),
        "only who served is paid: {ledger:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_begun_is_not_begun_again_elsewhere() {
    let llm = Llm::start().await;
    let second = llm.provider("Second mock", "openai", &format!("{}/v1", llm.mock.url())).await;
    llm.model_of(&llm.open_ai, "mock", "mock+cut=3", &json!({ "rank": 0 })).await;
    llm.model_of(&second, "mock", "mock-second", &json!({ "rank": 1 })).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    key.stream("mock", &json!({ "max_tokens": 8 })).await.events().await;
    llm.settled(&key, 1).await;
    assert_eq!(llm.mock.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_found_by_its_aliases_and_charged_by_its_name() {
    let llm = Llm::start().await;
    let more = json!({ "aliases": ["mock-best", "mock-latest"] });
    llm.model_of(&llm.open_ai, "mock-one", "mock", &more).await;
    let key = llm.key(&json!({ "allowed_models": ["mock-best", "mock-one"] })).await;
    for (name, status) in [("mock-best", 200), ("mock-one", 200), ("mock-latest", 403)] {
        assert_eq!(key.chat(name, &json!({ "max_tokens": 2 })).await.status, status, "{name}");
    }
    let ledger = llm.settled(&key, 2).await;
    assert!(ledger.iter().all(|row| row["model"] == "mock-one"), "{ledger:?}");
    assert!(llm.mock.asked().iter().all(|asked| asked.json()["model"] == "mock"));
    let listed = key.read("/v1/models").await.expect(200);
    let mut names: Vec<_> =
        listed["data"].as_array().unwrap().iter().map(|model| text(model, "id")).collect();
    names.sort_unstable();
    assert_eq!(names, ["mock-best", "mock-one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_credential_is_never_forwarded() {
    let llm = Llm::start().await;
    llm.model("mock", "mock").await;
    llm.anthropic_model("mock-claude", "mock").await;
    let key = llm.key(&json!({})).await;
    key.chat("mock", &json!({})).await.expect(200);
    key.anthropic("/v1/messages", &message("mock-claude", &json!({}))).await.expect(200);
    key.upload("/v1/audio/transcriptions", &[("model", "mock")], "file", b"sound").await.expect(200);
    let http = &llm.world.http;
    let body = chat("mock", &json!({})).to_string();
    for (name, value) in [
        ("api-key", key.secret().to_owned()),
        ("x-api-key", key.secret().to_owned()),
        ("authorization", format!("Bearer {}", key.secret())),
    ] {
        let request = http.request("POST", "/v1/chat/completions").header(name, value);
        let request = request.header("content-type", "application/json").header("cookie", "session=secret");
        http.send(request.header("x-forwarded-for", "203.0.113.9"), body.clone()).await.expect(200);
    }
    let asked = llm.mock.asked();
    assert_eq!(asked.len(), 6);
    for asked in asked {
        assert!(!format!("{asked:?}").contains(key.secret()), "{asked:?}");
        assert!(asked.header("cookie").is_empty() && asked.header("x-forwarded-for").is_empty(), "{asked:?}");
        let is_bearer = asked.header("authorization") == format!("Bearer {CREDENTIAL}");
        assert!(is_bearer || asked.header("x-api-key") == CREDENTIAL, "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_tells_a_providers_credential() {
    let llm = Llm::start().await;
    let path = format!("{}/providers", llm.world.tenant());
    let listed = llm.world.read(&path).await;
    let shown = llm.world.read(&format!("{path}/{}", llm.open_ai)).await;
    let log = llm.world.read(&format!("{}/audit?limit=50", llm.world.tenant())).await;
    for told in [&listed, &shown, &log] {
        assert!(!told.to_string().contains(CREDENTIAL), "{told}");
    }
    assert!(!llm.world.server.process().stderr().contains(CREDENTIAL));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_or_model_that_is_off_serves_nothing_from_the_next_request_on() {
    let llm = Llm::start().await;
    let model = llm.model("mock", "mock").await;
    let key = llm.key(&json!({})).await;
    let paths = [
        format!("{}/models/{}", llm.world.tenant(), text(&model, "id")),
        format!("{}/providers/{}", llm.world.tenant(), llm.open_ai),
    ];
    for path in paths {
        key.chat("mock", &json!({})).await.expect(200);
        llm.world.ask("PATCH", &path, &json!({ "enabled": false })).await.expect(200);
        assert_eq!(key.chat("mock", &json!({})).await.status, 404, "{path}");
        llm.world.ask("PATCH", &path, &json!({ "enabled": true })).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_price_holds_from_the_next_request_on_and_the_ledger_tells_its_version() {
    let llm = Llm::start().await;
    let model = llm.model("mock", "mock").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    key.chat("mock", &json!({ "max_tokens": 4 })).await.expect(200);
    let (billed, before) = llm.only_charge(&key).await;
    let path = format!("{}/models/{}", llm.world.tenant(), text(&model, "id"));
    let patch = json!({ "price": tenfold() });
    llm.world.ask("PATCH", &path, &patch).await.expect(200);
    key.chat("mock", &json!({ "max_tokens": 4 })).await.expect(200);
    let ledger = llm.settled(&key, 2).await;
    assert_eq!((charged(&before), charged(&ledger[0])), (cost(&billed.usage), 10 * cost(&billed.usage)));
    let version = |row: &serde_json::Value| row["price_version"].as_u64().unwrap();
    assert_eq!(version(&ledger[0]), version(&before) + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_stands_for_a_private_address_is_not_connected_to() {
    // The usual list of a server for trying things out has loopback; this one has another network alone.
    let flags = [
        ("--gateway-upstreams-private", "10.99.0.0/16"),
        ("--operations-listen", "127.0.0.1:0"),
        ("--log", "info"),
    ];
    let plan = flags.iter().fold(Plan::dev(KEYSTILE), |plan, (name, value)| plan.flag(name, value));
    let world = World::of(plan.start()).await;
    let (listener, tenant) = (TcpListener::bind("127.0.0.1:0").unwrap(), world.tenant());
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let provider = |base_url: String| {
        let mut body = json!({ "name": "Private", "protocol": "openai", "credential": CREDENTIAL });
        body["base_url"] = base_url.into();
        body
    };
    // What stands in the URL is judged at once, a name when it is connected to.
    let literal = provider(format!("https://127.0.0.1:{port}/v1"));
    world.ask("POST", &format!("{tenant}/providers"), &literal).await.expect(400);
    let named = provider(format!("https://localhost:{port}/v1"));
    let named = world.ask("POST", &format!("{tenant}/providers"), &named).await.expect(201);
    let model = json!({ "provider_id": text(&named, "id"), "name": "mock", "upstream_name": "mock" });
    world.ask("POST", &format!("{tenant}/models"), &model).await.expect(201);
    let body = json!({ "name": "llm", "kind": "virtual_llm", "allowed_models": ["mock"] });
    let made = world.create(&body).await;
    let key = VirtualKey::new(&world.http, text(&made, "id"), text(&made, "secret"));
    for streams in [false, true] {
        let refused = key.chat("mock", &json!({ "stream": streams })).await;
        assert_error(&refused, 502, "server_error", "upstream_unreachable");
        assert!(
            !refused.text.contains("127.0.0.1") && !refused.text.contains("localhost"),
            "{}",
            refused.text
        );
    }
    assert!(listener.accept().is_err(), "somebody connected");
    let page = world.server.operations().json("GET", "/metrics", "", &NOTHING).await;
    let forbidden = "keystile_gateway_upstream_failures_total{reason=\"forbidden\"}";
    assert_eq!(Page::parse(&page.text).value(forbidden), 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upstreams_name_of_a_request_is_told_beside_ours() {
    let llm = Llm::start().await;
    for (name, upstream) in [("mock", "mock"), ("mock-400", "mock+error-400")] {
        llm.model(name, upstream).await;
        llm.anthropic_model(&format!("{name}-claude"), upstream).await;
    }
    let key = llm.key(&json!({})).await;
    let mut number = 0;
    for (name, status) in [("mock", 200), ("mock-400", 400)] {
        for streams in [false, true] {
            let more = json!({ "stream": streams, "max_tokens": 4 });
            let of_open_ai = key.chat(name, &more).await;
            let body = message(&format!("{name}-claude"), &more);
            let of_anthropic = key.anthropic("/v1/messages", &body).await;
            assert_eq!(of_anthropic.header("request-id"), of_anthropic.header("x-request-id"));
            for answer in [of_open_ai, of_anthropic] {
                number += 1;
                assert_eq!(answer.status, status, "{}", answer.text);
                let theirs = format!("req_mock{number:08}");
                assert_eq!(answer.header("x-upstream-request-id"), theirs, "{:?}", answer.headers);
                let ours = answer.header("x-request-id");
                assert!(!ours.is_empty() && ours != theirs, "{:?}", answer.headers);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_window_of_anthropics_is_bounded_by_that_of_the_model() {
    let llm = Llm::start().await;
    llm.anthropic_model("mock-short", "mock").await;
    let long = json!({ "context_window": 1_000_000 });
    llm.model_of(&llm.anthropic, "mock-long", "mock", &long).await;
    let ask = async |key: &VirtualKey, path: &str, model: &str| {
        let request = llm.world.http.request("POST", path).header("x-api-key", key.secret());
        let request = request.header("anthropic-version", "2023-06-01");
        let request = request.header("anthropic-beta", "other-2025-01-01,context-1m-2025-08-07");
        let request = request.header("content-type", "application/json");
        llm.world.http.send(request, message(model, &json!({})).to_string()).await
    };
    let free = llm.key(&json!({})).await;
    for limits in [json!({ "max_budget_usd": 1.0 }), json!({ "tpm_limit": 10_000 })] {
        let key = llm.key(&limits).await;
        llm.mock.reset();
        let refused = ask(&key, "/v1/messages", "mock-short").await;
        assert_anthropic(&refused, 400, "invalid_request_error");
        assert!(refused.text.contains("anthropic-beta"), "{}", refused.text);
        assert!(llm.mock.asked().is_empty(), "{limits}");
        // Counting is free, and so is any window for whoever has no limit; a model that has such a window has its price, too.
        for (key, path, model) in [
            (&key, "/v1/messages/count_tokens", "mock-short"),
            (&free, "/v1/messages", "mock-short"),
            (&key, "/v1/messages", "mock-long"),
        ] {
            let answer = ask(key, path, model).await;
            assert_eq!(answer.status, 200, "{path} {model}: {}", answer.text);
        }
        let betas = llm.mock.asked();
        assert_eq!(betas.len(), 3);
        assert!(betas.iter().all(|asked| asked.header("anthropic-beta").contains("context-1m-2025-08-07")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_in_one_frame_does_not_pass() {
    let llm = Llm::start().await;
    llm.model("mock", "mock+flood=4096").await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let events = key.stream("mock", &json!({ "max_tokens": 8 })).await.events().await;
    assert!(events.iter().all(|event| event.len() < 2 * 1024 * 1024), "a frame of four megabytes arrived");
    llm.settled(&key, 1).await;
}
