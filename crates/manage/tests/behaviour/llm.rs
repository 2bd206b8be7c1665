//! Providers of language models, models and prices: who may manage them, where credentials go, and what the log tells.

use keystile_core::llm::{
    ImportOutcome, ModelDraft, ModelPatch, ProviderDraft, ProviderPatch, check_credential,
};
use keystile_core::{
    Action, Change, Environment, Invalid, Model, PicoUsd, Price, Protocol, ProviderId, Reach, Role, Secret,
};
use keystile_manage::{
    Caller, Conflict, ImportedModels, KnownProvider, Lacking, ModelImport, ModelQuery, Refused, TableSource,
    VersionGuard,
};
use keystile_store::Page;
use serde_json::{Value, json};

use crate::bench::Bench;

const ANY: VersionGuard = VersionGuard(None);
const CREDENTIAL: &str = "sk-proj-K3y0fTh3Pr0v1d3r-9xYz";
const URL: &str = "https://api.openai.com/v1";

fn draft(name: &str, url: &str) -> ProviderDraft {
    ProviderDraft {
        name: name.parse().unwrap(),
        protocol: Protocol::OpenAi,
        base_url: url.parse().unwrap(),
        credential: check_credential(CREDENTIAL).unwrap(),
        environment: None,
        enabled: true,
    }
}

async fn made(bench: &Bench, caller: &Caller) -> KnownProvider {
    bench.control.create_provider(caller, draft("OpenAI", URL)).await.unwrap().value
}

fn price(dollars: f64) -> Price {
    let million = |dollars| PicoUsd::from_dollars_per_million(dollars).unwrap();
    Price::of_tokens(million(dollars), million(dollars * 4.0))
}

fn priced(price: Option<Price>) -> ModelPatch {
    ModelPatch { price: Some(price), ..ModelPatch::default() }
}

async fn model(bench: &Bench, caller: &Caller, provider_id: ProviderId, name: &str) -> Model {
    let draft = ModelDraft { provider_id, name: name.parse().unwrap(), settings: priced(Some(price(1.0))) };
    let committed = bench.control.create_model(caller, draft).await.unwrap();
    assert_eq!(committed.change, Change::of_upstreams(caller.tenant_id()));
    committed.value
}

fn broken(refused: &Refused) -> Vec<&str> {
    let Refused::Invalid(broken) = refused else { panic!("{refused:?}") };
    broken.iter().map(|Invalid { field, .. }| field.as_ref()).collect()
}

/// What a key of this environment could be sent to: credential and host.
async fn way(bench: &Bench, caller: &Caller, name: &str) -> Result<Option<(String, String)>, Refused> {
    let upstreams = bench.control.upstreams(caller.tenant_id()).await?;
    let first = upstreams.find(name, Protocol::OpenAi, Environment::Production).next();
    Ok(first.map(|way| (way.credential.expose().to_owned(), way.provider.base_url.host().to_owned())))
}

#[tokio::test]
async fn admins_manage_providers_and_models_and_everybody_sees_models() {
    let bench = Bench::new().await;
    for role in [Role::Viewer, Role::Developer] {
        let caller = bench.caller(role).await;
        let refused = bench.control.create_provider(&caller, draft("OpenAI", URL)).await.unwrap_err();
        assert!(matches!(refused, Refused::Forbidden(Lacking::Role(Role::Admin))), "{refused:?}");
        assert!(bench.control.providers(&caller).await.is_err());
        let page = Page { after: None, limit: 10 };
        assert!(bench.control.models(&caller, &ModelQuery::default(), page).await.unwrap().is_empty());
    }
    let (admin, other) = (bench.caller(Role::Admin).await, bench.caller(Role::Owner).await);
    let id = made(&bench, &admin).await.provider.id;
    let model = model(&bench, &admin, id, "gpt-4o").await;
    let missing = |refused: Refused| assert!(matches!(refused, Refused::NotFound(_)), "{refused:?}");
    missing(bench.control.provider(&other, id).await.unwrap_err());
    missing(bench.control.delete_provider(&other, id).await.unwrap_err());
    missing(bench.control.patch_provider(&other, id, ProviderPatch::default(), ANY).await.unwrap_err());
    missing(bench.control.model(&other, model.id).await.unwrap_err());
    missing(bench.control.patch_model(&other, model.id, priced(None), ANY).await.unwrap_err());
    missing(bench.control.model_prices(&other, model.id, None, 10).await.unwrap_err());
    missing(bench.control.delete_model(&other, model.id).await.unwrap_err());
    let theirs = ModelDraft { provider_id: id, name: model.name, settings: ModelPatch::default() };
    assert_eq!(broken(&bench.control.create_model(&other, theirs).await.unwrap_err()), ["provider_id"]);
}

