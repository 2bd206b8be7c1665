//! Sessions, refresh tokens, attempts in vain, second factors and tokens for passwords.

use std::time::Duration;

use keystile_core::{Action, Digest, PersonId, Role, Session, SessionEnd, SessionId, TenantId, Timestamp};
use keystile_store::{
    Factor, FailedSignIn, NewSession, Patience, Refresh, Refreshed, Reset, Sealed, Started, Store, StoreError,
};

use crate::bed::Bed;
use crate::sample::{World, at, entry, number};

const PATIENCE: Patience = Patience { free: 3, pause: Duration::from_secs(10), most: 6 };

fn digest() -> Digest {
    Digest::of(&number().to_be_bytes())
}

fn session(world: &World, created_at: Timestamp) -> Session {
    let n = number();
    Session {
        id: SessionId::from_parts(created_at, n.into()),
        person_id: world.person.id,
        tenant_id: Some(world.tenant.id),
        created_at,
        refreshed_at: created_at,
        ended: None,
        ip: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some(format!("browser {n} “ü”")),
        second_factor: n.is_multiple_of(2),
    }
}

fn told(world: &World, action: Action) -> keystile_core::AuditEntry {
    entry(world.tenant.id, action, &world.person.id.to_string())
}

/// A tenant whose owner is not disabled.
async fn founded(store: &Store) -> World {
    let mut world = World::new();
    world.person.disabled_at = None;
    store.found_tenant(world.founding()).await.unwrap();
    world
}

fn new(world: &World, session: &Session, token: Digest, factor: Factor) -> NewSession {
    let audit = vec![told(world, Action::SessionStart)];
    let password_hash = world.person.password_hash.clone();
    NewSession { session: session.clone(), token, password_hash, factor, audit }
}

async fn started(store: &Store, world: &World, created_at: Timestamp) -> (Session, Digest) {
    let (session, token) = (session(world, created_at), digest());
    let outcome = store.start_session(new(world, &session, token, Factor::Nothing), PATIENCE).await;
    assert_eq!(outcome.unwrap(), Started::Yes);
    (session, token)
}

fn failed(world: &World, at: Timestamp) -> FailedSignIn {
    let refused = |target| vec![entry(world.tenant.id, Action::SessionRefuse, target)];
    let (counted, in_pause) = (refused("counted"), refused("in pause"));
    FailedSignIn { person_id: Some(world.person.id), at, counted, in_pause }
}

async fn read(store: &Store, session: &Session) -> Session {
    store.entrance(None, session.person_id, session.id).await.unwrap().unwrap().session
}

fn rotation(world: &World, session: &Session, used: Digest, next: Digest, at: Timestamp) -> Refresh {
    let if_reused = vec![told(world, Action::SessionReuse)];
    Refresh { session: session.clone(), used, next, at, if_reused }
}

pub(crate) async fn every_field_of_a_session_comes_back(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let (first, token) = started(&store, &world, at(0)).await;
    let bare = Session { tenant_id: None, ip: None, user_agent: None, ..session(&world, at(1)) };
    let unheard = NewSession { audit: Vec::new(), ..new(&world, &bare, digest(), Factor::Nothing) };
    assert_eq!(store.start_session(unheard, PATIENCE).await.unwrap(), Started::Yes);
    for session in [&first, &bare] {
        assert_eq!(read(&store, session).await, *session);
    }
    assert_eq!(store.session_of_token(token).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.session_of_token(digest()).await.unwrap(), None);
    assert_eq!(store.live_sessions(world.person.id, at(2)).await.unwrap(), [bare, first]);
    assert_eq!(world.log(&store).await[0].action, Action::SessionStart);
}

