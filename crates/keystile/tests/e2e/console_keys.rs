//! The pages of API keys in the console.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::server::Plan;
use serde_json::{Value, json};

use crate::console::{Browser, between};
use crate::exposition::Page;
use crate::world::{KEYSTILE, World, as_key, text};

const OWN_SECRET: &str = "7hQ-vX2mLpR9wKzB4nYcJ8dHs";

impl World {
    /// What a key may still do: the status of its own view.
    pub(crate) async fn works(&self, secret: &str) -> u16 {
        self.http.json("GET", "/api/v1/whoami", &as_key(secret), &NOTHING).await.status
    }

    async fn key(&self, id: &str) -> Value {
        self.read(&format!("{}/{id}", self.keys())).await
    }
}

/// The secret that a page shows.
#[track_caller]
pub(crate) fn shown_secret(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    // What holds a secret is neither kept nor compressed.
    assert_eq!((answer.header("cache-control"), answer.header("content-encoding")), ("no-store", ""));
    between(&answer.text, "<code id=\"new-secret\">", "</code>").to_owned()
}

/// The id of the key whose secret a page shows.
#[track_caller]
pub(crate) fn shown_id(answer: &Answer) -> String {
    format!("key_{}", between(&answer.text, "/keys/key_", "\""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_in_the_console_and_its_secret_is_in_one_answer() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let label = json!({ "label": "Order Read" });
    let permission = format!(
        "{}/applications/{}/permissions/orders:read",
        world.tenant(),
        world.credentials.application_id
    );
    assert!(world.ask("PUT", &permission, &label).await.status < 300);
    let form = owner.page("keys/new").await;
    assert!(
        form.contains("Order Read")
            && form.contains("value=\"production\" checked")
            && form.contains("value=\"external\" checked")
    );
    let fields = [
        ("name", "Checkout <b>service</b>"),
        ("environment", "staging"),
        ("kind", "service"),
        ("issued_to_service", "checkout"),
        ("source_id", "checkout"),
        ("trust_level", "internal"),
        ("scopes", "orders:read"),
        ("more_scopes", "customers:*\nlicenses:write"),
        ("rpm_limit", "1,000"),
        ("rate_limits[1].limit", "5000"),
        ("rate_limits[1].window", "2"),
        ("rate_limits[1].unit", "3600"),
        ("rate_limits[1].when_away", "local_share"),
        ("expiry", "90"),
        ("allowed_ips", "127.0.0.0/8, ::1"),
        ("tags", "{\"team\": \"a\"}"),
        ("metadata", ""),
    ];
    let made = owner.submit_for_secret("keys/new", &fields).await;
    let (secret, id) = (shown_secret(&made), shown_id(&made));
    assert!(secret.starts_with("sk_ks_stage_") && made.text.contains(&format!("API_KEY={secret}")));
    assert_eq!(world.works(&secret).await, 200);
    let key = world.key(&id).await;
    let set = [
        "name",
        "environment",
        "source_id",
        "trust_level",
        "scopes",
        "rpm_limit",
        "allowed_ips",
        "tags",
        "issued_to_service",
    ];
    assert_eq!(
        set.map(|field| key[field].clone()),
        [
            json!("Checkout <b>service</b>"),
            json!("staging"),
            json!("checkout"),
            json!("internal"),
            json!(["customers:*", "licenses:write", "orders:read"]),
            json!(1_000),
            json!(["127.0.0.0/8", "::1/128"]),
            json!({ "team": "a" }),
            json!("checkout")
        ]
    );
    let limit =
        json!({ "name": "per-2h", "limit": 5_000, "window_seconds": 7_200, "when_away": "local_share" });
    assert_eq!(key["rate_limits"], json!([limit]));
    assert!(key["expires_at"].is_string());
    let (list, page) = (owner.page("keys").await, owner.page(&format!("keys/{id}")).await);
    for shown in [&list, &page] {
        assert!(
            shown.contains("Checkout &#60;b&#62;service&#60;/b&#62;") && shown.contains("Order Read"),
            "{shown}"
        );
        assert!(!shown.contains(&secret) && !shown.contains("<b>service"));
    }
    assert!(list.contains("1,000/min, 5,000/2 h"));
    assert!(page.contains("While the shared count is away: per-2h admits each server’s share"), "{page}");
    let chosen = "<option value=\"local_share\" selected>Share</option>";
    assert!(owner.page(&format!("keys/{id}/edit")).await.contains(chosen));
    assert!(owner.page("keys?q=checkout&status=active&environment=staging").await.contains(&id));
    assert!(!owner.page("keys?q=checkout&environment=production&kind=&tag=").await.contains(&id));
    world.create(&json!({ "name": "Another" })).await;
    let names = async |query: &str| {
        let page = owner.page(&format!("keys{query}")).await;
        let found = page
            .split("<a class=\"name\" href=\"")
            .skip(1)
            .map(|rest| between(rest, "\">", "</a>").to_owned());
        found.collect::<Vec<_>>()
    };
    let by_name = names("?sort=name&q=e&limit=50").await;
    assert!(by_name.len() > 2 && by_name.is_sorted_by_key(|name| name.to_lowercase()), "{by_name:?}");
    let reversed: Vec<_> = by_name.iter().rev().cloned().collect();
    assert_eq!(names("?sort=name&order=desc&q=e").await, reversed);
    // From page to page, in the same order.
    let first = owner.page("keys?sort=name&q=e&limit=2").await;
    let next = between(&first, "<a class=\"button\" href=\"?", "\" rel=\"next\"").replace("&#38;", "&");
    assert_eq!(names(&format!("?{next}")).await, by_name[2..by_name.len().min(4)]);
    assert!(names("?blocked=true").await.is_empty());
    assert_eq!(names("?expires_within_days=365").await.len(), 1);
    assert!(owner.page("keys?q=nothing").await.contains("No key is like that"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_at_its_field_and_all_but_the_secret_is_kept() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let before = world.read(&world.keys()).await["data"].as_array().unwrap().len();
    let fields = [
        ("name", ""),
        ("environment", "production"),
        ("source_id", "kept-source"),
        ("rpm_limit", "many"),
        ("more_scopes", "orders"),
        ("rate_limits[2].limit", "x"),
        ("kind", "service"),
        ("expiry", "never"),
        ("secret", OWN_SECRET),
        ("metadata", "[]"),
    ];
    let refused = owner.submit("keys/new", &fields).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let after = |field: &str| between(&refused.text, &format!("id=\"{field}\""), "</div>").to_owned();
    assert!(
        after("rpm_limit").contains("value=\"many\"")
            && after("rpm_limit").contains("must be a whole number")
    );
    assert!(after("name").contains("id=\"name-wrong\""));
    assert!(after("metadata").contains("must be a JSON object"));
    assert!(
        refused.text.contains("orders: must be") && refused.text.contains("limit must be a whole number")
    );
    assert!(refused.text.contains("value=\"kept-source\"") && !refused.text.contains(OWN_SECRET));
    // The API's own rules, those that only the store knows, and one that is made again without scripts.
    let weak =
        [("name", "a"), ("secret", "passwordpasswordpassword"), ("expiry", "never"), ("kind", "service")];
    let refused = owner.submit("keys/new", &weak).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("can be guessed"));
    let again = owner.submit("keys/new", &[("name", "kept name"), ("again", "yes")]).await;
    assert!(again.status == 200 && again.text.contains("value=\"kept name\""));
    assert_eq!(world.read(&world.keys()).await["data"].as_array().unwrap().len(), before, "nothing was made");
    let brought = [("name", "brought"), ("secret", OWN_SECRET), ("kind", "service"), ("expiry", "never")];
    assert_eq!(shown_secret(&owner.submit_for_secret("keys/new", &brought).await), OWN_SECRET);
    assert_eq!(world.works(OWN_SECRET).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_changed_and_a_change_made_meanwhile_is_told() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let key = world
        .create(&json!({ "name": "before", "rpm_limit": 60, "source_id": "a", "metadata": { "x": 1 } }))
        .await;
    let path = format!("keys/{}/edit", text(&key, "id"));
    let form = owner.page(&path).await;
    let version = between(&form, "name=\"version\" value=\"", "\"").to_owned();
    assert!(form.contains("value=\"before\"") && form.contains("value=\"60\""));
    world.change("POST", text(&key, "id"), "/disable", &NOTHING).await.expect(200);
    let fields = |version: &'static str| {
        [
            ("name", "after"),
            ("version", version),
            ("trust_level", "trusted"),
            ("rpm_limit", ""),
            ("source_id", "b"),
            ("expiry", "never"),
            ("scopes", "orders:read"),
            ("metadata", "{\"y\": 2}"),
        ]
    };
    assert_eq!(version, "1");
    let stale = owner.submit(&path, &fields("1")).await;
    assert_eq!(stale.status, 422);
    assert!(stale.text.contains("changed meanwhile") && stale.text.contains("value=\"after\""));
    assert_eq!(between(&stale.text, "name=\"version\" value=\"", "\""), "2");
    assert_eq!(text(&world.key(text(&key, "id")).await, "name"), "before");
    let saved = owner.submit(&path, &fields("2")).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    assert!(saved.header("location").ends_with("?told=key-changed"));
    let changed = world.key(text(&key, "id")).await;
    let fields_now = ["name", "rpm_limit", "source_id", "trust_level", "scopes", "metadata"]
        .map(|field| changed[field].clone());
    assert_eq!(
        fields_now,
        [json!("after"), NOTHING, json!("b"), json!("trusted"), json!(["orders:read"]), json!({ "y": 2 })]
    );
    let refused = owner.submit(&path, &[("name", ""), ("version", "3"), ("expiry", "never")]).await;
    assert!(refused.status == 422 && refused.text.contains("id=\"name-wrong\""), "{}", refused.text);
    let page = owner.page(&format!("keys/{}", text(&key, "id"))).await;
    assert!(page.contains("name: before → after") && page.contains("Disabled"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_and_a_regenerated_one_show_their_new_secret_once() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let key = world.create(&json!({ "name": "first" })).await;
    let (id, old) = (text(&key, "id"), text(&key, "secret"));
    let rotate = format!("keys/{id}/rotate");
    assert!(owner.page(&rotate).await.contains("value=\"86400\" checked"));
    let refused = owner.submit(&rotate, &[("version", "1"), ("overlap_seconds", "2592001")]).await;
    assert!(refused.status == 422 && refused.text.contains("must be from 0 to 2592000"), "{}", refused.text);
    let rotated = owner.submit_for_secret(&rotate, &[("version", "1"), ("overlap_seconds", "3600")]).await;
    let (next, next_id) = (shown_secret(&rotated), shown_id(&rotated));
    assert_eq!([world.works(old).await, world.works(&next).await], [200, 200]);
    assert_eq!(text(&world.key(&next_id).await, "rotated_from_key_id"), id);
    assert!(owner.page(&format!("keys/{id}")).await.contains("Rotated to"));
    assert!(owner.page(&format!("keys/{next_id}")).await.contains("Rotated from"));
    // A form that is sent twice makes no second successor.
    let twice = owner.submit(&rotate, &[("version", "1"), ("overlap_seconds", "3600")]).await;
    assert_eq!(twice.status, 422);
    let regenerate = format!("keys/{next_id}/regenerate");
    let weak = owner.submit(&regenerate, &[("version", "1"), ("secret", "short")]).await;
    assert!(weak.status == 422 && !weak.text.contains("value=\"short\""), "{}", weak.text);
    let renewed = shown_secret(&owner.submit_for_secret(&regenerate, &[("version", "1")]).await);
    assert_eq!([world.works(&next).await, world.works(&renewed).await], [401, 200]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_switched_blocked_revoked_and_deleted() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let key = world.create(&json!({ "name": "Main  key" })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    let deed = async |deed: &str, fields: &[(&str, &str)]| {
        owner.submit(&format!("keys/{id}/{deed}"), fields).await.status
    };
    assert_eq!(world.works(secret).await, 200);
    assert_eq!((deed("disable", &[]).await, world.works(secret).await), (303, 401));
    assert_eq!((deed("enable", &[]).await, world.works(secret).await), (303, 200));
    let refused = owner.submit(&format!("keys/{id}/block"), &[("reason", "")]).await;
    assert!(refused.status == 422 && refused.text.contains("id=\"reason-wrong\""), "{}", refused.text);
    assert_eq!((deed("block", &[("reason", "a leak")]).await, world.works(secret).await), (303, 403));
    assert!(owner.page(&format!("keys/{id}")).await.contains("Blocked: a leak"));
    assert_eq!((deed("unblock", &[]).await, world.works(secret).await), (303, 200));
    let ask = owner.page(&format!("keys/{id}/revoke")).await;
    assert!(ask.contains("allowed in the last 24 hours"), "{ask}");
    for typed in ["", "main key", "Main"] {
        assert_eq!(
            (deed("revoke", &[("typed", typed)]).await, world.works(secret).await),
            (422, 200),
            "{typed}"
        );
    }
    // As the page shows it, where two spaces are one.
    assert_eq!((deed("revoke", &[("typed", "Main key")]).await, world.works(secret).await), (303, 401));
    assert_eq!(text(&world.key(id).await, "status"), "revoked");
    assert_eq!(deed("enable", &[]).await, 422);
    assert_eq!((deed("delete", &[]).await, deed("delete", &[("typed", "Main key")]).await), (422, 303));
    assert_eq!(owner.open(&format!("keys/{id}")).await.status, 404);
    assert_eq!(owner.open(&format!("keys/{id}/explode")).await.status, 404);
}

/// So many that what goes on besides is little beside them.
const MANY: u8 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_that_asks_about_many_keys_reads_each_once() {
    let plan = Plan::dev(KEYSTILE).flag("--operations-listen", "127.0.0.1:0").flag("--log", "info");
    let world = World::of(plan.start()).await;
    let (owner, operations) = (Browser::of_owner(&world).await, world.server.operations());
    let mut ids = Vec::new();
    for number in 0..MANY {
        let key = world.create(&json!({ "name": format!("key {number}") })).await;
        ids.push(text(&key, "id").to_owned());
    }
    let reads = async || {
        let page = operations.json("GET", "/metrics", "", &NOTHING).await;
        Page::parse(&page.text).value("keystile_store_transaction_duration_seconds_count{kind=\"read\"}")
    };
    let ids: Vec<_> = ids.iter().map(|id| ("id", id.as_str())).collect();
    let before = reads().await;
    let asked = owner.submit("keys/bulk", &[&ids[..], &[("action", "block")]].concat()).await;
    assert!(asked.text.contains(&format!("Block {MANY} keys?")), "{}", asked.text);
    let (of_each, many) = ((reads().await - before) / f64::from(MANY), 2.0..2.5);
    assert!(many.contains(&of_each), "{of_each} reads of each key: of itself, and from where it is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_keys_are_changed_at_once_and_what_became_of_each_is_told() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let mut keys = Vec::new();
    for name in ["one", "two", "three"] {
        keys.push(world.create(&json!({ "name": name })).await);
    }
    let ids: Vec<_> = keys.iter().map(|key| ("id", text(key, "id"))).collect();
    let bulk = async |ids: &[(&str, &str)], fields: &[(&str, &str)]| {
        owner.submit("keys/bulk", &[ids, fields].concat()).await
    };
    let works = async || {
        let mut all = Vec::new();
        for key in &keys {
            all.push(world.works(text(key, "secret")).await);
        }
        all
    };
    let done = bulk(&ids[..2], &[("action", "disable")]).await;
    assert!(done.status == 200 && done.text.contains("2 keys are disabled"), "{}", done.text);
    assert_eq!(works().await, [401, 401, 200]);
    // Asked first: nothing happens before it is confirmed.
    let ask = bulk(&ids[..2], &[("action", "block")]).await;
    assert!(ask.status == 200 && ask.text.contains("Block 2 keys?"));
    let refused = bulk(&ids[..2], &[("action", "block"), ("confirmed", "yes")]).await;
    assert!(refused.status == 422 && refused.text.contains("id=\"reason-wrong\""));
    assert!(bulk(&ids[..1], &[("action", "revoke")]).await.text.contains("Revoke 1 key?"));
    let wrong = bulk(&ids[..1], &[("action", "revoke"), ("confirmed", "yes"), ("typed", "2")]).await;
    assert!(wrong.status == 422 && wrong.text.contains("type 1 to go on"), "{}", wrong.text);
    let done =
        bulk(&ids[..1], &[("action", "revoke"), ("confirmed", "yes"), ("typed", "1"), ("reason", "old")])
            .await;
    assert!(done.text.contains("1 key is revoked"), "{}", done.text);
    assert_eq!(text(&world.key(ids[0].1).await, "revoked_reason"), "old");
    let mixed = bulk(&ids, &[("action", "enable")]).await;
    assert!(
        mixed.text.contains("2 keys are enabled") && mixed.text.contains("which is final"),
        "{}",
        mixed.text
    );
    assert_eq!(works().await, [401, 200, 200]);
    let blocked = bulk(&ids[2..], &[("action", "block"), ("confirmed", "yes"), ("reason", "unpaid")]).await;
    assert!(blocked.text.contains("1 key is blocked"));
    assert_eq!(works().await, [401, 200, 403]);
    assert_eq!(bulk(&[], &[("action", "disable")]).await.status, 400);
    assert_eq!(bulk(&ids, &[("action", "explode")]).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_keys_and_changes_none() {
    let world = World::start().await;
    let (viewer, developer) =
        (Browser::of_member(&world, "viewer").await, Browser::of_member(&world, "developer").await);
    let key = world.create(&json!({ "name": "seen" })).await;
    let id = text(&key, "id");
    let (list, page) = (viewer.page("keys").await, viewer.page(&format!("keys/{id}")).await);
    assert!(
        list.contains("seen") && !list.contains("New Key") && !list.contains("type=\"checkbox\""),
        "{list}"
    );
    assert!(
        page.contains("seen") && !page.contains(&format!("{id}/edit")) && !page.contains("Revoke"),
        "{page}"
    );
    let pages = ["keys/new", "keys/permissions"].map(str::to_owned).into_iter();
    let of_key = ["edit", "rotate", "regenerate", "disable", "block", "revoke", "delete"]
        .map(|what| format!("keys/{id}/{what}"));
    for path in pages.chain(of_key) {
        assert_eq!(viewer.open(&path).await.status, 403, "{path}");
        assert_eq!(developer.open(&path).await.status, 200, "{path}");
        if path != "keys/permissions" {
            let fields = [
                ("name", "mine"),
                ("version", "1"),
                ("typed", "seen"),
                ("reason", "x"),
                ("overlap_seconds", "0"),
            ];
            assert_eq!(viewer.submit(&path, &fields).await.status, 403, "{path}");
        }
    }
    assert_eq!(viewer.submit("keys/bulk", &[("id", id), ("action", "disable")]).await.status, 403);
    assert_eq!(world.works(text(&key, "secret")).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_change_no_key() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let key = world.create(&json!({ "name": "mine" })).await;
    let revoke = format!("keys/{}/revoke", text(&key, "id"));
    let fields = [("typed", "mine")];
    assert_eq!(owner.submit_without_token(&revoke, &fields).await.status, 403);
    assert_eq!(owner.submit_from_elsewhere(&revoke, &fields).await.status, 403);
    assert_eq!(world.works(text(&key, "secret")).await, 200);
    assert_eq!(owner.submit(&revoke, &fields).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_applications_of_another_tenant_are_not_there() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let tenant = world.ask("POST", "/api/v1/tenants", &json!({ "name": "Other" })).await.expect(201);
    let other = format!("/api/v1/tenants/{}", text(&tenant, "id"));
    let application =
        world.ask("POST", &format!("{other}/applications"), &json!({ "name": "theirs" })).await.expect(201);
    let key = world.ask("POST", &format!("{other}/api-keys"), &json!({ "name": "theirs" })).await.expect(201);
    let (id, application) = (text(&key, "id"), text(&application, "id"));
    for path in ["", "/edit", "/rotate", "/regenerate", "/disable", "/revoke", "/delete"] {
        let path = format!("keys/{id}{path}");
        assert_eq!(owner.open(&path).await.status, 404, "{path}");
        if path.matches('/').count() > 1 {
            let fields = [("name", "a"), ("version", "1"), ("typed", "theirs"), ("overlap_seconds", "0")];
            assert_eq!(owner.submit(&path, &fields).await.status, 404, "{path}");
        }
    }
    let done = owner.submit("keys/bulk", &[("id", id), ("action", "disable")]).await;
    assert!(done.text.contains("there is no such API key") && !done.text.contains("theirs"), "{}", done.text);
    let made = owner
        .submit(
            "keys/new",
            &[("name", "a"), ("application_id", application), ("kind", "service"), ("expiry", "never")],
        )
        .await;
    assert_eq!(made.status, 404, "{}", made.text);
    assert!(!owner.page(&format!("keys/permissions?application_id={application}")).await.contains("theirs"));
    assert_eq!(world.works(text(&key, "secret")).await, 200);
}
