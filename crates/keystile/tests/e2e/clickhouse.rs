//! The request log goes to ClickHouse, instead of the store or beside it.

use std::collections::BTreeSet;
use std::process::Command;

use keystile_testkit::clickhouse::{Clickhouse, Mood, PASSWORD, USER};
use keystile_testkit::http::{Http, NOTHING};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::{Map, Value, json};

use crate::console::Browser;
use crate::exposition::Page;
use crate::request_log::{next_event, watch};
use crate::world::{KEYSTILE, World, text};

type Row = Map<String, Value>;

/// A server whose log is in this place, with a listener for operations.
pub(crate) async fn logging_to(url: &str, place: &str) -> World {
    let plan = Plan::dev(KEYSTILE)
        .flag("--request-log", place)
        .flag("--clickhouse-url", url)
        .flag("--clickhouse-user", USER)
        .flag("--clickhouse-database", "logs")
        .flag("--clickhouse-table", "requests")
        .flag("--operations-listen", "127.0.0.1:0")
        .flag("--log", "info")
        .variable("KEYSTILE_CLICKHOUSE_PASSWORD", PASSWORD);
    World::of(plan.start()).await
}

async fn metrics(operations: &Http) -> Page {
    let answer = operations.json("GET", "/metrics", "", &NOTHING).await;
    assert_eq!(answer.status, 200);
    Page::parse(&answer.text)
}

async fn is_away(operations: &Http) -> bool {
    metrics(operations).await.value("keystile_clickhouse_away") > 0.0
}

fn of_key<'r>(rows: &'r [Row], key: &Value) -> Vec<&'r Row> {
    rows.iter().filter(|row| row.get("key_id") == Some(&key["id"])).collect()
}

fn ids(rows: &[&Row]) -> BTreeSet<String> {
    rows.iter().map(|row| row["id"].to_string()).collect()
}