pub(crate) async fn a_session_opens_the_tenants_of_its_person_only(bed: &Bed) {
    let store = bed.store().await;
    let (ours, theirs) = (founded(&store).await, founded(&store).await);
    let (session, token) = started(&store, &ours, at(0)).await;
    let place = async |tenant: TenantId, person: PersonId| {
        let entrance = store.entrance(Some(tenant), person, session.id).await.unwrap();
        entrance.map(|entrance| entrance.place)
    };
    assert_eq!(place(ours.tenant.id, ours.person.id).await, Some(Some((Role::Owner, true))));
    assert_eq!(place(theirs.tenant.id, ours.person.id).await, Some(None));
    assert_eq!(place(theirs.tenant.id, theirs.person.id).await, None, "it is not their session");
    for (tenant, expected) in [(ours.tenant.id, Some((Role::Owner, true))), (theirs.tenant.id, None)] {
        let entrance = store.entrance_by_token(token, Some(tenant)).await.unwrap().unwrap();
        assert_eq!((&entrance.session, entrance.person.id), (&session, ours.person.id));
        assert_eq!(entrance.place, expected);
    }
    assert_eq!(store.entrance_by_token(token, None).await.unwrap().unwrap().place, None);
    assert!(store.entrance_by_token(digest(), Some(ours.tenant.id)).await.unwrap().is_none());
    store.refresh(rotation(&ours, &session, token, digest(), at(5))).await.unwrap();
    let exchanged = store.entrance_by_token(token, Some(ours.tenant.id)).await.unwrap();
    assert!(exchanged.is_none(), "what was exchanged carries nothing on");
}

pub(crate) async fn a_refresh_token_is_used_once_and_shown_again_ends_its_session(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let (session, first) = started(&store, &world, at(0)).await;
    let (second, third) = (digest(), digest());
    let turn = async |used, next| store.refresh(rotation(&world, &session, used, next, at(5))).await.unwrap();
    assert_eq!(turn(first, second).await, Refreshed::Yes);
    assert_eq!(read(&store, &session).await, Session { refreshed_at: at(5), ..session.clone() });
    let before = world.log(&store).await.len();
    assert_eq!(turn(first, third).await, Refreshed::Reused);
    assert_eq!(read(&store, &session).await.ended, Some((at(5), SessionEnd::TokenReuse)));
    assert_eq!(turn(second, third).await, Refreshed::Ended);
    assert_eq!(turn(first, third).await, Refreshed::Reused);
    assert_eq!(world.log(&store).await.len(), before + 1, "the log is told once");
    assert_eq!(store.session_of_token(third).await.unwrap(), None);
}

pub(crate) async fn of_many_exchanges_of_one_token_one_succeeds(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let (session, token) = started(&store, &world, at(0)).await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (store, rotation) = (store.clone(), rotation(&world, &session, token, digest(), at(5)));
            tokio::spawn(async move { store.refresh(rotation).await })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap().unwrap());
    }
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Refreshed::Yes).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Refreshed::Reused).count(), 49);
    assert!(read(&store, &session).await.ended.is_some());
}

pub(crate) async fn a_session_that_is_over_is_not_refreshed(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let later = |days: u64| at(0).plus(Duration::from_secs(days * 24 * 60 * 60));
    for (ended_by_age, days) in [(false, 13), (true, 14), (true, 31)] {
        let (session, token) = started(&store, &world, at(0)).await;
        let outcome = store.refresh(rotation(&world, &session, token, digest(), later(days))).await;
        assert_eq!(outcome.unwrap() == Refreshed::Ended, ended_by_age, "{days}");
    }
    let (session, token) = started(&store, &world, at(0)).await;
    assert!(store.disable_person(world.person.id, at(1), vec![]).await.unwrap());
    let outcome = store.refresh(rotation(&world, &session, token, digest(), at(2))).await;
    assert_eq!(outcome.unwrap(), Refreshed::Ended);
    assert_eq!(read(&store, &session).await.ended, Some((at(1), SessionEnd::PersonDisabled)));
}

