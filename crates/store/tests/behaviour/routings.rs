//! What applications need of keys, by method and path.

use keystile_core::route::{HostRule, Needed, Route, Routed, Unmatched};
use keystile_core::{Action, Environment, Routing};

use crate::bed::Bed;
use crate::sample::{World, entry};

fn full() -> Routing {
    let route = |methods: &[&str], path: &str, permissions, environment| Route {
        methods: methods.iter().map(|method| method.parse().unwrap()).collect(),
        path: path.parse().unwrap(),
        permissions,
        environment,
    };
    let names = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Routing {
        hosts: vec![HostRule { host: "*.example.com".parse().unwrap(), environment: Environment::Staging }],
        routes: vec![
            route(
                &["GET", "PUT"],
                "/v1/{id}",
                Needed::All(names(&["a:b", "a:c"])),
                Some(Environment::Production),
            ),
            route(&[], "/{*rest}", Needed::Any(names(&["a:b"])), None),
        ],
        unmatched: Unmatched::Refuse,
    }
}

pub(crate) async fn a_routing_is_kept_with_a_version_of_its_own(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (tenant_id, application_id) = (world.tenant.id, world.application.id);
    let first = Routed { tenant_id, application_id, routing: Routing::NONE, version: 1 };
    let read = async || store.routing(tenant_id, application_id).await.unwrap();
    assert_eq!(read().await, Some(first.clone()));
    assert_eq!(store.routing_of(application_id).await.unwrap(), None);

    let change = async |tenant_id, after: &Routed| {
        let (after, told) = (after.clone(), entry(tenant_id, Action::RoutingUpdate, "an application"));
        let change = move |routed: &mut Routed| {
            *routed = after;
            Ok::<_, ()>(Some(told))
        };
        store.change_routing(tenant_id, application_id, change).await.unwrap()
    };
    let second = Routed { routing: full(), version: 2, ..first.clone() };
    assert_eq!(change(tenant_id, &second).await, Some(Ok(second.clone())));
    assert_eq!(read().await, Some(second.clone()));
    assert_eq!(store.routing_of(application_id).await.unwrap(), Some(full()));
    assert_eq!(store.application(tenant_id, application_id).await.unwrap(), Some(world.application.clone()));
    assert_eq!(world.log(&store).await[0].action, Action::RoutingUpdate);

    assert_eq!(change(other.tenant.id, &first).await, None);
    assert_eq!(store.routing(other.tenant.id, application_id).await.unwrap(), None);
    assert_eq!(store.routing_of(other.application.id).await.unwrap(), None);
    assert_eq!(read().await, Some(second));

    let third = Routed { version: 3, ..first };
    assert_eq!(change(tenant_id, &third).await, Some(Ok(third.clone())));
    assert_eq!(read().await, Some(third));
    assert_eq!(store.routing_of(application_id).await.unwrap(), None);
}