#[tokio::test]
async fn a_credential_opens_for_its_own_host_alone() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let known = made(&bench, &admin).await;
    assert_eq!(known.credential_hint.as_deref(), Some("9xYz"));
    let id = known.provider.id;
    model(&bench, &admin, id, "gpt-4o").await;
    let to = |host: &str, credential| (credential, host.to_owned());
    let own = to("api.openai.com", CREDENTIAL.to_owned());
    assert_eq!(way(&bench, &admin, "gpt-4o").await.unwrap(), Some(own));

    let move_to = |url: &str| ProviderPatch { base_url: Some(url.parse().unwrap()), ..ProviderPatch::default() };
    let elsewhere = move_to("https://evil.example.com/v1");
    let refused = bench.control.patch_provider(&admin, id, elsewhere, ANY).await.unwrap_err();
    assert_eq!(broken(&refused), ["credential"]);
    let path = move_to("https://api.openai.com/v2");
    let moved = bench.control.patch_provider(&admin, id, path, ANY).await.unwrap().value;
    assert_eq!((moved.provider.version, moved.provider.base_url.path()), (2, "/v2"));
    let again = ProviderPatch { credential: Some(Secret::new("another-one")), ..move_to("https://eu.example.com") };
    let moved = bench.control.patch_provider(&admin, id, again, ANY).await.unwrap().value;
    assert_eq!((moved.provider.version, moved.credential_hint), (3, None));
    let new = to("eu.example.com", "another-one".to_owned());
    assert_eq!(way(&bench, &admin, "gpt-4o").await.unwrap(), Some(new));

    bench.run_sql("UPDATE providers SET base_url = 'https://evil.example.com'");
    assert!(way(&bench, &admin, "gpt-4o").await.is_err(), "whoever writes the database sends it nowhere");
}

#[tokio::test]
async fn the_log_tells_every_change_and_no_credential() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.provider.id;
    let fresh = || ProviderPatch { credential: Some(Secret::new(CREDENTIAL)), ..ProviderPatch::default() };
    bench.control.patch_provider(&admin, id, fresh(), ANY).await.unwrap();
    let nothing = ProviderPatch { enabled: Some(true), ..ProviderPatch::default() };
    bench.control.patch_provider(&admin, id, nothing, ANY).await.unwrap();
    let model = model(&bench, &admin, id, "gpt-4o").await;
    bench.control.patch_model(&admin, model.id, priced(Some(price(2.0))), ANY).await.unwrap();
    let held = bench.control.delete_provider(&admin, id).await.unwrap_err();
    assert!(matches!(held, Refused::Conflict(Conflict::ProviderHasModels)), "{held:?}");
    bench.control.delete_model(&admin, model.id).await.unwrap();
    bench.control.delete_provider(&admin, id).await.unwrap();
    let log: Vec<_> = bench.log(&admin).await.into_iter().rev().collect();
    let actions: Vec<_> = log.iter().map(|entry| entry.action).collect();
    let expected = [
        Action::ProviderCreate,
        Action::ProviderUpdate,
        Action::ModelCreate,
        Action::ModelUpdate,
        Action::ModelDelete,
        Action::ProviderDelete,
    ];
    assert_eq!(actions, expected);
    assert_eq!(log[0].changes["name"], "OpenAI");
    let seals = &log[1].changes["credential_seal"];
    assert!(seals["before"].is_string() && seals["before"] != seals["after"], "{:?}", log[1]);
    let input = &log[3].changes["price"];
    assert_eq!(input["after"]["input_usd_per_million"], 2.0);
    assert_eq!(input["before"]["input_usd_per_million"], 1.0);
    assert_eq!((&log[4].changes["name"], &log[5].changes["name"]), (&json!("gpt-4o"), &json!("OpenAI")));
    assert!(!format!("{log:?}").contains(CREDENTIAL));
}

