//! Providers of language models, what a tenant offers of them, and what that costs.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::server::Plan;
use serde_json::{Value, json};

use crate::world::{KEYSTILE, World, sign_in, text};

const CREDENTIAL: &str = "sk-proj-K3y0fTh3Pr0v1d3r-9xYz";

impl World {
    /// The path of the tenant's providers.
    pub(crate) fn providers(&self) -> String {
        format!("{}/providers", self.tenant())
    }

    /// The path of the tenant's models.
    pub(crate) fn models(&self) -> String {
        format!("{}/models", self.tenant())
    }

    /// Makes a provider, and gives it.
    pub(crate) async fn provider(&self, name: &str, settings: &Value) -> Value {
        let mut body = json!({
            "name": name, "protocol": "openai", "base_url": "https://api.openai.com/v1", "credential": CREDENTIAL,
        });
        body.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
        self.ask("POST", &self.providers(), &body).await.expect(201)
    }

    /// Makes a model, and gives it.
    pub(crate) async fn model(&self, provider: &Value, name: &str, settings: &Value) -> Value {
        let mut body = json!({ "provider_id": provider["id"], "name": name });
        body.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
        self.ask("POST", &self.models(), &body).await.expect(201)
    }

    /// What is done to a provider.
    async fn of_provider(&self, method: &str, provider: &Value, body: &Value) -> Answer {
        self.ask(method, &format!("{}/{}", self.providers(), text(provider, "id")), body).await
    }

    /// What is done to a model, such as `/prices`.
    async fn of_model(&self, method: &str, model: &Value, what: &str, body: &Value) -> Answer {
        self.ask(method, &format!("{}/{}{what}", self.models(), text(model, "id")), body).await
    }

