//! The harness for tests of pages finds what it is there to find.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot build its surroundings has failed, and must say why"
)]

mod page;

use keystile_testkit::browser::{Impact, Key, Media, Size};
use keystile_testkit::site::Site;
use page::{GOOD, at, caught, open, page};

#[test]
fn a_page_that_is_as_it_should_be_passes() {
    let browser = open(&page(GOOD));
    assert_eq!((browser.path().as_str(), browser.title().as_str()), ("/", "Sample"));
    browser.expect_accessible();
    browser.expect_no_complaints();
    browser.expect_no_foreign_requests();
    let own = browser.requests();
    assert!(own.iter().any(|url| url.ends_with("/app.js")), "{own:?}");
    assert!(browser.policy().is_some_and(|policy| policy.starts_with("default-src 'self'")));
    assert!(browser.script("return document.compatMode", &[]) == "CSS1Compat");
}

#[test]
fn fields_are_found_by_their_labels_filled_and_read() {
    let browser = open(&page(GOOD));
    browser.control("Name").fill("Checkout");
    browser.control("Name").fill("Reports");
    assert_eq!(browser.css("#name").property("value"), "Reports");
    browser.control("Environment").choose("staging");
    browser.control("Add").click();
    assert_eq!(browser.css("li").wait_for_text(|text| text.contains("Reports")), "Reports in staging");
    assert_eq!(browser.css("li").texts(), ["Reports in staging"]);
    assert_eq!(browser.css("#name").attribute("autocomplete").as_deref(), Some("off"));
    browser.control("Remove Reports").click();
    browser.css("li").wait_until_gone();
    assert_eq!(browser.css("li").count(), 0);
}

#[test]
fn what_comes_later_or_is_replaced_is_waited_for() {
    let browser = open(&page(GOOD));
    browser.control("Later").click();
    browser.control("At last").click();
    browser.css("#said").wait_for_text(|text| text == "done");
}

#[test]
fn keys_move_the_focus_and_type() {
    let browser = open(&page(GOOD));
    browser.press(&[Key::Tab]);
    assert!(browser.css("#name").is_focused());
    browser.type_text("Ünder 5");
    browser.press(&[Key::Tab]);
    assert!(browser.css("#environment").is_focused());
    browser.press(&[Key::Shift, Key::Tab]);
    browser.press(&[Key::Enter]);
    assert_eq!(browser.css("li").wait_for_text(|text| !text.is_empty()), "Ünder 5 in production");
}

#[test]
fn what_hinders_people_is_found_and_named() {
    let bad = r#"<h1>Sample</h1><form><input id="nameless"></form><p class="faint">Hardly to be read</p>"#;
    let browser = open(&page(bad));
    let found = browser.axe();
    let rules: Vec<_> = found.0.iter().map(|violation| violation.rule.as_str()).collect();
    assert!(rules.contains(&"label") && rules.contains(&"color-contrast"), "{rules:?}");
    let failed = caught(|| browser.expect_accessible());
    assert!(failed.contains("#nameless") && failed.contains("label (Critical)"), "{failed}");
    assert!(failed.contains("class=\"faint\"") && failed.contains("contrast of"), "{failed}");
    assert!(browser.axe().from(Impact::Critical).0.iter().all(|one| one.impact == Impact::Critical));
}

#[test]
fn an_error_on_the_console_fails_the_test() {
    for (script, part) in [
        ("console.error('lost count')", "lost count"),
        ("undefined.missing()", "Cannot read properties of undefined"),
    ] {
        let browser = page::with_script(GOOD, script);
        let failed = caught(|| browser.expect_no_complaints());
        assert!(failed.contains(part), "{failed}");
        browser.expect_no_complaints();
    }
    let browser = open(&page(r#"<h1>Sample</h1><p style="color: red">Not by our policy</p>"#));
    let failed = caught(|| drop(browser));
    assert!(failed.contains("Content Security Policy"), "the end judges as well: {failed}");
}

#[test]
fn complaints_that_a_test_brings_about_can_be_expected() {
    let browser = open(&page(GOOD));
    browser.open("/not-there");
    browser.expect_complaint("status of 404");
    browser.expect_no_complaints();
    let failed = caught(|| browser.expect_complaint("status of 404"));
    assert!(failed.contains("no complaint about"), "{failed}");
}

#[test]
fn a_request_to_another_host_fails_the_test() {
    let other = Site::start(&[("/pixel.svg", r#"<svg xmlns="http://www.w3.org/2000/svg"/>"#)]);
    let foreign = format!("http://{}/pixel.svg", other.address());
    let browser = open(&page(&format!(r#"<h1>Sample</h1><img src="{foreign}" alt="Elsewhere">"#)));
    browser.take_complaints();
    assert_eq!(browser.foreign_requests(), [foreign.as_str()]);
    let failed = caught(|| browser.expect_no_foreign_requests());
    assert!(failed.contains(&foreign), "{failed}");
    browser.forgive_foreign_requests();
    browser.expect_no_foreign_requests();
}

#[test]
fn a_page_sees_what_a_person_likes_and_how_large_its_window_is() {
    let browser = open(&page(GOOD));
    let background = || browser.css("body").style("background-color");
    assert_eq!(background(), "rgba(255, 255, 255, 1)");
    browser.emulate(Media::Dark);
    assert_eq!(background(), "rgba(16, 16, 16, 1)");
    let moves = "return matchMedia('(prefers-reduced-motion: reduce)').matches";
    assert!(browser.script(moves, &[]) == false);
    browser.emulate(Media::Still);
    assert!(browser.script(moves, &[]) == true && background() == "rgba(255, 255, 255, 1)");
    for Size { width, height } in [Size::PHONE, Size::DESKTOP] {
        browser.resize(Size { width, height });
        let size = browser.script("return [innerWidth, innerHeight]", &[]);
        assert_eq!(size, serde_json::json!([width, height]));
        assert_eq!(browser.overflow(), 0);
    }
    let tall = open(&page(r#"<h1>Sample</h1><div class="tall">Long</div>"#));
    assert_eq!(tall.script("return document.documentElement.clientWidth", &[]), 1440, "nothing but the page");
    let wide = open(&page(r#"<h1>Sample</h1><div class="wide">Too much</div>"#));
    wide.resize(Size::PHONE);
    assert!(wide.overflow() > 0);
}

#[test]
fn a_picture_shows_all_of_the_page() {
    let browser = open(&page(r#"<h1>Sample</h1><div class="tall">Long</div>"#));
    browser.resize(Size::PHONE);
    let picture = browser.screenshot();
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!(number(16), 360);
    assert!(number(20) > 3000, "{}", number(20));
}

#[test]
fn cookies_are_seen_set_and_forgotten() {
    let browser = open(&page(GOOD));
    browser.set_cookie(&serde_json::json!({ "name": "seen", "value": "1", "httpOnly": true }));
    let cookies = browser.cookies();
    assert_eq!((cookies.len(), &cookies[0]["httpOnly"]), (1, &true.into()), "{cookies:?}");
    browser.clear_cookies();
    assert!(browser.cookies().is_empty());
}

#[test]
fn nothing_is_left_of_a_browser_also_when_the_test_fails() {
    let site = Site::start(&[("/", &page(GOOD))]);
    let failed = caught(|| {
        let browser = at(&site);
        let processes = browser.processes();
        assert!(processes.len() > 2, "{processes:?}");
        panic!("{}", processes.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    });
    let processes: Vec<u32> = failed.split(' ').map(|id| id.parse().unwrap()).collect();
    page::wait_until_ended(&processes);
}
