//! Tenants, their people and applications, and the walls between them.

use keystile_core::{Action, Application, Role, Tenant, TenantSettings};
use keystile_store::{KeyFilter, StoreError, Unique};

use crate::bed::Bed;
use crate::sample::{World, application, at, entry, page, person};

pub(crate) async fn a_tenant_is_founded_with_all_its_parts(bed: &Bed) {
    let store = bed.store().await;
    let world = World::new();
    let founding = world.founding();
    store.found_tenant(founding.clone()).await.unwrap();
    assert_eq!(store.tenant(world.tenant.id).await.unwrap().unwrap(), world.tenant);
    assert_eq!(store.person(world.person.id).await.unwrap().as_ref(), Some(&world.person));
    assert_eq!(store.person_by_email(&world.person.email).await.unwrap().as_ref(), Some(&world.person));
    let place = (world.person.clone(), world.owner.clone());
    assert_eq!(store.member(world.tenant.id, world.person.id).await.unwrap(), Some(place));
    assert_eq!(store.tenants_of(world.person.id).await.unwrap(), [(world.tenant.clone(), Role::Owner)]);
    assert_eq!(store.first_application(world.tenant.id).await.unwrap().as_ref(), Some(&world.application));
    assert_eq!(world.log(&store).await, founding.audit);
}

pub(crate) async fn a_founding_that_fails_leaves_nothing(bed: &Bed) {
    let store = bed.store().await;
    let first = World::founded(&store).await;
    let mut second = World::new();
    second.application.id = first.application.id;
    let refused = store.found_tenant(second.founding()).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(store.tenant(second.tenant.id).await.unwrap(), None);
    assert_eq!(store.person(second.person.id).await.unwrap(), None);
    assert_eq!(second.log(&store).await, []);
}

pub(crate) async fn another_tenants_rows_do_not_exist(bed: &Bed) {
    let store = bed.store().await;
    let (ours, theirs) = (World::founded(&store).await, World::founded(&store).await);
    let key = theirs.created(&store).await;
    let tenant = ours.tenant.id;
    assert_eq!(store.key(tenant, key.id).await.unwrap(), None);
    assert_eq!(store.application(tenant, theirs.application.id).await.unwrap(), None);
    assert_eq!(store.member(tenant, theirs.person.id).await.unwrap(), None);
    assert_eq!(ours.listed(&store, &KeyFilter::all(at(0))).await, []);
    assert!(!ours.log(&store).await.iter().any(|entry| entry.tenant_id != tenant));
    let changed = store.change_key::<()>(tenant, key.id, |_| unreachable!("the key is not theirs")).await;
    assert!(changed.unwrap().is_none());
    assert_eq!(theirs.read(&store, key.id).await, key);
    assert_eq!(theirs.listed(&store, &KeyFilter::all(at(0))).await, [key.id]);
}

