//! The life of an installation and of a key, as a person sees it in a real browser and their services over HTTP.

use keystile_testkit::browser::{Browser, Key};
use keystile_testkit::http::{Answer, Http, NOTHING};
use keystile_testkit::server::{Plan, Server};
use keystile_testkit::wait::until;
use serde_json::{Value, json};

use crate::set_up::token;
use crate::world::{KEYSTILE, as_key};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "correct-otter-lamp-41-river";
const TENANT: &str = "Acme";
const NAME: &str = "Checkout service";
const PERMISSION: &str = "orders:read";

/// What a service that was given a key meets.
struct Service {
    http: Http,
    application: String,
}

impl Service {
    async fn ask(&self, secret: &str, permission: &str) -> Answer {
        let path =
            format!("/api/v1/authz/{}?environment=production&permission={permission}", self.application);
        self.http.json("GET", &path, &as_key(secret), &NOTHING).await
    }

    async fn is_allowed(&self, secret: &str) {
        self.ask(secret, PERMISSION).await.expect(200);
    }
}

/// The first start of a server, whose page for setting it up is open.
fn first_start() -> (Server, Browser) {
    let server = Plan::serve(KEYSTILE).start();
    let browser = Browser::start(server.address());
    browser.open(&format!("/console/setup#{}", token(&server)));
    (server, browser)
}

/// Makes the installation theirs: they are in the tenant then.
fn set_up(browser: &Browser) {
    browser.control("Email").fill(EMAIL);
    browser.control("Password").fill(PASSWORD);
    browser.control("Name of the tenant").fill(TENANT);
    browser.control("Make it yours").click();
    browser.wait_for_path(|path| path.starts_with("/console/ten_"));
    browser.css("h1").wait_for_text(|text| text == "Overview");
    assert!(browser.text().contains("Three steps to a guarded API"));
}

fn sign_out_and_in(browser: &Browser) {
    browser.css(".sidebar-end summary").click();
    browser.control("Sign out").click();
    browser.wait_for_path(|path| path == "/console/sign-in");
    browser.control("Email").fill(EMAIL);
    browser.control("Password").fill(PASSWORD);
    browser.control("Password").press(Key::Enter);
    browser.wait_for_path(|path| path.starts_with("/console/ten_"));
}

/// Makes a key in the panel over the overview, and gives the secret that is shown.
fn make_key(browser: &Browser) -> String {
    browser.control("New Key").click();
    browser.control("Name").fill(NAME);
    browser.control("Further permissions").fill(PERMISSION);
    browser.control("Create key").click();
    shown_secret(browser, "Your new key")
}

/// The secret that is shown, in the panel, once.
fn shown_secret(browser: &Browser, title: &str) -> String {
    browser.css("#panel h1").wait_for_text(|text| text == title);
    let secret = browser.css("#panel #new-secret").text();
    assert!(secret.starts_with("sk_ks_live_") && held(browser).contains(&secret), "{secret}");
    browser.settle();
    browser.expect_accessible();
    secret
}

/// Copies the secret with the button, and gives what can be pasted elsewhere then.
fn copied(browser: &Browser) -> String {
    let may = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    browser.devtools("Browser.grantPermissions", &may);
    let button = browser.css("[data-copy=new-secret]");
    assert!(button.is_focused(), "it is the first thing that one wants to do");
    button.click();
    button.wait_for_text(|text| text == "Copied");
    let clipboard = browser.script("return navigator.clipboard.readText()", &[]);
    clipboard.as_str().unwrap().to_owned()
}

/// Leaves the secret for the page of its key, and gives its path.
fn done(browser: &Browser) -> String {
    browser.control("Done: I have copied it").click();
    browser.css("#usage").wait();
    browser.path()
}

/// All that scripts can read: the page, and what the browser keeps.
fn held(browser: &Browser) -> String {
    let everything = "return [document.documentElement.outerHTML, JSON.stringify(history.state), document.cookie,
        ...[localStorage, sessionStorage].map(storage => JSON.stringify(Object.entries(storage)))].join('\\n')";
    browser.script(everything, &[]).as_str().unwrap().to_owned()
}

/// Nothing has any of the secrets in it, whatever one does to see one again.
fn holds_none_of(browser: &Browser, secrets: &[&str]) {
    let here = || {
        let held = held(browser);
        assert!(secrets.iter().all(|secret| !held.contains(secret)), "{} holds a secret", browser.path());
    };
    let path = browser.path();
    here();
    browser.reload();
    here();
    browser.back();
    here();
    browser.open(&path);
    let cookies = browser.cookies();
    assert!(cookies.iter().any(|cookie| cookie["httpOnly"] == true), "{cookies:?}");
    assert!(cookies.iter().all(|cookie| secrets.iter().all(|secret| !cookie.to_string().contains(secret))));
}

/// What the page of a key says of its use: allowed, refused, and when last.
fn figures(browser: &Browser) -> [String; 3] {
    browser.reload();
    let figures = browser.css("#usage .figures dd").texts();
    figures.try_into().unwrap()
}

