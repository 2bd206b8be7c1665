//! Providers and models of tenants in memory: read once, and never older than the last change. What they have in common with routes is
//! tested there.

use std::sync::Arc;

use keystile_core::{
    Change, Environment, Model, ModelId, Protocol, Provider, ProviderId, TenantId, Timestamp, Upstreams,
};
use keystile_verify::{SourceUnavailable, UPSTREAMS_KEPT};
use tokio::task::JoinHandle;

use crate::source::Mood;
use crate::world::{World, start_of_time};

fn tenant(number: u128) -> TenantId {
    TenantId::from_parts(start_of_time(), number)
}

fn supply(model: &str) -> (Provider, Model) {
    let (at, tenant_id, provider_id) = (Timestamp::from_millis(0), tenant(1), ProviderId::from_u128(1));
    let provider = Provider {
        id: provider_id,
        tenant_id,
        name: "OpenAI".parse().unwrap(),
        protocol: Protocol::OpenAi,
        base_url: "https://api.openai.com/v1".parse().unwrap(),
        environment: None,
        enabled: true,
        created_at: at,
        updated_at: at,
        version: 1,
    };
    let model = Model {
        id: ModelId::from_u128(1),
        tenant_id,
        provider_id,
        name: model.parse().unwrap(),
        aliases: Vec::new(),
        upstream_name: model.parse().unwrap(),
        rank: 0,
        context_window: None,
        max_output_tokens: None,
        encoding: None,
        price: None,
        price_version: 0,
        enabled: true,
        created_at: at,
        updated_at: at,
        version: 1,
    };
    (provider, model)
}

fn ask(world: &World, number: u128) -> JoinHandle<Result<Arc<Upstreams>, SourceUnavailable>> {
    let verifier = Arc::clone(&world.verifier);
    tokio::spawn(async move { verifier.upstreams(tenant(number)).await })
}

fn offers(upstreams: &Upstreams, model: &str) -> bool {
    upstreams.find(model, Protocol::OpenAi, Environment::Production).next().is_some()
}

#[tokio::test]
async fn what_a_tenant_offers_is_read_once_until_it_changes() {
    let world = World::new();
    world.source.supply.lock().push(supply("gpt-4o"));
    assert!(world.verifier.try_upstreams(tenant(1)).is_none());
    for _ in 0..3 {
        assert!(offers(&ask(&world, 1).await.unwrap().unwrap(), "gpt-4o"));
    }
    assert_eq!((world.source.queries().len(), world.verifier.stats().upstreams), (1, 1));
    *world.source.supply.lock() = vec![supply("gpt-4.1")];
    assert!(offers(&world.verifier.try_upstreams(tenant(1)).unwrap(), "gpt-4o"));
    world.verifier.apply(&Change::of_upstreams(tenant(1)));
    assert!(world.verifier.try_upstreams(tenant(1)).is_none());
    let now = ask(&world, 1).await.unwrap().unwrap();
    assert!(offers(&now, "gpt-4.1") && !offers(&now, "gpt-4o"));
    world.verifier.forget_all();
    assert!(world.verifier.try_upstreams(tenant(1)).is_none());
}

#[tokio::test]
async fn a_change_of_one_tenant_leaves_what_others_offer() {
    let world = World::new();
    for number in [1, 2] {
        assert!(ask(&world, number).await.unwrap().is_ok());
    }
    world.verifier.apply(&Change::of_upstreams(tenant(1)));
    assert!(world.verifier.try_upstreams(tenant(1)).is_none());
    assert!(world.verifier.try_upstreams(tenant(2)).is_some());
}

#[tokio::test]
async fn a_late_read_cannot_bring_back_what_was_taken_away() {
    let world = World::new();
    world.source.supply.lock().push(supply("gpt-4o"));
    let mut queries = world.source.hold_queries();
    let early = ask(&world, 1);
    let late = queries.recv().await.unwrap();
    world.source.supply.lock().clear();
    world.verifier.apply(&Change::of_upstreams(tenant(1)));
    late.release();
    assert!(offers(&early.await.unwrap().unwrap(), "gpt-4o"), "it asked before the change");
    assert!(world.verifier.try_upstreams(tenant(1)).is_none(), "what it brought was thrown away");
    let after = ask(&world, 1);
    queries.recv().await.unwrap().release();
    assert!(!offers(&after.await.unwrap().unwrap(), "gpt-4o"));
}

#[tokio::test]
async fn nothing_is_kept_while_a_change_of_models_is_in_doubt() {
    let world = World::new();
    let doubted = Change::of_upstreams(tenant(1));
    world.verifier.doubt(&doubted);
    assert!(ask(&world, 1).await.unwrap().is_ok());
    assert!(world.verifier.try_upstreams(tenant(1)).is_none());
    world.verifier.settle(&doubted);
    assert!(ask(&world, 1).await.unwrap().is_ok());
    assert!(world.verifier.try_upstreams(tenant(1)).is_some());
}

#[tokio::test]
async fn without_the_source_nothing_is_known_and_nothing_is_kept() {
    let world = World::new();
    *world.source.mood.lock() = Mood::Failing;
    assert_eq!(ask(&world, 1).await.unwrap().unwrap_err(), SourceUnavailable);
    *world.source.mood.lock() = Mood::Well;
    assert!(ask(&world, 1).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn no_more_tenants_are_kept_than_the_bound() {
    let world = World::new();
    for number in 0..UPSTREAMS_KEPT as u128 + 10 {
        assert!(world.verifier.upstreams(tenant(number)).await.is_ok());
    }
    assert_eq!(world.verifier.stats().upstreams, UPSTREAMS_KEPT);
}
