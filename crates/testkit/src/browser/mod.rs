//! Chromium with one page, as a person would use it: for tests of what the server shows.
//!
//! It is Debian's own, driven by W3C WebDriver through a chromedriver of this test alone, with a profile of its own. Of
//! WebDriver we need some twenty commands, each a JSON object over loopback: that is less code than a crate's builder
//! for them would take, and none of the crates knows the two things that tests of pages stand on, the logs of console
//! and network and the commands of Chromium's own protocol. It waits by blocking, like the rest of this harness, so that
//! [`Drop`] can judge what was noticed: a test whose page wrote an error to the console, or asked another host for
//! anything, fails at its end without having to ask.
//!
//! Whatever is looked for is waited for, and looked for anew when the page has changed meanwhile. Nothing sleeps.

mod axe;
mod driver;
mod keys;
mod locator;
mod look;
mod notes;

use std::cell::RefCell;

use serde_json::{Value, json};

pub use axe::{Impact, Violation, Violations};
pub use driver::Trouble;
pub use keys::Key;
pub use locator::Locator;
pub use look::{Media, Size};
pub use notes::Complaint;

use crate::wait::until;
use driver::Driver;
use notes::Notes;

/// A page in a browser of its own. It ends with the value.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    /// Where the server is, such as `http://127.0.0.1:7878`.
    origin: String,
    notes: RefCell<Notes>,
}

impl Browser {
    /// Starts one for the server at `address`, such as `127.0.0.1:7878`, in a window of 1440 by 900.
    ///
    /// # Panics
    /// When Chromium or chromedriver is missing or does not start.
    #[must_use]
    pub fn start(address: &str) -> Self {
        let (driver, origin) = (Driver::start(), format!("http://{address}"));
        let browser = Self { driver, origin, notes: RefCell::default() };
        browser.resize(Size::DESKTOP);
        browser
    }

    /// Goes to a path of the server, and waits until the page is there.
    ///
    /// # Panics
    /// When there is no answer.
    pub fn open(&self, path: &str) {
        self.command("url", &json!({ "url": format!("{}{path}", self.origin) }));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.command("refresh", &json!({}));
    }

    /// Goes back by one page.
    pub fn back(&self) {
        self.command("back", &json!({}));
    }

    /// The path of the page, with its query and what stands behind `#`.
    ///
    /// # Panics
    /// When it is a page of another server.
    pub fn path(&self) -> String {
        let url = self.read("url");
        let url = url.as_str().unwrap();
        url.strip_prefix(&self.origin).unwrap_or_else(|| panic!("{url} is not at {}", self.origin)).to_owned()
    }

    /// Waits until the page is one whose path, without query, is as `expected` says.
    pub fn wait_for_path(&self, expected: impl Fn(&str) -> bool) -> String {
        until("another page", || {
            let path = self.path();
            let end = path.find(['?', '#']).unwrap_or(path.len());
            expected(&path[..end]).then_some(path)
        })
    }

    /// The status with which the page was answered.
    ///
    /// # Panics
    /// When the page does not say.
    pub fn status(&self) -> u16 {
        let read = "return performance.getEntriesByType('navigation')[0].responseStatus";
        self.script(read, &[]).as_u64().and_then(|status| status.try_into().ok()).unwrap()
    }

    /// What the title says.
    pub fn title(&self) -> String {
        self.read("title").as_str().unwrap().to_owned()
    }

    /// All text that can be seen.
    pub fn text(&self) -> String {
        self.css("body").text()
    }

    /// The first element that a CSS selector finds, whenever it is used.
    pub fn css(&self, selector: &str) -> Locator<'_> {
        Locator::css(self, selector)
    }

    /// What a person can use and knows by this name: a link, button or field that can be seen, by its label or its text.
    pub fn control(&self, name: &str) -> Locator<'_> {
        Locator::control(self, name)
    }

    /// Runs the body of a function in the page and gives what it returns; a promise is waited for.
    ///
    /// # Panics
    /// When it throws.
    pub fn script(&self, body: &str, arguments: &[Value]) -> Value {
        self.try_script(body, arguments).unwrap_or_else(|trouble| panic!("{trouble}"))
    }

    /// Presses keys together, such as Shift and Tab, where the focus is.
    pub fn press(&self, keys: &[Key]) {
        self.command("actions", &keys::together(keys));
        self.command_with("DELETE", "actions", &Value::Null);
    }

    /// Types a text where the focus is.
    pub fn type_text(&self, text: &str) {
        self.command("actions", &keys::one_by_one(text));
    }

    /// The cookies of the page, as WebDriver describes them: `name`, `value`, `httpOnly`, `secure`, `sameSite`, ….
    ///
    /// # Panics
    /// When the browser does not say.
    pub fn cookies(&self) -> Vec<Value> {
        self.read("cookie").as_array().unwrap().clone()
    }

    /// Forgets all cookies.
    pub fn clear_cookies(&self) {
        self.command_with("DELETE", "cookie", &Value::Null);
    }

    /// Sets a cookie, as WebDriver describes it; the page has to be the server's.
    pub fn set_cookie(&self, cookie: &Value) {
        self.command("cookie", &json!({ "cookie": cookie }));
    }

    /// A command of Chromium's own protocol.
    ///
    /// # Panics
    /// When it refuses.
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// chromedriver and everything that it has started, as far as that has not cut its ties.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn processes(&self) -> Vec<u32> {
        self.driver.processes()
    }

    fn try_script(&self, body: &str, arguments: &[Value]) -> Result<Value, Trouble> {
        self.driver.call("POST", "execute/sync", &json!({ "script": body, "args": arguments }))
    }

    fn read(&self, what: &str) -> Value {
        self.command_with("GET", what, &Value::Null)
    }

    fn command(&self, what: &str, parameters: &Value) -> Value {
        self.command_with("POST", what, parameters)
    }

    fn command_with(&self, method: &str, what: &str, parameters: &Value) -> Value {
        self.driver.call(method, what, parameters).unwrap_or_else(|trouble| panic!("{what}: {trouble}"))
    }
}

impl Drop for Browser {
    /// Fails the test when its page complained or asked another host, unless it fails already.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.expect_no_complaints();
            self.expect_no_foreign_requests();
        }
    }
}