/// The sums of what the chart of the page draws: allowed, and refused.
fn drawn(browser: &Browser) -> [u64; 2] {
    browser.css("[data-chart] canvas").wait();
    let series: Value =
        serde_json::from_str(&browser.css("[data-chart]").attribute("data-chart").unwrap()).unwrap();
    let sum = |of: &str| series[of].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    ["allowed", "refused"].map(sum)
}

/// Uses the key over HTTP: its page and the overview tell of it, and their charts move.
async fn use_it(browser: &Browser, service: &Service, secret: &str) {
    for _ in 0..3 {
        service.is_allowed(secret).await;
    }
    service.ask(secret, "orders:write").await.expect_problem(403, "permission_denied");
    let [allowed, refused, used] = figures(browser);
    assert_eq!([&*allowed, &*refused], ["3", "1"]);
    assert_ne!(used, "never");
    assert_eq!(drawn(browser), [3, 1]);
    service.is_allowed(secret).await;
    until("the record of the last use", || {
        let [allowed, refused, used] = figures(browser);
        assert_eq!([&*allowed, &*refused], ["4", "1"]);
        used.contains("127.0.0.1").then_some(())
    });
    assert_eq!(drawn(browser), [4, 1]);
    browser.control("Overview").click();
    browser.css("h1").wait_for_text(|text| text == "Overview");
    assert_eq!(browser.css(".stat-value").texts(), ["1", "4", "1", "0"]);
    assert_eq!(drawn(browser), [4, 1]);
}

/// The application that the key of this page was issued to.
fn application(browser: &Browser) -> String {
    let link = browser.css(".facts a[href*='/applications/']").attribute("href").unwrap();
    link.rsplit('/').next().unwrap().to_owned()
}

/// Makes a successor with the usual overlap, and gives its secret.
fn rotate(browser: &Browser) -> String {
    browser.control("Rotate").click();
    browser.control("Rotate key").click();
    let secret = shown_secret(browser, "The new key");
    assert!(browser.css("#panel").text().contains("The old key works for another"));
    secret
}

/// Revokes the key of this page, as a careful person would.
fn revoke(browser: &Browser) {
    browser.control("More that can be done").click();
    browser.control("Revoke…").click();
    browser.css("#panel .alert").wait_for_text(|text| text.contains("requests were allowed"));
    browser.control("Reason").fill("the vendor was changed");
    let (typed, button) = (browser.css("#typed"), browser.control("Revoke key"));
    assert!(button.property("disabled") == true);
    typed.fill("Checkout");
    assert!(button.property("disabled") == true, "another name");
    browser.settle();
    browser.expect_accessible();
    typed.fill(NAME);
    button.click();
    browser.css(".told").wait();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_used_rotated_and_revoked_from_the_first_start_on() {
    let (server, browser) = first_start();
    set_up(&browser);
    sign_out_and_in(&browser);

    let first = make_key(&browser);
    assert_eq!(copied(&browser), first);
    let key = done(&browser);
    assert_eq!(figures(&browser), ["0", "0", "never"]);
    holds_none_of(&browser, &[&first]);

    let service = Service { http: server.http(), application: application(&browser) };
    use_it(&browser, &service, &first).await;

    browser.open(&key);
    let second = rotate(&browser);
    assert_ne!(first, second);
    let successor = done(&browser);
    assert_ne!(successor, key);
    holds_none_of(&browser, &[&first, &second]);
    for secret in [&first, &second] {
        service.is_allowed(secret).await;
    }

    browser.css(".lineage a").click();
    browser.wait_for_path(|path| path == key);
    revoke(&browser);
    service.ask(&first, PERMISSION).await.expect_problem(401, "key_revoked");
    service.is_allowed(&second).await;
    browser.reload();
    let said = browser.text();
    assert!(said.contains("every request with it is refused with 401"), "{said}");
    assert!(said.contains("the vendor was changed") && said.contains("the key is revoked"), "{said}");
    assert_eq!(browser.control("Rotate").count() + browser.control("Edit").count(), 0);
    holds_none_of(&browser, &[&first, &second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_the_page_of_a_new_secret_again_makes_no_second_key_and_shows_no_secret() {
    let (_server, browser) = first_start();
    set_up(&browser);
    let path = browser.path();
    let home = path.split('?').next().unwrap();
    browser.open(&format!("{home}/keys/new"));
    browser.control("Name").fill(NAME);
    browser.control("Create key").click();
    browser.css("h1").wait_for_text(|text| text == "Your new key");
    let secret = browser.css("#new-secret").text();
    browser.reload();
    browser.css("h1").wait_for_text(|text| text == "This form was sent before");
    assert!(!held(&browser).contains(&secret));
    browser.settle();
    browser.expect_accessible();
    browser.control("To the key").click();
    browser.css("#usage").wait();
    browser.open(&format!("{home}/keys"));
    assert_eq!(browser.css("a.name").texts(), [NAME]);
}
