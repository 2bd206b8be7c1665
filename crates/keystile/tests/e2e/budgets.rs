//! Budgets and tokens: what is held for an estimate, what is charged, and that no more than a budget is spent.

use keystile_testkit::http::{Answer, NOTHING};
use keystile_testkit::postgres::{Durability, Postgres};
use keystile_testkit::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::isolation::Two;
use crate::world::{World, as_key, text, verify};

impl World {
    /// Asks about a key with an estimate.
    pub(crate) async fn estimate(&self, key: &Value, estimate: &Value) -> Value {
        self.verify(&json!({ "key": key["secret"], "estimate": estimate })).await
    }

    pub(crate) async fn settle(&self, hold: &str, actual: &Value) -> Answer {
        let path = format!("/api/v1/holds/{hold}/settle");
        self.http.json("POST", &path, &self.asker(), &json!({ "actual": actual })).await
    }

    /// What the ledger has of a key, latest first.
    async fn ledger_of(&self, key: &Value) -> Vec<Value> {
        let path = format!("{}/ledger?key_id={}&limit=200", self.tenant(), text(key, "id"));
        self.read(&path).await["data"].as_array().unwrap().clone()
    }

    async fn spend_of(&self, key: &Value) -> Value {
        self.read(&format!("{}/{}", self.keys(), text(key, "id"))).await["spend_usd"].clone()
    }
}

