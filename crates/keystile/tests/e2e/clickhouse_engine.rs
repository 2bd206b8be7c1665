//! The request log in ClickHouse's own engine, behind its HTTP interface: `clickhouse_engine.py`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use keystile_testkit::clickhouse::{PASSWORD, USER};
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::process::Process;
use keystile_testkit::proxy::{Fault, Hears, Proxy};
use keystile_testkit::server::Plan;
use keystile_testkit::wait::{eventually, until};
use serde_json::{Value, json};

use crate::clickhouse::logging_to;
use crate::world::{KEYSTILE, text};

/// Names a Python that has the engine; `cargo xtask test` installs it and sets this.
const VARIABLE: &str = "KEYSTILE_CHDB";
const INTERFACE: &str = include_str!("clickhouse_engine.py");

/// The engine, until it is dropped.
struct Engine {
    _process: Process,
    /// Has the folder.
    _plan: Plan,
    address: SocketAddr,
    http: Http,
}

impl Engine {
    /// One that has the table as `keystile clickhouse-schema` makes it.
    async fn with_table() -> Self {
        let engine = Self::start();
        engine.make_table().await;
        engine
    }

    async fn make_table(&self) {
        let mut schema = Command::new(KEYSTILE);
        schema.args(["clickhouse-schema", "--clickhouse-database", "logs", "--clickhouse-table", "requests"]);
        let schema = schema.env_clear().output().unwrap();
        self.run("CREATE DATABASE logs").await;
        self.run(&String::from_utf8(schema.stdout).unwrap()).await;
    }

    fn start() -> Self {
        let python = std::env::var_os(VARIABLE).unwrap_or_else(|| {
            panic!("{VARIABLE} names no Python with chdb; `cargo xtask test` installs it")
        });
        let plan = Plan::serve(KEYSTILE);
        let path = |name: &str| plan.folder().join(name);
        std::fs::write(path("interface.py"), INTERFACE).unwrap();
        let mut command = Command::new(Path::new(&python));
        command.arg(path("interface.py")).arg(path("engine")).args([USER, PASSWORD]);
        let mut process = Process::start(&mut command, plan.folder(), "engine");
        let port = until("the engine to listen", || {
            assert!(process.ended().is_none(), "{}", process.stderr());
            process.stdout().strip_suffix('\n')?.parse::<u16>().ok()
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let http = Http::new(&address.to_string());
        Self { _process: process, _plan: plan, address, http }
    }

    async fn run(&self, statement: &str) -> Answer {
        let request = self.http.request("POST", "/");
        let request = request.header("x-clickhouse-user", USER).header("x-clickhouse-key", PASSWORD);
        let answer = self.http.send(request, statement.to_owned()).await;
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text);
        answer
    }

    /// The rows of a question.
    async fn rows(&self, statement: &str) -> Vec<Value> {
        let answer = self.run(statement).await;
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clickhouse_has_each_request_once_with_what_is_known_of_it_even_if_an_answer_is_lost() {
    let engine = Engine::with_table().await;
    let proxy = Proxy::start(engine.address).unwrap();
    let mut world = logging_to(&format!("http://{}", proxy.address()), "clickhouse").await;
    let key = world.create(&json!({ "name": "used" })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    proxy.set(Fault::Cut { after: vec!["INSERT", "gzip"], server: Hears::AllAndAnswers });
    let uri = ("x-forwarded-uri", "/orders/7?page=2");
    let told = [("x-forwarded-method", "PUT"), uri, ("user-agent", "robot/1")];
    for _ in 0..10 {
        assert_eq!(world.passage(secret, "production", &told).await, 200);
    }
    until("an answer to be lost", || (proxy.cuts() > 0).then_some(()));
    world.change("POST", id, "/revoke", &NOTHING).await.expect(200);
    assert_eq!(world.passage(secret, "production", &[]).await, 401);
    world.server.stop();

    let counts = "toUInt32(count()) AS rows, toUInt32(uniqExact(id)) AS ids";
    let of_key = format!("FROM logs.requests WHERE key_id = '{id}' AND face = 'authz'");
    let by_code = format!("SELECT code, {counts} {of_key} GROUP BY code ORDER BY code");
    let allowed = json!({ "code": "allowed", "rows": 10, "ids": 10 });
    let refused = json!({ "code": "key_revoked", "rows": 1, "ids": 1 });
    assert_eq!(engine.rows(&by_code).await, [allowed, refused]);
    let all = engine.rows(&format!("SELECT {counts} FROM logs.requests")).await;
    assert_eq!(all[0]["rows"], all[0]["ids"]);
    let columns = "tenant_id, application_id, environment, method, path, ip, user_agent, status, keep_days";
    let is_of_now = "abs(dateDiff('second', at, now())) < 600 AS is_of_now";
    let row = format!("SELECT DISTINCT {columns}, {is_of_now} {of_key} AND code = 'allowed'");
    let expected = json!({
        "tenant_id": key["tenant_id"], "application_id": key["application_id"], "environment": "production",
        "method": "PUT", "path": "/orders/7", "ip": "127.0.0.1", "user_agent": "robot/1", "status": 200,
        "keep_days": 30, "is_of_now": 1,
    });
    assert_eq!(engine.rows(&row).await, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_made_later_gets_what_waits() {
    let engine = Engine::start();
    let world = logging_to(&format!("http://{}", engine.address), "clickhouse").await;
    let key = world.create(&json!({ "name": "used" })).await;
    assert_eq!(world.passage(text(&key, "secret"), "production", &[]).await, 200);
    let told = "404 Not Found with its error 81";
    until("the failure", || world.server.process().stderr().contains(told).then_some(()));
    engine.make_table().await;
    let counted = format!(
        "SELECT toUInt32(count()) AS rows FROM logs.requests WHERE key_id = '{}' AND face = 'authz'",
        text(&key, "id")
    );
    let row = async || (engine.rows(&counted).await == [json!({ "rows": 1 })]).then_some(());
    eventually("the row", row).await;
}
