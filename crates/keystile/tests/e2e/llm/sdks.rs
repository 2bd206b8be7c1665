//! The official SDKs of OpenAI and Anthropic, unmodified: `sdk_openai.py` and `sdk_anthropic.py`.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::world::Llm;
use crate::world::text;

/// Names a Python that has both; `cargo xtask test` installs it and sets this.
const VARIABLE: &str = "KEYSTILE_LLM_SDKS";
const SHARED: &str = include_str!("sdk.py");
const OPEN_AI: &str = include_str!("sdk_openai.py");
const ANTHROPIC: &str = include_str!("sdk_anthropic.py");

/// A server with models of every sort, and the keys that the scripts ask with.
async fn with_everything() -> (Llm, Value) {
    let llm = Llm::start().await;
    let behaviours =
        ["", "+error-500", "+error-500+times=1", "+error-after=3", "+error-400", "+usage-missing"];
    for behaviour in behaviours {
        let name = behaviour.replace(['+', '='], "-");
        let upstream = format!("mock{behaviour}");
        llm.model(&format!("mock-open{name}"), &format!("{upstream}+tokens=8")).await;
        // Each has a name of its own, as failures are counted by name.
        llm.anthropic_model(&format!("mock-claude{name}"), &format!("{upstream}+tokens=9")).await;
    }
    let unpriced = json!({ "price": null });
    llm.model_of(&llm.open_ai, "mock-unpriced", "mock", &unpriced).await;
    llm.model_of(&llm.anthropic, "mock-claude-unpriced", "mock", &unpriced).await;
    let blocked = llm.key(&json!({})).await;
    llm.world.change("POST", &blocked.id, "/block", &json!({ "reason": "abuse" })).await.expect(200);
    let a_second = json!([{ "name": "burst", "limit": 1, "window_seconds": 2 }]);
    let mut keys = serde_json::Map::new();
    for (name, settings) in [
        ("good", json!({ "max_budget_usd": 1.0 })),
        ("spent", json!({ "max_budget_usd": 0.000_000_001 })),
        ("narrow", json!({ "allowed_models": ["others"] })),
        ("slow", json!({ "rate_limits": a_second })),
        ("few_tokens", json!({ "tpm_limit": 100 })),
    ] {
        keys.insert(name.to_owned(), llm.key(&settings).await.secret().into());
    }
    keys.insert("blocked".to_owned(), blocked.secret().into());
    let url = format!("http://{}", llm.world.server.address());
    let settings = json!({ "url": url, "mock": llm.mock.url(), "keys": keys });
    (llm, settings)
}

/// Runs a script with what it needs, and fails if it does.
fn run(llm: &Llm, script: &str, settings: &Value) {
    let python = std::env::var_os(VARIABLE).unwrap_or_else(|| {
        panic!("{VARIABLE} names no Python with the SDKs; `cargo xtask test` installs it")
    });
    let folder = llm.world.server.plan().folder();
    fs::write(folder.join("sdk.py"), SHARED).unwrap();
    fs::write(folder.join("script.py"), script).unwrap();
    let mut command = Command::new(python);
    command.arg(folder.join("script.py")).arg(settings.to_string()).env_clear();
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{said}", String::from_utf8_lossy(&output.stdout));
}

/// All that a good key was charged is what its upstream billed.
async fn assert_charged(llm: &Llm, settings: &Value) {
    assert!(!llm.mock.billed().is_empty());
    let secret = text(&settings["keys"], "good");
    let leaked = llm.mock.asked().iter().any(|asked| format!("{asked:?}").contains(secret));
    assert!(!leaked, "the client's credential is never forwarded");
    assert!(!llm.spend("model").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_of_openai_works_unmodified() {
    let (llm, settings) = with_everything().await;
    run(&llm, OPEN_AI, &settings);
    assert_charged(&llm, &settings).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_of_anthropic_works_unmodified() {
    let (llm, settings) = with_everything().await;
    run(&llm, ANTHROPIC, &settings);
    assert_charged(&llm, &settings).await;
}