pub(crate) async fn attempts_in_vain_are_counted_exactly(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let id = world.person.id;
    let fail = async |now| {
        store.count_failure(failed(&world, now), PATIENCE).await.unwrap();
        let facts = store.sign_in_facts(&world.person.email).await.unwrap().unwrap();
        (facts.failures, facts.retry_at.as_millis() - now.as_millis().min(facts.retry_at.as_millis()))
    };
    let now = at(0);
    assert_eq!((fail(now).await, fail(now).await), ((1, 0), (2, 0)));
    let all_at_once = futures_util::future::join_all((0..20).map(|_| fail(now))).await;
    assert!(all_at_once.iter().all(|seen| *seen == (3, 10_000)), "{all_at_once:?}");
    assert_eq!(fail(at(10_000)).await, (4, 20_000));
    assert_eq!(fail(at(29_999)).await.0, 4, "in a pause nothing counts");
    let refused =
        store.start_session(new(&world, &session(&world, at(29_999)), digest(), Factor::Nothing), PATIENCE);
    assert_eq!(refused.await.unwrap(), Started::No);
    started(&store, &world, at(30_000)).await;
    assert_eq!(fail(at(30_000)).await, (1, 0), "success forgives");
    let told =
        async |target: &str| world.log(&store).await.iter().filter(|entry| entry.target == target).count();
    assert_eq!((told("counted").await, told("in pause").await), (5, 2), "each pause is told of once");
    let later = at(10_000_000);
    for n in 2..=8_i64 {
        fail(later.plus(Duration::from_secs(n.unsigned_abs() * 1000))).await;
    }
    let facts = store.sign_in_facts_of(id).await.unwrap().unwrap();
    assert_eq!(facts.failures, 6);
    assert!(!facts.may_try(PATIENCE, at(1_000_000_000)), "locked for good");
    assert_eq!(told("in pause").await, 3);
    for (seconds, times) in [(10_599, 3), (10_600, 4), (10_601, 4), (14_200, 5)] {
        fail(later.plus(Duration::from_secs(seconds))).await;
        assert_eq!(told("in pause").await, times, "once an hour while it is locked: {seconds}");
    }
    let nobody = FailedSignIn { person_id: None, ..failed(&world, now) };
    store.count_failure(nobody, PATIENCE).await.unwrap();
}

pub(crate) async fn a_right_password_alone_is_told_of_once_a_minute(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let before = world.log(&store).await.len();
    for (seconds, times) in [(0, 1), (59, 1), (60, 2), (61, 2), (200, 3)] {
        let audit = vec![told(&world, Action::SessionChallenge)];
        let now = at(1_000_000).plus(Duration::from_secs(seconds));
        store.note_challenge(world.person.id, now, audit).await.unwrap();
        assert_eq!(world.log(&store).await.len() - before, times, "{seconds}");
    }
}

pub(crate) async fn a_password_that_was_changed_meanwhile_starts_nothing(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let (kept, _) = started(&store, &world, at(0)).await;
    let (other, _) = started(&store, &world, at(1)).await;
    let change = async |old: &str| {
        let hashes = (old.to_owned(), "new".to_owned());
        let audit = vec![told(&world, Action::PasswordChange)];
        store.change_password((world.person.id, kept.id), hashes, at(2), audit).await.unwrap()
    };
    let before = world.log(&store).await.len();
    assert!(!change("another").await);
    assert_eq!(world.log(&store).await.len(), before);
    assert!(change(&world.person.password_hash).await);
    assert_eq!(world.log(&store).await.len(), before + 1);
    assert_eq!(read(&store, &kept).await.ended, None);
    assert_eq!(read(&store, &other).await.ended, Some((at(2), SessionEnd::PasswordChange)));
    let late = store.start_session(new(&world, &session(&world, at(3)), digest(), Factor::Nothing), PATIENCE);
    assert_eq!(late.await.unwrap(), Started::No);
}

pub(crate) async fn sessions_of_a_person_end_together_or_all_but_one(bed: &Bed) {
    let store = bed.store().await;
    let (world, stranger) = (founded(&store).await, founded(&store).await);
    let (kept, _) = started(&store, &world, at(0)).await;
    let (other, _) = started(&store, &world, at(1)).await;
    let (theirs, _) = started(&store, &stranger, at(1)).await;
    let end = async |kept, now| {
        let audit = vec![told(&world, Action::SessionEnd)];
        store.end_sessions((world.person.id, kept), (now, SessionEnd::Logout), audit).await.unwrap();
    };
    let before = world.log(&store).await.len();
    end(Some(kept.id), at(2)).await;
    assert_eq!(read(&store, &kept).await.ended, None);
    assert_eq!(read(&store, &other).await.ended, Some((at(2), SessionEnd::Logout)));
    end(None, at(3)).await;
    assert_eq!(read(&store, &kept).await.ended, Some((at(3), SessionEnd::Logout)));
    assert_eq!(
        read(&store, &other).await.ended,
        Some((at(2), SessionEnd::Logout)),
        "what has ended stays so"
    );
    assert_eq!(read(&store, &theirs).await.ended, None);
    assert_eq!(world.log(&store).await.len(), before + 2);
}

