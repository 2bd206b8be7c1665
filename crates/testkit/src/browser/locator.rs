//! Something on the page: looked for when it is used, and anew when the page has changed meanwhile.

use std::time::Instant;

use serde_json::{Value, json};

use super::driver::Trouble;
use super::{Browser, Key};
use crate::wait::{DEADLINE, until};

/// How WebDriver writes a reference to an element (section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// What passes when one waits: the element is not there yet, has been replaced, or something is in front of it.
const PASSING: [&str; 6] = [
    "no such element",
    "stale element reference",
    "element not interactable",
    "element click intercepted",
    "invalid element state",
    "move target out of bounds",
];
/// Finds everything that a person can use, in the order of the page, by name. A name is what assistive technology says,
/// as far as pages give names in the usual ways.
const CONTROLS: &str = r#"
const wanted = arguments[0];
const squeeze = text => (text ?? '').replace(/\s+/g, ' ').trim();
const referenced = element => (element.getAttribute('aria-labelledby') ?? '').split(/\s+/).filter(Boolean)
    .map(id => document.getElementById(id)?.textContent).join(' ');
const names = element => [
    referenced(element),
    element.getAttribute('aria-label'),
    ...[...(element.labels ?? [])].map(label => {
        const copy = label.cloneNode(true);
        copy.querySelectorAll('input, select, textarea, small, [data-hint]').forEach(part => part.remove());
        return copy.textContent;
    }),
    /^(submit|button|reset)$/.test(element.type) ? element.value : null,
    /^(input|select|textarea)$/i.test(element.tagName) ? null : element.innerText,
    element.getAttribute('placeholder'),
    element.title,
].map(squeeze).filter(Boolean);
const usable = 'a[href], button, input, select, textarea, summary, [role], [tabindex]';
return [...document.querySelectorAll(usable)]
    .filter(element => element.checkVisibility({ visibilityProperty: true }) && names(element).includes(wanted));
"#;

/// An element to be found.
#[derive(Debug, Clone)]
pub struct Locator<'b> {
    browser: &'b Browser,
    by: By,
}

#[derive(Debug, Clone)]
enum By {
    Css(String),
    Name(String),
}

impl std::fmt::Display for Locator<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.by {
            By::Css(selector) => write!(f, "`{selector}`"),
            By::Name(name) => write!(f, "the control “{name}”"),
        }
    }
}

impl<'b> Locator<'b> {
    pub(super) fn css(browser: &'b Browser, selector: &str) -> Self {
        Self { browser, by: By::Css(selector.to_owned()) }
    }

    pub(super) fn control(browser: &'b Browser, name: &str) -> Self {
        Self { browser, by: By::Name(name.to_owned()) }
    }

    /// Clicks it.
    ///
    /// # Panics
    /// When it does not come, or cannot be clicked.
    pub fn click(&self) {
        self.on_element("clicked", "POST", "click", &json!({}));
    }

    /// Replaces what stands in a field, as if it were typed.
    ///
    /// # Panics
    /// When it does not come, or takes no text.
    pub fn fill(&self, text: &str) {
        self.on_element("cleared", "POST", "clear", &json!({}));
        self.on_element("filled", "POST", "value", &json!({ "text": text }));
    }

    /// Chooses the option with this text in a list of options.
    ///
    /// # Panics
    /// When it does not come, or has no such option.
    pub fn choose(&self, option: &str) {
        let choose =
            "const option = [...arguments[0].options].find(option => option.text.trim() === arguments[1]);
            if (!option) return false;
            arguments[0].value = option.value;
            arguments[0].dispatchEvent(new Event('input', { bubbles: true }));
            arguments[0].dispatchEvent(new Event('change', { bubbles: true }));
            return true;";
        let is_chosen = self.with(choose, &[option.into()]);
        assert!(is_chosen == true, "{self} has no option “{option}”");
    }

    /// Brings the focus to it and presses a key.
    ///
    /// # Panics
    /// When it does not come, or takes no focus.
    pub fn press(&self, key: Key) {
        self.with("arguments[0].focus()", &[]);
        self.browser.press(&[key]);
    }

    /// What can be read of it.
    ///
    /// # Panics
    /// When it does not come.
    pub fn text(&self) -> String {
        self.on_element("read", "GET", "text", &Value::Null).as_str().unwrap().to_owned()
    }

    /// An attribute, as it stands in the page.
    ///
    /// # Panics
    /// When the element does not come.
    pub fn attribute(&self, name: &str) -> Option<String> {
        let value = self.with("return arguments[0].getAttribute(arguments[1])", &[name.into()]);
        value.as_str().map(str::to_owned)
    }

