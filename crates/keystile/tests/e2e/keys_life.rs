//! What happens to a key, and the lists in which it stands.

use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::world::{World, text};

/// The code of a key's secret now.
async fn code(world: &World, key: &Value) -> String {
    text(&world.verify(&json!({ "key": key["secret"] })).await, "code").to_owned()
}

/// A switch that must work; the record after it.
async fn switched(world: &World, key: &Value, what: &str, body: &Value) -> Value {
    world.change("POST", text(key, "id"), what, body).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_switched_off_and_on() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "switched" })).await;
    for _ in 0..2 {
        let off = switched(&world, &key, "/disable", &NOTHING).await;
        assert_eq!((&off["status"], &off["version"]), (&json!("inactive"), &json!(2)), "twice is once");
    }
    assert_eq!(code(&world, &key).await, "key_inactive");
    let on = switched(&world, &key, "/enable", &NOTHING).await;
    assert_eq!((&on["status"], &on["version"]), (&json!("active"), &json!(3)));
    assert_eq!(code(&world, &key).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_stands_beside_the_status() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "blocked" })).await;
    let reason = json!({ "reason": "billing" });
    let blocked = switched(&world, &key, "/block", &reason).await;
    let told = [&blocked["status"], &blocked["blocked"], &blocked["blocked_reason"]];
    assert_eq!(told, [&json!("active"), &json!(true), &json!("billing")]);
    assert_eq!(code(&world, &key).await, "key_blocked");
    switched(&world, &key, "/disable", &NOTHING).await;
    assert_eq!(code(&world, &key).await, "key_inactive", "the status comes first");
    let open = switched(&world, &key, "/unblock", &NOTHING).await;
    let told = [&open["status"], &open["blocked"], &open["blocked_reason"]];
    assert_eq!(told, [&json!("inactive"), &json!(false), &Value::Null]);
    switched(&world, &key, "/enable", &NOTHING).await;
    assert_eq!(code(&world, &key).await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_is_final() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "revoked" })).await;
    let revoked = switched(&world, &key, "/revoke", &json!({ "reason": "leaked" })).await;
    assert_eq!((text(&revoked, "status"), text(&revoked, "revoked_reason")), ("revoked", "leaked"));
    let again = switched(&world, &key, "/revoke", &json!({ "reason": "another" })).await;
    assert_eq!(again, revoked, "the second time changes nothing");
    for (what, body) in [
        ("/enable", NOTHING),
        ("/disable", NOTHING),
        ("/regenerate", NOTHING),
        ("/block", json!({ "reason": "late" })),
        ("/unblock", NOTHING),
    ] {
        world.change("POST", text(&key, "id"), what, &body).await.expect_problem(409, "key_revoked");
    }
    let patch = json!({ "name": "alive", "expires_at": null });
    world.change("PATCH", text(&key, "id"), "", &patch).await.expect_problem(409, "key_revoked");
    assert_eq!(world.change("GET", text(&key, "id"), "", &NOTHING).await.expect(200), revoked);
    assert_eq!(code(&world, &key).await, "key_revoked");
    let reused = json!({ "name": "again", "secret": key["secret"] });
    let refused = world.ask("POST", &world.keys(), &reused).await;
    assert!((400..500).contains(&refused.status), "a revoked secret comes back: {}", refused.text);
    world.change("DELETE", text(&key, "id"), "", &NOTHING).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_is_gone_but_for_its_history() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "deleted" })).await;
    let id = text(&key, "id");
    let answer = world.change("DELETE", id, "", &NOTHING).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(code(&world, &key).await, "key_revoked");
    for (method, what, body) in [
        ("GET", "", NOTHING),
        ("PATCH", "", json!({ "name": "alive" })),
        ("DELETE", "", NOTHING),
        ("POST", "/revoke", NOTHING),
        ("POST", "/enable", NOTHING),
        ("POST", "/disable", NOTHING),
        ("POST", "/regenerate", NOTHING),
        ("POST", "/block", json!({ "reason": "late" })),
        ("POST", "/unblock", NOTHING),
    ] {
        world.change(method, id, what, &body).await.expect_problem(404, "not_found");
    }
    let ids = async |query: &str| ids(&world.read(&format!("{}{query}", world.keys())).await);
    assert!(!ids("").await.contains(&id.to_owned()));
    assert!(!ids("?status=revoked").await.contains(&id.to_owned()));
    assert!(ids("?include_deleted=true").await.contains(&id.to_owned()));
    let all = world.read(&format!("{}?include_deleted=true&q=deleted", world.keys())).await;
    let shown = &all["data"][0];
    assert_eq!((&shown["is_deleted"], &shown["status"]), (&json!(true), &json!("revoked")));
    assert_eq!((&shown["deleted_by"], shown["deleted_at"].is_string()), (&key["created_by"], true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regenerated_key_is_the_same_key_with_another_secret() {
    let world = World::start().await;
    let body = json!({ "name": "renewed", "environment": "staging", "scopes": ["a:b"], "tags": { "a": 1 } });
    let key = world.create(&body).await;
    let renewed = switched(&world, &key, "/regenerate", &NOTHING).await;
    for field in ["id", "lineage_id", "name", "environment", "scopes", "tags", "created_at", "created_by"] {
        assert_eq!(renewed[field], key[field], "{field}");
    }
    for field in ["secret", "key_fingerprint", "key_hash"] {
        assert_ne!(renewed[field], key[field], "{field}");
    }
    assert!(text(&renewed, "secret").starts_with("sk_ks_stage_"));
    assert_eq!(
        (code(&world, &key).await, code(&world, &renewed).await),
        ("key_not_found".into(), "allowed".into())
    );
    let brought = "d93be6525af0917dc41f8a07-brought";
    let own = switched(&world, &key, "/regenerate", &json!({ "secret": brought })).await;
    assert_eq!((text(&own, "secret"), &own["version"]), (brought, &json!(3)));
    assert_eq!(
        (code(&world, &renewed).await, code(&world, &own).await),
        ("key_not_found".into(), "allowed".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_expires_by_the_clock_alone() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "brief", "expires_at": in_a_moment() })).await;
    let expired = async || (code(&world, &key).await == "key_expired").then_some(());
    keystile_testkit::wait::eventually("the key to expire", expired).await;
    let shown = world.change("GET", text(&key, "id"), "", &NOTHING).await.expect(200);
    assert_eq!((&shown["status"], &shown["version"]), (&json!("expired"), &json!(1)));
    assert_eq!(ids(&world.read(&format!("{}?status=expired", world.keys())).await), [text(&key, "id")]);
    let longer = json!({ "expires_at": "2099-01-01T00:00:00Z" });
    world.change("PATCH", text(&key, "id"), "", &longer).await.expect(200);
    assert_eq!(code(&world, &key).await, "allowed");
}

fn in_a_moment() -> String {
    #[expect(clippy::disallowed_methods, reason = "the server under test reads the same clock")]
    let now = jiff::Timestamp::now();
    (now + jiff::SignedDuration::from_secs(2)).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_guards_a_change_in_header_or_body() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "guarded" })).await;
    let path = format!("{}/{}", world.keys(), text(&key, "id"));
    let send = async |name: &str, tag: &str, version: Value| {
        let request = world.http.request("PATCH", &path).header("authorization", &world.owner);
        let request = request.header("content-type", "application/merge-patch+json").header("if-match", tag);
        let body = json!({ "name": name, "version": version }).to_string();
        world
            .http
            .send(request, if version.is_null() { json!({ "name": name }).to_string() } else { body })
            .await
    };
    let shown = world.ask("GET", &path, &NOTHING).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert_eq!(send("second", "\"1\"", Value::Null).await.header("etag"), "\"2\"");
    let late = send("late", "\"1\"", Value::Null).await;
    late.expect_problem(409, "version_conflict");
    assert_eq!(late.json["current_version"], 2);
    send("third", "\"2\"", json!(2)).await.expect(200);
    send("fourth", "*", json!(3)).await.expect(200);
    let same = send("fourth", "\"4\"", Value::Null).await.expect(200);
    assert_eq!(same["version"], 4, "what changes nothing is no new version");
}

