//! The log as it grows, in a real browser.

use keystile_testkit::browser::Browser;
use serde_json::{Value, json};

use crate::world::{World, text};

/// The owner, before the page on which the log grows, narrowed to a key.
fn watching(world: &World, key: &Value) -> Browser {
    let browser = Browser::start(world.server.address());
    browser.open("/console/sign-in");
    browser.control("Email").fill(&world.credentials.email);
    browser.control("Password").fill(&world.credentials.password);
    browser.control("Sign in").click();
    let home = browser.wait_for_path(|path| path.starts_with("/console/ten_"));
    browser.open(&format!("{home}/logs/live?key_id={}", text(key, "id")));
    browser.css("[data-live-state]").wait_for_text(|state| state == "Live");
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_appear_while_the_page_is_open_and_wait_while_it_is_paused() {
    let world = World::start().await;
    let key = world.create(&json!({ "name": "Watched <b>key</b>" })).await;
    let ask = async |path: &str| {
        let told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", path)];
        world.passage(text(&key, "secret"), "production", &told).await;
    };
    let browser = watching(&world, &key);
    assert!(browser.text().contains("Nothing yet"), "{}", browser.text());

    ask("/first").await;
    let row = browser.css("table.logs tbody tr:first-child");
    let shown = row.wait_for_text(|text| text.contains("/first"));
    assert!(shown.contains("Allowed") && shown.contains("Watched <b>key</b>"), "{shown}");
    assert!(!browser.text().contains("Nothing yet"));
    browser.css("[data-live-summary]").wait_for_text(|told| told == "1 new request, 0 refused or failed");
    browser.settle();
    browser.expect_accessible();

    browser.control("Pause").click();
    ask("/second").await;
    browser.css("[data-live-pause]").wait_for_text(|label| label.trim() == "Go on (1 waiting)");
    assert!(row.text().contains("/first"), "nothing moves");
    browser.css("[data-live-pause]").click();
    row.wait_for_text(|text| text.contains("/second"));
    assert_eq!(browser.css("table.logs tbody tr").count(), 2);

    // What has the focus in it is not pushed away.
    browser.css("table.logs tbody tr:first-child a.name").with("arguments[0].focus()", &[]);
    ask("/third").await;
    browser.css("[data-live-pause]").wait_for_text(|label| label.trim() == "Pause (1 waiting)");
    browser.css("table.logs tbody tr:first-child a.name").with("arguments[0].blur()", &[]);
    row.wait_for_text(|text| text.contains("/third"));
    row.with("arguments[0].querySelector('a.name').click()", &[]);
    browser.css("h1").wait_for_text(|title| title == "GET /third");
}
