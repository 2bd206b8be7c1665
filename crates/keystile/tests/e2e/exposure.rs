//! What is told of a key that leaked: exactly the requests that were made with it.

use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::isolation::Two;
use crate::world::{World, as_key, text, verify};

fn groups(exposure: &Value, kind: &str) -> Vec<(Value, u64, bool)> {
    let group = |one: &Value| (one["value"].clone(), one["count"].as_u64().unwrap(), one["is_new"] == true);
    exposure[kind]["data"].as_array().unwrap().iter().map(group).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_revoke_exactly_the_requests_since_the_leak_are_told_of() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "leaked", "scopes": ["keystile.keys:verify"] })).await;
    let other = world.create(&json!({ "name": "other" })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    let told = |uri, agent| [("x-forwarded-uri", uri), ("user-agent", agent)];
    world.passage(secret, "production", &told("/orders", "shop/1")).await;
    let before = world.logged(&format!("&key_id={id}")).await;
    // The log tells time to the millisecond: a report begins behind the last request before.
    let since = loop {
        let now = world.verify(&json!({ "key": "sk_x" })).await;
        assert_eq!(now["code"], "key_malformed");
        let latest = world.logged("&code=key_malformed&face=verify").await;
        let moment = text(&latest[0], "at").to_owned();
        if moment.as_str() > text(&before[0], "at") {
            break moment;
        }
    };
    world.passage(secret, "production", &told("/orders", "shop/1")).await;
    world.passage(secret, "production", &told("/admin", "curl/8")).await;
    world.verify(&json!({ "key": secret, "ip": "198.51.100.9" })).await;
    let about_other = json!({ "key": other["secret"] });
    verify(&world.http, &as_key(secret), &about_other).await;
    world.change("POST", id, "/revoke", &json!({ "reason": "leaked" })).await.expect(200);
    world.passage(secret, "production", &told("/admin", "curl/8")).await;
    world.passage(text(&other, "secret"), "production", &told("/admin", "curl/9")).await;

    let exposure = world.read(&format!("{}/{id}/exposure?since={since}", world.keys())).await;
    let counts = ["total", "allowed", "refused", "missing"].map(|name| exposure[name].as_u64().unwrap());
    assert_eq!(counts, [5, 4, 1, 0], "{exposure}");
    assert_eq!(exposure["refused_by_code"], json!({ "key_revoked": 1 }));
    assert_eq!(exposure["complete"], true);
    let new = groups(&exposure, "addresses").into_iter().filter(|(_, _, is_new)| *is_new).collect::<Vec<_>>();
    assert_eq!(new, [(json!("198.51.100.9"), 1, true)]);
    let agents = groups(&exposure, "user_agents");
    assert_eq!(agents[0], (json!("curl/8"), 2, true));
    assert!(agents.contains(&(json!("shop/1"), 1, false)), "{agents:?}");
    assert_eq!(groups(&exposure, "paths")[0], (json!("/admin"), 2, true));
    let listed = world.logged(&format!("&key_id={id}&from={since}")).await;
    assert_eq!(exposure["requests"], json!(listed));
    assert_eq!((&exposure["first_at"], &exposure["last_at"]), (&listed[4]["at"], &listed[0]["at"]));
    // Without a moment it begins a day before the revoke, or with the first report.
    let all = world.read(&format!("{}/{id}/exposure", world.keys())).await;
    assert_eq!((&all["total"], &all["complete"]), (&json!(6), &json!(true)));
    world.http.json("POST", "/api/v1/leaks/report", "", &json!({ "key": secret })).await.expect(202);
    let reported = world.read(&format!("{}/{id}/exposure", world.keys())).await;
    assert_eq!(reported["total"], 0);
    world.change("DELETE", id, "", &NOTHING).await.expect(204);
    assert_eq!(world.read(&format!("{}/{id}/exposure?since={since}", world.keys())).await["total"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_may_lack_something_says_so() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "quiet" })).await;
    let path = format!("{}/{}/exposure", world.keys(), text(&key, "id"));
    assert_eq!(world.read(&path).await["complete"], true);
    world.ask("PATCH", &world.tenant(), &json!({ "log_requests": "refused" })).await.expect(200);
    assert_eq!(world.read(&path).await["complete"], false, "what was allowed is not logged");
    let future = world.ask("GET", &format!("{path}?since=9999-01-01T00:00:00Z"), &NOTHING).await;
    future.expect_problem(400, "invalid_request");
    assert_eq!(future.fields(), ["since"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_begins_while_less_was_logged_is_not_complete() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "quiet" })).await;
    let path = format!("{}/{}/exposure", world.keys(), text(&key, "id"));
    let set = async |settings: Value| {
        world.ask("PATCH", &world.tenant(), &settings).await.expect(200);
        world.read(&path).await
    };
    assert_eq!(set(json!({ "log_days": 1 })).await["complete"], true, "it is younger than a day");
    assert_eq!(set(json!({ "log_requests": "none" })).await["complete"], false);
    let again = set(json!({ "log_requests": "all", "log_days": 30 })).await;
    assert_eq!(again["complete"], false, "what was not logged does not come back");
    assert!(text(&again, "log_from") > text(&key, "created_at"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_a_time_in_which_the_server_was_ended_by_force_is_not_complete() {
    let mut world = World::start().await;
    let key = world.create(&json!({ "name": "kept" })).await;
    let path = format!("{}/{}/exposure", world.keys(), text(&key, "id"));
    world.server.stop();
    world.start_again();
    let stopped = world.read(&path).await;
    assert_eq!((&stopped["complete"], &stopped["breaks"]), (&json!(true), &json!([])));
    world.server.kill();
    world.start_again();
    let killed = world.read(&path).await;
    assert_eq!((&killed["complete"], killed["breaks"].as_array().map(Vec::len)), (&json!(false), Some(1)));
    let span = &killed["breaks"][0];
    assert!(text(span, "from") < text(span, "to") && text(span, "to") <= text(&killed, "until"), "{killed}");
    let since = text(&killed, "until");
    let afterwards = world.read(&format!("{path}?since={since}")).await;
    assert_eq!((&afterwards["complete"], &afterwards["breaks"]), (&json!(true), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_a_key_of_another_tenant() {
    let two = Two::start().await;
    let path = format!("{}/{}/exposure", two.a.keys(), text(&two.key, "id"));
    two.a.ask("GET", &path, &NOTHING).await.expect_problem(404, "not_found");
}
