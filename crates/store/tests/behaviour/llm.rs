//! Providers of language models, what tenants offer of them, and every price that there ever was.

use keystile_core::llm::MOST_PROVIDERS;
use keystile_core::{
    Action, Actor, AuditEntry, Digest, Encoding, Environment, Model, ModelId, ModelName, PicoUsd, Price,
    Protocol, Provider, ProviderId,
};
use keystile_store::{
    KeptProvider, KnownModels, ModelFilter, ModelWrites, ProviderMade, ProviderTaken, Sealed, Store,
    StoreError, Unique,
};

use crate::bed::Bed;
use crate::sample::{World, at, entry, number, page};

fn provider(world: &World) -> KeptProvider {
    let n = number();
    let provider = Provider {
        id: ProviderId::from_parts(at(n.into()), n.into()),
        tenant_id: world.tenant.id,
        name: format!("Provider {n}").parse().unwrap(),
        protocol: Protocol::OpenAi,
        base_url: format!("https://api{n}.example.com/v1").parse().unwrap(),
        environment: None,
        enabled: true,
        created_at: at(n.into()),
        updated_at: at(n.into()),
        version: 1,
    };
    let credential = Sealed { by: Digest::of(b"a key"), bytes: vec![7; 60] };
    KeptProvider { provider, hint: Some("wxyz".to_owned()), credential }
}

async fn make(store: &Store, kept: &KeptProvider) -> Result<ProviderMade, StoreError> {
    let told = entry(kept.provider.tenant_id, Action::ProviderCreate, &kept.provider.id.to_string());
    store.create_provider(kept.clone(), told).await
}

async fn made(store: &Store, world: &World) -> KeptProvider {
    let kept = provider(world);
    assert_eq!(make(store, &kept).await.unwrap(), ProviderMade::Made);
    kept
}

fn model(of: &KeptProvider, name: &str) -> Model {
    let n = number();
    Model {
        id: ModelId::from_parts(at(n.into()), n.into()),
        tenant_id: of.provider.tenant_id,
        provider_id: of.provider.id,
        name: name.parse().unwrap(),
        aliases: Vec::new(),
        upstream_name: name.parse().unwrap(),
        rank: 0,
        context_window: None,
        max_output_tokens: None,
        encoding: None,
        price: None,
        price_version: 0,
        enabled: true,
        created_at: at(n.into()),
        updated_at: at(n.into()),
        version: 1,
    }
}

fn price(picos: u64) -> Price {
    Price::of_tokens(PicoUsd::from_picos(picos), PicoUsd::from_picos(picos * 4))
}

fn told(model: &Model, action: Action) -> AuditEntry {
    entry(model.tenant_id, action, &model.id.to_string())
}

/// Adds models as they are, and gives what was known of their names before.
async fn add(store: &Store, models: Vec<Model>) -> (usize, Vec<(ModelName, u32)>, u64) {
    let of = (models[0].tenant_id, models[0].provider_id);
    let names = models.iter().map(|model| model.name.clone()).collect();
    let audit = models.iter().map(|model| told(model, Action::ModelCreate)).collect();
    let decide = move |known: &KnownModels| {
        let mut prices: Vec<_> = known.prices.clone().into_iter().collect();
        prices.sort();
        let told = (known.models.len(), prices, known.count);
        Ok::<_, ()>(ModelWrites { made: models, changed: Vec::new(), by: Actor::System, audit, told })
    };
    store.write_models(of, names, decide).await.unwrap().unwrap().unwrap()
}

async fn reprice(store: &Store, model: &Model, price: Option<Price>) -> Model {
    let entry = told(model, Action::ModelUpdate);
    let change = move |model: &mut Model| {
        model.set_price(price);
        model.version += 1;
        model.updated_at = at(9_000 + model.version);
        Ok::<_, ()>(Some(entry))
    };
    store.change_model(model.tenant_id, model.id, change).await.unwrap().unwrap().unwrap()
}

async fn prices(store: &Store, model: &Model, before: Option<u32>) -> Vec<(u32, Option<Price>)> {
    let found = store.model_prices(model.tenant_id, model.id, before, 10).await.unwrap().unwrap();
    found.into_iter().map(|one| (one.version, one.price)).collect()
}

