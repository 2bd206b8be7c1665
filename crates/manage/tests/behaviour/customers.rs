//! Keys that are restricted to a customer: they reach no further, whatever they hold.

use keystile_core::key::KeyPatch;
use keystile_core::{Customer, CustomerPatch, Grants, RequestLimitsPatch, Role, Seq};
use keystile_manage::{AuditQuery, Caller, CustomerDraft, Lacking, Origin, Refused, VersionGuard};
use keystile_store::Page;

use crate::bench::{Bench, draft, held};

const ANY: VersionGuard = VersionGuard(None);

/// A customer, and a key that is restricted to it and holds every permission there is.
async fn restricted(bench: &Bench, owner: &Caller) -> (Customer, Caller) {
    let asked = CustomerDraft { name: "Globex".parse().unwrap(), settings: CustomerPatch::default() };
    let customer = bench.control.create_customer(owner, asked).await.unwrap();
    let scopes = ["keystile.audit:read", "keystile.memberships:read", "keystile.customers:write", "*"];
    let settings = KeyPatch {
        customer_id: Some(Some(customer.id)),
        scopes: Some(Grants::parse(&scopes).unwrap()),
        ..KeyPatch::default()
    };
    let drafted = keystile_core::key::KeyDraft { settings, ..draft("Own") };
    let key = bench.control.create_key(owner, drafted).await.unwrap().value.key;
    let caller = bench.control.enter_with_key(held(&key), key.tenant_id, Origin::default()).await.unwrap();
    (customer, caller)
}

#[track_caller]
fn lacks<T: std::fmt::Debug>(outcome: Result<T, Refused>, what: &Lacking) {
    match outcome {
        Err(Refused::Forbidden(lacking)) => assert_eq!(lacking, *what),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_key_of_a_customer_reads_nothing_of_the_whole_tenant() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (_, caller) = restricted(&bench, &owner).await;
    let (control, all) = (&bench.control, Lacking::AllCustomers);
    let page = Page { after: None, limit: 1 };
    lacks(control.audit(&caller, &AuditQuery::default(), page).await, &all);
    lacks(control.audit_proof(&caller).await, &all);
    lacks(control.audit_export(&caller, Seq::FIRST).await.map(drop), &all);
    lacks(control.members(&caller, None, Page { after: None, limit: 1 }).await, &all);
    lacks(control.invitations(&caller, Page { after: None, limit: 1 }).await, &all);
    lacks(control.member(&caller, owner_id(&owner, &bench).await).await, &all);
}

async fn owner_id(owner: &Caller, bench: &Bench) -> keystile_core::PersonId {
    let members = bench.control.members(owner, None, Page { after: None, limit: 1 }).await.unwrap();
    members[0].membership.person_id
}

/// Else a customer could lift the limits that its provider set.
#[tokio::test]
async fn a_key_of_a_customer_does_not_bound_that_customer() {
    let bench = Bench::new().await;
    let owner = bench.caller(Role::Owner).await;
    let (customer, caller) = restricted(&bench, &owner).await;
    let patch = async |patch| bench.control.patch_customer(&caller, customer.id, patch, ANY).await;
    let unlimited = RequestLimitsPatch { rpm: Some(None), ..RequestLimitsPatch::default() };
    for beyond in [
        CustomerPatch { limits: unlimited, ..CustomerPatch::default() },
        CustomerPatch { archived: Some(false), ..CustomerPatch::default() },
        CustomerPatch { external_id: Some(Some("crm/1".to_owned())), ..CustomerPatch::default() },
    ] {
        lacks(patch(beyond).await, &Lacking::OverCustomer);
    }
    let renamed = CustomerPatch { name: Some("Globex Ltd".parse().unwrap()), ..CustomerPatch::default() };
    assert_eq!(patch(renamed).await.unwrap().value.name.to_string(), "Globex Ltd");
}
