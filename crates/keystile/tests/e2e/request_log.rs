//! The request log over HTTP: every decision and every call of the API, refused ones included, and never a secret.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use keystile_core::LogId;
use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::{DEADLINE, eventually};
use serde_json::{Value, json};

use crate::canaries::Canaries;
use crate::isolation::Two;
use crate::world::{World, as_key, submit, text};

impl World {
    /// What the log shows with this query, the latest first.
    pub(crate) async fn logged(&self, query: &str) -> Vec<Value> {
        self.read(&format!("{}/logs?limit=200{query}", self.tenant())).await["data"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// What a gateway is told of a request.
    pub(crate) async fn passage(&self, secret: &str, environment: &str, lines: &[(&str, &str)]) -> u16 {
        let request = self.http.request("GET", &self.authz(environment));
        let request = request.header("authorization", as_key(secret));
        let request = lines.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.http.send(request, "").await.status
    }
}

fn faces(rows: &[Value]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (text(row, "face"), text(row, "code"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_asking_about_a_key_is_in_the_log_with_what_is_known_of_it() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "used", "scopes": ["keystile.keys:read"] })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    let question = json!({ "key": secret, "ip": "192.0.2.7" });
    world.verify(&question).await;
    let batch = json!({ "requests": [&question, { "key": secret, "environment": "staging" }] });
    world.http.json("POST", "/api/v1/keys/verify-batch", &world.asker(), &batch).await.expect(200);
    submit(&world.http, "/oauth2/introspect", &world.asker(), &[("token", secret)]).await.expect(200);
    let told =
        [("x-forwarded-method", "PUT"), ("x-forwarded-uri", "/orders/7?page=2"), ("user-agent", "robot/1")];
    assert_eq!(world.passage(secret, "production", &told).await, 200);
    world.http.json("GET", &world.keys(), &as_key(secret), &NOTHING).await.expect(200);
    world.http.json("GET", "/api/v1/whoami", &as_key(secret), &NOTHING).await.expect(200);

    let rows = world.logged(&format!("&key_id={id}")).await;
    let expected = [
        ("management", "allowed"),
        ("management", "allowed"),
        ("authz", "allowed"),
        ("introspection", "allowed"),
        ("verify_batch", "wrong_environment"),
        ("verify_batch", "allowed"),
        ("verify", "allowed"),
    ];
    assert_eq!(faces(&rows), expected);
    for row in &rows {
        assert_eq!((&row["key_id"], text(row, "environment")), (&key["id"], "production"));
        assert_eq!((&row["application_id"], &row["tenant_id"]), (&key["application_id"], &key["tenant_id"]));
        assert!(row["duration_micros"].is_u64() && row["status"].is_u64(), "{row}");
        assert!(row["request_id"].is_string(), "{row}");
        assert_eq!(world.read(&format!("{}/logs/{}", world.tenant(), text(row, "id"))).await, *row);
    }
    let [_, listed, passage, _, _, in_batch, verified] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&verified["ip"], &in_batch["ip"]), (&json!("192.0.2.7"), &json!("192.0.2.7")));
    assert_eq!(verified["caller"], json!(world.credentials.keys["production"].id), "who asked");
    assert_eq!((text(passage, "method"), text(passage, "path")), ("PUT", "/orders/7"));
    assert_eq!((text(passage, "user_agent"), text(passage, "ip")), ("robot/1", "127.0.0.1"));
    assert_eq!((text(listed, "method"), text(listed, "path")), ("GET", world.keys().as_str()));
    assert_eq!((&listed["caller"], &listed["bytes_out"].is_u64()), (&NOTHING, &true));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_people_are_in_the_log_and_those_of_nobody_are_not() {
    let world = World::start().await;
    let made = world.create(&json!({ "name": "made" })).await;
    let me = text(&made, "created_by");
    world.ask("POST", &world.keys(), &json!({ "name": "" })).await.expect_problem(400, "invalid_request");
    world.http.json("GET", &world.keys(), "", &NOTHING).await.expect_problem(401, "key_missing");
    world.http.json("GET", &world.keys(), &as_key("sk_nobody's"), &NOTHING).await;
    let rows = world.logged(&format!("&face=management&path={}", world.keys())).await;
    assert_eq!(faces(&rows), [("management", "invalid_request"), ("management", "allowed")]);
    assert_eq!((&rows[0]["status"], &rows[1]["status"]), (&json!(400), &json!(201)));
    for row in &rows {
        assert_eq!((text(row, "caller"), text(row, "method"), &row["key_id"]), (me, "POST", &NOTHING));
        assert!(row["bytes_in"].as_u64().is_some_and(|bytes| bytes > 0), "{row}");
    }
    let viewer = world.member("viewer@example.com", "viewer").await;
    let denied = world.http.json("POST", &world.keys(), &viewer.token, &json!({ "name": "x" })).await;
    denied.expect_problem(403, "forbidden");
    let denied = world.logged("&code=forbidden").await;
    assert_eq!((denied.len(), text(&denied[0], "caller")), (1, viewer.id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_keys_are_in_the_log_wherever_they_are_shown() {
    let world = World::start().await;
    let scopes = json!(["keystile.keys:verify", "keystile.keys:read"]);
    let key = world.create(&json!({ "name": "leaked", "scopes": scopes })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    world.change("POST", id, "/revoke", &json!({ "reason": "leaked" })).await.expect(200);
    let credential = as_key(secret);
    world.verify(&json!({ "key": secret })).await;
    assert_eq!(world.passage(secret, "production", &[]).await, 401);
    for (method, path, body) in [
        ("GET", world.keys(), NOTHING),
        ("POST", "/api/v1/keys/verify".to_owned(), json!({ "key": "sk_x" })),
        ("POST", "/api/v1/keys/verify-batch".to_owned(), json!({ "requests": [] })),
        ("POST", "/api/v1/events".to_owned(), json!({})),
        ("POST", "/api/v1/auth/token".to_owned(), NOTHING),
    ] {
        let answer = world.http.json(method, &path, &credential, &body).await;
        answer.expect_problem(401, "key_revoked");
    }
    let rows = world.logged(&format!("&key_id={id}&code=key_revoked")).await;
    assert_eq!(world.logged(&format!("&key_id={id}&result=refused")).await, rows);
    assert!(world.logged(&format!("&key_id={id}&result=allowed")).await.is_empty());
    let mut faces: Vec<_> = rows.iter().map(|row| text(row, "face")).collect();
    faces.sort_unstable();
    assert_eq!(faces, ["authz", "events", "management", "token", "verify", "verify", "verify_batch"]);
    // What was asked about no key of the tenant is in the log of whoever asked, or whose gateway asked.
    world.verify(&json!({ "key": "sk_ks_live_nobody's" })).await;
    assert_eq!(world.passage("sk_ks_live_nobody's", "production", &[]).await, 401);
    let unknown = world.logged("&code=key_malformed").await;
    assert_eq!(faces_of(&unknown), ["authz", "verify"]);
}

fn faces_of(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| text(row, "face")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_staging_key_are_not_in_what_is_shown_of_production() {
    let world = World::start().await;
    let staging = world.create(&json!({ "name": "staging", "environment": "staging" })).await;
    let live = world.create(&json!({ "name": "live" })).await;
    for key in [&staging, &live] {
        world.verify(&json!({ "key": key["secret"] })).await;
        world.passage(text(key, "secret"), text(key, "environment"), &[]).await;
    }
    for (environment, own, other) in [("production", &live, &staging), ("staging", &staging, &live)] {
        let rows = world.logged(&format!("&environment={environment}")).await;
        assert!(rows.iter().all(|row| row["environment"] == environment), "{rows:?}");
        let of = |key: &Value| rows.iter().filter(|row| row["key_id"] == key["id"]).count();
        assert_eq!((of(own), of(other)), (2, 0));
    }
    assert_eq!(world.logged("&face=authz").await.len(), 2, "without a filter all are shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_exports_show_the_same_requests() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "busy" })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    for number in 0..25 {
        let (uri, agent) = (format!("/orders/{number}"), format!("=robot, \"{number}\""));
        world.passage(secret, "production", &[("x-forwarded-uri", &uri), ("user-agent", &agent)]).await;
    }
    let (base, filter) = (format!("{}/logs", world.tenant()), format!("key_id={id}&path=/orders/1"));
    let whole = world.logged(&format!("&{filter}")).await;
    assert_eq!(whole.len(), 11, "1 and 10 to 19");
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.read(&format!("{base}?limit=4&{filter}{cursor}")).await;
        paged.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, whole);
    let exported = world.ask("GET", &format!("{base}/export?{filter}"), &NOTHING).await;
    assert_eq!(exported.header("content-type"), "application/x-ndjson");
    let lines: Vec<Value> = exported.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, whole);
    let table = world.ask("GET", &format!("{base}/export?format=csv&{filter}"), &NOTHING).await;
    assert!(table.header("content-type").starts_with("text/csv"), "{:?}", table.headers);
    let rows: Vec<_> = table.text.split("\r\n").collect();
    assert_eq!(rows.len(), 1 + whole.len() + 1, "a head, the rows, and a line break at the end");
    assert!(rows[0].starts_with("id,tenant_id,at,face,"), "{}", rows[0]);
    assert!(rows[1].contains("\"'=robot, \"\"19\"\"\""), "no formula: {}", rows[1]);
    for (query, field) in
        [("status=700", "status"), ("path=", "path"), ("cursor=x", "cursor"), ("face=x", "face")]
    {
        let refused = world.ask("GET", &format!("{base}?{query}"), &NOTHING).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
    let (status, of_status) = (world.logged("&status=4xx").await, world.logged("&status=400").await);
    assert!(!of_status.is_empty() && status.len() >= of_status.len());
    assert_eq!(world.logged("&to=2020-01-01T00:00:00Z").await.len(), 0);
}

/// The data of the next event of a stream that was begun.
pub(crate) fn next_event(stream: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "it has ended");
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

/// Begins to watch as the owner, and returns when it has begun.
pub(crate) fn watch(world: &World, query: &str) -> BufReader<TcpStream> {
    watch_as(&world.owner, world, query)
}

/// The same as somebody else.
fn watch_as(credential: &str, world: &World, query: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(world.server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let (path, host) = (world.tenant(), world.server.address());
    let head = format!(
        "GET {path}/logs/stream{query} HTTP/1.1\r\nhost: {host}\r\nauthorization: {credential}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n:\n") {
        assert!(stream.read_line(&mut text).unwrap() > 0, "{text}");
    }
    assert!(text.contains("text/event-stream"), "{text}");
    stream
}

/// What a stream tells until it ends as a body does.
pub(crate) fn rest_of(stream: &mut BufReader<TcpStream>) -> String {
    let mut rest = String::new();
    while !rest.ends_with("\n0\r\n") {
        assert!(stream.read_line(&mut rest).unwrap() > 0, "it was cut off: {rest}");
    }
    rest
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_the_log_is_told_of_what_they_asked_for_until_the_server_stops() {
    let mut world = World::start().await;
    let key = world.create(&json!({ "name": "watched" })).await;
    let query = format!("?key_id={}&face=authz", text(&key, "id"));
    let mut stream = tokio::task::block_in_place(|| watch(&world, &query));
    world.verify(&json!({ "key": key["secret"] })).await;
    assert_eq!(world.passage(text(&key, "secret"), "production", &[("x-forwarded-uri", "/seen")]).await, 200);
    let told = tokio::task::block_in_place(|| next_event(&mut stream));
    assert_eq!((text(&told, "face"), text(&told, "path"), &told["key_id"]), ("authz", "/seen", &key["id"]));
    let shown = world.read(&format!("{}/logs/{}", world.tenant(), text(&told, "id"))).await;
    assert_eq!(shown, told);
    world.server.stop();
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut stream, &mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "it ends as a body does: {rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_not_see_the_log_any_more_is_told_nothing_further() {
    let world = World::start().await;
    let viewer = world.member("viewer@example.com", "viewer").await;
    let query = "?face=verify";
    let mut stream = tokio::task::block_in_place(|| watch_as(&viewer.token, &world, query));
    let place = format!("{}/memberships/{}", world.tenant(), viewer.id);
    world.ask("DELETE", &place, &NOTHING).await.expect(204);
    let rest = tokio::task::block_in_place(|| rest_of(&mut stream));
    assert!(!rest.contains("event:"), "{rest}");
    let refused = world.http.json("GET", &format!("{}/logs", world.tenant()), &viewer.token, &NOTHING).await;
    refused.expect_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_watch_a_log_and_no_more() {
    let world = World::start().await;
    let open: Vec<_> = tokio::task::block_in_place(|| (0..10).map(|_| watch(&world, "")).collect());
    let path = format!("{}/logs/stream", world.tenant());
    world.ask("GET", &path, &NOTHING).await.expect_problem(503, "busy");
    drop(open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_says_which_requests_are_logged() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "quiet" })).await;
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    let set =
        async |wanted: &str| world.ask("PATCH", &world.tenant(), &json!({ "log_requests": wanted })).await;
    let used = async || {
        world.passage(secret, "production", &[]).await;
        world.passage(secret, "staging", &[]).await;
        world.logged(&format!("&key_id={id}")).await.len()
    };
    assert_eq!(used().await, 2);
    assert_eq!(set("refused").await.expect(200)["log_requests"], "refused");
    assert_eq!(used().await, 3, "the wrong environment");
    set("none").await.expect(200);
    assert_eq!(used().await, 3);
    set("all").await.expect(200);
    assert_eq!(used().await, 5);
    let refused = set("some").await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["log_requests"]);
    for (days, status) in [(0, 400), (731, 400), (730, 200)] {
        let answer = world.ask("PATCH", &world.tenant(), &json!({ "log_days": days })).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_loses_nothing_of_the_log_and_a_kill_nothing_that_was_shown() {
    let mut world = World::start().await;
    let key = world.create(&json!({ "name": "kept" })).await;
    let (id, secret) = (text(&key, "id").to_owned(), text(&key, "secret").to_owned());
    let path = format!("&key_id={id}&face=authz");
    for _ in 0..3 {
        world.passage(&secret, "production", &[]).await;
    }
    world.server.stop();
    world.start_again();
    assert_eq!(world.logged(&path).await.len(), 3);
    world.passage(&secret, "production", &[]).await;
    assert_eq!(world.logged(&path).await.len(), 4);
    world.server.kill();
    world.start_again();
    assert_eq!(world.logged(&path).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_tenant_keeps_its_log_is_removed() {
    let mut world = World::on_sqlite().await;
    let key = world.create(&json!({ "name": "kept" })).await;
    let of_key = format!("&key_id={}&face=authz", text(&key, "id"));
    world.passage(text(&key, "secret"), "production", &[]).await;
    world.ask("PATCH", &world.tenant(), &json!({ "log_days": 1 })).await.expect(200);
    let latest: LogId = text(&world.logged(&of_key).await[0], "id").parse().unwrap();
    world.server.stop();
    let before = |hours: u64| {
        let moment = latest.made_at().minus(Duration::from_secs(hours * 60 * 60));
        LogId::from_parts(moment, 7)
    };
    let (young, old) = (before(23), before(25));
    for id in [young, old] {
        let bits = |id: LogId| format!("x'{:032x}'", id.as_u128());
        world.server.sql(&format!(
            "INSERT INTO requests (tenant_id, id, face, key_id, code)
             SELECT tenant_id, {}, face, key_id, code FROM requests WHERE id = {};",
            bits(id),
            bits(latest)
        ));
    }
    world.start_again();
    let kept = json!([latest.to_string(), young.to_string()]);
    let ids = async || {
        let ids = world.logged(&of_key).await.iter().map(|row| row["id"].clone()).collect::<Value>();
        (ids == kept).then_some(())
    };
    eventually("the old request to be gone, and no other", ids).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_wherever_it_was_written() {
    let world = World::start().await;
    let mut secrets = Canaries::default();
    let key = world.create(&json!({ "name": "careless", "scopes": ["keystile.keys:read"] })).await;
    let secret = secrets.learn(text(&key, "secret"));
    let uri = format!("/a/{secret}/b?key={secret}");
    let secret_as = |name| (name, secret.as_str());
    let told = [("x-forwarded-uri", uri.as_str()), secret_as("user-agent"), secret_as("x-request-id")];
    assert_eq!(world.passage(&secret, "production", &told).await, 200);
    for path in [format!("{}/{secret}", world.keys()), format!("{}?q={secret}", world.keys())] {
        let request = world.http.request("GET", &path).header("authorization", as_key(&secret));
        world.http.send(request.header("user-agent", secret.as_str()), "").await;
    }
    let rows = world.logged(&format!("&key_id={}", text(&key, "id"))).await;
    assert_eq!(rows.len(), 3);
    assert_eq!(text(&rows[2], "path"), "/a/sk_…/b");
    assert!(rows.iter().all(|row| text(row, "user_agent") == "sk_…"), "{rows:?}");
    secrets.are_not_in("the log", json!(rows).to_string().as_bytes());
    let export = world.ask("GET", &format!("{}/logs/export", world.tenant()), &NOTHING).await;
    secrets.are_not_in("its export", export.text.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_tenant_leaves_no_path_of_this_one_in_its_log() {
    let two = Two::start().await;
    let secret = text(&two.key, "secret");
    assert_eq!(two.a.passage(secret, "production", &[("x-forwarded-uri", "/of/a")]).await, 403);
    let path = format!("/api/v1/tenants/{}/logs?face=authz", two.tenant);
    let theirs = two.a.http.json("GET", &path, &two.stranger, &NOTHING).await.expect(200);
    let rows = theirs["data"].as_array().unwrap();
    assert_eq!((rows.len(), text(&rows[0], "code")), (1, "wrong_application"));
    assert_eq!((&rows[0]["path"], &rows[0]["method"]), (&NOTHING, &NOTHING));
    assert!(!two.a.logged("&face=authz").await.iter().any(|row| row["key_id"] == two.key["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_about_a_key_of_another_tenant_learns_nothing_and_leaves_nothing() {
    let two = Two::start().await;
    let (id, secret) = (text(&two.key, "id"), text(&two.key, "secret"));
    for _ in 0..3 {
        two.a.http.json("GET", "/api/v1/whoami", &as_key(secret), &NOTHING).await.expect(200);
    }
    two.a.verify(&json!({ "key": secret })).await;
    two.a.verify(&json!({ "key": secret, "explain": true })).await;
    let batch = json!({ "requests": [{ "key": secret }] });
    two.a.http.json("POST", "/api/v1/keys/verify-batch", &two.a.asker(), &batch).await.expect(200);
    submit(&two.a.http, "/oauth2/introspect", &two.a.asker(), &[("token", secret)]).await.expect(200);
    let path = format!("/api/v1/tenants/{}/logs?key_id={id}", two.tenant);
    let theirs = two.a.http.json("GET", &path, &two.stranger, &NOTHING).await.expect(200);
    assert_eq!(faces(theirs["data"].as_array().unwrap()), [("management", "allowed"); 3]);
    let ours = two.a.logged("&code=key_not_found").await;
    assert_eq!(faces_of(&ours), ["introspection", "verify_batch", "verify", "verify"]);
    assert!(ours.iter().all(|row| row["key_id"] == NOTHING && row["caller"].is_string()), "{ours:?}");
    // Not even by the places of requests that are not shown.
    let page = two.a.read(&format!("{}/logs?limit=1&key_id={id}", two.a.tenant())).await;
    assert_eq!((&page["data"], &page["next_cursor"]), (&json!([]), &NOTHING));
}