fn ids(page: &Value) -> Vec<String> {
    page["data"].as_array().unwrap().iter().map(|key| text(key, "id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_finds_what_it_names_and_nothing_else() {
    let world = World::start().await;
    let application = json!({ "name": "other" });
    let application =
        world.ask("POST", &format!("{}/applications", world.tenant()), &application).await.expect(201);
    let customer = world.customer("Globex").await;
    let special = json!({ "name": "50%_ off ÄÖ", "environment": "staging", "kind": "virtual_llm",
        "application_id": application["id"], "customer_id": customer, "source_id": "shop", "trust_level": "trusted" });
    let special = world.create(&special).await;
    world.create(&json!({ "name": "500 coffees" })).await;
    switched(&world, &special, "/disable", &NOTHING).await;
    let application = text(&application, "id");
    for query in [
        "environment=staging&kind=virtual_llm",
        "status=inactive",
        "kind=virtual_llm",
        &format!("application_id={application}"),
        &format!("customer_id={customer}"),
        "source_id=shop",
        "trust_level=trusted",
        "q=50%25_",
        "q=%C3%84%C3%96",
        &format!("q=off&trust_level=trusted&customer_id={customer}&limit=200"),
    ] {
        let found = world.read(&format!("{}?{query}", world.keys())).await;
        assert_eq!(ids(&found), [text(&special, "id")], "{query}");
        assert_eq!(found["next_cursor"], Value::Null);
    }
    for query in ["q=nothing+is+called+so", "status=active&source_id=shop", "source_id=sho", "q=%25%25"] {
        assert_eq!(ids(&world.read(&format!("{}?{query}", world.keys())).await), [""; 0], "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_by_tag_by_disuse_and_by_their_need_of_rotation() {
    let mut world = World::start().await;
    let tags = json!({ "team": "payments", "regions": ["eu", "us"], "tier": 1, "live": true, "a:b": "c" });
    let tagged = world.create(&json!({ "name": "tagged", "tags": tags })).await;
    let other =
        world.create(&json!({ "name": "other", "tags": { "team": "web", "nested": { "tier": 1 } } })).await;
    let (tagged, other) = (text(&tagged, "id").to_owned(), text(&other, "id").to_owned());
    let found =
        async |world: &World, query: &str| ids(&world.read(&format!("{}?{query}", world.keys())).await);
    for query in
        ["tag=team:payments", "tag=regions", "tag=regions:us", "tag=tier:1", "tag=live:true", "tag=a:b:c"]
    {
        assert_eq!(found(&world, query).await, [tagged.as_str()], "{query}");
    }
    assert_eq!(found(&world, "tag=team").await, [other.as_str(), tagged.as_str()]);
    for query in ["tag=Team", "tag=team:pay", "tag=team:payments&q=other", "tag=tier:2", "tag=payments"] {
        assert_eq!(found(&world, query).await, [""; 0], "{query}");
    }
    let patch = json!({ "tags": { "team": "ops", "tier": null } });
    world.change("PATCH", &tagged, "", &patch).await.expect(200);
    assert_eq!(found(&world, "tag=team:ops").await, [tagged.as_str()]);
    for query in ["tag=team:payments", "tag=tier"] {
        assert_eq!(found(&world, query).await, [""; 0], "{query}");
    }
    world.change("DELETE", &other, "", &NOTHING).await.expect(204);
    assert_eq!(found(&world, "tag=team:web").await, [""; 0]);
    assert_eq!(found(&world, "tag=team:web&include_deleted=true").await, [other]);

    assert_eq!(found(&world, "rotation_due=true").await, [""; 0]);
    assert_eq!(found(&world, "unused_days=1").await, [""; 0]);
    world.server.stop();
    let days = |days: i64| days * 24 * 60 * 60 * 1000;
    world.server.sql(&format!(
        "UPDATE api_keys SET secret_created_at = secret_created_at - {}, created_at = created_at - {}
         WHERE id = '{tagged}'",
        days(90),
        days(120)
    ));
    world.start_again();
    assert_eq!(found(&world, "rotation_due=true").await, [tagged.as_str()]);
    assert!(!found(&world, "rotation_due=false").await.contains(&tagged));
    assert_eq!(found(&world, "unused_days=119&rotation_due=true&tag=live").await, [tagged.as_str()]);
    assert_eq!(found(&world, "unused_days=121").await, [""; 0]);
    assert_eq!(found(&world, "blocked=true").await, [""; 0]);
    assert_eq!(found(&world, "expires_within_days=3650").await, [""; 0]);
    let shown = world.change("GET", &tagged, "", &NOTHING).await.expect(200);
    assert_eq!(shown["rotation_due"], true);
    assert!(
        text(&shown, "rotation_due_at") <= text(&world.create(&json!({ "name": "now" })).await, "created_at")
    );
    let renewed = world.change("POST", &tagged, "/regenerate", &NOTHING).await.expect(200);
    assert_eq!(renewed["rotation_due"], false);
    let revoked = world.change("POST", &tagged, "/revoke", &NOTHING).await.expect(200);
    assert_eq!((&revoked["rotation_due"], &revoked["rotation_due_at"]), (&json!(false), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_patches_for_one_version_one_wins() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "raced", "tags": { "kept": 1 } })).await;
    let path = format!("{}/{}", world.keys(), text(&key, "id"));
    let clients = (0..100).map(|number| {
        let (http, owner, path) = (world.http.clone(), world.owner.clone(), path.clone());
        tokio::spawn(async move {
            let body = json!({ "version": 1, "name": format!("client {number}"), "rpm_limit": number + 1,
                "tags": { "client": number }, "metadata": { "client": number } });
            (number, http.json("PATCH", &path, &owner, &body).await)
        })
    });
    let mut winners = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        let (number, answer) = client.await.unwrap();
        if answer.status == 200 {
            winners.push(number);
        } else {
            answer.expect_problem(409, "version_conflict");
            assert_eq!(answer.json["current_version"], 2);
        }
    }
    let [winner] = winners[..] else { panic!("{winners:?} won") };
    let record = world.read(&path).await;
    let whole =
        [&record["version"], &record["name"], &record["rpm_limit"], &record["tags"], &record["metadata"]];
    let expected = [
        json!(2),
        json!(format!("client {winner}")),
        json!(winner + 1),
        json!({ "kept": 1, "client": winner }),
        json!({ "client": winner }),
    ];
    assert_eq!(whole, expected.each_ref());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_no_gaps_and_no_repeats_while_keys_are_made() {
    let world = World::start().await;
    for number in 0..9 {
        world.create(&json!({ "name": format!("key {number}") })).await;
    }
    let before = ids(&world.read(&world.keys()).await);
    assert_eq!(before.len(), 12, "nine, and three of the first start");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.read(&format!("{}?limit=5{cursor}", world.keys())).await;
        seen.extend(ids(&page));
        world.create(&json!({ "name": "meanwhile" })).await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, before);
    let mut newest_first = before.clone();
    newest_first.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(before, newest_first);
}
