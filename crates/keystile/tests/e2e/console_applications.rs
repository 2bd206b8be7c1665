//! Applications in the console: permissions, routes, and what is pasted into gateways.

use keystile_testkit::http::Answer;
use serde_json::json;

use crate::console::Browser;
use crate::world::{World, as_key, text};

const ROUTES: &str = "GET,HEAD /v1/orders/{id} orders:read\r\n\r\nPOST /v1/orders orders:write and customers:read\r\n* /v1/admin/{*rest} admin:all or staff:all in staging\r\n";
const HOSTS: &str = "api.example.com production\r\n*.stage.example.com staging\r\n";

#[track_caller]
fn led_to(answer: &Answer, told: &str) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let (path, query) = answer.header("location").split_once('?').unwrap();
    assert_eq!(query, format!("told={told}"));
    path.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_made_changed_archived_and_restored() {
    let world = World::start().await;
    let browser = Browser::of_owner(&world).await;
    let made = [("name", "Orders"), ("description", "What partners order with."), ("rpm_limit", "60")];
    let page = led_to(&browser.submit("applications/new", &made).await, "application-created");
    let shown = browser.page(&page).await;
    assert!(shown.contains("What partners order with.") && shown.contains("60/min"));
    assert!(browser.page(&format!("{page}/edit")).await.contains("value=\"Orders\""));
    let again = browser.submit("applications/new", &made).await;
    assert!(again.status == 422 && again.text.contains("id=\"name-wrong\""), "{}", again.text);
    led_to(
        &browser.submit(&format!("{page}/edit"), &[("name", "Orders 2"), ("version", "1")]).await,
        "saved",
    );
    let late = browser.submit(&format!("{page}/edit"), &[("name", "Orders 3"), ("version", "1")]).await;
    assert!(late.status == 422 && late.text.contains("repeat the change"));
    led_to(&browser.submit(&format!("{page}/archive"), &[]).await, "application-archived");
    assert!(!browser.page("applications").await.contains("Orders 2"));
    assert!(browser.page("applications?include_archived=true").await.contains("Orders 2"));
    led_to(&browser.submit(&format!("{page}/restore"), &[]).await, "application-restored");
    assert!(browser.page("applications").await.contains("Orders 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_added_described_anew_and_removed() {
    let world = World::start().await;
    let browser = Browser::of_owner(&world).await;
    let own = format!("applications/{}", world.credentials.application_id);
    assert!(browser.page(&format!("{own}/permissions")).await.contains("Say what keys can be allowed"));
    let add = async |name, label| {
        browser.submit(&format!("{own}/new-permission"), &[("name", name), ("label", label)]).await
    };
    led_to(&add("orders:read", "Order Read").await, "permission-saved");
    for (name, label, told) in [
        ("orders", "Orders", "must be a permission such as"),
        ("keystile.keys:issue", "Ours", "Keystile&#39;s own"),
        ("orders:read", "Other", "in the catalogue already"),
        ("orders:write", "", "label-wrong"),
    ] {
        let answer = add(name, label).await;
        assert!(answer.status == 422 && answer.text.contains(told), "{name}: {}", answer.text);
        assert!(answer.text.contains(&format!("value=\"{name}\"")), "what was typed stays");
    }
    let path = format!("{own}/permissions/orders:read");
    assert!(browser.page(&path).await.contains("value=\"Order Read\""));
    led_to(
        &browser.submit(&path, &[("label", "See orders"), ("description", "All of them.")]).await,
        "permission-saved",
    );
    let list = browser.page(&format!("{own}/permissions?q=SEE")).await;
    assert!(list.contains("See orders") && list.contains("All of them."));
    assert!(browser.page(&format!("{path}/remove")).await.contains("keep it"));
    led_to(&browser.submit(&format!("{path}/remove"), &[]).await, "permission-removed");
    assert_eq!(browser.submit(&format!("{path}/remove"), &[]).await.status, 404);
    assert_eq!(browser.submit(&path, &[("label", "Back")]).await.status, 404, "a change adds nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_written_as_text_and_obeyed_by_the_next_request() {
    let world = World::start().await;
    let browser = Browser::of_owner(&world).await;
    let own = format!("applications/{}", world.credentials.application_id);
    let edit = format!("{own}/routing/edit");
    let saved = [("routes", ROUTES), ("hosts", HOSTS), ("unmatched", "refuse"), ("version", "1")];
    led_to(&browser.submit(&edit, &saved).await, "routing-saved");
    let routing = world.read(&format!("{}/{own}/routing", world.tenant())).await;
    assert_eq!(routing["routes"][1]["permissions"], json!({ "all": ["orders:write", "customers:read"] }));
    assert_eq!(
        (&routing["routes"][2]["environment"], &routing["hosts"][1]["environment"]),
        (&json!("staging"), &json!("staging"))
    );
    let request = world.http.request("GET", &format!("/api/v1/authz/{}", world.credentials.application_id));
    let request = request.header("authorization", as_key(world.credentials.secret("production")));
    let request = request.header("x-forwarded-method", "GET").header("x-forwarded-uri", "/v1/unknown");
    assert_eq!(world.http.send(request.header("x-forwarded-host", "api.example.com"), "").await.status, 403);

    let form = browser.page(&edit).await;
    assert!(form.contains("GET,HEAD  /v1/orders/{id}") && form.contains("admin:all or staff:all in staging"));
    let late = browser.submit(&edit, &saved).await;
    assert!(late.status == 422 && late.text.contains("repeat the change"), "{}", late.text);
    let tried = async |query: &str| browser.page(&format!("{own}/routing?{query}")).await;
    assert!(
        tried("method=get&path=/v1/orders/7&host=api.example.com")
            .await
            .contains("GET,HEAD /v1/orders/{id} orders:read")
    );
    assert!(
        tried("method=GET&path=/v2&host=api.example.com")
            .await
            .contains("no route of this application covers this path")
    );
    assert!(
        tried("method=GET&path=/v1/orders/7&host=other.org")
            .await
            .contains("no environment is known for this host")
    );
    assert!(tried("method=GET&path=//&host=api.example.com").await.contains("has an empty segment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_routes_is_told_by_its_line() {
    let world = World::start().await;
    let browser = Browser::of_owner(&world).await;
    let edit = format!("applications/{}/routing/edit", world.credentials.application_id);
    for (routes, hosts, line, told) in [
        ("GET /a\r\n\r\nGET", "", 3, "must be methods, a path"),
        ("GET /a a:b or c:d and e:f", "", 1, "joined by"),
        ("GET /a\r\nGET a", "", 2, "path must"),
        ("GET /a\r\n\r\nGET /a", "", 3, "covers the same as line 1"),
        ("get /a", "", 1, "must be a method in upper case"),
        ("", "api.example.com\r\n", 1, "must be a host and its environment"),
        ("", "api.example.com production\r\nAPI.example.com staging", 2, "must be a host in lower case"),
        ("", "api.example.com mars", 1, "`mars` must be"),
    ] {
        let answer = browser.submit(&edit, &[("routes", routes), ("hosts", hosts), ("version", "1")]).await;
        assert_eq!(answer.status, 422, "{routes}{hosts}");
        assert!(
            answer.text.contains(&format!("<strong>Line {line}</strong>")),
            "{routes}{hosts}: {}",
            answer.text
        );
        assert!(answer.text.contains(told), "{told}: {}", answer.text);
    }
    let many: String = (0..1001).map(|number| format!("GET /r{number}\n")).collect();
    let answer = browser.submit(&edit, &[("routes", &many), ("version", "1")]).await;
    assert!(answer.status == 422 && answer.text.contains("at most 1000 entries"), "{}", &answer.text[..2000]);
}

#[tokio::test(flavor = "multi_thread")]
async fn snippets_are_filled_in_for_every_gateway() {
    let world = World::start().await;
    let browser = Browser::of_member(&world, "viewer").await;
    let id = &world.credentials.application_id;
    for (gateway, says) in [
        ("nginx", "auth_request"),
        ("caddy", "forward_auth"),
        ("traefik", "forwardAuth"),
        ("envoy", "ext_authz"),
        ("haproxy", "lua.keystile"),
    ] {
        let page =
            browser.page(&format!("applications/{id}/gateways?gateway={gateway}&environment=staging")).await;
        assert!(page.contains(says) && page.contains(&format!("{id}?environment=staging")), "{gateway}");
        assert!(page.contains(world.server.address()), "{gateway}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_are_changed_by_admins_from_our_pages_and_of_their_own_tenant_only() {
    let world = World::start().await;
    let own = format!("applications/{}", world.credentials.application_id);
    let forms = ["edit", "archive", "new-permission", "routing/edit"].map(|form| format!("{own}/{form}"));
    let developer = Browser::of_member(&world, "developer").await;
    assert!(!developer.page(&own).await.contains("/archive"));
    for page in ["", "/permissions", "/routing", "/gateways"] {
        developer.page(&format!("{own}{page}")).await;
    }
    for form in forms.iter().map(String::as_str).chain(["applications/new"]) {
        assert_eq!(developer.open(form).await.status, 403, "{form}");
        let filled = [("name", "orders:read"), ("label", "X")];
        assert_eq!(developer.submit(form, &filled).await.status, 403, "{form}");
        let owner = Browser::of_owner(&world).await;
        assert_eq!(owner.submit_without_token(form, &filled).await.status, 403, "{form}");
        assert_eq!(owner.submit_from_elsewhere(form, &filled).await.status, 403, "{form}");
    }
    let other = world.ask("POST", "/api/v1/tenants", &json!({ "name": "Other" })).await.expect(201);
    let apps = world.read(&format!("/api/v1/tenants/{}/applications", text(&other, "id"))).await;
    let foreign = format!("applications/{}", text(&apps["data"][0], "id"));
    let owner = Browser::of_owner(&world).await;
    for page in ["", "/permissions", "/routing", "/gateways", "/edit", "/archive", "/routing/edit"] {
        assert_eq!(owner.open(&format!("{foreign}{page}")).await.status, 404, "{page}");
    }
    for form in ["edit", "archive", "restore", "new-permission", "routing/edit"] {
        let filled = [("name", "orders:read"), ("label", "X")];
        assert_eq!(owner.submit(&format!("{foreign}/{form}"), &filled).await.status, 404, "{form}");
    }
}
