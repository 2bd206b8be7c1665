//! A tenant's settings, its members and invitations, applications with their permissions, and customers.

use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, as_key, sign_in, text, verify};

pub(crate) const PASSWORD: &str = "rusty-otter-41-lamp";
const ACCEPT: &str = "/api/v1/auth/invitations/accept";

/// Somebody who was invited.
pub(crate) struct Joined {
    pub(crate) id: String,
    /// `Bearer …`
    pub(crate) token: String,
}

impl World {
    fn below(&self, path: &str) -> String {
        format!("{}{path}", self.tenant())
    }

    async fn invite(&self, email: &str, role: &str) -> Value {
        let body = json!({ "email": email, "role": role });
        let answer = self.ask("POST", &self.below("/invitations"), &body).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        answer.expect(201)
    }

    async fn accept(&self, credential: &str, token: &str, password: Option<&str>) -> Answer {
        let mut body = json!({ "token": token });
        if let Some(password) = password {
            body["password"] = json!(password);
        }
        self.http.json("POST", ACCEPT, credential, &body).await
    }

    /// Invites somebody new, who accepts and signs in.
    pub(crate) async fn member(&self, email: &str, role: &str) -> Joined {
        let invited = self.invite(email, role).await;
        let joined = self.accept("", text(&invited, "token"), Some(PASSWORD)).await.expect(200);
        let token = sign_in(&self.http, email, PASSWORD).await;
        Joined { id: text(&joined, "person_id").to_owned(), token }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_hold_for_keys_made_from_then_on() {
    let world = World::start().await;
    let shown = world.ask("GET", &world.tenant(), &NOTHING).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    let shown = shown.expect(200);
    let settings = ["rotation_days", "mfa_required", "default_trust_level"].map(|name| shown[name].clone());
    assert_eq!(settings, [json!(90), json!(false), json!("external")]);
    let body = json!({ "name": "Acme", "key_label": "acme", "rotation_days": 30,
        "default_trust_level": "internal", "version": 1 });
    let changed = world.ask("PATCH", &world.tenant(), &body).await.expect(200);
    assert_eq!(
        (&changed["version"], &changed["role"], text(&changed, "name")),
        (&json!(2), &json!("owner"), "Acme")
    );
    assert_eq!(world.read(&world.tenant()).await, changed);
    let same = world.ask("PATCH", &world.tenant(), &json!({ "rotation_days": 30 })).await.expect(200);
    assert_eq!(same["version"], 2, "a change of nothing is none");
    let stale = world.ask("PATCH", &world.tenant(), &json!({ "name": "Late", "version": 1 })).await;
    stale.expect_problem(409, "version_conflict");
    assert_eq!(stale.json["current_version"], 2);

    let key = world.create(&json!({ "name": "after" })).await;
    assert!(text(&key, "secret").starts_with("sk_acme_live_"));
    assert_eq!(text(&key, "trust_level"), "internal");
    let own = world.create(&json!({ "name": "own", "trust_level": "external" })).await;
    assert_eq!(text(&own, "trust_level"), "external");
    let issuer = json!({ "name": "issuer", "trust_level": "external", "scopes": ["keystile.keys:issue"] });
    let issuer = as_key(text(&world.create(&issuer).await, "secret"));
    let made = world.http.json("POST", &world.keys(), &issuer, &json!({ "name": "made" })).await.expect(201);
    assert_eq!(text(&made, "trust_level"), "external", "nobody gives more trust than they have");

    let nulls = json!({ "key_label": null, "rotation_days": null, "default_trust_level": null });
    let cleared = world.ask("PATCH", &world.tenant(), &nulls).await.expect(200);
    assert_eq!((text(&cleared, "key_label"), &cleared["rotation_days"]), ("ks", &json!(90)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_invited_checked_promoted_and_put_out() {
    let world = World::start().await;
    let invited = world.invite("bob@example.com", "viewer").await;
    let token = text(&invited, "token");
    assert_eq!(text(&invited, "link_path"), format!("/console/invitation#{token}"));
    let listed = world.read(&world.below("/invitations")).await;
    assert_eq!(listed["data"][0]["id"], invited["id"]);
    assert!(!listed.to_string().contains(token), "a token is shown once");
    let again = json!({ "email": "Bob@Example.com", "role": "viewer" });
    world.ask("POST", &world.below("/invitations"), &again).await.expect_problem(409, "already_invited");
    let weak = world.accept("", token, Some("password1234")).await;
    weak.expect_problem(400, "invalid_request");
    assert_eq!(weak.fields(), ["password"]);
    assert_eq!(world.accept("", token, None).await.fields(), ["password"]);
    let joined = world.accept("", token, Some(PASSWORD)).await.expect(200);
    assert_eq!((text(&joined, "role"), text(&joined, "tenant_name")), ("viewer", "Playground"));
    world.accept("", token, Some(PASSWORD)).await.expect_problem(404, "not_found");
    world.ask("POST", &world.below("/invitations"), &again).await.expect_problem(409, "already_member");
    assert_eq!(world.read(&world.below("/invitations")).await["data"], json!([]));

    let bob = sign_in(&world.http, "bob@example.com", PASSWORD).await;
    let place = world.below(&format!("/memberships/{}", text(&joined, "person_id")));
    let checker = world.create(&json!({ "name": "checks", "scopes": ["keystile.memberships:read"] })).await;
    let checker = as_key(text(&checker, "secret"));
    let check = async || world.http.json("GET", &place, &checker, &NOTHING).await;
    let checked = check().await.expect(200);
    assert_eq!((&checked["person_id"], text(&checked, "role")), (&joined["person_id"], "viewer"));
    let by_email = world.below("/memberships?email=bob%40example.com");
    let found = world.http.json("GET", &by_email, &checker, &NOTHING).await.expect(200);
    assert_eq!(found["data"], json!([checked]));
    let nobody = world.read(&world.below("/memberships?email=nobody%40example.com")).await;
    assert_eq!((&nobody["data"], &nobody["next_cursor"]), (&json!([]), &Value::Null));

    let create = async || world.http.json("POST", &world.keys(), &bob, &json!({ "name": "bob's" })).await;
    create().await.expect_problem(403, "forbidden");
    world.ask("PATCH", &place, &json!({ "role": "developer" })).await.expect(200);
    create().await.expect(201);
    world.ask("DELETE", &place, &NOTHING).await.expect(204);
    create().await.expect_problem(404, "not_found");
    check().await.expect_problem(404, "not_found");
    world.ask("DELETE", &place, &NOTHING).await.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_touch_owners_and_the_last_one_stays() {
    let world = World::start().await;
    let list = world.read(&world.below("/memberships")).await;
    let owner = world.below(&format!("/memberships/{}", text(&list["data"][0], "person_id")));
    let Joined { id: admin_id, token: admin } = world.member("admin@example.com", "admin").await;
    let as_admin =
        async |method: &str, path: &str, body: Value| world.http.json(method, path, &admin, &body).await;
    as_admin("PATCH", &owner, json!({ "role": "viewer" })).await.expect_problem(403, "forbidden");
    as_admin("DELETE", &owner, NOTHING).await.expect_problem(403, "forbidden");
    let own = world.below(&format!("/memberships/{admin_id}"));
    as_admin("PATCH", &own, json!({ "role": "owner" })).await.expect_problem(403, "forbidden");
    let above = json!({ "email": "eve@example.com", "role": "owner" });
    as_admin("POST", &world.below("/invitations"), above).await.expect_problem(403, "forbidden");
    let settings = as_admin("PATCH", &world.tenant(), json!({ "name": "Mine" })).await;
    settings.expect_problem(403, "forbidden");
    world.ask("PATCH", &owner, &json!({ "role": "admin" })).await.expect_problem(409, "last_owner");
    world.ask("DELETE", &owner, &NOTHING).await.expect_problem(409, "last_owner");
    world.ask("PATCH", &own, &json!({ "role": "owner" })).await.expect(200);
    world.ask("DELETE", &owner, &NOTHING).await.expect(204);
    world.ask("GET", &world.tenant(), &NOTHING).await.expect_problem(404, "not_found");
    as_admin("DELETE", &own, NOTHING).await.expect_problem(409, "last_owner");
    let (viewer_id, viewer) = {
        let body = json!({ "email": "viewer@example.com", "role": "viewer" });
        let invited = as_admin("POST", &world.below("/invitations"), body).await.expect(201);
        let joined = world.accept("", text(&invited, "token"), Some(PASSWORD)).await.expect(200);
        (text(&joined, "person_id").to_owned(), sign_in(&world.http, "viewer@example.com", PASSWORD).await)
    };
    let place = world.below(&format!("/memberships/{viewer_id}"));
    world.http.json("DELETE", &own, &viewer, &NOTHING).await.expect_problem(403, "forbidden");
    world.http.json("DELETE", &place, &viewer, &NOTHING).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_known_accepts_as_themselves_and_keeps_their_password() {
    let world = World::start().await;
    let Joined { token: bob, .. } = world.member("bob@example.com", "viewer").await;
    let Joined { token: eve, .. } = world.member("eve@example.com", "viewer").await;
    let made =
        world.http.json("POST", "/api/v1/tenants", &bob, &json!({ "name": "Bob's" })).await.expect(201);
    let invitations = format!("/api/v1/tenants/{}/invitations", text(&made, "id"));
    let invite = async || {
        let body = json!({ "email": "eve@example.com", "role": "admin" });
        world.http.json("POST", &invitations, &bob, &body).await.expect(201)
    };
    let first = invite().await;
    let path = format!("{invitations}/{}", text(&first, "id"));
    world.http.json("DELETE", &path, &bob, &NOTHING).await.expect(204);
    world.accept(&eve, text(&first, "token"), None).await.expect_problem(404, "not_found");
    let second = invite().await;
    let token = text(&second, "token");
    world.accept("", token, None).await.expect_problem(400, "invalid_request");
    world.accept(&bob, token, None).await.expect_problem(400, "invalid_request");
    world.accept("", token, Some("another-otter-42-lamp")).await.expect_problem(401, "wrong_credentials");
    let key = as_key(world.credentials.secret("production"));
    world.accept(&key, token, None).await.expect_problem(400, "invalid_request");
    world.accept(&eve, token, None).await.expect(200);
    let again = sign_in(&world.http, "eve@example.com", PASSWORD).await;
    let tenants = world.http.json("GET", "/api/v1/tenants", &again, &NOTHING).await.expect(200);
    assert_eq!(tenants["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_application_takes_no_new_keys_and_keeps_those_it_has() {
    let world = World::start().await;
    let body = json!({ "name": "Shop", "description": "Sells" });
    let shop = world.ask("POST", &world.below("/applications"), &body).await.expect(201);
    let path = world.below(&format!("/applications/{}", text(&shop, "id")));
    let key = json!({ "name": "till", "application_id": shop["id"] });
    let made = world.create(&key).await;
    let archived =
        world.ask("PATCH", &path, &json!({ "archived": true, "description": null })).await.expect(200);
    assert_eq!(
        (&archived["archived"], &archived["version"], &archived["description"]),
        (&json!(true), &json!(2), &Value::Null)
    );
    world.ask("POST", &world.keys(), &key).await.expect_problem(409, "application_archived");
    let verified = verify(&world.http, &world.asker(), &json!({ "key": made["secret"] })).await;
    assert_eq!(verified["code"], "allowed");
    let listed = async |query: &str| {
        let list = world.read(&world.below(&format!("/applications{query}"))).await;
        list["data"].as_array().unwrap().len()
    };
    assert_eq!((listed("").await, listed("?include_archived=true").await), (1, 2));
    world.ask("PATCH", &path, &json!({ "archived": false, "name": "Shop 2" })).await.expect(200);
    world.create(&key).await;
    let taken = world.ask("PATCH", &path, &json!({ "name": "Playground" })).await;
    taken.expect_problem(409, "name_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_has_a_catalogue_of_permissions() {
    let world = World::start().await;
    let of_application =
        world.below(&format!("/applications/{}/permissions", world.credentials.application_id));
    let put =
        async |name: &str, body: Value| world.ask("PUT", &format!("{of_application}/{name}"), &body).await;
    put("orders:write", json!({ "label": "Order Write" })).await.expect(201);
    put("customers:read", json!({ "label": "Read" })).await.expect(201);
    let label = json!({ "label": "Customer Read", "description": "Names and addresses" });
    let read = put("customers:read", label.clone()).await.expect(200);
    assert_eq!((&read["label"], &read["description"]), (&label["label"], &label["description"]));
    let path = format!("{of_application}/customers:read");
    assert_eq!(world.read(&path).await, read);
    let list = world.read(&of_application).await;
    assert_eq!((&list["data"][0], text(&list["data"][1], "name")), (&read, "orders:write"));
    let everywhere = world.below("/permissions");
    let first = world.read(&format!("{everywhere}?limit=1")).await;
    let second = world.read(&format!("{everywhere}?cursor={}", text(&first, "next_cursor"))).await;
    assert_eq!((&first["data"][0], &second["data"][0]), (&list["data"][0], &list["data"][1]));
    world.ask("DELETE", &path, &NOTHING).await.expect(204);
    world.ask("DELETE", &path, &NOTHING).await.expect_problem(404, "not_found");
    world.ask("GET", &path, &NOTHING).await.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn customers_are_managed_by_people_and_by_keys_that_may() {
    let world = World::start().await;
    let customers = world.below("/customers");
    let globex = json!({ "name": "Globex", "external_id": "crm/42", "metadata": { "plan": "gold" } });
    let made = world.ask("POST", &customers, &globex).await;
    let path = format!("{customers}/{}", text(&made.json, "id"));
    assert_eq!((made.header("location"), made.header("etag")), (path.as_str(), "\"1\""));
    let made = made.expect(201);
    assert_eq!((&made["metadata"], &made["external_id"]), (&globex["metadata"], &globex["external_id"]));
    world.ask("POST", &customers, &globex).await.expect_problem(409, "external_id_taken");
    let writer = world.create(&json!({ "name": "crm", "scopes": ["keystile.customers:write"] })).await;
    let writer = as_key(text(&writer, "secret"));
    let reader = world.create(&json!({ "name": "bi", "scopes": ["keystile.customers:read"] })).await;
    let reader = as_key(text(&reader, "secret"));
    let by = async |key: &str, method: &str, path: &str, body: Value| {
        world.http.json(method, path, key, &body).await
    };
    let initech = by(&writer, "POST", &customers, json!({ "name": "Initech" })).await.expect(201);
    by(&reader, "POST", &customers, json!({ "name": "No" })).await.expect_problem(403, "forbidden");
    let list = async |query: &str| {
        let list = by(&reader, "GET", &format!("{customers}{query}"), NOTHING).await.expect(200);
        list["data"].as_array().unwrap().iter().map(|one| text(one, "name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, ["Initech", "Globex"]);
    assert_eq!(list("?q=GLOB").await, ["Globex"]);
    assert_eq!(list("?external_id=crm%2F42").await, ["Globex"]);

    // A key that is restricted to one customer sees no other.
    let scopes = ["keystile.customers:write"];
    let own = json!({ "name": "own", "customer_id": initech["id"], "scopes": scopes });
    let own = as_key(text(&world.create(&own).await, "secret"));
    by(&own, "GET", &path, NOTHING).await.expect_problem(404, "not_found");
    by(&own, "PATCH", &path, json!({ "name": "Taken" })).await.expect_problem(404, "not_found");
    by(&own, "POST", &customers, json!({ "name": "More" })).await.expect_problem(403, "forbidden");
    let seen = by(&own, "GET", &customers, NOTHING).await.expect(200);
    assert_eq!(seen["data"], json!([initech]));

    let held = world.create(&json!({ "name": "held", "customer_id": made["id"] })).await;
    let patch = json!({ "external_id": null, "metadata": {}, "archived": true });
    let archived = by(&writer, "PATCH", &path, patch).await.expect(200);
    assert_eq!(
        (&archived["external_id"], &archived["archived"], &archived["version"]),
        (&Value::Null, &json!(true), &json!(2))
    );
    assert_eq!(list("").await, ["Initech"]);
    assert_eq!(list("?include_archived=true").await, ["Initech", "Globex"]);
    let same = json!({ "name": "renamed", "customer_id": made["id"] });
    world.change("PATCH", text(&held, "id"), "", &same).await.expect(200);
    let key = json!({ "name": "late", "customer_id": made["id"] });
    assert_eq!(world.ask("POST", &world.keys(), &key).await.fields(), ["customer_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_names_the_field_and_changes_nothing() {
    let world = World::start().await;
    let customer = world.customer("Globex").await;
    let (tenant, application) =
        (world.tenant(), world.below(&format!("/applications/{}", world.credentials.application_id)));
    let (customers, customer) = (world.below("/customers"), world.below(&format!("/customers/{customer}")));
    let (invitations, members) = (world.below("/invitations"), world.below("/memberships"));
    let person = text(&world.read(&members).await["data"][0], "person_id").to_owned();
    let member = format!("{members}/{person}");
    let long = "x".repeat(17 * 1024);
    let before = (world.read(&tenant).await, world.read(&customers).await, world.read(&application).await);
    let cases = [
        ("PATCH", &tenant, json!({ "rotation_days": 0 }), "rotation_days"),
        ("PATCH", &tenant, json!({ "rotation_days": 3651 }), "rotation_days"),
        ("PATCH", &tenant, json!({ "rotation_days": -1 }), "rotation_days"),
        ("PATCH", &tenant, json!({ "mfa_required": "yes" }), "mfa_required"),
        ("PATCH", &tenant, json!({ "default_trust_level": "root" }), "default_trust_level"),
        ("PATCH", &tenant, json!({ "key_label": "A!" }), "key_label"),
        ("PATCH", &tenant, json!({ "name": null }), "name"),
        ("PATCH", &tenant, json!({ "id": "ten_1" }), "id"),
        ("PATCH", &member, json!({ "role": "boss" }), "role"),
        ("PATCH", &member, json!({}), "role"),
        ("POST", &invitations, json!({ "email": "nobody", "role": "viewer" }), "email"),
        ("POST", &invitations, json!({ "email": "a@b", "role": "root" }), "role"),
        ("POST", &invitations, json!({ "email": "a@b" }), "role"),
        ("PATCH", &application, json!({ "archived": null }), "archived"),
        ("PATCH", &application, json!({ "archived": "yes" }), "archived"),
        ("PATCH", &application, json!({ "description": "a\u{0}" }), "description"),
        ("PUT", &format!("{application}/permissions/customers"), json!({ "label": "A" }), "permission"),
        ("PUT", &format!("{application}/permissions/customers:*"), json!({ "label": "A" }), "permission"),
        (
            "PUT",
            &format!("{application}/permissions/keystile.keys:issue"),
            json!({ "label": "A" }),
            "permission",
        ),
        ("PUT", &format!("{application}/permissions/a:b"), json!({ "label": "" }), "label"),
        ("PUT", &format!("{application}/permissions/a:b"), json!({ "label": "A", "name": "a:b" }), "name"),
        ("POST", &customers, json!({}), "name"),
        ("POST", &customers, json!({ "name": "a", "external_id": "" }), "external_id"),
        ("POST", &customers, json!({ "name": "a", "metadata": { "a": long } }), "metadata"),
        ("POST", &customers, json!({ "name": "a", "metadata": { "a": "\u{0}" } }), "metadata"),
        ("POST", &customers, json!({ "name": "a", "metadata": [] }), "metadata"),
        ("PATCH", &customer, json!({ "metadata": { "a\u{0}": 1 } }), "metadata"),
        ("PATCH", &customer, json!({ "version": 1.5 }), "version"),
        ("GET", &format!("{members}?email=nobody"), NOTHING, "email"),
        ("GET", &format!("{customers}?q=%00"), NOTHING, "q"),
        ("GET", &format!("{customers}?q={}", "x".repeat(50_000)), NOTHING, "q"),
        ("GET", &format!("{customers}?external_id=%00"), NOTHING, "external_id"),
        ("GET", &format!("{customers}?limit=0"), NOTHING, "limit"),
        ("GET", &world.below("/permissions?cursor=x"), NOTHING, "cursor"),
        ("POST", &ACCEPT.to_owned(), json!({}), "token"),
    ];
    for (method, path, body, field) in cases {
        let answer = world.ask(method, path, &body).await;
        answer.expect_problem(400, "invalid_request");
        assert_eq!(answer.fields(), [field], "{method} {path} {body}");
    }
    for path in
        [format!("{members}/per_1"), format!("{customers}/cus_1"), format!("{members}/{}", "x".repeat(999))]
    {
        world.ask("GET", &path, &NOTHING).await.expect_problem(404, "not_found");
    }
    let after = (world.read(&tenant).await, world.read(&customers).await, world.read(&application).await);
    assert_eq!(after, before);
}