fn nanos(dollars: &Value) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a few dollars")]
    let nanos = (dollars.as_f64().unwrap() * 1e9).round() as i64;
    nanos
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_estimated_is_held_and_settled_to_what_it_cost() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "max_budget_usd": 1.0, "budget_period": "day" })).await;
    let held = world.estimate(&key, &json!({ "tokens": 100, "cost_usd": 0.6 })).await;
    assert_eq!(held["code"], "allowed", "{held}");
    assert_eq!((&held["budget"]["held_usd"], &held["budget"]["remaining_usd"]), (&json!(0.6), &json!(0.4)));
    let hold = text(&held, "hold_id");
    let open = world.read(&format!("{}/holds?key_id={}", world.tenant(), text(&key, "id"))).await;
    assert_eq!((&open["data"][0]["id"], &open["data"][0]["cost_usd"]), (&json!(hold), &json!(0.6)));

    let refused = world.estimate(&key, &json!({ "cost_usd": 0.400_000_001 })).await;
    assert_eq!((&refused["valid"], text(&refused, "code")), (&json!(false), "budget_exhausted"));
    assert_eq!(refused["hold_id"], Value::Null);

    let settled = world.settle(hold, &json!({ "tokens": 70, "cost_usd": 0.25 })).await.expect(200);
    assert_eq!((&settled["state"], &settled["charged_usd"]), (&json!("settled"), &json!(0.25)));
    world.settle(hold, &json!({})).await.expect_problem(409, "hold_over");
    let again = world.settle(hold, &json!({ "tokens": 70, "cost_usd": 0.25 })).await.expect(200);
    assert_eq!(again, settled, "who says the same again is told the same");
    let rows = world.ledger_of(&key).await;
    assert_eq!((rows.len(), &rows[0]["cost_usd"], &rows[0]["basis"]), (1, &json!(0.25), &json!("counted")));
    assert_eq!(world.spend_of(&key).await, json!(0.25));
    let rest = world.estimate(&key, &json!({ "cost_usd": 0.75 })).await;
    assert_eq!(rest["code"], "allowed", "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_hold_no_more_than_the_budget() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "max_budget_usd": 1.0 })).await;
    let question = json!({ "key": key["secret"], "estimate": { "cost_usd": 0.013 } });
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let (http, asker, question) = (world.http.clone(), world.asker(), question.clone());
        calls.spawn(async move { verify(&http, &asker, &question).await });
    }
    let answers = calls.join_all().await;
    let held: Vec<_> = answers.iter().filter_map(|answer| answer["hold_id"].as_str()).collect();
    assert_eq!(held.len(), 76, "as many as fit");
    for hold in &held {
        world.settle(hold, &json!({ "cost_usd": 0.013 })).await.expect(200);
    }
    let charged: i64 = world.ledger_of(&key).await.iter().map(|row| nanos(&row["cost_usd"])).sum();
    assert_eq!(charged, 76 * 13_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_needs_more_than_all_tokens_is_told_so_and_others_wait() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "slow", "tpm_limit": 100 })).await;
    let never = world.estimate(&key, &json!({ "tokens": 101 })).await;
    assert_eq!(never["code"], "tokens_limited");
    assert_eq!(never["limited_by"]["retry_after_seconds"], Value::Null, "{never}");
    let first = world.estimate(&key, &json!({ "tokens": 80 })).await;
    assert_eq!((&first["code"], &first["tokens"]["limit"]), (&json!("allowed"), &json!(100)));
    let second = world.estimate(&key, &json!({ "tokens": 80 })).await;
    assert_eq!((&second["code"], &second["limited_by"]["name"]), (&json!("tokens_limited"), &json!("tpm")));
    assert!(second["limited_by"]["retry_after_seconds"].as_u64().unwrap() > 0, "{second}");
    world.settle(text(&first, "hold_id"), &json!({ "tokens": 5 })).await.expect(200);
    assert_eq!(world.estimate(&key, &json!({ "tokens": 80 })).await["code"], "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_tells_of_tokens_and_budget_and_holds_nothing() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "tpm_limit": 10, "max_budget_usd": 0.5 })).await;
    let estimate = json!({ "tokens": 11, "cost_usd": 0.6 });
    let question = json!({ "key": key["secret"], "estimate": estimate, "explain": true });
    let answer = world.verify(&question).await;
    let failed = answer["checks"].as_array().unwrap().iter().filter(|check| check["result"] == "failed");
    let failed: Vec<_> = failed.map(|check| text(check, "check")).collect();
    assert_eq!((text(&answer, "code"), failed), ("tokens_limited", vec!["tokens", "budget"]));
    assert_eq!(answer["budget"]["remaining_usd"], json!(0.5));
    assert_eq!(world.read(&format!("{}/holds", world.tenant())).await["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_counts_when_the_budget_and_its_period_change() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "max_budget_usd": 1.0 })).await;
    let held = world.estimate(&key, &json!({ "cost_usd": 0.3 })).await;
    world.settle(text(&held, "hold_id"), &json!({})).await.expect(200);
    let open = world.estimate(&key, &json!({ "cost_usd": 0.2 })).await;
    assert_eq!(open["code"], "allowed");
    let change = json!({ "max_budget_usd": 0.6, "budget_period": "month" });
    world.change("PATCH", text(&key, "id"), "", &change).await.expect(200);
    // 0.3 is spent and 0.2 is held under the other period, which has this day in it, too.
    let refused = world.estimate(&key, &json!({ "cost_usd": 0.11 })).await;
    assert_eq!(refused["code"], "budget_exhausted", "{refused}");
    let fits = world.estimate(&key, &json!({ "cost_usd": 0.1 })).await;
    assert_eq!(fits["code"], "allowed", "{fits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_a_row_of_its_own_and_the_budget_follows() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "max_budget_usd": 1.0 })).await;
    let held = world.estimate(&key, &json!({ "cost_usd": 1.0 })).await;
    world.settle(text(&held, "hold_id"), &json!({})).await.expect(200);
    let rows = world.ledger_of(&key).await;
    assert_eq!(rows[0]["basis"], "hold", "nothing was told of what was used");
    let correct = format!("{}/ledger/{}/correct", world.tenant(), text(&rows[0], "id"));
    let body = json!({ "amount_usd": 0.4, "reason": "the upstream billed less" });
    let corrected = world.ask("POST", &correct, &body).await.expect(200);
    assert_eq!((&corrected["amount_usd"], &corrected["correction"]["cost_usd"]), (&json!(0.4), &json!(-0.6)));
    let again = world.ask("POST", &correct, &body).await.expect(200);
    assert_eq!(again["correction"], Value::Null, "it is corrected already");
    assert_eq!(world.spend_of(&key).await, json!(0.4));
    assert_eq!(world.estimate(&key, &json!({ "cost_usd": 0.6 })).await["code"], "allowed");
    let own = format!("{}/ledger/{}/correct", world.tenant(), text(&corrected["correction"], "id"));
    world.ask("POST", &own, &body).await.expect_problem(409, "is_correction");
    let audit = world.read(&format!("{}/audit?action=ledger.correct", world.tenant())).await;
    assert_eq!(audit["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_a_hold_by_hand_and_the_log_tells_who() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "max_budget_usd": 1.0 })).await;
    let held = world.estimate(&key, &json!({ "cost_usd": 0.9 })).await;
    let path = format!("{}/holds/{}/settle", world.tenant(), text(&held, "hold_id"));
    let body = json!({ "actual": { "cost_usd": 0.1 }, "reason": "the worker died" });
    let settled = world.ask("POST", &path, &body).await.expect(200);
    assert_eq!(settled["charged_usd"], json!(0.1));
    assert_eq!(world.ask("POST", &path, &body).await.expect(200), settled);
    let other = json!({ "actual": { "cost_usd": 0.2 } });
    world.ask("POST", &path, &other).await.expect_problem(409, "hold_over");
    let row = &world.ledger_of(&key).await[0];
    assert_eq!((&row["reason"], &row["hold_id"]), (&json!("the worker died"), &held["hold_id"]));
    let audit = world.read(&format!("{}/audit?action=hold.settle", world.tenant())).await;
    assert_eq!(audit["data"][0]["target"], held["hold_id"]);
    assert_eq!(audit["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn spending_is_told_by_key_model_and_day() {
    let world = World::start().await;
    let key =
        world.create(&json!({ "name": "llm", "kind": "virtual_llm", "allowed_models": ["gpt-*"] })).await;
    for cost in [0.1, 0.2] {
        let estimate = json!({ "tokens": 10, "cost_usd": cost });
        let question = json!({ "key": key["secret"], "model": "gpt-4o", "estimate": estimate });
        let held = world.verify(&question).await;
        world.settle(text(&held, "hold_id"), &json!({ "tokens": 8 })).await.expect(200);
    }
    for (by, name) in [("key", text(&key, "id")), ("model", "gpt-4o")] {
        let told = world.read(&format!("{}/spend?by={by}", world.tenant())).await;
        let item = &told["data"][0];
        assert_eq!(
            (text(item, "name"), &item["requests"], nanos(&item["cost_usd"])),
            (name, &json!(2), 300_000_000)
        );
        assert_eq!(told["total"]["input_tokens"], json!(16));
    }
    let days = world.read(&format!("{}/spend?by=day", world.tenant())).await;
    assert_eq!(days["data"].as_array().unwrap().len(), 1);
    let customers = world.read(&format!("{}/spend?by=customer", world.tenant())).await;
    assert_eq!(customers["data"][0]["name"], Value::Null, "the key is restricted to none");
    assert_eq!(customers["has_more"], json!(false));
    for (filter, cost) in [
        (format!("key_id={}", text(&key, "id")), 300_000_000),
        (format!("application_id={}", text(&key, "application_id")), 300_000_000),
        (format!("environment={}", text(&key, "environment")), 300_000_000),
        ("model=gpt-4o".to_owned(), 300_000_000),
        ("model=o3".to_owned(), 0),
        ("customer_id=cus_01J00000000000000000000001".to_owned(), 0),
        (format!("key_id={}&environment=development", text(&key, "id")), 0),
    ] {
        let told = world.read(&format!("{}/spend?by=model&{filter}", world.tenant())).await;
        assert_eq!(nanos(&told["total"]["cost_usd"]), cost, "{filter}");
        assert_eq!(told["data"].as_array().unwrap().is_empty(), cost == 0, "{filter}");
    }
    for (query, field) in [("by=key&from=2020-01-01T00:00:00Z", "from"), ("customer=cus_1", "customer")] {
        let refused = world.ask("GET", &format!("{}/spend?{query}", world.tenant()), &NOTHING).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_loses_nothing_and_leaves_callers_their_holds() {
    let mut world = World::start().await;
    let key = world.create(&json!({ "name": "llm", "max_budget_usd": 1.0, "tpm_limit": 100 })).await;
    let held = world.estimate(&key, &json!({ "cost_usd": 0.5, "tokens": 60 })).await;
    world.server.stop();
    world.start_again();
    let refused = world.estimate(&key, &json!({ "cost_usd": 0.6 })).await;
    assert_eq!(refused["code"], "budget_exhausted", "{refused}");
    world.settle(text(&held, "hold_id"), &json!({ "cost_usd": 0.1 })).await.expect(200);
    assert_eq!(world.estimate(&key, &json!({ "cost_usd": 0.9 })).await["code"], "allowed");
    let lost = world.read(&format!("{}/ledger?kind=lost", world.tenant())).await;
    assert_eq!(lost["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_a_database_tells_which_charges_are_in_no_ledger() {
    let mut postgres = Postgres::start(Durability::Off).unwrap();
    let world = World::at(postgres.url()).await;
    let (free, budgeted) = (
        world.create(&json!({ "name": "free" })).await,
        world.create(&json!({ "name": "llm", "max_budget_usd": 1.0 })).await,
    );
    let estimate = json!({ "tokens": 10, "cost_usd": 0.6 });
    // What is known and leased since then serves without the database, so that no hold is written as open.
    for key in [&free, &budgeted] {
        let held = world.estimate(key, &estimate).await;
        let nothing = json!({ "tokens": 0, "cost_usd": 0.0 });
        world.settle(text(&held, "hold_id"), &nothing).await.expect(200);
        assert_eq!(world.ledger_of(key).await.len(), 1);
    }
    postgres.kill();
    for (key, cost) in [(&free, 0.25), (&budgeted, 0.5)] {
        let held = world.estimate(key, &estimate).await;
        let actual = json!({ "tokens": 4, "cost_usd": cost });
        world.settle(text(&held, "hold_id"), &actual).await.expect(200);
    }
    world.server.process().terminate();
    let told = |what: &str| {
        let what = what.to_owned();
        until(&what, || world.server.process().stderr().contains(&what).then_some(()));
    };
    told(
        "charges=2 keys=2 tokens=8 cost=$0.750000000 counted=$0.500000000 missing=$0.250000000 held=$0.000000000",
    );
    told(&format!("key_id={} charges=1 tokens=4 cost=$0.250000000 counted=$0.000000000", text(&free, "id")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_tenant_settles_no_hold_of_ours() {
    let two = Two::start().await;
    let key = two.a.create(&json!({ "name": "llm" })).await;
    let held = two.a.estimate(&key, &json!({ "cost_usd": 0.5 })).await;
    let path = format!("/api/v1/holds/{}/settle", text(&held, "hold_id"));
    let theirs = as_key(text(&two.key, "secret"));
    let body = json!({ "actual": {} });
    two.a.http.json("POST", &path, &theirs, &body).await.expect_problem(404, "not_found");
    two.a.settle(text(&held, "hold_id"), &json!({})).await.expect(200);
    assert_eq!(
        two.a.ask("GET", &format!("{}/holds", two.a.tenant()), &NOTHING).await.json["data"],
        json!([])
    );
}
