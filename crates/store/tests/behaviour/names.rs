//! What things are called.

use std::collections::HashMap;

use keystile_core::{Action, Customer};

use crate::bed::Bed;
use crate::sample::{World, at, entry};

pub(crate) async fn what_a_tenant_has_is_named_and_nothing_of_another(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (key, foreign) = (world.created(&store).await, other.created(&store).await);
    let customer = Customer { archived_at: Some(at(1)), ..world.customer("Ägypten GmbH") };
    let told = entry(world.tenant.id, Action::CustomerCreate, &customer.id.to_string());
    store.create_customer(customer.clone(), told).await.unwrap();
    let named = |id: &dyn ToString, name: &dyn ToString| (id.to_string(), name.to_string());
    let own = HashMap::from([
        named(&key.id, &key.name),
        named(&customer.id, &customer.name),
        named(&world.application.id, &world.application.name),
        named(&world.tenant.id, &world.tenant.name),
        named(&world.person.id, &world.person.email),
    ]);
    let foreign = [foreign.id.to_string(), other.application.id.to_string(), other.tenant.id.to_string()];
    let nothing = ["system", "ses_1", ""].map(str::to_owned);
    // More than one statement asks for.
    let many = (0..150).map(|number| format!("key_{number}"));
    let ids = own.keys().cloned().chain(foreign).chain(nothing).chain(many).collect();
    assert_eq!(store.names(world.tenant.id, ids).await.unwrap(), own);
    assert!(store.names(world.tenant.id, Vec::new()).await.unwrap().is_empty());
}