pub(crate) async fn a_key_needs_an_application_of_its_own_tenant(bed: &Bed) {
    let store = bed.store().await;
    let (ours, theirs) = (World::founded(&store).await, World::founded(&store).await);
    let mut key = ours.key();
    key.application_id = theirs.application.id;
    let refused = store.create_key(key.clone(), ours.entry(Action::KeyCreate, key.id)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(ours.log(&store).await.len(), 1);
}

pub(crate) async fn applications_are_listed_newest_first(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let mut expected = vec![world.application.clone()];
    for name in ["Second", "Third"] {
        let next = application(world.tenant.id, name);
        let told = entry(world.tenant.id, Action::ApplicationCreate, &next.id.to_string());
        store.create_application(next.clone(), told).await.unwrap();
        expected.insert(0, next);
    }
    let tenant = world.tenant.id;
    assert_eq!(store.applications(tenant, false, page(10)).await.unwrap(), expected);
    let first = store.applications(tenant, false, page(2)).await.unwrap();
    assert_eq!(first, expected[..2]);
    let rest = keystile_store::Page { after: Some(first[1].id), limit: 2 };
    assert_eq!(store.applications(tenant, false, rest).await.unwrap(), expected[2..]);
    assert_eq!(store.application(tenant, expected[1].id).await.unwrap().as_ref(), Some(&expected[1]));
    assert_eq!(store.first_application(tenant).await.unwrap(), Some(world.application));
}

pub(crate) async fn an_installation_is_new_until_somebody_is_there(bed: &Bed) {
    let store = bed.store().await;
    assert!(!store.has_persons().await.unwrap());
    let mut somebody = person("ada@example.com");
    somebody.disabled_at = None;
    store.create_person(somebody.clone()).await.unwrap();
    assert!(store.has_persons().await.unwrap());
    assert_eq!(store.person(somebody.id).await.unwrap(), Some(somebody.clone()));
    assert_eq!(store.tenants_of(somebody.id).await.unwrap(), []);
    assert_eq!(store.person_by_email(&"bob@example.com".parse().unwrap()).await.unwrap(), None);
}

pub(crate) async fn of_many_who_found_an_installation_one_does(bed: &Bed) {
    let store = bed.store().await;
    let worlds: Vec<_> = (0..8).map(|_| World::new()).collect();
    let attempts = worlds.iter().map(|world| {
        let (store, founding) = (store.clone(), world.founding());
        tokio::spawn(async move { store.found_installation(founding).await.unwrap() })
    });
    let attempts: Vec<_> = attempts.collect();
    let mut founded = Vec::new();
    for (world, attempt) in worlds.iter().zip(attempts) {
        if attempt.await.unwrap() {
            founded.push(world);
        }
    }
    assert_eq!(founded.len(), 1);
    for world in &worlds {
        let is_first = world.tenant.id == founded[0].tenant.id;
        assert_eq!(store.tenant(world.tenant.id).await.unwrap().is_some(), is_first);
        assert_eq!(store.person(world.person.id).await.unwrap().is_some(), is_first);
    }
    assert!(!store.found_installation(World::new().founding()).await.unwrap(), "somebody is there");
}

pub(crate) async fn a_tenant_is_changed_with_its_audit_entry_or_not_at_all(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let id = world.tenant.id;
    let after = Tenant {
        name: "Renamed".parse().unwrap(),
        key_label: "globex".parse().unwrap(),
        settings: TenantSettings { rotation_days: 3650, ..TenantSettings::default() },
        log_whole_from: at(7),
        version: 2,
        ..world.tenant.clone()
    };
    let (wanted, told) = (after.clone(), entry(id, Action::TenantUpdate, &id.to_string()));
    let said = told.clone();
    let changed = store.change_tenant::<()>(id, move |tenant| {
        *tenant = wanted;
        Ok(Some(said))
    });
    assert_eq!(changed.await.unwrap(), Some(Ok(after.clone())));
    let refused = store.change_tenant(id, |tenant| {
        tenant.version = 9;
        Err("no")
    });
    assert_eq!(refused.await.unwrap(), Some(Err("no")));
    let nothing = store.change_tenant::<()>(id, |tenant| {
        tenant.version = 9;
        Ok(None)
    });
    assert_eq!(nothing.await.unwrap(), Some(Ok(after.clone())));
    assert_eq!(store.tenant(id).await.unwrap(), Some(after));
    assert_eq!((world.log(&store).await.len(), &world.log(&store).await[0]), (2, &told));
    assert_eq!(store.tenant(other.tenant.id).await.unwrap(), Some(other.tenant));
    let nowhere = store.change_tenant::<()>(World::new().tenant.id, |_| Ok(None));
    assert_eq!(nowhere.await.unwrap(), None);
}

pub(crate) async fn an_application_is_changed_and_archived(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let (tenant, first) = (world.tenant.id, world.application.clone());
    let second = application(tenant, "Second");
    let told = || entry(tenant, Action::ApplicationUpdate, &first.id.to_string());
    store.create_application(second.clone(), told()).await.unwrap();
    let archived = Application {
        name: "Old".parse().unwrap(),
        description: Some("no more".into()),
        archived_at: Some(at(5)),
        version: 2,
        ..first.clone()
    };
    let (wanted, said) = (archived.clone(), told());
    let changed = store.change_application::<()>(tenant, first.id, move |application| {
        *application = wanted;
        Ok(Some(said))
    });
    assert_eq!(changed.await.unwrap(), Some(Ok(archived.clone())));
    assert_eq!(store.application(tenant, first.id).await.unwrap(), Some(archived.clone()));
    assert_eq!(store.applications(tenant, false, page(10)).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(store.applications(tenant, true, page(10)).await.unwrap(), [second.clone(), archived]);
    assert_eq!(store.first_application(tenant).await.unwrap(), Some(second));
    let said = told();
    let taken = store.change_application::<()>(tenant, first.id, |application| {
        application.name = "Second".parse().unwrap();
        Ok(Some(said))
    });
    assert!(matches!(taken.await, Err(StoreError::Conflict(Unique::ApplicationName))));
}
