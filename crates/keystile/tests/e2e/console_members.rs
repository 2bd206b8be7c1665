//! Members and invitations in the console.

use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::console::{Browser, between};
use crate::console_account::{leads_to, wrong};
use crate::tenancy::PASSWORD;
use crate::world::{World, sign_in, text};

/// An id that the page names in a path: what stands there between two texts.
async fn id_on(browser: &Browser, page: &str, before: &str) -> String {
    let page = browser.page(page).await;
    between(&page, before, "/").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_shows_its_link_once_and_can_be_withdrawn() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    assert!(owner.page("members/invitations").await.contains("Nobody is invited"));
    let broken = owner.submit("members/invite", &[("email", "nobody"), ("role", "king")]).await;
    assert!(!wrong(&broken, "email").is_empty() && !wrong(&broken, "role").is_empty());
    assert!(broken.text.contains("value=\"nobody\""), "what was typed stays");
    let fields = [("email", "bob@example.com"), ("role", "developer")];
    assert_eq!(owner.submit_without_token("members/invite", &fields).await.status, 403);
    let made = owner.submit_for_secret("members/invite", &fields).await;
    assert_eq!(
        (made.status, made.header("cache-control"), made.header("content-encoding")),
        (200, "no-store", "")
    );
    let link = between(&made.text, "<code id=\"link\">", "</code>");
    let token = link.strip_prefix(&format!("http://{}/console/invitation#", world.server.address())).unwrap();
    let again = owner.submit("members/invite", &fields).await;
    assert!(again.status == 422 && again.text.contains("invited already"), "{}", again.text);
    let listed = owner.page("members/invitations").await;
    assert!(listed.contains("bob@example.com") && !listed.contains(token));

    let id = id_on(&owner, "members/invitations", "/members/invitations/").await;
    let withdraw = format!("members/invitations/{id}/withdraw");
    assert!(
        leads_to(&owner.submit(&withdraw, &[]).await)
            .ends_with("/members/invitations?told=invitation-withdrawn")
    );
    assert_eq!(owner.submit(&withdraw, &[]).await.status, 404);
    let body = json!({ "token": token, "password": PASSWORD });
    let late = world.http.json("POST", "/api/v1/auth/invitations/accept", "", &body).await;
    late.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_gets_another_role_and_is_removed_by_typing_the_address() {
    let world = World::start().await;
    let (owner, bob) = (Browser::of_owner(&world).await, world.member("bob@example.com", "viewer").await);
    let page = owner.page("members").await;
    assert!(page.contains("bob@example.com") && page.contains("Viewer</span>"));
    let role = format!("members/{}/role", bob.id);
    assert!(owner.page(&role).await.contains("value=\"viewer\" required checked"));
    assert!(!wrong(&owner.submit(&role, &[("role", "king")]).await, "role").is_empty());
    assert!(
        leads_to(&owner.submit(&role, &[("role", "admin")]).await).ends_with("/members?told=role-changed")
    );
    let place = format!("{}/memberships/{}", world.tenant(), bob.id);
    assert_eq!(world.read(&place).await["role"], "admin");

    let remove = format!("members/{}/remove", bob.id);
    assert!(owner.page(&remove).await.contains("data-typed=\"bob@example.com\""));
    assert!(wrong(&owner.submit(&remove, &[("email", "bob")]).await, "email").contains("the address above"));
    assert_eq!(owner.submit_without_token(&remove, &[("email", "bob@example.com")]).await.status, 403);
    assert_eq!(world.read(&place).await["role"], "admin", "nothing was changed");
    assert!(
        leads_to(&owner.submit(&remove, &[("email", "Bob@example.com")]).await)
            .ends_with("told=member-removed")
    );
    world.ask("GET", &place, &NOTHING).await.expect_problem(404, "not_found");

    let me = text(&world.read("/api/v1/auth/me").await, "id").to_owned();
    let last = owner.submit(&format!("members/{me}/remove"), &[("email", &world.credentials.email)]).await;
    assert!(last.status == 422 && last.text.contains("last owner"), "{}", last.text);
    let last = owner.submit(&format!("members/{me}/role"), &[("role", "admin")]).await;
    assert!(last.status == 422 && last.text.contains("last owner"), "{}", last.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_manage_members_sees_them_and_can_leave() {
    let world = World::start().await;
    let bob = world.member("bob@example.com", "viewer").await;
    let developer = Browser::of_member(&world, "developer").await;
    let page = developer.page("members").await;
    assert!(page.contains("bob@example.com") && !page.contains("/members/invite\""), "{page}");
    assert!(!page.contains("/role\"") && !page.contains(&format!("{}/remove", bob.id)));
    for (path, fields) in [
        ("invite".to_owned(), vec![("email", "eve@example.com"), ("role", "viewer")]),
        (format!("{}/role", bob.id), vec![("role", "owner")]),
        (format!("{}/remove", bob.id), vec![("email", "bob@example.com")]),
        (format!("{}/reset", bob.id), vec![]),
    ] {
        let path = format!("members/{path}");
        assert_eq!(developer.open(&path).await.status, 403, "{path}");
        assert_eq!(developer.submit(&path, &fields).await.status, 403, "{path}");
    }
    let email = "developer@example.com";
    let list = world.read(&format!("{}/memberships?email={email}", world.tenant())).await;
    let leave = format!("members/{}/remove", text(&list["data"][0], "person_id"));
    assert!(developer.page(&leave).await.contains("you cannot enter this tenant"));
    assert_eq!(leads_to(&developer.submit(&leave, &[("email", email)]).await), "/console/account?told=left");
    assert_eq!(developer.open("members").await.status, 404);
    assert!(developer.page("/console/account").await.contains("You are in no tenant"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_leaves_owners_alone() {
    let world = World::start().await;
    let admin = Browser::of_member(&world, "admin").await;
    let me = text(&world.read("/api/v1/auth/me").await, "id").to_owned();
    assert!(!admin.page("members").await.contains(&format!("{me}/role")));
    assert!(!admin.page("members/invite").await.contains("value=\"owner\""));
    let fields = [("email", "eve@example.com"), ("role", "owner")];
    assert_eq!(admin.submit("members/invite", &fields).await.status, 403);
    assert_eq!(admin.submit(&format!("members/{me}/role"), &[("role", "viewer")]).await.status, 403);
    let email = world.credentials.email.as_str();
    assert_eq!(admin.submit(&format!("members/{me}/remove"), &[("email", email)]).await.status, 403);
    assert_eq!(admin.submit(&format!("members/{me}/reset"), &[]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_tenant_is_not_there() {
    let world = World::start().await;
    let other = world.ask("POST", "/api/v1/tenants", &json!({ "name": "Other" })).await.expect(201);
    let other = format!("/api/v1/tenants/{}", text(&other, "id"));
    let body = json!({ "email": "eve@example.com", "role": "viewer" });
    let invited = world.ask("POST", &format!("{other}/invitations"), &body).await.expect(201);
    let accept = json!({ "token": text(&invited, "token"), "password": PASSWORD });
    let joined = world.http.json("POST", "/api/v1/auth/invitations/accept", "", &accept).await.expect(200);
    let body = json!({ "email": "mallory@example.com", "role": "viewer" });
    let open = world.ask("POST", &format!("{other}/invitations"), &body).await.expect(201);
    let (eve, open) = (text(&joined, "person_id"), text(&open, "id"));

    let admin = Browser::of_member(&world, "admin").await;
    for page in ["role", "remove", "reset"] {
        let path = format!("members/{eve}/{page}");
        assert_eq!(admin.open(&path).await.status, 404, "{path}");
        let fields = [("role", "viewer"), ("email", "eve@example.com")];
        assert_eq!(admin.submit(&path, &fields).await.status, 404, "{path}");
    }
    assert_eq!(admin.submit(&format!("members/invitations/{open}/withdraw"), &[]).await.status, 404);
    let theirs = other.replace("/api/v1/tenants", "/console");
    for page in ["members", "members/invitations", "members/invite", "settings"] {
        assert_eq!(admin.open(&format!("{theirs}/{page}")).await.status, 404, "{page}");
    }
    assert_eq!(world.read(&format!("{other}/memberships/{eve}")).await["role"], "viewer");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_set_a_new_password_is_shown_once_and_works_once() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let bob = world.member("bob@example.com", "viewer").await;
    let reset = format!("members/{}/reset", bob.id);
    assert!(owner.page(&reset).await.contains("bob@example.com"));
    let made = owner.submit_for_secret(&reset, &[]).await;
    assert_eq!(
        (made.status, made.header("cache-control"), made.header("content-encoding")),
        (200, "no-store", "")
    );
    let link = between(&made.text, "<code id=\"link\">", "</code>");
    let (page, token) = link.split_once('#').unwrap();
    assert_eq!(page, format!("http://{}/console/reset", world.server.address()));
    let body = json!({ "token": token, "new_password": "bronze-otter-41-lamp" });
    world.http.json("POST", "/api/v1/auth/password/reset", "", &body).await.expect(204);
    sign_in(&world.http, "bob@example.com", "bronze-otter-41-lamp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_found_by_the_whole_address() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    world.member("bob@example.com", "viewer").await;
    let found = owner.page("members?email=bob%40example.com").await;
    assert!(
        found.contains("bob@example.com</span>")
            && !found.contains("owner@localhost</span> <span class=\"badge\">You")
    );
    assert!(owner.page("members?email=eve%40example.com").await.contains("Nobody like that"));
    assert!(owner.page("members?email=bob").await.contains("id=\"email-wrong\""));
}
