//! The permission catalogues of applications.

use keystile_core::catalogue::MAX_ENTRIES;
use keystile_core::{Action, AuditEntry, CatalogueEntry};
use keystile_store::{CataloguePage, SetPermission, Store};

use crate::bed::Bed;
use crate::sample::{World, application, entry};

fn permission(world: &World, name: &str, label: &str) -> CatalogueEntry {
    CatalogueEntry {
        tenant_id: world.tenant.id,
        application_id: world.application.id,
        name: name.parse().unwrap(),
        label: label.parse().unwrap(),
        description: None,
    }
}

fn told(entry_of: &CatalogueEntry) -> AuditEntry {
    entry(entry_of.tenant_id, Action::PermissionSet, entry_of.name.as_str())
}

async fn set(store: &Store, given: &CatalogueEntry) -> SetPermission {
    let told = told(given);
    store.set_permission(given.clone(), move |_| Some(told)).await.unwrap()
}

pub(crate) async fn permissions_are_listed_by_name(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (tenant, first) = (world.tenant.id, world.application.id);
    let second = application(tenant, "Second");
    store.create_application(second.clone(), told(&permission(&world, "a:b", "A"))).await.unwrap();
    let read = permission(&world, "customers:read", "Customer Read");
    let write = permission(&world, "Customers:write", "Customer Write");
    let elsewhere = CatalogueEntry { application_id: second.id, ..read.clone() };
    for given in [&read, &write, &elsewhere] {
        assert_eq!(set(&store, given).await, SetPermission::Added);
    }
    let described = CatalogueEntry { description: Some("All of them".into()), ..read.clone() };
    assert_eq!(set(&store, &described).await, SetPermission::Replaced);
    let same = store.set_permission(described.clone(), |before| {
        assert!(before.is_some_and(|before| before.description.is_some()));
        None
    });
    assert_eq!(same.await.unwrap(), SetPermission::Replaced);
    assert_eq!(store.catalogue(tenant, first).await.unwrap(), [write.clone(), described.clone()]);
    assert_eq!(store.catalogue(other.tenant.id, first).await.unwrap(), []);
    let page = async |after, limit| store.catalogues(tenant, CataloguePage { after, limit }).await.unwrap();
    let all = page(None, 10).await;
    assert_eq!(all, [write.clone(), described.clone(), elsewhere.clone()]);
    assert_eq!(page(None, 2).await, all[..2]);
    assert_eq!(page(Some((described.name.clone(), first)), 2).await, all[2..]);
    let foreign = CatalogueEntry { tenant_id: other.tenant.id, ..read.clone() };
    assert_eq!(set(&store, &foreign).await, SetPermission::NoApplication);
    assert!(!store.delete_permission(other.tenant.id, first, &read.name, told(&foreign)).await.unwrap());
    assert!(store.delete_permission(tenant, first, &read.name, told(&read)).await.unwrap());
    assert!(!store.delete_permission(tenant, first, &read.name, told(&read)).await.unwrap());
    assert_eq!(store.permission(tenant, first, &read.name).await.unwrap(), None);
    assert_eq!(store.permission(tenant, second.id, &read.name).await.unwrap(), Some(elsewhere));
    assert_eq!((world.log(&store).await.len(), other.log(&store).await.len()), (7, 1));
}

pub(crate) async fn a_catalogue_has_a_bound(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    for n in 0..MAX_ENTRIES {
        let given = permission(&world, &format!("r{n}:read"), "Read");
        assert_eq!(set(&store, &given).await, SetPermission::Added);
    }
    assert_eq!(set(&store, &permission(&world, "more:read", "More")).await, SetPermission::Full);
    assert_eq!(set(&store, &permission(&world, "r7:read", "Again")).await, SetPermission::Replaced);
    let all = store.catalogue(world.tenant.id, world.application.id).await.unwrap();
    assert_eq!(all.len(), MAX_ENTRIES);
}
