//! `verify-batch`: as many answers as questions, each as if it had been asked alone.

use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::isolation::Two;
use crate::world::{World, text};

pub(crate) const PATH: &str = "/api/v1/keys/verify-batch";

impl World {
    async fn batch(&self, requests: &Value) -> Answer {
        self.http.json("POST", PATH, &self.asker(), &json!({ "requests": requests })).await
    }

    async fn answers(&self, requests: &Value) -> Vec<Value> {
        let answer = self.batch(requests).await;
        assert_eq!(answer.header("content-type"), "application/json");
        answer.expect(200)["answers"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_question_of_a_batch_is_answered_as_alone() {
    let world = World::start().await;
    let full = json!({ "name": "full", "scopes": ["orders:read"], "source_id": "shop", "metadata": { "plan": "a \"b\" ü" } });
    let (good, other) = (world.create(&full).await, world.create(&json!({ "name": "other" })).await);
    let revoked = world.create(&json!({ "name": "revoked" })).await;
    world.change("POST", text(&revoked, "id"), "/revoke", &NOTHING).await.expect(200);
    let requests = json!([
        { "key": good["secret"], "permissions": ["orders:read"] },
        { "key": "sk_ks_live_nonsense" },
        { "key": revoked["secret"] },
        { "key": good["secret"], "permissions": { "any": ["orders:write"] } },
        { "key": "9f8e7d6c5b4a39281706f5e4d3c2b1a0" },
        { "key": other["secret"], "environment": "staging" },
        { "key": good["secret"], "permissions": ["orders:read"] },
    ]);
    let answers = world.answers(&requests).await;
    let codes: Vec<_> = answers.iter().map(|answer| text(answer, "code")).collect();
    let expected = [
        "allowed",
        "key_malformed",
        "key_revoked",
        "permission_denied",
        "key_not_found",
        "wrong_environment",
        "allowed",
    ];
    assert_eq!(codes, expected);
    for (request, answer) in requests.as_array().unwrap().iter().zip(&answers) {
        assert_eq!(world.verify(request).await, *answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_breaks_a_rule_spoils_no_other() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "good" })).await["secret"].clone();
    let many: Vec<_> = (0..201).map(|number| format!("a:{number}")).collect();
    let requests = json!([
        { "key": key },
        { "key": key, "permissions": ["not a permission"] },
        { "key": key, "customer_id": "globex" },
        { "key": key, "enviroment": "production" },
        { "permissions": [] },
        [key],
        { "key": key, "cost": 1_000_000_001 },
        { "key": key, "permissions": many },
        { "key": key, "explain": true },
        { "key": key },
    ]);
    let answers = world.answers(&requests).await;
    assert_eq!(answers.len(), 10);
    for good in [&answers[0], &answers[9]] {
        assert_eq!((&good["valid"], text(good, "code")), (&Value::Bool(true), "allowed"));
    }
    let fields = [
        "requests[1].permissions[0]",
        "requests[2].customer_id",
        "requests[3].enviroment",
        "requests[4].key",
        "requests[5]",
        "requests[6].cost",
        "requests[7].permissions",
        "requests[8].explain",
    ];
    for (broken, field) in answers[1..9].iter().zip(fields) {
        let told = (&broken["valid"], text(broken, "code"), text(&broken["errors"][0], "field"));
        assert_eq!(told, (&Value::Bool(false), "invalid_request", field));
    }
    assert!(!format!("{answers:?}").contains("sk_"), "no secret is echoed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "limited", "rpm_limit": 1_000 })).await["secret"].clone();
    for (body, field) in [
        (json!({}), "requests"),
        (json!({ "requests": {} }), "requests"),
        (json!({ "requests": [], "explain": true }), "explain"),
        (json!([[]]), ""),
        (json!({ "requests": vec![json!({ "key": key }); 1_001] }), "requests"),
        (
            json!({ "requests": vec![json!({ "key": key, "permissions": vec!["a:b"; 11] }); 1_000] }),
            "requests",
        ),
    ] {
        let refused = world.http.json("POST", PATH, &world.asker(), &body).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
    assert_eq!(world.answers(&json!([])).await, [] as [Value; 0]);
    let most = world.answers(&json!(vec![json!({ "key": key }); 1_000])).await;
    assert!(most.iter().all(|answer| answer["valid"] == true), "those that were refused counted nothing");
    assert_eq!(most[999]["limits"][0]["remaining"], 0, "each of a thousand was counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_long_answers_arrive_whole() {
    let world = World::start().await;
    let metadata = json!({ "note": "x".repeat(15_000) });
    let key = world.create(&json!({ "name": "long", "metadata": metadata })).await["secret"].clone();
    let answer = world.batch(&json!(vec![json!({ "key": key }); 1_000])).await;
    assert_eq!(answer.header("content-length"), "", "it is written while it is sent");
    let answers = answer.expect(200)["answers"].as_array().unwrap().clone();
    assert_eq!(answers.len(), 1_000);
    assert!(answers.iter().all(|answer| answer["metadata"] == metadata));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_other_tenants_are_unknown_in_a_batch() {
    let two = Two::start().await;
    let theirs = two.key["secret"].clone();
    let answers = two.a.answers(&json!([{ "key": theirs }])).await;
    assert_eq!(answers, [json!({ "valid": false, "code": "key_not_found" })]);
}