#[tokio::test]
async fn a_private_address_is_refused_unless_it_is_listed() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.provider.id;
    let own = "http://10.1.2.3:11434/v1";
    let refused = bench.control.create_provider(&admin, draft("Ollama", own)).await.unwrap_err();
    assert_eq!(broken(&refused), ["base_url"]);
    let credential = || Some(Secret::new("ollama"));
    let patch = || ProviderPatch {
        base_url: Some(own.parse().unwrap()),
        credential: credential(),
        ..ProviderPatch::default()
    };
    let refused = bench.control.patch_provider(&admin, id, patch(), ANY).await.unwrap_err();
    assert_eq!(broken(&refused), ["base_url"]);
    let reaching = bench.control.clone().reaching_upstreams(Reach::new(vec!["10.0.0.0/8".parse().unwrap()]));
    assert!(reaching.create_provider(&admin, draft("Ollama", own)).await.is_ok());
    assert!(reaching.patch_provider(&admin, id, patch(), ANY).await.is_ok());
}

#[tokio::test]
async fn names_are_taken_once_and_a_stale_change_is_refused() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.provider.id;
    let refused = bench.control.create_provider(&admin, draft("OpenAI", URL)).await.unwrap_err();
    assert!(matches!(refused, Refused::Conflict(Conflict::ProviderName)), "{refused:?}");
    let first = model(&bench, &admin, id, "gpt-4o").await;
    let again = ModelDraft { provider_id: id, name: first.name.clone(), settings: ModelPatch::default() };
    let refused = bench.control.create_model(&admin, again).await.unwrap_err();
    assert!(matches!(refused, Refused::Conflict(Conflict::ModelName)), "{refused:?}");
    bench.turn(60);
    let rank = ModelPatch { rank: Some(3), ..ModelPatch::default() };
    let ranked = bench.control.patch_model(&admin, first.id, rank.clone(), ANY).await.unwrap().value;
    assert_eq!((ranked.version, ranked.price_version), (2, 1));
    assert!(ranked.updated_at > first.updated_at);
    let same = bench.control.patch_model(&admin, first.id, rank.clone(), ANY).await.unwrap().value;
    assert_eq!(same, ranked, "nothing was changed");
    let stale = bench.control.patch_model(&admin, first.id, rank, VersionGuard(Some(1))).await.unwrap_err();
    assert!(matches!(stale, Refused::VersionConflict { current: 2 }), "{stale:?}");
}

async fn import(
    bench: &Bench,
    caller: &Caller,
    provider_id: ProviderId,
    source: TableSource,
    overwrite: bool,
) -> Result<ImportedModels, Refused> {
    let import = ModelImport { provider_id, source, supplier: None, names: None, overwrite, dry_run: false };
    bench.control.import_models(caller, import).await.map(|committed| committed.value)
}

fn table(entries: Value) -> TableSource {
    let Value::Object(entries) = entries else { panic!("a table is an object") };
    TableSource::Given(entries)
}

fn outcomes(imported: &ImportedModels) -> Vec<(&str, ImportOutcome)> {
    imported.models.iter().map(|one| (one.model.name.as_str(), one.outcome)).collect()
}

