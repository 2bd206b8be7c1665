//! Who is in a tenant, and what each may do to the others.

use keystile_core::{Action, Email, PersonId, Role, Secret, TenantId, TenantPatch};
use keystile_manage::{Acceptance, Caller, Conflict, Lacking, Origin, Refused, VersionGuard};
use keystile_store::Page;

use crate::bench::{Bench, PASSWORD, hashed};

fn email(text: &str) -> Email {
    text.parse().unwrap()
}

/// A new member of the caller's tenant.
async fn joined(bench: &Bench, by: &Caller, address: &str, role: Role) -> Caller {
    let token = bench.control.invite(by, email(address), role).await.unwrap().token;
    accept(bench, token, PASSWORD).await.unwrap();
    enter(bench, address, by.tenant_id()).await
}

async fn enter(bench: &Bench, address: &str, tenant_id: TenantId) -> Caller {
    let tokens = bench.sign_in(address, PASSWORD, None).await.unwrap();
    let bearer = bench.control.check_token(tokens.access.0.expose()).unwrap();
    bench.control.enter(&bearer, tenant_id, Origin::default()).await.unwrap()
}

async fn accept(bench: &Bench, token: Secret, password: &str) -> Result<(), Refused> {
    let acceptance = Acceptance { token, password: Some(Secret::new(password)), bearer: None };
    bench.control.accept_invitation(acceptance, &Origin::default()).await.map(drop)
}

async fn id_of(bench: &Bench, caller: &Caller, address: &str) -> PersonId {
    let page = Page { after: None, limit: 1 };
    bench.control.members(caller, Some(&email(address)), page).await.unwrap()[0].membership.person_id
}

#[track_caller]
fn lacks(refused: Result<impl std::fmt::Debug, Refused>, role: Role) {
    match refused {
        Err(Refused::Forbidden(Lacking::Role(needed))) => assert_eq!(needed, role),
        other => panic!("not refused for lack of {role}: {other:?}"),
    }
}

#[tokio::test]
async fn nobody_but_owners_makes_demotes_or_removes_owners() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let admin = joined(&bench, &owner, "admin@example.com", Role::Admin).await;
    let developer = joined(&bench, &admin, "dev@example.com", Role::Developer).await;
    let ids = [
        id_of(&bench, &owner, "owner-1@example.com").await,
        id_of(&bench, &owner, "admin@example.com").await,
        id_of(&bench, &owner, "dev@example.com").await,
    ];
    let control = &bench.control;
    lacks(control.set_role(&developer, ids[2], Role::Viewer).await, Role::Admin);
    lacks(control.remove_member(&developer, ids[1]).await, Role::Admin);
    lacks(control.invite(&developer, email("eve@example.com"), Role::Viewer).await, Role::Admin);
    lacks(control.set_role(&admin, ids[1], Role::Owner).await, Role::Owner);
    lacks(control.set_role(&admin, ids[0], Role::Admin).await, Role::Owner);
    lacks(control.remove_member(&admin, ids[0]).await, Role::Owner);
    lacks(control.invite(&admin, email("eve@example.com"), Role::Owner).await, Role::Owner);
    lacks(control.patch_tenant(&admin, TenantPatch::default(), VersionGuard(None)).await, Role::Owner);
    bench.turn(1);
    assert_eq!(control.set_role(&admin, ids[2], Role::Admin).await.unwrap().role, Role::Admin);
    bench.turn(1);
    assert_eq!(control.set_role(&owner, ids[1], Role::Owner).await.unwrap().role, Role::Owner);
    let log = bench.log(&owner).await;
    assert_eq!(log[0].action, Action::MembershipUpdate);
    assert_eq!(log[0].changes, serde_json::json!({ "role": { "before": "admin", "after": "owner" } }));
    bench.turn(1);
    control.remove_member(&developer, ids[2]).await.unwrap();
    assert_eq!(bench.log(&owner).await[0].action, Action::MembershipDelete);
}

/// The caller was an owner when the request came in; another owner has demoted it since.
#[tokio::test]
async fn a_role_that_was_lost_meanwhile_counts_no_more() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let second = joined(&bench, &owner, "second@example.com", Role::Owner).await;
    let first_id = id_of(&bench, &owner, "owner-1@example.com").await;
    let second_id = id_of(&bench, &owner, "second@example.com").await;
    bench.control.set_role(&owner, second_id, Role::Admin).await.unwrap();
    lacks(bench.control.set_role(&second, first_id, Role::Viewer).await, Role::Owner);
    lacks(bench.control.remove_member(&second, first_id).await, Role::Owner);
    for refused in [
        bench.control.set_role(&owner, first_id, Role::Viewer).await.map(drop),
        bench.control.remove_member(&owner, first_id).await,
    ] {
        assert!(matches!(refused, Err(Refused::Conflict(Conflict::LastOwner))), "{refused:?}");
    }
}

