//! Who may let whom set a password anew.

use keystile_core::{PersonId, Role, Secret};
use keystile_manage::{Bearer, Caller, Lacking, Refused};

use crate::bench::{Bench, PASSWORD, origin};

const NEW: &str = "amber-walrus-77-kite";

/// A member of the caller's tenant who is in no other but their own, which is taken away.
async fn member(bench: &Bench, caller: &Caller, role: Role) -> PersonId {
    let (Bearer::Person(signed_in), own) = bench.signed_in(role).await else { unreachable!() };
    let id = signed_in.person_id();
    bench.run_sql(&format!("DELETE FROM memberships WHERE tenant_id = '{own}'"));
    bench.join(id, caller.tenant_id(), role);
    id
}

fn is_forbidden<T: std::fmt::Debug>(result: &Result<T, Refused>) {
    assert!(matches!(result, Err(Refused::Forbidden(Lacking::OverPerson))), "{result:?}");
}

#[tokio::test]
async fn an_admin_lets_members_of_no_higher_role_set_their_password() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    for role in [Role::Viewer, Role::Developer, Role::Admin] {
        let person = member(&bench, &admin, role).await;
        bench.control.offer_reset(&admin, person).await.unwrap();
    }
    let owner = member(&bench, &admin, Role::Owner).await;
    is_forbidden(&bench.control.offer_reset(&admin, owner).await);
}

#[tokio::test]
async fn nobody_takes_over_somebody_of_another_tenant() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Owner).await;
    let other = bench.caller(Role::Owner).await;
    let person = member(&bench, &admin, Role::Viewer).await;
    bench.join(person, other.tenant_id(), Role::Owner);
    is_forbidden(&bench.control.offer_reset(&admin, person).await);
    is_forbidden(&bench.control.offer_reset(&other, person).await);
    let missing = member(&bench, &other, Role::Viewer).await;
    let refused = bench.control.offer_reset(&admin, missing).await;
    assert!(matches!(refused, Err(Refused::NotFound("member"))), "{refused:?}");
}

#[tokio::test]
async fn a_token_works_no_more_when_its_maker_has_lost_their_say() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let other = bench.caller(Role::Owner).await;
    let person = member(&bench, &admin, Role::Viewer).await;
    let offer = bench.control.offer_reset(&admin, person).await.unwrap();
    bench.join(person, other.tenant_id(), Role::Viewer);
    let refused = bench.control.reset_password(&offer.token, Secret::new(NEW), &origin()).await;
    assert!(matches!(refused, Err(Refused::ResetToken)), "{refused:?}");
}

#[tokio::test]
async fn a_token_works_once_for_a_day_and_until_the_next_is_made() {
    let bench = Bench::new().await;
    let admin = bench.caller(Role::Admin).await;
    let person = member(&bench, &admin, Role::Viewer).await;
    let reset = async |token: &Secret, password: &str| {
        bench.control.reset_password(token, Secret::new(password), &origin()).await
    };
    let first = bench.control.offer_reset(&admin, person).await.unwrap();
    let second = bench.control.offer_reset(&admin, person).await.unwrap();
    assert!(matches!(reset(&first.token, NEW).await, Err(Refused::ResetToken)), "it was replaced");
    let weak = reset(&second.token, "password123456").await;
    assert!(matches!(weak, Err(Refused::Invalid(broken)) if broken[0].field == "new_password"));
    reset(&second.token, NEW).await.unwrap();
    assert!(matches!(reset(&second.token, NEW).await, Err(Refused::ResetToken)), "it was used");
    assert!(bench.sign_in("viewer-2@example.com", NEW, None).await.is_ok());
    assert!(bench.sign_in("viewer-2@example.com", PASSWORD, None).await.is_err());
    let third = bench.control.offer_reset(&admin, person).await.unwrap();
    bench.turn(24 * 60 * 60);
    assert!(matches!(reset(&third.token, NEW).await, Err(Refused::ResetToken)), "it is over");
}

#[tokio::test]
async fn one_changes_ones_own_password_knowing_it() {
    let bench = Bench::new().await;
    let (Bearer::Person(signed_in), tenant_id) = bench.signed_in(Role::Owner).await else { return };
    let caller = bench.control.enter(&Bearer::Person(signed_in), tenant_id, origin()).await.unwrap();
    let refused = bench.control.offer_reset(&caller, signed_in.person_id()).await;
    assert!(matches!(refused, Err(Refused::Forbidden(Lacking::Oneself))), "{refused:?}");
    let developer = bench.caller(Role::Developer).await;
    let refused = bench.control.offer_reset(&developer, signed_in.person_id()).await;
    assert!(matches!(refused, Err(Refused::Forbidden(Lacking::Role(Role::Admin)))), "{refused:?}");
}
