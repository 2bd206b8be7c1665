//! Invitations: one for an address, good once.

use keystile_core::{Action, AuditEntry, Digest, Invitation, InvitationId, Membership, Person, Role};
use keystile_store::{Accepted, Joining, Page, Store, StoreError, Unique};

use crate::bed::Bed;
use crate::sample::{World, at, entry, number, page, person};

pub(crate) fn invitation(world: &World, email: &str, role: Role) -> Invitation {
    let n = number();
    Invitation {
        id: InvitationId::from_parts(at(n.into()), n.into()),
        tenant_id: world.tenant.id,
        email: email.parse().unwrap(),
        role,
        digest: Digest::of(&n.to_be_bytes()),
        invited_by: world.person.id,
        created_at: at(0),
        expires_at: at(1000),
    }
}

fn told(world: &World) -> AuditEntry {
    entry(world.tenant.id, Action::InvitationCreate, "inv")
}

fn place(world: &World, person: &Person) -> Membership {
    let (tenant_id, person_id) = (world.tenant.id, person.id);
    Membership { tenant_id, person_id, role: Role::Admin, created_at: at(9) }
}

/// A tenant whose owner can sign in.
async fn founded(store: &Store) -> World {
    let world = World::founded(store).await;
    store.enable_person(world.person.id, vec![]).await.unwrap();
    world
}

fn joining(world: &World, id: InvitationId, person: Option<&Person>, as_whom: &Person) -> Joining {
    let (by, place) = ((world.person.id, Role::Admin), place(world, as_whom));
    Joining { id, by, person: person.cloned(), place, entry: told(world) }
}

pub(crate) async fn an_invitation_is_kept_until_it_is_revoked_or_expires(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let (bob, eve) = (
        invitation(&world, "bob@example.com", Role::Viewer),
        invitation(&world, "eve@example.com", Role::Owner),
    );
    for invited in [&bob, &eve] {
        assert!(store.create_invitation(invited.clone(), told(&world)).await.unwrap());
    }
    let tenant = world.tenant.id;
    assert_eq!(store.invitations(tenant, at(999), page(10)).await.unwrap(), [eve.clone(), bob.clone()]);
    let rest = Page { after: Some(eve.id), limit: 1 };
    assert_eq!(store.invitations(tenant, at(0), rest).await.unwrap(), std::slice::from_ref(&bob));
    assert_eq!(store.invitations(tenant, at(1000), page(10)).await.unwrap(), []);
    assert_eq!(store.invitation_by_digest(bob.digest).await.unwrap(), Some(bob.clone()));
    assert!(!store.revoke_invitation(other.tenant.id, bob.id, told(&other)).await.unwrap());
    assert!(store.revoke_invitation(tenant, bob.id, told(&world)).await.unwrap());
    assert!(!store.revoke_invitation(tenant, bob.id, told(&world)).await.unwrap());
    assert_eq!(store.invitation_by_digest(bob.digest).await.unwrap(), None);
    assert_eq!((world.log(&store).await.len(), other.log(&store).await.len()), (4, 1));
}

pub(crate) async fn an_address_is_invited_once_in_a_tenant(bed: &Bed) {
    let store = bed.store().await;
    let (world, other) = (World::founded(&store).await, World::founded(&store).await);
    let bob = || invitation(&world, "bob@example.com", Role::Viewer);
    assert!(store.create_invitation(bob(), told(&world)).await.unwrap());
    let again = store.create_invitation(bob(), told(&world)).await;
    assert!(matches!(again, Err(StoreError::Conflict(Unique::Invitation))), "{again:?}");
    let elsewhere = invitation(&other, "bob@example.com", Role::Viewer);
    assert!(store.create_invitation(elsewhere, told(&other)).await.unwrap());
    let later = Invitation { created_at: at(1000), expires_at: at(2000), ..bob() };
    assert!(store.create_invitation(later, told(&world)).await.unwrap(), "the first has expired");
    let member = invitation(&world, world.person.email.as_str(), Role::Viewer);
    assert!(!store.create_invitation(member, told(&world)).await.unwrap());
    assert_eq!(world.log(&store).await.len(), 3);
}

pub(crate) async fn an_invitation_makes_a_member_once(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let bob = person("bob@example.com");
    let invited = invitation(&world, "bob@example.com", Role::Admin);
    store.create_invitation(invited.clone(), told(&world)).await.unwrap();
    let mut log = world.log(&store).await.len();
    let accept = async |person: Option<&Person>, as_whom: &Person| {
        store.accept_invitation(joining(&world, invited.id, person, as_whom)).await
    };
    assert_eq!(accept(None, &world.person).await.unwrap(), Accepted::MemberBefore);
    let mut taken = person("eve@example.com");
    taken.email = world.person.email.clone();
    let refused = accept(Some(&taken), &taken).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Unique::Email))), "{refused:?}");
    assert_eq!(world.log(&store).await.len(), log, "nothing half done");
    assert_eq!(accept(Some(&bob), &bob).await.unwrap(), Accepted::Joined);
    log += 1;
    let member = store.member(world.tenant.id, bob.id).await.unwrap();
    assert_eq!(member, Some((bob.clone(), place(&world, &bob))));
    let late = person("late@example.com");
    assert_eq!(accept(Some(&late), &late).await.unwrap(), Accepted::Gone);
    assert_eq!(store.person(late.id).await.unwrap(), None);
    assert_eq!(world.log(&store).await.len(), log);
}

/// Whoever accepts has been let in before, by what was true then.
pub(crate) async fn an_invitation_of_somebody_who_lost_their_say_meanwhile_is_gone(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let (bob, invited) = (person("bob@example.com"), invitation(&world, "bob@example.com", Role::Admin));
    store.create_invitation(invited.clone(), told(&world)).await.unwrap();
    let accept = async |by| {
        let joining = Joining { by, ..joining(&world, invited.id, Some(&bob), &bob) };
        store.accept_invitation(joining).await.unwrap()
    };
    let (owner, outsider) = (world.person.id, person("eve@example.com").id);
    assert_eq!(accept((outsider, Role::Admin)).await, Accepted::Gone);
    store.disable_person(owner, at(5), vec![]).await.unwrap();
    assert_eq!(accept((owner, Role::Admin)).await, Accepted::Gone);
    store.enable_person(owner, vec![]).await.unwrap();
    let viewer = super::members::joined(&store, &world, "viewer@example.com", Role::Viewer).await.id;
    store.enable_person(owner, vec![]).await.unwrap();
    assert_eq!(accept((viewer, Role::Admin)).await, Accepted::Gone);
    assert_eq!(store.person(bob.id).await.unwrap(), None);
    assert_eq!(accept((owner, Role::Owner)).await, Accepted::Joined);
}

pub(crate) async fn of_many_who_accept_one_joins(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let invited = invitation(&world, "bob@example.com", Role::Admin);
    store.create_invitation(invited.clone(), told(&world)).await.unwrap();
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let (store, bob) = (store.clone(), person(&format!("bob{n}@example.com")));
            let joining = joining(&world, invited.id, Some(&bob), &bob);
            tokio::spawn(async move { store.accept_invitation(joining).await })
        })
        .collect();
    let mut joined = 0;
    for task in tasks {
        match task.await.unwrap().unwrap() {
            Accepted::Joined => joined += 1,
            other => assert_eq!(other, Accepted::Gone),
        }
    }
    assert_eq!(joined, 1);
    assert_eq!(store.members(world.tenant.id, None, page(100)).await.unwrap().len(), 2);
}