    async fn import(&self, provider: &Value, settings: &Value) -> Answer {
        let mut body = json!({ "provider_id": provider["id"], "source": "builtin" });
        body.as_object_mut().unwrap().extend(settings.as_object().cloned().unwrap_or_default());
        self.ask("POST", &format!("{}/import", self.models()), &body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_keeps_its_credential_to_itself() {
    let world = World::start().await;
    let made = world.provider("OpenAI", &json!({ "environment": "staging" })).await;
    let path = format!("{}/{}", world.providers(), text(&made, "id"));
    let again = json!({ "credential": format!("{CREDENTIAL}-2"), "environment": null });
    let changed = world.ask("PATCH", &path, &again).await.expect(200);
    assert_eq!((text(&made, "credential_hint"), text(&changed, "credential_hint")), ("9xYz", "Yz-2"));
    assert_eq!((&made["environment"], &changed["environment"]), (&json!("staging"), &Value::Null));
    let (listed, shown) = (world.read(&world.providers()).await, world.ask("GET", &path, &NOTHING).await);
    assert_eq!(shown.header("etag"), "\"2\"");
    let log = world.read(&format!("{}/audit", world.tenant())).await;
    for told in [&made, &changed, &listed, &shown.expect(200), &log] {
        assert!(!told.to_string().contains("sk-proj"), "{told}");
    }
    assert_eq!(listed["data"], json!([changed]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_needed_again_for_another_host() {
    let world = World::start().await;
    let provider = world.provider("OpenAI", &json!({})).await;
    let elsewhere = json!({ "base_url": "https://api.example.com/v1" });
    let refused = world.of_provider("PATCH", &provider, &elsewhere).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["credential"]);
    let with = json!({ "base_url": "https://api.example.com/v1/", "credential": "another-key-of-that-host" });
    let moved = world.of_provider("PATCH", &provider, &with).await.expect(200);
    assert_eq!(text(&moved, "base_url"), "https://api.example.com/v1");
    let stale = json!({ "name": "Other", "version": 1 });
    world.of_provider("PATCH", &provider, &stale).await.expect_problem(409, "version_conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_of_a_provider_is_refused_unless_the_operator_lists_it() {
    let (email, password) = ("ada@example.com", "correct-otter-lamp-41-river");
    let server = Plan::serve(KEYSTILE)
        .variable("KEYSTILE_OWNER_EMAIL", email)
        .variable("KEYSTILE_OWNER_PASSWORD", password)
        .variable("KEYSTILE_GATEWAY_UPSTREAMS_PRIVATE", "10.20.0.0/16")
        .start();
    let http = server.http();
    let owner = sign_in(&http, email, password).await;
    let tenants = http.json("GET", "/api/v1/tenants", &owner, &NOTHING).await.expect(200);
    let providers = format!("/api/v1/tenants/{}/providers", text(&tenants["data"][0], "id"));
    let make = async |url: &str| {
        let body = json!({ "name": url, "protocol": "openai", "base_url": url, "credential": "some-key" });
        http.json("POST", &providers, &owner, &body).await
    };
    for url in [
        "http://127.0.0.1:11434/v1",
        "https://[::1]/v1",
        "https://10.21.0.1/v1",
        "https://169.254.169.254",
        "http://1.1.1.1/v1",
        "https://2130706433/v1",
        "https://user:pass@api.openai.com/v1",
        "https://api.openai.com/v1?key=1",
    ] {
        let refused = make(url).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), ["base_url"], "{url}");
    }
    for url in ["http://10.20.3.4:8000/v1", "https://10.20.3.4", "https://api.mistral.ai/v1"] {
        make(url).await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_price_of_a_model_stays_readable() {
    let world = World::start().await;
    let provider = world.provider("OpenAI", &json!({})).await;
    let price = |input: f64| json!({ "input_usd_per_million": input, "output_usd_per_million": 0.6 });
    let settings = json!({ "price": price(0.15), "aliases": ["small", "fast"], "context_window": 128_000 });
    let model = world.model(&provider, "gpt-4o-mini", &settings).await;
    assert_eq!((&model["price_version"], text(&model, "upstream_name")), (&json!(1), "gpt-4o-mini"));
    let patch = async |body: &Value| world.of_model("PATCH", &model, "", body).await;
    let changed = patch(&json!({ "price": price(0.000_13) })).await.expect(200);
    assert_eq!(changed["price"]["input_usd_per_million"], 0.000_13);
    assert_eq!(changed["price"]["cached_input_usd_per_million"], Value::Null);
    let same = patch(&json!({ "price": price(0.000_13), "rank": 2 })).await.expect(200);
    assert_eq!((&same["price_version"], &same["version"]), (&json!(2), &json!(3)));
    patch(&json!({ "price": null })).await.expect(200);
    let prices = world.of_model("GET", &model, "/prices", &NOTHING).await.expect(200);
    let versions: Vec<_> = prices["data"].as_array().unwrap().iter().map(|one| &one["version"]).collect();
    assert_eq!(versions, [&json!(3), &json!(2), &json!(1)]);
    assert_eq!((&prices["data"][0]["price"], &prices["next_cursor"]), (&Value::Null, &Value::Null));
    let first = world.of_model("GET", &model, "/prices?limit=2", &NOTHING).await.expect(200);
    let rest = format!("/prices?cursor={}", text(&first, "next_cursor"));
    let rest = world.of_model("GET", &model, &rest, &NOTHING).await.expect(200);
    assert_eq!(rest["data"], json!([prices["data"][2]]));
    assert_eq!(rest["data"][0]["price"]["input_usd_per_million"], 0.15);
    let refused = patch(&json!({ "max_output_tokens": 128_001 })).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["max_output_tokens"]);
    let broken = json!({ "price": { "input_usd_per_million": -1, "output_usd_per_million": 1e10 } });
    assert_eq!(
        patch(&broken).await.fields(),
        ["price.input_usd_per_million", "price.output_usd_per_million"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_and_a_provider_goes_after_them() {
    let world = World::start().await;
    let (first, second) =
        (world.provider("First", &json!({})).await, world.provider("Second", &json!({})).await);
    let model = world.model(&first, "gpt-4o", &json!({})).await;
    let other = world.model(&second, "gpt-4o", &json!({ "rank": 1 })).await;
    let taken = json!({ "provider_id": first["id"], "name": "gpt-4o" });
    world.ask("POST", &world.models(), &taken).await.expect_problem(409, "name_taken");
    let listed = world.read(&format!("{}?q=GPT&provider_id={}", world.models(), text(&second, "id"))).await;
    assert_eq!(listed["data"], json!([other]));
    world.of_provider("DELETE", &first, &NOTHING).await.expect_problem(409, "provider_has_models");
    world.of_model("DELETE", &model, "", &NOTHING).await.expect(204);
    world.of_model("GET", &model, "", &NOTHING).await.expect_problem(404, "not_found");
    world.of_provider("DELETE", &first, &NOTHING).await.expect(204);
    world.of_provider("GET", &first, &NOTHING).await.expect_problem(404, "not_found");
    let gone = json!({ "provider_id": first["id"], "name": "gpt-4o" });
    let refused = world.ask("POST", &world.models(), &gone).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["provider_id"]);
    let log = world.read(&format!("{}/audit?action=provider.delete", world.tenant())).await;
    assert_eq!(log["data"][0]["changes"]["name"], "First");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_builtin_table_is_taken_over_as_far_as_it_is_wanted() {
    let world = World::start().await;
    let settings = json!({ "protocol": "anthropic", "base_url": "https://api.anthropic.com" });
    let provider = world.provider("Anthropic", &settings).await;
    let dry = world.import(&provider, &json!({ "dry_run": true })).await.expect(200);
    assert!(dry["models"].as_array().unwrap().len() > 5 && dry["as_of"].is_string(), "{dry}");
    assert_eq!(world.read(&world.models()).await["data"], json!([]));
    let wanted = json!({ "names": ["claude-sonnet-4-6"] });
    let taken = world.import(&provider, &wanted).await.expect(200);
    let [one] = taken["models"].as_array().unwrap().as_slice() else { panic!("{taken}") };
    assert_eq!((text(one, "outcome"), text(&one["model"], "name")), ("made", "claude-sonnet-4-6"));
    let price = &one["model"]["price"];
    assert_eq!(
        (&price["input_usd_per_million"], &price["output_usd_per_million"]),
        (&json!(3.0), &json!(15.0))
    );
    assert_eq!(world.read(&world.models()).await["data"], json!([one["model"]]));
    let again = world.import(&provider, &wanted).await.expect(200);
    assert_eq!(again["models"][0]["outcome"], "unchanged");
    let unknown = world.import(&provider, &json!({ "names": ["gpt-4o"] })).await;
    unknown.expect_problem(400, "invalid_request");
    assert_eq!(unknown.fields(), ["names[0]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_litellm_is_taken_over_whole_or_not_at_all() {
    let world = World::start().await;
    let provider = world.provider("Groq", &json!({ "base_url": "https://api.groq.com/openai/v1" })).await;
    let entry = |input: Value| json!({ "litellm_provider": "groq", "input_cost_per_token": input, "output_cost_per_token": 7.9e-7 });
    let table = json!({
        "sample_spec": { "litellm_provider": "one of …", "max_tokens": "a text" },
        "groq/llama-3.3-70b-versatile": entry(json!(5.9e-7)),
        "gpt-4o": { "litellm_provider": "openai" },
    });
    let litellm = |table: &Value| json!({ "source": "litellm", "litellm_provider": "groq", "table": table });
    let mut malformed = table.clone();
    malformed["groq/broken"] = entry(json!("5.9e-7"));
    let refused = world.import(&provider, &litellm(&malformed)).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(world.read(&world.models()).await["data"], json!([]), "nothing was taken");
    let taken = world.import(&provider, &litellm(&table)).await.expect(200);
    let [one] = taken["models"].as_array().unwrap().as_slice() else { panic!("{taken}") };
    let model = &one["model"];
    assert_eq!((text(model, "name"), &taken["as_of"]), ("llama-3.3-70b-versatile", &Value::Null));
    assert_eq!(model["price"]["input_usd_per_million"], 0.59);
    let dearer = json!({ "groq/llama-3.3-70b-versatile": entry(json!(6.5e-7)) });
    let kept = world.import(&provider, &litellm(&dearer)).await.expect(200);
    assert_eq!((text(&kept["models"][0], "outcome"), &kept["models"][0]["model"]), ("kept", model));
    let mut overwriting = litellm(&dearer);
    overwriting["overwrite"] = json!(true);
    let changed = world.import(&provider, &overwriting).await.expect(200);
    let changed = &changed["models"][0];
    assert_eq!((text(changed, "outcome"), &changed["model"]["price_version"]), ("changed", &json!(2)));
    for (body, field) in [
        (json!({ "source": "litellm" }), "table"),
        (json!({ "source": "builtin", "table": {} }), "table"),
        (json!({ "provider_id": "prv_01J00000000000000000000009" }), "provider_id"),
    ] {
        assert_eq!(world.import(&provider, &body).await.fields(), [field]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_as_long_as_litellms_is_read() {
    let world = World::start().await;
    let provider = world.provider("OpenAI", &json!({})).await;
    let mut table = serde_json::Map::new();
    for number in 0..3_000 {
        let entry = json!({ "litellm_provider": "other", "mode": "chat", "source": "x".repeat(400) });
        table.insert(format!("other/model-{number}"), entry);
    }
    let priced =
        json!({ "litellm_provider": "openai", "input_cost_per_token": 1e-6, "output_cost_per_token": 0 });
    table.insert("mine".to_owned(), priced);
    let body = json!({ "source": "litellm", "table": table });
    assert!(body.to_string().len() > 1_200_000);
    let taken = world.import(&provider, &body).await.expect(200);
    assert_eq!(taken["models"][0]["model"]["name"], "mine");
}
