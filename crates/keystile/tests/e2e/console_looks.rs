//! Lists of the console that are looked through part by part, so that no page takes as long as a tenant has keys.

use keystile_core::Secret;
use keystile_testkit::browser::Browser as Chromium;
use serde_json::{Value, json};

use crate::console::{Browser, between};
use crate::world::{World, as_key, text};

/// More keys than one look goes through, and entries; but for looks at names, which are quicker.
const MANY: usize = 5_100;

/// A tenant whose oldest keys are behind so many others, and what was done to them behind so many entries.
async fn with_many_keys() -> World {
    let world = World::start().await;
    let needle = world.create(&json!({ "name": "Needle", "kind": "ingest", "source_id": "haystack" })).await;
    world.change("POST", text(&needle, "id"), "/block", &json!({ "reason": "lost" })).await.expect(200);
    let straw = |number: usize| {
        let hash = Secret::new(format!("the secret of straw {number}")).digest().to_hex();
        json!({ "hash": hash, "name": format!("Straw {number}") })
    };
    let keys: Vec<Value> = (0..MANY).map(straw).collect();
    let import = json!({ "algorithm": "sha256", "encoding": "hex", "keys": keys });
    let told = world.ask("POST", &format!("{}/import", world.keys()), &import).await.expect(200);
    assert_eq!(told["created"], json!(MANY));
    world
}

/// The page that follows.
async fn further(browser: &Browser, list: &str, page: &str) -> String {
    let next = between(page, "<a class=\"button\" href=\"?", "\" rel=\"next\"").replace("&#38;", "&");
    browser.page(&format!("{list}?{next}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_that_it_was_looked_at_in_part_and_goes_on() {
    let world = with_many_keys().await;
    let owner = Browser::of_owner(&world).await;
    let found = ">Needle</a>";
    let first = owner.page("keys?kind=ingest").await;
    assert!(first.contains("None so far") && !first.contains(found), "{first}");
    let second = further(&owner, "keys", &first).await;
    assert!(second.contains("None so far") && further(&owner, "keys", &second).await.contains(found));
    let first = owner.page("keys?kind=user").await;
    let second = further(&owner, "keys", &first).await;
    assert!(further(&owner, "keys", &second).await.contains("No further key is like that"));
    // What an index leads to is found at once.
    for filter in ["q=needle", "source_id=haystack", "blocked=true", "kind=ingest&order=asc"] {
        assert!(owner.page(&format!("keys?{filter}")).await.contains(found), "{filter}");
    }
    let first = owner.page("audit?action=key.block").await;
    assert!(first.contains("None so far"), "{first}");
    assert!(further(&owner, "audit", &first).await.contains("blocked the key <strong>Needle</strong>"));
}

/// So many events of one type, the last of which are the latest.
async fn send_events(world: &World, key: &str, kind: &str, count: usize) {
    let event = json!({ "type": kind, "entity": { "type": "straw", "id": "1" } });
    for part in vec![event; count].chunks(1_000) {
        let sent = world.http.json("POST", "/api/v1/events", key, &Value::from(part)).await;
        assert_eq!(sent.expect(202)["accepted"], json!(part.len()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_looked_through_in_parts_as_well() {
    let world = World::start().await;
    let made = world.create(&json!({ "name": "Farm", "source_id": "farm" })).await;
    let key = as_key(text(&made, "secret"));
    send_events(&world, &key, "needle.lost", 1).await;
    send_events(&world, &key, "straw.added", MANY).await;
    let owner = Browser::of_owner(&world).await;
    let found = ">needle.lost</a>";
    let first = owner.page("events?type=needle.lost").await;
    assert!(first.contains("None so far") && !first.contains(found), "{first}");
    assert!(further(&owner, "events", &first).await.contains(found));
    assert!(owner.page("events").await.contains("Older events"));
}

/// Lets a script ask for a page and put it where it belongs, and waits until that is done.
const ASK: &str = "const [path, target] = arguments;
    return new Promise(done => {
        document.addEventListener('htmx:afterRequest', event => done(event.detail.xhr.status), { once: true });
        Promise.resolve(window.htmx.ajax('GET', path, { target, swap: 'innerHTML' })).catch(() => {});
    })";

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_the_place_of_nothing_that_a_page_shows() {
    let world = World::start().await;
    let browser = Chromium::start(world.server.address());
    browser.open("/console/sign-in");
    browser.control("Email").fill(&world.credentials.email);
    browser.control("Password").fill(&world.credentials.password);
    browser.control("Sign in").click();
    let home = browser.wait_for_path(|path| path.starts_with("/console/ten_"));
    browser.open(&format!("{home}/keys"));
    let (good, refused) = (format!("{home}/customers"), format!("{home}/nothing-here"));
    let ask = |path: &str, target: &str| browser.script(ASK, &[json!(path), json!(target)]);
    assert_eq!(ask(&refused, ".page"), json!(404));
    browser.expect_complaint("status of 404");
    assert_eq!(browser.css("#main .page h1").text(), "API keys");
    // In the panel it has its place.
    assert_eq!(ask(&refused, "#panel-content"), json!(404));
    browser.expect_complaint("status of 404");
    let panel = "return document.querySelector('#panel-content').textContent";
    assert!(browser.script(panel, &[]).as_str().unwrap().contains("no such page"));
    // And what is answered takes the place that it was asked for.
    assert_eq!(ask(&good, ".page"), json!(200));
    browser.css("#main .page h1").wait_for_text(|title| title == "Customers");
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_look_on_until_something_is_found() {
    let world = with_many_keys().await;
    let browser = Chromium::start(world.server.address());
    browser.open("/console/sign-in");
    browser.control("Email").fill(&world.credentials.email);
    browser.control("Password").fill(&world.credentials.password);
    browser.control("Sign in").click();
    let home = browser.wait_for_path(|path| path.starts_with("/console/ten_"));
    browser.open(&format!("{home}/keys?kind=ingest"));
    browser.css(".found a.name").wait_for_text(|name| name == "Needle");
    browser.open(&format!("{home}/keys?kind=user"));
    browser.css(".found h2").wait_for_text(|title| title == "No further key is like that");
    browser.expect_accessible();
    browser.open(&format!("{home}/audit?action=key.block"));
    browser.css(".found .entry-text").wait_for_text(|told| told.contains("blocked the key Needle"));
}
