//! Language models in the console: providers, models, prices, keys, spending, holds and the ledger.

use serde_json::{Value, json};

use crate::console::Browser;
use crate::world::{World, text};

const CREDENTIAL: &str = "sk-proj-of-the-console-9xYz";
const URL: &str = "https://api.openai.com/v1";

impl World {
    /// The only one of a list.
    async fn only(&self, what: &str) -> Value {
        let listed = self.read(&format!("{}/{what}", self.tenant())).await;
        assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
        listed["data"][0].clone()
    }

    /// A key for language models with a budget of a dollar, one charge of it, and one hold.
    async fn spender(&self) -> (Value, String) {
        let body = json!({
            "name": "Spender", "kind": "virtual_llm", "allowed_models": ["gpt-4o*"], "max_budget_usd": 1.0,
            "budget_period": "month", "tpm_limit": 1_000,
        });
        let key = self.create(&body).await;
        let estimate = json!({ "tokens": 100, "cost_usd": 0.25 });
        let question = json!({ "key": key["secret"], "model": "gpt-4o-mini", "estimate": estimate });
        let settled = text(&self.verify(&question).await, "hold_id").to_owned();
        let path = format!("/api/v1/holds/{settled}/settle");
        let actual = json!({ "actual": { "tokens": 80, "cost_usd": 0.125 } });
        self.http.json("POST", &path, &self.asker(), &actual).await.expect(200);
        let open = text(&self.verify(&question).await, "hold_id").to_owned();
        (key, open)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_added_changed_switched_off_and_deleted_and_its_credential_is_never_shown() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    assert!(owner.page("providers").await.contains("No provider yet"));
    let name = owner.form_name("providers/new").await;
    let fields = [
        ("name", "OpenAI"),
        ("protocol", "openai"),
        ("base_url", URL),
        ("credential", CREDENTIAL),
        ("form_name", name.as_str()),
    ];
    for _ in 0..2 {
        let made = owner.submit("providers/new", &fields).await;
        assert!(
            made.status == 303 && made.header("location").ends_with("?told=provider-added"),
            "{}",
            made.text
        );
    }
    let provider = world.only("providers").await;
    let path = format!("providers/{}", text(&provider, "id"));

    let moved = [("name", "OpenAI"), ("base_url", "https://api.example.com/v1"), ("version", "1")];
    let refused = owner.submit(&format!("{path}/edit"), &moved).await;
    assert!(refused.status == 422 && refused.text.contains("must be given again"), "{}", refused.text);
    let fields =
        [("name", "OpenAI, Europe"), ("base_url", URL), ("environment", "staging"), ("version", "1")];
    assert_eq!(owner.submit(&format!("{path}/edit"), &fields).await.status, 303);
    let changed = world.only("providers").await;
    assert_eq!((text(&changed, "name"), text(&changed, "environment")), ("OpenAI, Europe", "staging"));
    assert_eq!(text(&changed, "credential_hint"), "9xYz", "it is the same as before");

    assert_eq!(owner.submit(&format!("{path}/disable"), &[]).await.status, 303);
    assert!(owner.page(&path).await.contains("It is disabled"));
    assert_eq!(owner.submit(&format!("{path}/enable"), &[]).await.status, 303);
    for page in ["providers", &path, &format!("{path}/edit"), &format!("{path}/delete")] {
        assert!(!owner.page(page).await.contains("sk-proj"), "{page}");
    }
    assert_eq!(owner.submit(&format!("{path}/delete"), &[("typed", "OpenAI")]).await.status, 422);
    let deleted = owner.submit(&format!("{path}/delete"), &[("typed", "OpenAI,  Europe")]).await;
    assert_eq!(deleted.status, 303, "{}", deleted.text);
    assert!(owner.page("providers").await.contains("No provider yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_was_typed_does_not_come_back_with_what_is_wrong() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let fields =
        [("name", "kept"), ("protocol", "openai"), ("base_url", "ftp://x"), ("credential", CREDENTIAL)];
    let refused = owner.submit("providers/new", &fields).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("value=\"kept\"") && refused.text.contains("id=\"base_url-wrong\""));
    assert!(!refused.text.contains("sk-proj"), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_offered_priced_anew_and_taken_away_when_its_name_is_typed() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    assert!(owner.page("models").await.contains("First a provider"));
    let provider = world.provider("OpenAI", &json!({})).await;
    let fields = [
        ("provider_id", text(&provider, "id")),
        ("name", "gpt-4o-mini"),
        ("aliases", "small\nfast"),
        ("context_window", "128000"),
        ("price.input_usd_per_million", "0.15"),
        ("price.output_usd_per_million", "$0.60"),
    ];
    let made = owner.submit("models/new", &fields).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let model = world.only("models").await;
    assert_eq!((&model["aliases"], &model["rank"]), (&json!(["small", "fast"]), &json!(0)));
    assert_eq!(model["price"]["output_usd_per_million"], json!(0.6));
    let path = format!("models/{}", text(&model, "id"));

    let same = [
        ("version", "1"),
        ("aliases", "small"),
        ("upstream_name", "gpt-4o-mini"),
        ("price.input_usd_per_million", "0.15"),
        ("price.output_usd_per_million", "0.6"),
    ];
    assert_eq!(owner.submit(&format!("{path}/edit"), &same).await.status, 303);
    assert_eq!(world.only("models").await["price_version"], 1, "the same price is no new version");
    let wrong = [("version", "2"), ("upstream_name", "m"), ("price.input_usd_per_million", "0,15")];
    let refused = owner.submit(&format!("{path}/edit"), &wrong).await;
    assert!(refused.status == 422 && refused.text.contains("value=\"0,15\""), "{}", refused.text);
    assert!(
        refused.text.contains("id=\"price.input_usd_per_million-wrong\">must be a number"),
        "{}",
        refused.text
    );
    let unpriced = [("version", "2"), ("upstream_name", "gpt-4o-mini")];
    assert_eq!(owner.submit(&format!("{path}/edit"), &unpriced).await.status, 303);
    assert!(owner.page("models").await.contains(">Unpriced<"));
    let shown = owner.page(&path).await;
    assert!(shown.contains("$0.15 in, $0.60 out") && shown.contains("It has no price"), "{shown}");
    assert!(owner.page("models?q=mini").await.contains("gpt-4o-mini"));
    assert!(owner.page("models?q=maxi").await.contains("No model is like that"));

    assert_eq!(owner.submit(&format!("{path}/delete"), &[("typed", "gpt-4o")]).await.status, 422);
    assert_eq!(owner.submit(&format!("{path}/delete"), &[("typed", "gpt-4o-mini")]).await.status, 303);
    assert!(owner.page("models").await.contains("Nothing is offered yet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_shown_before_anything_is_taken_over() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let provider = world.provider("Groq", &json!({})).await;
    let id = text(&provider, "id");
    world.model(&provider, "there-already", &json!({})).await;
    let table = r#"{
        "groq/small": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 5e-08, "output_cost_per_token": 8e-08},
        "groq/there-already": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
        "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06, "output_cost_per_token": 1e-05}
    }"#;
    let fields = [("provider_id", id), ("source", "litellm"), ("litellm_provider", "groq"), ("table", table)];
    let preview = owner.submit("models/import", &[&fields[..], &[("act", "preview")]].concat()).await;
    assert_eq!(preview.status, 200, "{}", preview.text);
    assert!(
        preview.text.contains("1 new, 0 to be changed, 0 the same already, 1 something else"),
        "{}",
        preview.text
    );
    assert!(
        preview.text.contains("$0.05 in, $0.08 out") && !preview.text.contains("gpt-4o"),
        "{}",
        preview.text
    );
    assert_eq!(text(&world.only("models").await, "name"), "there-already", "nothing was taken yet");

    let none = owner.submit("models/import", &[&fields[..], &[("act", "take")]].concat()).await;
    assert!(none.status == 422 && none.text.contains("tick what is to be taken over"), "{}", none.text);
    let take = [&fields[..], &[("act", "take"), ("names", "small")]].concat();
    assert_eq!(owner.submit("models/import", &take).await.status, 303);
    let listed = owner.page("models").await;
    assert!(listed.contains(">small</a>") && listed.contains("$0.05 in, $0.08 out"), "{listed}");
    let broken = [("provider_id", id), ("source", "litellm"), ("table", "[]"), ("act", "preview")];
    let refused = owner.submit("models/import", &broken).await;
    assert!(refused.status == 422 && refused.text.contains("id=\"table-wrong\""), "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_common_models_needs_no_file() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let provider = world.provider("OpenAI", &json!({})).await;
    let id = text(&provider, "id");
    let preview = owner.submit("models/import", &[("provider_id", id), ("act", "preview")]).await;
    assert!(
        preview.text.contains("public lists on 20") && preview.text.contains("gpt-4o-mini"),
        "{}",
        preview.text
    );
    let take = [("provider_id", id), ("act", "take"), ("names", "gpt-4o-mini"), ("names", "gpt-4o")];
    assert_eq!(owner.submit("models/import", &take).await.status, 303);
    let listed = world.read(&world.models()).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2, "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_for_models_show_what_they_have_spent_hold_and_have_left() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let empty = owner.page("llm-keys").await;
    assert!(empty.contains("Three steps") && empty.contains("/v1&#34;, api_key="), "{empty}");
    let (key, _) = world.spender().await;
    let listed = owner.page("llm-keys").await;
    assert!(listed.contains("$0.125 of $1.00 a month") && listed.contains("$0.25 held"), "{listed}");
    let shown = owner.page(&format!("keys/{}", text(&key, "id"))).await;
    for told in ["<dd>$0.125</dd>", "<dd>$0.25</dd>", "<dd>$0.625</dd>", "Of 1,000 tokens a minute"] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    assert!(shown.contains("/v1/chat/completions") && shown.contains("from openai import OpenAI"), "{shown}");
    assert!(owner.page("llm-keys?q=nobody").await.contains("No LLM key is like that"));
}

#[tokio::test(flavor = "multi_thread")]
async fn spending_is_told_by_day_key_and_model() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    assert!(owner.page("spend").await.contains("Nothing was spent in these days"));
    world.spender().await;
    let shown = owner.page("spend").await;
    assert!(shown.contains("$0.125 spent from") && shown.contains(">Spender</a>"), "{shown}");
    assert!(owner.page("spend?by=model").await.contains(">gpt-4o-mini</a>"));
    assert!(owner.page("spend?by=customer").await.contains("no customer"));
    let long_ago = owner.page("spend?from=2020-01-01&to=2020-01-31").await;
    assert!(long_ago.contains("from 2020-01-01 to 2020-01-31") && long_ago.contains("Nothing was spent"));
    assert_eq!(owner.open("spend?from=yesterday").await.status, 400);
    assert_eq!(owner.open("spend?from=2020-01-01").await.status, 400, "more than a year");
    let narrowed = owner.page("spend?model=gpt-4o-mini&by=model").await;
    assert!(narrowed.contains("as far as the filters below say") && narrowed.contains("$0.125 spent from"));
    assert!(narrowed.contains(r#"href="?by=model">Clear filters</a>"#), "{narrowed}");
    let none = owner.page("spend?environment=development").await;
    assert!(none.contains("Nothing like that was spent in these days") && !none.contains("$0.125"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_is_corrected_with_a_reason_and_a_hold_is_settled_by_hand() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    assert!(owner.page("ledger").await.contains("Nothing was charged yet"));
    let (key, hold) = world.spender().await;
    let charge = text(&world.only("ledger").await, "id").to_owned();
    assert!(owner.page("ledger").await.contains("80 in, 0 out"));
    assert!(owner.page("ledger?model=gpt-4o").await.contains("No row is like that"));
    let path = format!("ledger/{charge}");
    let without = owner.submit(&format!("{path}/correct"), &[("amount_usd", "0")]).await;
    assert!(without.status == 422 && without.text.contains("id=\"reason-wrong\""), "{}", without.text);
    let fields = [("amount_usd", "$0.025"), ("reason", "a <test> of ours")];
    for _ in 0..2 {
        assert_eq!(owner.submit(&format!("{path}/correct"), &fields).await.status, 303);
    }
    let rows = world.read(&format!("{}/ledger", world.tenant())).await;
    assert_eq!((rows["data"].as_array().unwrap().len(), &rows["data"][0]["cost_usd"]), (2, &json!(-0.1)));
    let correction = owner.page(&format!("ledger/{}", text(&rows["data"][0], "id"))).await;
    assert!(correction.contains("-$0.10") && correction.contains("a &#60;test&#62; of ours"), "{correction}");
    assert!(correction.contains(&world.credentials.email), "{correction}");
    assert!(!correction.contains("/correct\""), "a correction is corrected at its row");

    let page = owner.page(&format!("holds?key_id={}", text(&key, "id"))).await;
    assert!(page.contains(&hold) && page.contains("$0.25"), "{page}");
    let settle = format!("holds/{hold}/settle");
    let wrong = owner.submit(&settle, &[("actual.cost_usd", "much")]).await;
    assert!(wrong.status == 422 && wrong.text.contains("id=\"actual.cost_usd-wrong\""), "{}", wrong.text);
    let fields = [("actual.tokens", "10"), ("actual.cost_usd", "0.05"), ("reason", "the worker died")];
    assert_eq!(owner.submit(&settle, &fields).await.status, 303);
    assert_eq!(owner.open(&settle).await.status, 404, "it is open no more");
    assert!(owner.page("holds").await.contains("Nothing is held"));
}