#[tokio::test]
async fn an_invitation_ends_after_seven_days_or_with_its_inviter() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let invite = async |by: &Caller, address: &str, role| {
        bench.control.invite(by, email(address), role).await.unwrap().token
    };
    let gone = |outcome| assert!(matches!(outcome, Err(Refused::NotFound("invitation"))), "{outcome:?}");
    let late = invite(&owner, "late@example.com", Role::Viewer).await;
    let again = Secret::new(late.expose());
    let offered = bench.control.offered(&late).await.unwrap();
    assert_eq!((offered.email.as_str(), offered.role), ("late@example.com", Role::Viewer));
    bench.turn(7 * 24 * 3600);
    gone(bench.control.offered(&again).await.map(drop));
    gone(accept(&bench, late, PASSWORD).await);
    gone(accept(&bench, Secret::new("ksinv_unknown"), PASSWORD).await);

    let admin = joined(&bench, &owner, "admin@example.com", Role::Admin).await;
    let token = invite(&admin, "eve@example.com", Role::Admin).await;
    let admin_id = id_of(&bench, &owner, "admin@example.com").await;
    bench.control.set_role(&owner, admin_id, Role::Developer).await.unwrap();
    gone(accept(&bench, token, PASSWORD).await);
}

/// Whoever invites holds the token, too.
#[tokio::test]
async fn a_weak_password_does_not_tell_whether_an_address_is_known() {
    let bench = Bench::new().await;
    let (owner, _) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    for address in ["owner-2@example.com", "nobody@example.com"] {
        let token = bench.control.invite(&owner, email(address), Role::Viewer).await.unwrap().token;
        let refused = accept(&bench, token, "password1234").await;
        assert!(
            matches!(&refused, Err(Refused::Invalid(broken)) if broken[0].field == "password"),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn an_invitation_never_changes_the_password_of_somebody_known() {
    let bench = Bench::new().await;
    let (owner, other) = (bench.caller(Role::Owner).await, bench.caller(Role::Owner).await);
    let address = "owner-2@example.com";
    let invited = async || bench.control.invite(&owner, email(address), Role::Admin).await.unwrap();
    let first = invited().await;
    let refused = accept(&bench, first.token, "another-otter-42-lamp").await;
    assert!(matches!(refused, Err(Refused::WrongCredentials)), "{refused:?}");
    bench.turn(1);
    bench.control.revoke_invitation(&owner, first.invitation.id).await.unwrap();
    bench.turn(1);
    let second = invited().await;
    bench.turn(1);
    accept(&bench, second.token, PASSWORD).await.unwrap();
    assert_eq!(enter(&bench, address, owner.tenant_id()).await.role(), Some(Role::Admin));
    assert_ne!(other.tenant_id(), owner.tenant_id());
    let actions: Vec<_> = bench.log(&owner).await.into_iter().map(|entry| entry.action).collect();
    use Action::{InvitationCreate, InvitationRevoke, MembershipCreate};
    assert_eq!(actions, [MembershipCreate, InvitationCreate, InvitationRevoke, InvitationCreate]);
}

/// Rules grow stricter; what was taken once stays good, and only a wrong password is told which rule it breaks.
#[tokio::test]
async fn somebody_known_joins_with_a_password_that_is_refused_by_now() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    bench.caller(Role::Owner).await;
    let weak = "passwordpassword";
    bench.run_sql(&format!(
        "UPDATE persons SET password_hash = '{}' WHERE email = 'owner-2@example.com'",
        hashed(weak)
    ));
    for address in ["owner-2@example.com", "nobody@example.com"] {
        let token = bench.control.invite(&owner, email(address), Role::Viewer).await.unwrap().token;
        let compared = bench.control.passwords_compared();
        let refused = accept(&bench, token, "password123456").await;
        assert!(
            matches!(refused, Err(Refused::Invalid(broken)) if broken[0].field == "password"),
            "{address}"
        );
        assert_eq!(bench.control.passwords_compared() - compared, 1, "the same work: {address}");
        bench.run_sql("DELETE FROM invitations");
    }
    bench.turn(1);
    let token = bench.control.invite(&owner, email("owner-2@example.com"), Role::Viewer).await.unwrap().token;
    accept(&bench, token, weak).await.unwrap();
}
