//! The request log in the console: pages, files, the stream, and the report on a key that leaked.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use keystile_core::TenantId;
use keystile_testkit::http::NOTHING;
use keystile_testkit::wait::DEADLINE;
use serde_json::{Value, json};

use crate::console::{Browser, between};
use crate::console_authorization::assert_guarded;
use crate::request_log::rest_of;
use crate::seat::Seat;
use crate::world::{World, text};

/// A key with which a gateway was asked for one path that is allowed in production, and refused in staging.
async fn used_key(world: &World, name: &str, path: &str) -> Value {
    let key = world.create(&json!({ "name": name })).await;
    for environment in ["production", "staging"] {
        let told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", path), ("user-agent", "robot/<1>")];
        world.passage(text(&key, "secret"), environment, &told).await;
    }
    key
}

/// How many requests a page shows.
fn rows(page: &str) -> usize {
    page.matches("<tr id=\"log_").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_told_in_words_and_each_has_a_page() {
    let world = World::start().await;
    let key = used_key(&world, "Shop <one>", "/orders/<7>").await;
    let viewer = Browser::of_member(&world, "viewer").await;
    let page = viewer.page(&format!("logs?key_id={}", text(&key, "id"))).await;
    assert_eq!(rows(&page), 2, "{page}");
    for told in [
        "Shop &#60;one&#62;",
        "/orders/&#60;7&#62;",
        ">Allowed<",
        ">Refused<",
        "used in another environment",
        ">Gateway<",
        ">127.0.0.1<",
        "With Shop &#60;one&#62;",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let id = between(&page, "<tr id=\"", "\"");
    let shown = viewer.page(&format!("logs/{id}")).await;
    for told in [
        "GET /orders/&#60;7&#62;",
        "<code>wrong_environment</code>",
        "robot/&#60;1&#62;",
        text(&key, "id"),
        "<dt>Status</dt><dd>401</dd>",
        "/exposure\"",
        "X-Request-Id",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    let people = viewer.page("logs?face=management&result=allowed").await;
    assert!(people.contains(&world.credentials.email), "{people}");
    assert_eq!(viewer.open("logs/log_01J00000000000000000000009").await.status, 404);
    assert!(viewer.page("keys").await.contains(&format!("{}/logs\"", world.credentials.tenant_id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_lead_to_the_requests_that_got_them() {
    let world = World::start().await;
    let key = used_key(&world, "Shop", "/orders/7").await;
    let owner = Browser::of_owner(&world).await;
    let (id, home) = (text(&key, "id"), format!("/console/{}", world.credentials.tenant_id));
    let of_key = format!("logs?key_id={id}&amp;result=wrong_environment");
    let shown = owner.page(&format!("keys/{id}")).await;
    assert!(shown.contains(&format!("\"{home}/{of_key}\"")), "{shown}");
    let overview = owner.page(&home).await;
    assert!(overview.contains(&format!("\"{home}/logs?result=wrong_environment\"")), "{overview}");
    for leads in [of_key.replace("&amp;", "&"), "logs?result=wrong_environment".to_owned()] {
        assert_eq!(rows(&owner.page(&leads).await), 1, "{leads}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_narrows_the_list_and_pages_follow_each_other() {
    let world = World::start().await;
    let key = used_key(&world, "Shop", "/orders/7").await;
    used_key(&world, "Other shop", "/invoices/8").await;
    let owner = Browser::of_owner(&world).await;
    let id = text(&key, "id");
    let application = &world.credentials.application_id;
    for (filter, expected) in [
        ("face=authz", 4),
        ("face=authz&result=allowed", 2),
        ("face=authz&result=refused", 2),
        ("result=wrong_environment", 2),
        ("path=/orders/&result=&environment=&from=&to=", 2),
        ("face=authz&status=4xx", 2),
        ("face=authz&status=200", 2),
        ("face=authz&ip=127.0.0.1", 4),
        ("face=authz&ip=192.0.2.1", 0),
        ("face=authz&environment=staging", 0),
        ("face=authz&from=2020-01-01", 4),
        ("face=authz&to=2020-01-01", 0),
        (&format!("key_id={id}"), 2),
        (&format!("key_id={id}&application_id={application}"), 2),
    ] {
        assert_eq!(rows(&owner.page(&format!("logs?{filter}")).await), expected, "{filter}");
    }
    let first = owner.page("logs?face=authz&limit=3").await;
    let next = between(&first, "<a class=\"button\" href=\"?", "\" rel=\"next\"").replace("&#38;", "&");
    let second = owner.page(&format!("logs?{next}")).await;
    assert_eq!((rows(&first), rows(&second)), (3, 1));
    assert!(!second.contains(between(&first, "<tr id=\"", "\"")) && second.contains("First page"));
    assert!(owner.page("logs?path=/nothing").await.contains("No request is like that"));
    for wrong in [
        "logs?from=yesterday",
        "logs?from=2026-01-02&to=2026-01-01",
        "logs?status=all",
        "logs?face=x",
        "logs?result=two+words",
        "logs?limit=201",
        "logs?cursor=x",
        "logs?invented=1",
        "logs/live?face=x",
        "logs/export?format=xml",
    ] {
        assert_eq!(owner.open(wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_console_are_left_out_unless_they_are_asked_for() {
    let world = World::start().await;
    used_key(&world, "Shop", "/orders/7").await;
    let owner = Browser::of_owner(&world).await;
    owner.page("keys").await;
    let has_own = |page: &str| page.contains(">/console/…/keys<");
    let usual = owner.page("logs").await;
    assert!(usual.contains("/orders/7") && !has_own(&usual), "{usual}");
    let whole = format!("title=\"{}\" data-title=\"whole_path\">…/api-keys<", world.keys());
    assert!(usual.contains(&whole), "{usual}");
    let all = owner.page("logs?face=all").await;
    assert!(all.contains("/orders/7") && has_own(&all), "{all}");
    let own = owner.page("logs?face=console").await;
    assert!(!own.contains("/orders/7") && has_own(&own), "{own}");
    let id = between(&own, "<tr id=\"", "\"");
    let path = format!("<span class=\"mono break\">/console/{}/", world.credentials.tenant_id);
    assert!(owner.page(&format!("logs/{id}")).await.contains(&path), "the whole of it");
    let faces = async |query: &str| {
        let file = owner.open(&format!("logs/export?{query}")).await;
        file.text.contains("\"face\":\"console\"")
    };
    assert_eq!((faces("").await, faces("face=all").await), (false, true));
    let others = world.logged("&except_face=console").await;
    assert!(!others.is_empty() && others.iter().all(|row| text(row, "face") != "console"), "{others:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_is_not_logged() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let notice = async |wanted: &str| {
        let set = json!({ "log_requests": wanted, "log_days": 90 });
        world.ask("PATCH", &world.tenant(), &set).await.expect(200);
        let page = owner.page("logs").await;
        assert!(page.contains("They are kept for 90 days"), "{page}");
        ["Only requests that were refused", "No requests are logged in this tenant"]
            .map(|told| page.contains(told) && page.contains("/settings#log\""))
    };
    assert_eq!(notice("all").await, [false, false]);
    assert_eq!(notice("refused").await, [true, false]);
    assert_eq!(notice("none").await, [false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_are_told_in_their_place() {
    let mut world = World::on_sqlite().await;
    let key = used_key(&world, "Shop", "/orders/7").await;
    world.server.stop();
    let tenant: TenantId = world.credentials.tenant_id.parse().unwrap();
    let [own, other] = [tenant.as_u128(), 7].map(|id| format!("x'{id:032x}'"));
    // Two minutes next to each other, two hours ago: before everything that was asked.
    world.server.sql(&format!(
        "INSERT INTO request_gaps (tenant_id, minute, missing) VALUES ({own}, unixepoch() / 60 - 120, 5),
         ({own}, unixepoch() / 60 - 119, 7), ({other}, unixepoch() / 60 - 120, 9);"
    ));
    world.start_again();
    let owner = Browser::of_owner(&world).await;
    let page = owner.page(&format!("logs?key_id={}", text(&key, "id"))).await;
    assert_eq!(page.matches("class=\"gap\"").count(), 1, "{page}");
    let gap = between(&page, "<tr class=\"gap\">", "</tr>");
    assert!(gap.contains("12 requests between") && gap.contains("these filters"), "{gap}");
    assert!(page.rfind("<tr id=\"log_").unwrap() < page.find("<tr class=\"gap\">").unwrap());
    assert!(!owner.page("logs?to=2020-01-01").await.contains("class=\"gap\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_have_what_the_list_shows() {
    let world = World::start().await;
    let key = used_key(&world, "Shop", "/orders/7").await;
    let viewer = Browser::of_member(&world, "viewer").await;
    let list = viewer.page(&format!("logs?key_id={}&result=refused", text(&key, "id"))).await;
    let path = |format: &str| {
        let written = between(&list, "/logs/export?", &format!("format={format}\""));
        format!("logs/export?{}format={format}", written.rsplit("/logs/export?").next().unwrap())
    };
    let [csv, ndjson] = ["csv", "ndjson"].map(|format| path(format).replace("&#38;", "&"));
    let table = viewer.open(&csv).await;
    assert_eq!((table.status, table.text.lines().count()), (200, 2), "{csv}: {}", table.text);
    assert!(table.header("content-disposition").ends_with(".csv\"") && table.text.contains("/orders/7"));
    let lines = viewer.open(&ndjson).await;
    let request: Value = serde_json::from_str(&lines.text).unwrap();
    assert_eq!((text(&request, "code"), &request["key_id"]), ("wrong_environment", &key["id"]));
    for answer in [table, lines] {
        assert_guarded(&answer, "an export of the log");
    }
}

/// A stream of the log that was begun, as a browser begins it.
fn begin(world: &World, seat: &Seat, query: &str, more: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(world.server.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let (tenant, host, cookie) = (&world.credentials.tenant_id, world.server.address(), &seat.cookie);
    let head = format!(
        "GET /console/{tenant}/logs/stream{query} HTTP/1.1\r\nhost: {host}\r\ncookie: {cookie}\r\n\
         accept: text/event-stream\r\n{more}\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut told = String::new();
    while !told.contains("retry: ") {
        assert!(stream.read_line(&mut told).unwrap() > 0, "{told}");
    }
    assert!(told.contains("text/event-stream") && told.contains("no-store"), "{told}");
    stream
}

/// The rows of the next event with requests.
fn next_rows(stream: &mut BufReader<TcpStream>) -> Vec<Value> {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "it has ended");
        if let Some(data) = line.strip_prefix("data: [") {
            return serde_json::from_str(&format!("[{data}")).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_tells_rows_as_the_page_shows_them_and_what_was_missed() {
    let world = World::start().await;
    let key = used_key(&world, "Shop", "/before").await;
    let owner = (&world.credentials.email, &world.credentials.password);
    let seat = Seat::empty(&world.http, world.server.address()).signed_in(owner.0, owner.1).await;
    let before = world.logged(&format!("&key_id={}", text(&key, "id"))).await;
    let query = format!("?key_id={}&after={}", text(&key, "id"), text(&before[1], "id"));
    let mut stream = tokio::task::block_in_place(|| begin(&world, &seat, &query, ""));
    let missed = tokio::task::block_in_place(|| next_rows(&mut stream));
    assert_eq!(missed.len(), 1, "{missed:?}");
    assert_eq!((&missed[0]["id"], text(&missed[0], "result")), (&before[0]["id"], "Refused"));
    let told = [("x-forwarded-method", "PUT"), ("x-forwarded-uri", "/seen")];
    world.passage(text(&key, "secret"), "production", &told).await;
    let rows = tokio::task::block_in_place(|| next_rows(&mut stream));
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let fields = ["result", "method", "path", "face", "whose", "environment", "ip"];
    let shown = fields.map(|field| text(row, field));
    assert_eq!(shown, ["Allowed", "PUT", "/seen", "Gateway", "Shop", "Production", "127.0.0.1"]);
    assert!(text(row, "page").ends_with(&format!("/logs/{}", text(row, "id"))));
    // A browser that comes again says what it has, which counts for more than where it began.
    let has = format!("last-event-id: {}\r\n", text(&before[0], "id"));
    let mut again = tokio::task::block_in_place(|| begin(&world, &seat, &query, &has));
    assert_eq!(tokio::task::block_in_place(|| next_rows(&mut again)), rows);
    let opened = seat.open(&format!("/console/{}/logs/stream", world.credentials.tenant_id)).await;
    assert_eq!((opened.status, opened.header("location").ends_with("/logs/live")), (303, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_the_console_ends_with_the_session() {
    let world = World::start().await;
    let owner = (&world.credentials.email, &world.credentials.password);
    let seat = Seat::empty(&world.http, world.server.address()).signed_in(owner.0, owner.1).await;
    let mut stream = tokio::task::block_in_place(|| begin(&world, &seat, "?face=verify", ""));
    assert_eq!(seat.send("/console/sign-out", &[]).await.status, 303);
    let rest = tokio::task::block_in_place(|| rest_of(&mut stream));
    assert!(!rest.contains("event:"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_on_a_key_tells_what_is_new_and_what_to_do() {
    let world = World::start().await;
    let key = used_key(&world, "Leaked <key>", "/orders/7").await;
    let id = text(&key, "id");
    let owner = Browser::of_owner(&world).await;
    let live = owner.page(&format!("keys/{id}/exposure")).await;
    let expected =
        ["Exposure of Leaked &#60;key&#62;", "This is everything.", "Revoke the key", "/orders/7", ">New<"];
    for told in expected {
        assert!(live.contains(told), "{told}: {live}");
    }
    assert!(live.contains("<dt>Allowed</dt><dd>1</dd>") && live.contains("wrong_environment 1"), "{live}");
    assert_eq!(rows(&live), 2);
    assert!(live.contains("It begins a day ago, as no leak was reported."), "{live}");
    assert!(owner.page(&format!("keys/{id}")).await.contains(&format!("/keys/{id}/exposure\"")));
    assert!(owner.page(&format!("keys/{id}/revoke")).await.contains(&format!("/keys/{id}/exposure\"")));
    let since = owner.page(&format!("keys/{id}/exposure?since=2020-01-01")).await;
    assert!(since.contains("This is everything."), "it did not exist before: {since}");

    let viewer = Browser::of_member(&world, "viewer").await;
    let path = format!("/keys/{id}/revoke\"");
    assert!(live.contains(&path) && !viewer.page(&format!("keys/{id}/exposure")).await.contains(&path));
    let file = viewer.open(&format!("keys/{id}/exposure/export")).await;
    assert_guarded(&file, "a report");
    assert!(file.header("content-disposition").contains(&format!("keystile-exposure-{id}.json")));
    assert_eq!((&file.json["total"], &file.json["complete"]), (&json!(2), &json!(true)));

    world.change("DELETE", id, "", &NOTHING).await.expect(204);
    world.ask("PATCH", &world.tenant(), &json!({ "log_requests": "refused" })).await.expect(200);
    let deleted = owner.page(&format!("keys/{id}/exposure")).await;
    let expected =
        ["Leaked &#60;key&#62;", "Deleted", "There may have been more", "logs only requests that were"];
    for told in expected {
        assert!(deleted.contains(told), "{told}: {deleted}");
    }
    for wrong in ["since=yesterday", "since=9999-01-01", "until=2026-01-01"] {
        assert_eq!(owner.open(&format!("keys/{id}/exposure?{wrong}")).await.status, 400, "{wrong}");
    }
    assert_eq!(owner.open("keys/key_01J00000000000000000000009/exposure").await.status, 404);
}
