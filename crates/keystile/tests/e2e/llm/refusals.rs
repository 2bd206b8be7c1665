//! Refusals of upstreams that are about the gateway, or that no client may see; and what they cost.

use keystile_testkit::http::Answer;
use keystile_testkit::virtual_key::message;
use serde_json::{Value, json};

use super::world::{CREDENTIAL, Llm, assert_anthropic, assert_error, charged};
use crate::world::text;

/// How upstreams refuse the credential or the account of whoever asks.
const OF_THE_GATEWAY: &[&str] =
    &["error-401", "error-402", "error-403", "error-407", "error-429+no-money", "error-403+retry-after=7"];

/// Makes a model of each protocol with the same behaviour, and gives what they are called.
async fn models(llm: &Llm, number: usize, behaviour: &str) -> (String, String) {
    let (open_ai, anthropic) = (format!("mock-{number}"), format!("mock-claude-{number}"));
    llm.model(&open_ai, &format!("mock+{behaviour}")).await;
    llm.anthropic_model(&anthropic, &format!("mock+{behaviour}")).await;
    (open_ai, anthropic)
}

#[track_caller]
fn assert_not_the_clients(answer: &Answer) {
    // Libraries would else try again what nobody but the operator can mend.
    assert_eq!(answer.header("x-should-retry"), "false", "{:?}", answer.headers);
    for name in ["www-authenticate", "retry-after"] {
        assert!(answer.header(name).is_empty(), "{:?}", answer.headers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_gateways_own_account_is_not_taken_for_one_of_the_client() {
    let llm = Llm::with(&[("--log", "info")]).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (number, behaviour) in OF_THE_GATEWAY.iter().enumerate() {
        let (open_ai, anthropic) = models(&llm, number, behaviour).await;
        for streams in [false, true] {
            let answer = key.chat(&open_ai, &json!({ "stream": streams })).await;
            assert_error(&answer, 502, "server_error", "upstream_refused");
            assert_not_the_clients(&answer);
            let body = message(&anthropic, &json!({ "stream": streams }));
            let answer = key.anthropic("/v1/messages", &body).await;
            assert_anthropic(&answer, 502, "api_error");
            assert_not_the_clients(&answer);
        }
    }
    let (open, ledger) = (llm.open_holds(&key).await, llm.ledger(&key).await);
    assert!(open.is_empty() && ledger.is_empty(), "it cost something: {open:?} {ledger:?}");
    let log = llm.world.server.process().stderr();
    let told = log.lines().filter(|line| line.contains("a provider refuses its credential or account"));
    assert!(told.clone().any(|line| line.contains(&llm.open_ai)), "{log}");
    assert!(told.clone().any(|line| line.contains(&llm.anthropic)), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_serves_what_one_refuses_to_the_gateway() {
    let llm = Llm::start().await;
    let second = llm.provider("Second mock", "openai", &format!("{}/v1", llm.mock.url())).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (number, behaviour) in OF_THE_GATEWAY.iter().enumerate() {
        let name = format!("mock-{number}");
        let upstream = format!("mock+{behaviour}");
        llm.model_of(&llm.open_ai, &name, &upstream, &json!({ "rank": 0 })).await;
        llm.model_of(&second, &name, "mock-second", &json!({ "rank": 1 })).await;
        for streams in [false, true] {
            let answer = key.chat(&name, &json!({ "max_tokens": 4, "stream": streams })).await;
            assert_eq!(answer.status, 200, "{behaviour}: {}", answer.text);
            assert!(answer.text.contains("The"), "{behaviour}: {}", answer.text);
        }
    }
    let ledger = llm.settled(&key, 2 * OF_THE_GATEWAY.len()).await;
    assert!(ledger.iter().all(|row| row["provider_id"] == second.as_str()), "{ledger:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_again_when_a_provider_before_the_one_that_refuses_may_serve_it_then() {
    let llm = Llm::start().await;
    let second = llm.provider("Second mock", "openai", &format!("{}/v1", llm.mock.url())).await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (first, is_in_vain) in [("error-429", false), ("error-503", false), ("error-401", true)] {
        let name = format!("mock-{first}");
        llm.model_of(&llm.open_ai, &name, &format!("mock+{first}"), &json!({ "rank": 0 })).await;
        llm.model_of(&second, &name, "mock-second+error-401", &json!({ "rank": 1 })).await;
        let answer = key.chat(&name, &json!({ "max_tokens": 4 })).await;
        assert_error(&answer, 502, "server_error", "upstream_refused");
        let told = if is_in_vain { "false" } else { "" };
        assert_eq!(answer.header("x-should-retry"), told, "{first}: {:?}", answer.headers);
    }
    assert_eq!(llm.mock.asked().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_repeats_the_providers_credential_does_not_reach_the_client() {
    let llm = Llm::start().await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    for (number, status) in [400, 404, 422, 429, 500].into_iter().enumerate() {
        let (open_ai, anthropic) = models(&llm, number, &format!("error-{status}+echo")).await;
        for streams in [false, true] {
            let of_open_ai = key.chat(&open_ai, &json!({ "stream": streams })).await;
            assert_error(&of_open_ai, 502, "server_error", "upstream_refused");
            let body = message(&anthropic, &json!({ "stream": streams }));
            let of_anthropic = key.anthropic("/v1/messages", &body).await;
            assert_anthropic(&of_anthropic, 502, "api_error");
            for answer in [of_open_ai, of_anthropic] {
                let told = format!("{:?} {}", answer.headers, answer.text);
                assert!(!told.contains(CREDENTIAL), "{status}: {told}");
            }
        }
    }
    assert!(llm.mock.asked().iter().all(|asked| format!("{asked:?}").contains(CREDENTIAL)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_packed_though_nobody_asked_for_that_is_not_passed_on() {
    let llm = Llm::start().await;
    let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
    let (open_ai, anthropic) = models(&llm, 0, "packed").await;
    let (refused, _) = models(&llm, 1, "packed+error-400").await;
    for streams in [false, true] {
        let more = json!({ "stream": streams, "max_tokens": 8 });
        let of_anthropic = key.anthropic("/v1/messages", &message(&anthropic, &more)).await;
        assert_anthropic(&of_anthropic, 502, "api_error");
        for name in [&open_ai, &refused] {
            let answer = key.chat(name, &more).await;
            assert_error(&answer, 502, "server_error", "upstream_broke_off");
            assert!(answer.header("content-encoding").is_empty(), "{:?}", answer.headers);
        }
    }
    for asked in llm.mock.asked() {
        assert_eq!(asked.header("accept-encoding"), "identity");
    }
    // What was made and could not be read costs what it can have cost; what was refused costs nothing.
    let ledger = llm.settled(&key, 4).await;
    assert!(ledger.iter().all(|row| row["basis"] == "hold" && charged(row) > 0), "{ledger:?}");
}

/// Who was charged for, and by what, in an order that does not depend on when the rows were written.
fn charges(ledger: &[Value]) -> Vec<(&str, &str)> {
    let mut charges: Vec<_> =
        ledger.iter().map(|row| (text(row, "basis"), text(row, "provider_id"))).collect();
    charges.sort_unstable();
    charges
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_somebody_did_not_wait_for_is_charged_as_one_that_did_not_answer() {
    let llm = Llm::start().await;
    let second = llm.provider("Second mock", "openai", &format!("{}/v1", llm.mock.url())).await;
    for status in [504, 524] {
        let (alone, name) = (format!("mock-alone-{status}"), format!("mock-{status}"));
        let upstream = format!("mock+error-{status}");
        llm.model(&alone, &upstream).await;
        llm.model_of(&llm.open_ai, &name, &upstream, &json!({ "rank": 0 })).await;
        llm.model_of(&second, &name, "mock-second", &json!({ "rank": 1 })).await;
        let key = llm.key(&json!({ "max_budget_usd": 1.0 })).await;
        let answer = key.chat(&alone, &json!({ "max_tokens": 4 })).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(charges(&llm.settled(&key, 1).await), [("hold", llm.open_ai.as_str())]);
        key.chat(&name, &json!({ "max_tokens": 4 })).await.expect(200);
        let ledger = llm.settled(&key, 3).await;
        let first = ("hold", llm.open_ai.as_str());
        assert_eq!(charges(&ledger), [first, first, ("upstream", second.as_str())]);
    }
}