pub(crate) async fn a_second_factor_is_spent_once(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let id = world.person.id;
    let (current, _) = started(&store, &world, at(0)).await;
    let sealed = |n: u8| Sealed { by: Digest::of(b"key"), bytes: vec![n; 48] };
    assert_eq!(store.sealing_keys().await.unwrap(), []);
    assert!(store.enrol(id, sealed(1), at(0)).await.unwrap());
    assert!(store.enrol(id, sealed(2), at(1)).await.unwrap(), "one that is not confirmed is replaced");
    assert_eq!(store.sign_in_facts_of(id).await.unwrap().unwrap().factor, None);
    let codes = vec![digest(), digest()];
    let confirm = async |secret| {
        let audit = vec![told(&world, Action::TotpConfirm)];
        store.confirm_factor((id, current.id), (secret, 10, at(2)), codes.clone(), audit).await.unwrap()
    };
    assert!(!confirm(sealed(1)).await);
    assert!(confirm(sealed(2)).await);
    assert!(read(&store, &current).await.second_factor);
    assert!(!store.enrol(id, sealed(3), at(3)).await.unwrap());
    assert_eq!(store.sign_in_facts_of(id).await.unwrap().unwrap().factor.unwrap().secret, sealed(2));
    assert_eq!(store.sealing_keys().await.unwrap(), [Digest::of(b"key")]);
    let start = async |factor| {
        store.start_session(new(&world, &session(&world, at(4)), digest(), factor), PATIENCE).await.unwrap()
    };
    let left = async |factor| store.can_spend(id, factor).await.unwrap();
    assert!(!left(Factor::Step(10)).await && left(Factor::Step(11)).await && left(Factor::Nothing).await);
    assert_eq!((start(Factor::Step(10)).await, start(Factor::Step(11)).await), (Started::No, Started::Yes));
    assert_eq!((start(Factor::Step(11)).await, start(Factor::Step(9)).await), (Started::No, Started::No));
    let code = Factor::RecoveryCode(codes[0]);
    assert!(left(code).await && left(code).await, "asking spends nothing");
    assert_eq!((start(code).await, start(code).await), (Started::Yes, Started::No));
    assert!(!left(code).await);
    assert!(!store.remove_factor(id, code, vec![]).await.unwrap());
    assert!(store.remove_factor(id, Factor::RecoveryCode(codes[1]), vec![]).await.unwrap());
    assert!(!read(&store, &current).await.second_factor);
    assert_eq!(store.enrolled(id).await.unwrap(), None);
}

pub(crate) async fn a_token_for_a_password_works_once(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let id = world.person.id;
    let (session, _) = started(&store, &world, at(0)).await;
    let reset = Reset { person_id: id, tenant_id: None, made_by: Some(id), expires_at: at(100) };
    let (first, second) = (digest(), digest());
    let audit = || vec![told(&world, Action::PasswordOffer)];
    store.offer_reset(first, reset, audit()).await.unwrap();
    store.offer_reset(second, Reset { made_by: None, ..reset }, audit()).await.unwrap();
    assert_eq!(store.reset(first).await.unwrap(), None);
    assert_eq!(store.reset(second).await.unwrap().unwrap().made_by, None);
    let set = async |token, now| {
        store.reset_password(token, (id, format!("hash at {now}")), now, audit()).await.unwrap()
    };
    assert!(!set(first, at(1)).await && !set(second, at(100)).await);
    assert!(set(second, at(99)).await && !set(second, at(99)).await);
    let person = store.person(id).await.unwrap().unwrap();
    assert_eq!(person.password_hash, format!("hash at {}", at(99)));
    assert_eq!(read(&store, &session).await.ended, Some((at(99), SessionEnd::PasswordChange)));
}

pub(crate) async fn a_session_whose_audit_entry_fails_does_not_start(bed: &Bed) {
    let store = bed.store().await;
    let world = founded(&store).await;
    let taken = told(&world, Action::SessionStart);
    let counted = FailedSignIn { counted: vec![taken.clone()], ..failed(&world, at(0)) };
    store.count_failure(counted, PATIENCE).await.unwrap();
    let (session, token) = (session(&world, at(1)), digest());
    let attempt = NewSession { audit: vec![taken], ..new(&world, &session, token, Factor::Nothing) };
    let refused = store.start_session(attempt, PATIENCE).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(store.session_of_token(token).await.unwrap(), None);
    assert_eq!(store.sign_in_facts_of(world.person.id).await.unwrap().unwrap().failures, 1);
}
