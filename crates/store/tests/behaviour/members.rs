//! Who is in a tenant, and as what.

use keystile_core::{Action, AuditEntry, Member, Membership, Person, PersonId, Role};
use keystile_store::{Accepted, Joining, Page, Place, PlaceChange, Store};

use crate::bed::Bed;
use crate::sample::{World, at, entry, page, person};

/// Somebody who can sign in, with a place in the world's tenant.
pub(crate) async fn joined(store: &Store, world: &World, email: &str, role: Role) -> Person {
    let person = Person { disabled_at: None, ..person(email) };
    let place = Membership { tenant_id: world.tenant.id, person_id: person.id, role, created_at: at(7) };
    let told = entry(world.tenant.id, Action::MembershipCreate, &person.id.to_string());
    let invitation = super::invitations::invitation(world, email, role);
    store.create_invitation(invitation.clone(), told.clone()).await.unwrap();
    let told = AuditEntry { id: entry(world.tenant.id, told.action, "").id, ..told };
    store.enable_person(world.person.id, vec![]).await.unwrap();
    let by = (world.person.id, Role::Owner);
    let joining = Joining { id: invitation.id, by, person: Some(person.clone()), place, entry: told };
    assert_eq!(store.accept_invitation(joining).await.unwrap(), Accepted::Joined);
    if let Some(at) = world.person.disabled_at {
        store.disable_person(world.person.id, at, vec![]).await.unwrap();
    }
    person
}

fn demotion(world: &World, person: PersonId) -> AuditEntry {
    entry(world.tenant.id, Action::MembershipUpdate, &person.to_string())
}

pub(crate) async fn members_are_listed_with_their_addresses(bed: &Bed) {
    let store = bed.store().await;
    let (world, _other) = (World::founded(&store).await, World::founded(&store).await);
    let bob = joined(&store, &world, "bob@example.com", Role::Viewer).await;
    let tenant = world.tenant.id;
    let place = Membership { tenant_id: tenant, person_id: bob.id, role: Role::Viewer, created_at: at(7) };
    let theirs = Member { membership: place, email: bob.email.clone(), disabled: false };
    let disabled = world.person.disabled_at.is_some();
    let ours = Member { membership: world.owner.clone(), email: world.person.email.clone(), disabled };
    assert_eq!(store.members(tenant, None, page(10)).await.unwrap(), [theirs.clone(), ours.clone()]);
    assert_eq!(store.members(tenant, None, page(1)).await.unwrap(), std::slice::from_ref(&theirs));
    let rest = Page { after: Some(bob.id), limit: 5 };
    assert_eq!(store.members(tenant, None, rest).await.unwrap(), [ours]);
    assert_eq!(
        store.members(tenant, Some(&bob.email), page(10)).await.unwrap(),
        std::slice::from_ref(&theirs)
    );
    let nobody = "nobody@example.com".parse().unwrap();
    assert_eq!(store.members(tenant, Some(&nobody), page(10)).await.unwrap(), []);
    assert!(store.disable_person(bob.id, at(9), vec![]).await.unwrap());
    assert_eq!(
        store.members(tenant, Some(&bob.email), page(10)).await.unwrap(),
        [],
        "who can do nothing is none"
    );
    let disabled = Member { disabled: true, ..theirs };
    assert_eq!(store.members(tenant, None, page(1)).await.unwrap(), [disabled]);
}

pub(crate) async fn a_place_is_changed_with_its_audit_entry(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let bob = joined(&store, &world, "bob@example.com", Role::Viewer).await;
    let (tenant, owner) = (world.tenant.id, world.person.id);
    let told = demotion(&world, bob.id);
    let said = told.clone();
    let change = move |place: &Place| {
        assert_eq!((place.membership.role, place.role_of_actor), (Role::Viewer, Some(Role::Owner)));
        Ok::<_, ()>(Some((PlaceChange::Role(Role::Admin), said)))
    };
    let changed = store.change_member(tenant, bob.id, owner, change).await.unwrap().unwrap().unwrap();
    assert_eq!(changed.1, Some(PlaceChange::Role(Role::Admin)));
    assert_eq!(store.member(tenant, bob.id).await.unwrap().unwrap().1.role, Role::Admin);
    assert_eq!(world.log(&store).await[0], told);
    let refused = store.change_member(tenant, bob.id, owner, |_| Err("no")).await.unwrap();
    assert_eq!(refused, Some(Err("no")));
    let foreign = store.change_member::<()>(other.tenant.id, bob.id, owner, |_| unreachable!("no member"));
    assert_eq!(foreign.await.unwrap(), None);
    let told = demotion(&world, bob.id);
    let end = move |_: &Place| Ok::<_, ()>(Some((PlaceChange::End, told)));
    store.change_member(tenant, bob.id, bob.id, end).await.unwrap().unwrap().unwrap();
    assert_eq!(store.member(tenant, bob.id).await.unwrap(), None);
    assert!(store.person(bob.id).await.unwrap().is_some());
}

/// Each round two owners demote each other at the same time. Without a lock both would see the other as an owner.
pub(crate) async fn two_owners_who_demote_each_other_leave_one(bed: &Bed) {
    let store = bed.store().await;
    for round in 0..10 {
        let world = World::founded(&store).await;
        let names = ["first", "second"].map(|name| format!("{name}-{round}@example.com"));
        let first = joined(&store, &world, &names[0], Role::Owner).await.id;
        let second = joined(&store, &world, &names[1], Role::Owner).await.id;
        let demote = |person: PersonId, actor: PersonId| {
            let (store, tenant, told) = (store.clone(), world.tenant.id, demotion(&world, person));
            tokio::spawn(async move {
                let change = move |place: &Place| match place.other_owners {
                    0 => Err(()),
                    _ => Ok(Some((PlaceChange::Role(Role::Viewer), told))),
                };
                store.change_member(tenant, person, actor, change).await.unwrap().unwrap().is_ok()
            })
        };
        let (one, other) = tokio::join!(demote(first, second), demote(second, first));
        let done = [one.unwrap(), other.unwrap()];
        assert!(done == [true, false] || done == [false, true], "{done:?}");
        let members = store.members(world.tenant.id, None, page(10)).await.unwrap();
        let owners = members.iter().filter(|member| {
            member.membership.role == Role::Owner && member.membership.person_id != world.person.id
        });
        assert_eq!(owners.count(), 1);
    }
}

/// The founder of the world is disabled.
pub(crate) async fn an_owner_who_cannot_sign_in_does_not_count(bed: &Bed) {
    let store = bed.store().await;
    let world = World::founded(&store).await;
    let bob = joined(&store, &world, "bob@example.com", Role::Owner).await.id;
    let others = async |person| {
        let change = |place: &Place| Err::<Option<(PlaceChange, AuditEntry)>, _>(place.other_owners);
        store.change_member(world.tenant.id, person, bob, change).await.unwrap().unwrap().unwrap_err()
    };
    assert!(world.person.disabled_at.is_some());
    assert_eq!((others(bob).await, others(world.person.id).await), (0, 1));
}