/// What the list says of a request is what its row says.
fn assert_alike(row: &Row, listed: &Value) {
    let known = |column: &str| listed.get(column).is_some_and(|value| !value.is_null());
    let names = "id tenant_id at face environment application_id customer_id key_id method path ip user_agent \
                 code status duration_micros bytes_in bytes_out request_id";
    for column in names.split_ascii_whitespace() {
        assert_eq!(row.contains_key(column), known(column), "{column} in {row:?} and {listed}");
        if let Some(value) = row.get(column) {
            assert_eq!(*value, listed[column], "{column} in {row:?} and {listed}");
        }
    }
    let caller = row.get("asked_by").or(row.get("person"));
    assert_eq!(caller.unwrap_or(&Value::Null), &listed["caller"], "{row:?} and {listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_in_both_places_is_alike() {
    let clickhouse = Clickhouse::start();
    let mut world = logging_to(&clickhouse.url(), "both").await;
    let key = world.create(&json!({ "name": "used" })).await;
    let uri = ("x-forwarded-uri", "/orders/7?page=2");
    let told = [("x-forwarded-method", "PUT"), uri, ("user-agent", "robot/1")];
    assert_eq!(world.passage(text(&key, "secret"), "production", &told).await, 200);
    world.verify(&json!({ "key": key["secret"], "ip": "2001:db8::7" })).await;
    world.change("POST", text(&key, "id"), "/revoke", &NOTHING).await.expect(200);
    assert_eq!(world.passage(text(&key, "secret"), "production", &[]).await, 401);
    let listed = world.logged("").await;
    assert!(listed.len() >= 5, "{listed:?}");
    for one in &listed {
        let row = eventually("the row in ClickHouse", async || {
            clickhouse.rows().into_iter().find(|row| row["id"] == one["id"])
        });
        assert_alike(&row.await, one);
    }
    let page = metrics(&world.server.operations()).await;
    assert!(page.value("keystile_clickhouse_rows_total") >= 5.0);
    for well in [
        "keystile_clickhouse_away",
        "keystile_clickhouse_failures_total",
        "keystile_clickhouse_missing_total{reason=\"no_room\"}",
        "keystile_clickhouse_missing_total{reason=\"refused\"}",
    ] {
        assert_eq!(page.value(well), 0.0, "{well}");
    }
    let documented = include_str!("../../../../docs/operations.md");
    for name in page.names().into_iter().filter(|name| name.starts_with("keystile_clickhouse_")) {
        assert!(documented.contains(&format!("`{name}`")), "docs/operations.md lacks {name}");
    }
    world.verify(&json!({ "key": key["secret"] })).await;
    world.server.stop();
    let rows = clickhouse.rows();
    assert_eq!(of_key(&rows, &key).len(), 4, "a stop sends what waits");
    assert_eq!(ids(&rows.iter().collect::<Vec<_>>()).len(), rows.len(), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_in_clickhouse_alone_is_not_read_here_and_can_be_watched() {
    let clickhouse = Clickhouse::start();
    let mut world = logging_to(&clickhouse.url(), "clickhouse").await;
    let key = world.create(&json!({ "name": "used" })).await;
    let filter = format!("?key_id={}&face=authz", text(&key, "id"));
    let mut stream = tokio::task::block_in_place(|| watch(&world, &filter));
    assert_eq!(world.passage(text(&key, "secret"), "production", &[]).await, 200);
    let told = tokio::task::block_in_place(|| next_event(&mut stream));
    drop(stream);
    let rows = clickhouse.rows();
    let [row] = of_key(&rows, &key)[..] else { panic!("{rows:?}") };
    assert_alike(row, &told);
    let tenant = world.tenant();
    for path in [
        format!("{tenant}/logs"),
        format!("{tenant}/logs/{}", text(&told, "id")),
        format!("{tenant}/logs/export"),
        format!("{tenant}/api-keys/{}/exposure", text(&key, "id")),
    ] {
        let refused = world.ask("GET", &path, &NOTHING).await;
        refused.expect_problem(409, "request_log_elsewhere");
        let place = "ClickHouse, in the table `logs`.`requests`";
        assert!(text(&refused.json, "detail").contains(place), "{path}");
    }
    let owner = Browser::of_owner(&world).await;
    let live = owner.page("logs/live").await;
    assert!(live.contains("Requests are kept in ClickHouse, in the table"), "{live}");
    let list = owner.open("logs?face=authz").await;
    assert_eq!((list.status, list.header("location").ends_with("/logs/live?face=authz")), (303, true));
    assert_eq!(world.passage(text(&key, "secret"), "production", &[]).await, 200);
    world.server.stop();
    assert_eq!(of_key(&clickhouse.rows(), &key).len(), 2, "a stop writes what waits");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clickhouse_that_is_away_holds_nobody_up_and_gets_each_request_once() {
    for place in ["clickhouse", "both"] {
        let clickhouse = Clickhouse::start();
        let world = logging_to(&clickhouse.url(), place).await;
        let key = world.create(&json!({ "name": "used" })).await;
        let question = json!({ "key": key["secret"] });
        let operations = world.server.operations();
        for mood in [Mood::Fails(500, 241), Mood::LosesAnswers, Mood::IsSomethingElse] {
            let before = clickhouse.inserts();
            clickhouse.set(mood);
            for _ in 0..10 {
                assert_eq!(world.verify(&question).await["code"], "allowed");
            }
            eventually("an insert", async || (clickhouse.inserts() > before).then_some(())).await;
            eventually("the failure to be told", async || is_away(&operations).await.then_some(())).await;
            world.http.json("GET", "/readyz", "", &NOTHING).await.expect(200);
        }
        clickhouse.set(Mood::Takes);
        let all = async || (of_key(&clickhouse.rows(), &key).len() >= 30).then_some(());
        eventually("all requests", all).await;
        eventually("ClickHouse to be back", async || (!is_away(&operations).await).then_some(())).await;
        let rows = clickhouse.rows();
        let of_key = of_key(&rows, &key);
        assert_eq!((of_key.len(), ids(&of_key).len()), (30, 30), "{place}");
        let said = world.server.process().stderr();
        assert!(said.contains("with its error 241") && said.contains("ClickHouse answers again"), "{said}");
        for hidden in [PASSWORD, "quoted from a row", text(&key, "secret")] {
            assert!(!said.contains(hidden), "{said}");
        }
    }
}

#[test]
fn settings_of_clickhouse_are_checked_at_the_start_and_never_shown() {
    let refused = |flags: &[(&str, &str)], rule: &str| {
        let plan = Plan::dev(KEYSTILE).own_database();
        let plan = flags.iter().fold(plan, |plan, (name, value)| plan.flag(name, value));
        let mut process = plan.run("refused");
        assert!(!process.wait().success());
        let said = process.stderr();
        assert!(said.contains(rule) && !said.contains("Zq7kTr0w"), "{said}");
    };
    let url = ("--clickhouse-url", "http://127.0.0.1:8123");
    refused(&[("--clickhouse-url", "ch:8123")], "must be an address of its HTTP interface");
    refused(&[("--clickhouse-url", "http://me:Zq7kTr0w@ch:8123")], "must hold no user and password");
    refused(&[("--request-log", "clickhouse")], "say where that is");
    refused(&[url, ("--clickhouse-table", "a`; DROP")], "must be 1 to 64 letters");
    refused(&[url, ("--clickhouse-password", "Zq7kTr0w\n")], "must hold no control characters");
}

#[test]
fn the_statement_that_makes_the_table_is_printed_with_the_names_that_are_set() {
    let mut command = Command::new(KEYSTILE);
    command.args(["clickhouse-schema", "--keep-days", "90", "--clickhouse-table", "calls"]).env_clear();
    let output = command.env("KEYSTILE_CLICKHOUSE_DATABASE", "logs").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.ends_with("= 1000;\n"), "{said}");
    assert!(said.starts_with("CREATE TABLE IF NOT EXISTS `logs`.`calls`\n(\n    id String,"), "{said}");
    assert!(said.contains("keep_days UInt16 DEFAULT 90,"), "{said}");
}
