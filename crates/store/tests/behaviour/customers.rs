//! Customers, to whom keys can be restricted.

use keystile_core::{Action, AuditEntry, Customer, CustomerId};
use keystile_store::{CustomerFilter, Store, StoreError, Unique};
use serde_json::json;

use crate::bed::Bed;
use crate::sample::{World, at, entry, limits, object, page};

fn told(customer: &Customer) -> AuditEntry {
    entry(customer.tenant_id, Action::CustomerCreate, &customer.id.to_string())
}

async fn create(store: &Store, customer: &Customer) -> Result<(), StoreError> {
    store.create_customer(customer.clone(), told(customer)).await
}

fn full(world: &World) -> Customer {
    Customer {
        external_id: Some("crm/42 ü".into()),
        metadata: object(&json!({"plan": "gold", "deep": [1, 2.5, null]})),
        limits: limits(),
        archived_at: Some(at(6)),
        version: 4,
        ..world.customer("Ägypten 50% GmbH")
    }
}

pub(crate) async fn every_field_of_a_customer_comes_back(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (first, second) = (world.customer("First"), full(&world));
    for customer in [&first, &second] {
        create(&store, customer).await.unwrap();
        assert_eq!(store.customer(world.tenant.id, customer.id).await.unwrap().as_ref(), Some(customer));
        assert_eq!(store.customer(other.tenant.id, customer.id).await.unwrap(), None);
    }
    let after = Customer { id: first.id, created_at: first.created_at, external_id: None, ..second };
    let (wanted, entry) = (after.clone(), told(&first));
    let changed = store.change_customer::<()>(world.tenant.id, first.id, move |customer| {
        *customer = wanted;
        Ok(Some(entry))
    });
    assert_eq!(changed.await.unwrap(), Some(Ok(after.clone())));
    assert_eq!(store.customer(world.tenant.id, first.id).await.unwrap(), Some(after));
    let foreign = store.change_customer::<()>(other.tenant.id, first.id, |_| unreachable!("not theirs"));
    assert_eq!(foreign.await.unwrap(), None);
    assert_eq!(world.log(&store).await.len(), 4);
}

pub(crate) async fn each_filter_finds_its_customers_only(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let special = Customer { archived_at: None, ..full(&world) };
    let gone = Customer { archived_at: Some(at(1)), ..world.customer("Gone") };
    let plain = world.customer("500 coffees");
    for customer in [&special, &gone, &plain, &other.customer("Ägypten 50% GmbH")] {
        create(&store, customer).await.unwrap();
    }
    let found = async |filter: CustomerFilter| -> Vec<CustomerId> {
        let customers = store.customers(world.tenant.id, &filter, page(10)).await.unwrap();
        customers.iter().map(|customer| customer.id).collect()
    };
    let all = CustomerFilter::default();
    assert_eq!(found(all.clone()).await, [plain.id, special.id]);
    assert_eq!(
        found(CustomerFilter { include_archived: true, ..all.clone() }).await,
        [plain.id, gone.id, special.id]
    );
    for filter in [
        CustomerFilter { name_contains: Some("ÄGYPTEN 50%".into()), ..all.clone() },
        CustomerFilter { external_id: Some("crm/42 ü".into()), ..all.clone() },
        CustomerFilter { id: Some(special.id), ..all.clone() },
    ] {
        assert_eq!(found(filter.clone()).await, [special.id], "{filter:?}");
    }
    assert_eq!(found(CustomerFilter { external_id: Some("crm".into()), ..all }).await, []);
}

pub(crate) async fn an_external_id_is_taken_once_in_a_tenant(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    for customer in [full(&world), full(&other), world.customer("No id"), world.customer("Nor this")] {
        create(&store, &customer).await.unwrap();
    }
    let again = create(&store, &full(&world)).await;
    assert!(matches!(again, Err(StoreError::Conflict(Unique::ExternalId))), "{again:?}");
    assert_eq!(world.log(&store).await.len(), 4);
}

pub(crate) async fn a_key_needs_a_customer_of_its_own_tenant(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let theirs = other.customer("Theirs");
    create(&store, &theirs).await.unwrap();
    let mut key = world.key();
    key.customer_id = Some(theirs.id);
    let refused = store.create_key(key.clone(), world.entry(Action::KeyCreate, key.id)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    let plain = world.created(&store).await;
    let told = world.entry(Action::KeyUpdate, plain.id);
    let changed = store.change_key::<()>(world.tenant.id, plain.id, move |key| {
        key.customer_id = Some(theirs.id);
        Ok(Some(told))
    });
    assert!(matches!(changed.await, Err(StoreError::Refused(_))));
    assert_eq!(world.read(&store, plain.id).await, plain);
}
