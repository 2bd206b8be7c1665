//! Spending: of all, and of one key, customer, application, model or environment.

use std::collections::BTreeMap;

use keystile_core::quota::{Day, Origin, Settlement, SpendBy, Spending};
use keystile_core::{Action, ApiKey, CustomerId, Environment, Timestamp};
use keystile_store::{MOST_SUMS, SpendFilter, Store};

use crate::bed::Bed;
use crate::quota::{SERVER, batch, charge, hold, nano};
use crate::sample::{World, application, at, entry};

fn now() -> Timestamp {
    "2024-02-26T10:00:00Z".parse().unwrap()
}

async fn spent(store: &Store, world: &World, by: SpendBy, filter: &SpendFilter) -> Spending {
    let days = (Day::of(now()), Day::of(now()).plus(1));
    store.spend(world.tenant.id, by, days, filter).await.unwrap()
}

/// A charge to a key for a model, without any budget.
fn on(key: &ApiKey, model: &str, cost: i64) -> Settlement {
    let mut charged = charge(&hold(key, cost, Origin::Gateway, now()), cost);
    charged.entry.model = model.into();
    charged
}

pub(crate) async fn spending_is_told_of_one_key_customer_application_model_or_environment(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let other = application(world.tenant.id, "Other");
    let told = entry(world.tenant.id, Action::ApplicationCreate, &other.id.to_string());
    store.create_application(other.clone(), told).await.unwrap();
    let customer = CustomerId::from_parts(at(3), 3);
    let own = ApiKey { environment: Environment::Production, ..world.key() };
    let staged = ApiKey {
        environment: Environment::Staging,
        application_id: other.id,
        customer_id: Some(customer),
        ..world.key()
    };
    for key in [&own, &staged] {
        world.create(&store, key).await;
    }
    let charges = vec![on(&own, "gpt-4o", 5), on(&own, "o3", 70), on(&staged, "o3", 900)];
    store.write_quota(SERVER, batch(charges, vec![])).await.unwrap();
    let any = SpendFilter::default;
    for (filter, cost) in [
        (any(), 975),
        (SpendFilter { key_id: Some(own.id), ..any() }, 75),
        (SpendFilter { customer_id: Some(customer), ..any() }, 900),
        (SpendFilter { application_id: Some(other.id), ..any() }, 900),
        (SpendFilter { model: Some("o3".into()), ..any() }, 970),
        (SpendFilter { environment: Some(Environment::Production), ..any() }, 75),
        (SpendFilter { environment: Some(Environment::Development), ..any() }, 0),
        (SpendFilter { key_id: Some(own.id), model: Some("o3".into()), ..any() }, 70),
        (SpendFilter { key_id: Some(own.id), environment: Some(Environment::Staging), ..any() }, 0),
    ] {
        for by in SpendBy::ALL {
            let told = spent(&store, &world, *by, &filter).await;
            let of_all = told.sums.iter().map(|sum| sum.spend.cost.as_nanos()).sum::<i64>();
            assert_eq!((told.total.cost, of_all), (nano(cost), cost), "{filter:?} by {by}");
        }
    }
    let of_own = SpendFilter { key_id: Some(own.id), ..any() };
    let models = spent(&store, &world, SpendBy::Model, &of_own).await.sums;
    let models: BTreeMap<_, _> =
        models.into_iter().map(|sum| (sum.name.unwrap(), sum.spend.cost.as_nanos())).collect();
    assert_eq!(models, BTreeMap::from([("gpt-4o".to_owned(), 5), ("o3".to_owned(), 70)]));
    let stranger = World::founded(&store).await;
    assert_eq!(spent(&store, &stranger, SpendBy::Model, &of_own).await, Spending::default());
}

pub(crate) async fn a_report_is_bounded_and_its_total_is_of_all(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let key = world.key();
    world.create(&store, &key).await;
    let count = i64::try_from(MOST_SUMS).unwrap() + 5;
    let charges: Vec<_> = (1..=count).map(|number| on(&key, &format!("model-{number:05}"), number)).collect();
    for part in charges.chunks(500) {
        store.write_quota(SERVER, batch(part.to_vec(), vec![])).await.unwrap();
    }
    let told = spent(&store, &world, SpendBy::Model, &SpendFilter::default()).await;
    assert_eq!((told.sums.len(), told.has_more), (MOST_SUMS, true));
    assert_eq!(told.total.cost, nano(count * (count + 1) / 2));
    assert_eq!(told.total.requests, u64::try_from(count).unwrap());
    let ends = [told.sums.first().unwrap(), told.sums.last().unwrap()];
    assert_eq!(ends.map(|sum| sum.spend.cost), [nano(count), nano(6)], "those who spent most");
    let days = spent(&store, &world, SpendBy::Day, &SpendFilter::default()).await;
    assert_eq!((days.sums.len(), days.has_more, days.total), (1, false, told.total));
}