    /// A property, such as `value` or `checked`.
    ///
    /// # Panics
    /// When the element does not come.
    pub fn property(&self, name: &str) -> Value {
        self.on_element("read", "GET", &format!("property/{name}"), &Value::Null)
    }

    /// A property of its style, as it is calculated.
    ///
    /// # Panics
    /// When the element does not come.
    pub fn style(&self, property: &str) -> String {
        let value = self.on_element("read", "GET", &format!("css/{property}"), &Value::Null);
        value.as_str().unwrap().to_owned()
    }

    /// Whether the focus is on it.
    ///
    /// # Panics
    /// When the element does not come.
    pub fn is_focused(&self) -> bool {
        self.with("return document.activeElement === arguments[0]", &[]) == true
    }

    /// How many there are now.
    ///
    /// # Panics
    /// When the page cannot be asked.
    pub fn count(&self) -> usize {
        self.all().unwrap_or_else(|trouble| panic!("{self}: {trouble}")).len()
    }

    /// The texts of all there are now.
    ///
    /// # Panics
    /// When the page cannot be asked.
    pub fn texts(&self) -> Vec<String> {
        let By::Css(selector) = &self.by else { panic!("only what a selector finds has many texts") };
        let read = "return [...document.querySelectorAll(arguments[0])].map(found => found.innerText.trim())";
        let texts = self.browser.script(read, &[selector.as_str().into()]);
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// Runs the body of a function whose first argument is the element.
    ///
    /// # Panics
    /// When it does not come, or the function throws.
    pub fn with(&self, body: &str, more: &[Value]) -> Value {
        self.patiently("asked", |element| {
            let arguments: Vec<_> = [element.clone()].into_iter().chain(more.iter().cloned()).collect();
            self.browser.try_script(body, &arguments)
        })
    }

    /// Waits until it is there.
    ///
    /// # Panics
    /// When it does not come.
    pub fn wait(&self) {
        self.patiently("found", |_| Ok(Value::Null));
    }

    /// Waits until it is not there any more.
    ///
    /// # Panics
    /// When it stays.
    pub fn wait_until_gone(&self) {
        until(&format!("the end of {self}"), || (self.count() == 0).then_some(()));
    }

    /// Waits until its text is as `expected` says, and gives it.
    ///
    /// # Panics
    /// When it does not become so.
    pub fn wait_for_text(&self, expected: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let text = self.text();
            if expected(&text) {
                return text;
            }
            assert!(started.elapsed() < DEADLINE, "{self} stays at: {text}");
        }
    }

    fn on_element(&self, done: &str, method: &str, what: &str, parameters: &Value) -> Value {
        self.patiently(done, |element| {
            let id = element[ELEMENT].as_str().unwrap();
            self.browser.driver.call(method, &format!("element/{id}/{what}"), parameters)
        })
    }

    /// Finds it and does something with it, until that works or can never work.
    fn patiently(&self, done: &str, act: impl Fn(&Value) -> Result<Value, Trouble>) -> Value {
        let mut last = None;
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            match self.all().and_then(|all| act(all.first().ok_or_else(missing)?)) {
                Ok(value) => return value,
                Err(trouble) if is_passing(&trouble) => last = Some(trouble),
                Err(trouble) => panic!("{self} cannot be {done}: {trouble}"),
            }
            self.browser.wait_a_frame();
        }
        let last = last.map(|trouble| trouble.to_string()).unwrap_or_default();
        panic!("{self} could not be {done}: {last}\n{}", self.browser.describe());
    }

    fn all(&self) -> Result<Vec<Value>, Trouble> {
        let found = match &self.by {
            By::Css(selector) => {
                let query = json!({ "using": "css selector", "value": selector });
                self.browser.driver.call("POST", "elements", &query)
            }
            By::Name(name) => self.browser.try_script(CONTROLS, &[name.as_str().into()]),
        };
        found.map(|found| found.as_array().cloned().unwrap_or_default())
    }
}

/// Whether it may be over when the page has come to rest. The driver has no word of its own for an element whose document has just been replaced.
fn is_passing(trouble: &Trouble) -> bool {
    PASSING.contains(&trouble.code.as_str()) || trouble.message.contains("does not belong to the document")
}

fn missing() -> Trouble {
    Trouble { code: PASSING[0].to_owned(), message: "there is none".to_owned() }
}
