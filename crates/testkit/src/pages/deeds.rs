//! What is done on a page before it is looked at. A page is looked at in several sizes and colours, each time anew, so what is made is made
//! several times.

use serde_json::json;

use crate::browser::Browser;

/// Asks for what a table of models would bring.
pub(super) fn preview_import(browser: &Browser) {
    browser.control("See what would be taken").click();
    browser.css("h1").wait_for_text(|text| text == "What would be taken over");
}

/// Signs in with another password.
pub(super) fn refused_sign_in(browser: &Browser) {
    browser.css("[name=email]").fill("grace@acme.example");
    browser.css("[name=password]").fill("not-the-right-one");
    browser.css("[type=submit]").click();
    browser.css("[role=alert]").wait();
}

/// Makes a key, whose secret is shown.
pub(super) fn make_key(browser: &Browser) {
    browser.css("[name=name]").fill("Returns portal");
    browser.control("Create key").click();
    browser.css("#new-secret").wait();
}

/// Sends the form of a new key as it is, so that it comes back.
pub(super) fn make_key_without_a_name(browser: &Browser) {
    browser.css("[name=rpm_limit]").fill("many");
    browser.control("Create key").click();
    browser.css("[aria-invalid=true]").wait();
}

/// Shows all that a form hides at first.
pub(super) fn open_everything(browser: &Browser) {
    open_all(browser, "form details");
}

/// Opens what can be done beside the most usual.
pub(super) fn open_the_menu_of_the_page(browser: &Browser) {
    browser.css(".page-head details.menu summary").click();
}

/// Opens the way to other pages on a phone, and to other tenants elsewhere.
pub(super) fn open_the_navigation(browser: &Browser) {
    let is_phone = "return getComputedStyle(document.querySelector('.topbar')).display !== 'none'";
    let menu = if browser.script(is_phone, &[]) == json!(true) { "[data-menu]" } else { ".tenant summary" };
    browser.css(menu).click();
    if menu == "[data-menu]" {
        // It slides in, and then has the focus.
        browser.css(".sidebar.open").wait();
    }
}

/// Shows the latest entries of the audit log as a whole.
pub(super) fn open_entries(browser: &Browser) {
    open_all(browser, "li:nth-child(-n+2) > details.entry");
}

/// Opens the form for a new key over the page.
pub(super) fn open_the_panel(browser: &Browser) {
    browser.control("New Key").click();
    browser.css("#panel-content form").wait();
}

/// Chooses keys.
pub(super) fn choose_keys(browser: &Browser) {
    for row in [1, 3] {
        browser.css(&format!("tbody tr:nth-child({row}) input[data-row]")).click();
    }
    // Whoever scrolls may put anything beneath the bar that stays on top of a phone.
    browser.script("scrollTo(0, 0)", &[]);
}

/// Asks for the end of keys, which has to be confirmed.
pub(super) fn ask_to_revoke_keys(browser: &Browser) {
    choose_keys(browser);
    browser.css(".bulk button[value=revoke]").click();
    browser.css("#typed").wait();
}

/// Checks the audit log.
pub(super) fn verify_the_chain(browser: &Browser) {
    browser.control("Verify now").click();
    browser.css(".alert[role=status]").wait();
}

/// Begins to set a second factor up.
pub(super) fn enrol(browser: &Browser) {
    browser.css("[name=password]").fill(crate::scene::PASSWORD);
    browser.control("Go on").click();
    browser.css(".qr").wait();
}

fn open_all(browser: &Browser, selector: &str) {
    let open = "for (const one of document.querySelectorAll(arguments[0])) one.open = true";
    browser.script(open, &[json!(selector)]);
}