pub(crate) async fn every_field_of_a_provider_and_a_model_comes_back(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let first = made(&store, &world).await;
    let mut second = provider(&world);
    second.provider.protocol = Protocol::Anthropic;
    second.provider.environment = Some(Environment::Staging);
    second.provider.enabled = false;
    second.provider.version = 7;
    second.hint = None;
    assert_eq!(make(&store, &second).await.unwrap(), ProviderMade::Made);
    let (tenant, id) = (world.tenant.id, second.provider.id);
    assert_eq!(store.provider(tenant, id).await.unwrap(), Some(second.clone()));
    assert_eq!(store.providers(tenant).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.provider(other.tenant.id, id).await.unwrap(), None);
    assert!(store.sealing_keys().await.unwrap().contains(&Digest::of(b"a key")));

    let plain = model(&first, "plain");
    let (cached_input, cache_write) = (Some(PicoUsd::from_picos(1)), Some(PicoUsd::from_picos(2)));
    let (image, second_of_audio) = (Some(PicoUsd::MAX), Some(PicoUsd::ZERO));
    let whole = Price { cached_input, cache_write, image, second: second_of_audio, ..price(130) };
    let full = Model {
        aliases: vec!["fast".parse().unwrap(), "meta/llama\"'\\".parse().unwrap()],
        upstream_name: "other".parse().unwrap(),
        rank: u16::MAX,
        context_window: Some(1_000_000_000),
        max_output_tokens: Some(1),
        encoding: Some(Encoding::O200kBase),
        price: Some(whole),
        price_version: 1,
        enabled: false,
        version: 3,
        ..model(&first, "full")
    };
    assert_eq!(add(&store, vec![plain.clone(), full.clone()]).await, (0, Vec::new(), 0));
    for model in [&plain, &full] {
        assert_eq!(store.model(tenant, model.id).await.unwrap().as_ref(), Some(model));
        assert_eq!(store.model(other.tenant.id, model.id).await.unwrap(), None);
    }
    let listed = store.models(tenant, &ModelFilter::default(), page(10)).await.unwrap();
    assert_eq!(listed, [full.clone(), plain.clone()]);
    let (providers, models) = store.upstreams(tenant).await.unwrap();
    assert_eq!((providers, models), (vec![first, second], vec![plain, full]));
    assert!(store.upstreams(other.tenant.id).await.unwrap().1.is_empty());
}

pub(crate) async fn each_filter_finds_its_models_only(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (first, second) = (made(&store, &world).await, made(&store, &world).await);
    add(&store, vec![model(&first, "GPT-4o"), model(&first, "o3_mini")]).await;
    add(&store, vec![model(&second, "gpt-4o-mini")]).await;
    let found = async |filter: ModelFilter| -> Vec<String> {
        let found = store.models(world.tenant.id, &filter, page(10)).await.unwrap();
        found.into_iter().map(|model| model.name.to_string()).collect()
    };
    let named = |part: &str| ModelFilter { name_contains: Some(part.to_owned()), ..ModelFilter::default() };
    assert_eq!(found(named("gpt")).await, ["gpt-4o-mini", "GPT-4o"]);
    assert_eq!(found(named("_")).await, ["o3_mini"], "no wildcard");
    let of_second = ModelFilter { provider_id: Some(second.provider.id), ..ModelFilter::default() };
    assert_eq!(found(of_second).await, ["gpt-4o-mini"]);
}

pub(crate) async fn every_price_stays_readable_and_no_number_means_two(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let of = made(&store, &world).await;
    let first = Model { price: Some(price(1)), price_version: 1, ..model(&of, "m") };
    add(&store, vec![first.clone()]).await;
    let same = reprice(&store, &first, Some(price(1))).await;
    assert_eq!((same.price_version, prices(&store, &first, None).await.len()), (1, 1), "no other price");
    for (given, version) in [(Some(price(2)), 2), (None, 3), (Some(price(3)), 4)] {
        let changed = reprice(&store, &first, given).await;
        assert_eq!((changed.price, changed.price_version), (given, version));
    }
    let all = [(4, Some(price(3))), (3, None), (2, Some(price(2))), (1, Some(price(1)))];
    assert_eq!(prices(&store, &first, None).await, all);
    assert_eq!(prices(&store, &first, Some(3)).await, all[2..]);
    let newest = store.model_prices(world.tenant.id, first.id, None, 1).await.unwrap().unwrap();
    assert_eq!((newest.len(), newest[0].set_at), (1, at(9_005)));

    let gone = told(&first, Action::ModelDelete);
    assert!(store.delete_model(world.tenant.id, first.id, gone).await.unwrap());
    assert_eq!(store.model_prices(world.tenant.id, first.id, None, 10).await.unwrap(), None);
    let again = Model { price: Some(price(9)), price_version: 5, ..model(&of, "m") };
    let name: ModelName = "m".parse().unwrap();
    assert_eq!(add(&store, vec![again.clone()]).await, (0, vec![(name, 4)], 0));
    assert_eq!(prices(&store, &again, None).await.len(), 5, "those of the one before are its own");
}

