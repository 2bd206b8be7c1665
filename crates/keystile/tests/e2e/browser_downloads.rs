//! What a real browser saves from the console.

use std::fs;

use keystile_testkit::browser::Browser;
use keystile_testkit::wait::until;
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_a_new_key_is_saved_as_a_file_for_programs() {
    let world = World::start().await;
    let folder = world.server.plan().folder().join("saved");
    fs::create_dir(&folder).unwrap();
    let browser = Browser::start(world.server.address());
    let into = json!({ "behavior": "allow", "downloadPath": folder });
    browser.devtools("Browser.setDownloadBehavior", &into);
    browser.open("/console/sign-in");
    browser.control("Email").fill(&world.credentials.email);
    browser.control("Password").fill(&world.credentials.password);
    browser.control("Sign in").click();
    browser.wait_for_path(|path| path.starts_with("/console/ten_"));
    browser.open(&format!("/console/{}/keys/new", world.credentials.tenant_id));
    browser.control("Name").fill("Checkout: <service> / 2");
    browser.control("Create key").click();
    let secret = browser.css("#new-secret").text();
    browser.control("Download as .env").click();
    let file = folder.join("checkout-service-2.production.env");
    let saved = until("the file", || fs::read_to_string(&file).ok().filter(|text| !text.is_empty()));
    let mut lines = saved.lines();
    assert!(lines.next().unwrap().starts_with("# Checkout: <service> / 2 (production), key_"), "{saved}");
    assert!(lines.next().unwrap().starts_with("# Keep this file out of source control"), "{saved}");
    assert_eq!(lines.collect::<Vec<_>>(), [format!("API_KEY={secret}")]);
}