#[tokio::test]
async fn an_import_leaves_what_is_there_unless_it_is_to_be_changed() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.provider.id;
    let own = model(&bench, &admin, id, "b").await;
    let entry = |input: f64| {
        json!({
            "litellm_provider": "openai", "input_cost_per_token": input, "output_cost_per_token": 4e-6,
            "max_input_tokens": 1_000,
        })
    };
    let both = || table(json!({ "a": entry(1e-6), "b": entry(2e-6), "c": { "litellm_provider": "azure" } }));
    let imported = import(&bench, &admin, id, both(), false).await.unwrap();
    assert_eq!(outcomes(&imported), [("a", ImportOutcome::Made), ("b", ImportOutcome::Kept)]);
    assert_eq!(imported.models[1].model, own);
    assert_eq!(imported.models[1].listed.map(|price| price.input.as_picos()), Some(2_000_000));
    let changed = import(&bench, &admin, id, both(), true).await.unwrap();
    assert_eq!(outcomes(&changed), [("a", ImportOutcome::Unchanged), ("b", ImportOutcome::Changed)]);
    let after = bench.control.model(&admin, own.id).await.unwrap();
    assert_eq!((after.version, after.price_version, after.context_window), (2, 2, Some(1_000)));
    let prices = bench.control.model_prices(&admin, own.id, None, 10).await.unwrap();
    assert_eq!((prices.len(), prices[0].price, prices[0].set_by), (2, after.price, admin.actor()));
    let told = bench.log(&admin).await.swap_remove(0);
    assert_eq!((told.action, told.target), (Action::ModelUpdate, own.id.to_string()));
}

#[tokio::test]
async fn a_malformed_table_changes_nothing_and_neither_does_a_dry_run() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.provider.id;
    let malformed = json!({
        "good": { "litellm_provider": "openai" },
        "bad": { "litellm_provider": "openai", "input_cost_per_token": "free" },
    });
    let refused = import(&bench, &admin, id, table(malformed), false).await.unwrap_err();
    assert_eq!(broken(&refused), ["table.bad.input_cost_per_token"]);
    let names = Some(vec!["gpt-4o".parse().unwrap(), "no-such-model".parse().unwrap()]);
    let of = |names, dry_run| ModelImport {
        provider_id: id,
        source: TableSource::Builtin,
        supplier: None,
        names,
        overwrite: false,
        dry_run,
    };
    let refused = bench.control.import_models(&admin, of(names, false)).await.unwrap_err();
    assert_eq!(broken(&refused), ["names[1]"]);
    let dry = bench.control.import_models(&admin, of(None, true)).await.unwrap().value;
    assert!(dry.models.len() > 10 && dry.models.iter().all(|one| one.outcome == ImportOutcome::Made));
    let page = Page { after: None, limit: 10 };
    assert!(bench.control.models(&admin, &ModelQuery::default(), page).await.unwrap().is_empty());
    let one = Some(vec!["gpt-4o-mini".parse().unwrap()]);
    let taken = bench.control.import_models(&admin, of(one, false)).await.unwrap().value;
    assert!(taken.as_of.is_some());
    assert_eq!(outcomes(&taken), [("gpt-4o-mini", ImportOutcome::Made)]);
    let price = taken.models[0].model.price.unwrap();
    assert_eq!((price.input.as_picos(), price.output.as_picos()), (150_000, 600_000));
    assert!(way(&bench, &admin, "gpt-4o-mini").await.unwrap().is_some());
}

#[tokio::test]
async fn a_model_that_is_made_anew_goes_on_counting_its_prices() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let id = made(&bench, &admin).await.provider.id;
    let first = model(&bench, &admin, id, "m").await;
    bench.control.delete_model(&admin, first.id).await.unwrap();
    let bare = ModelDraft { provider_id: id, name: first.name.clone(), settings: ModelPatch::default() };
    let again = bench.control.create_model(&admin, bare).await.unwrap().value;
    assert_eq!((again.price, again.price_version), (None, 2), "that it has no price is a version, too");
    let priced = bench.control.patch_model(&admin, again.id, priced(Some(price(1.0))), ANY).await.unwrap();
    assert_eq!(priced.value.price_version, 3);
    let prices = bench.control.model_prices(&admin, again.id, None, 10).await.unwrap();
    let versions: Vec<_> = prices.iter().map(|one| (one.version, one.price.is_some())).collect();
    assert_eq!(versions, [(3, true), (2, false), (1, true)]);
}