pub(crate) async fn models_are_written_all_or_none(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let of = made(&store, &world).await;
    let there = model(&of, "there");
    add(&store, vec![there.clone()]).await;
    let twice = vec![model(&of, "new"), model(&of, "there")];
    let decide = move |_: &KnownModels| {
        let (changed, audit) = (Vec::new(), Vec::new());
        Ok::<_, ()>(ModelWrites { made: twice, changed, by: Actor::System, audit, told: () })
    };
    let written = store.write_models((world.tenant.id, of.provider.id), Vec::new(), decide).await;
    assert!(matches!(written, Err(StoreError::Conflict(Unique::ModelName))), "{written:?}");
    let changed = Model { rank: 3, price: Some(price(5)), price_version: 1, version: 2, ..there.clone() };
    let (names, wanted) = (vec![there.name.clone()], changed.clone());
    let decide = move |known: &KnownModels| {
        assert_eq!((known.models.len(), known.count), (1, 1));
        let (made, audit) = (Vec::new(), vec![told(&wanted, Action::ModelUpdate)]);
        Ok::<_, ()>(ModelWrites { made, changed: vec![wanted], by: Actor::System, audit, told: () })
    };
    let of_provider = (world.tenant.id, of.provider.id);
    assert_eq!(store.write_models(of_provider, names, decide).await.unwrap(), Some(Ok(())));
    let listed = store.models(world.tenant.id, &ModelFilter::default(), page(10)).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&changed));
    assert_eq!(prices(&store, &changed, None).await, [(1, Some(price(5)))]);
    let refused = |_: &KnownModels| Err::<ModelWrites<()>, _>("refused");
    assert_eq!(store.write_models(of_provider, Vec::new(), refused).await.unwrap(), Some(Err("refused")));
    let foreign = (other.tenant.id, of.provider.id);
    assert_eq!(store.write_models(foreign, Vec::new(), refused).await.unwrap(), None);
}

pub(crate) async fn a_provider_is_changed_and_goes_after_its_models(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (kept, taken) = (made(&store, &world).await, made(&store, &world).await);
    let (tenant, id) = (world.tenant.id, kept.provider.id);
    let gone = || entry(tenant, Action::ProviderDelete, &id.to_string());
    let rename = |to: &KeptProvider, name: &KeptProvider| {
        let (id, name) = (to.provider.id, name.provider.name.clone());
        let told = entry(tenant, Action::ProviderUpdate, &id.to_string());
        let change = move |kept: &mut KeptProvider| {
            kept.provider.name = name;
            kept.hint = None;
            kept.credential.bytes = vec![1; 50];
            Ok::<_, ()>(Some(told))
        };
        store.change_provider(tenant, id, change)
    };
    let fresh = provider(&world);
    let changed = rename(&kept, &fresh).await.unwrap().unwrap().unwrap();
    assert_eq!((&changed.provider.name, changed.hint.as_ref()), (&fresh.provider.name, None));
    assert_eq!(store.provider(tenant, id).await.unwrap(), Some(changed));
    let conflict = rename(&kept, &taken).await;
    assert!(matches!(conflict, Err(StoreError::Conflict(Unique::ProviderName))), "{conflict:?}");

    let of = model(&kept, "m");
    add(&store, vec![of.clone()]).await;
    assert_eq!(store.delete_provider(tenant, id, gone()).await.unwrap(), ProviderTaken::HasModels);
    assert!(store.delete_model(tenant, of.id, told(&of, Action::ModelDelete)).await.unwrap());
    assert!(!store.delete_model(tenant, of.id, told(&of, Action::ModelDelete)).await.unwrap());
    let theirs = store.delete_provider(other.tenant.id, id, gone()).await.unwrap();
    assert_eq!(theirs, ProviderTaken::Missing);
    assert_eq!(store.delete_provider(tenant, id, gone()).await.unwrap(), ProviderTaken::Taken);
    let log = world.log(&store).await;
    assert_eq!(log.iter().filter(|entry| entry.action == Action::ProviderDelete).count(), 1);
}

pub(crate) async fn a_tenant_has_a_bounded_number_of_providers(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for _ in 0..MOST_PROVIDERS {
        made(&store, &world).await;
    }
    assert_eq!(make(&store, &provider(&world)).await.unwrap(), ProviderMade::TooMany);
}
