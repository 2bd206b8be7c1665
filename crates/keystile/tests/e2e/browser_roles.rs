//! Each role sees in the console what it may do, and is told so when it tries more.

use keystile_testkit::browser::Browser;
use keystile_testkit::scene::{OWNER, Scene};
use serde_json::json;

use crate::world::KEYSTILE;

/// From the weakest on; each may what those before it may.
const ROLES: [&str; 4] = ["viewer", "developer", "admin", "owner"];
const NOT_ALLOWED: &str = "status of 403";

/// What can be used on a page, by which name, and from which role on.
const CONTROLS: &[(&str, &str, &str)] = &[
    ("", "New Key", "developer"),
    ("", "Webhooks", "admin"),
    ("", "LLM keys", "viewer"),
    ("", "Providers", "admin"),
    ("keys", "New Key", "developer"),
    ("keys", "Choose all on this page", "developer"),
    ("keys", "Revoke Checkout service", "developer"),
    ("keys", "Checkout service", "viewer"),
    ("keys/{key}", "Edit", "developer"),
    ("keys/{key}", "Rotate", "developer"),
    ("keys/{key}", "More that can be done", "developer"),
    ("keys/{key}", "In the audit log", "viewer"),
    ("leaks", "Rules for scanners", "viewer"),
    ("leaks/{leak}", "Revoke it", "developer"),
    ("leaks/{leak}", "Give it a new secret", "developer"),
    ("leaks/{leak}", "In the audit log", "viewer"),
    ("customers", "New customer", "developer"),
    ("customers/{customer}", "History", "viewer"),
    ("customers/{customer}", "Edit", "developer"),
    ("customers/{customer}", "Archive", "developer"),
    ("applications", "New application", "admin"),
    ("applications/{application}", "Edit", "admin"),
    ("applications/{application}", "Archive", "admin"),
    ("applications/{application}/permissions", "Add", "admin"),
    ("applications/{application}/permissions", "Search by name or label", "viewer"),
    ("applications/{application}/routing", "Edit as text", "admin"),
    ("applications/{application}/routing", "Try", "viewer"),
    ("applications/{application}/gateways", "Copy", "viewer"),
    ("audit", "Verify the chain", "viewer"),
    ("jobs", "Choose keys", "viewer"),
    ("llm-keys", "New LLM key", "developer"),
    ("models", "New model", "admin"),
    ("models", "Import", "admin"),
    ("models/{model}", "Edit", "admin"),
    ("models/{model}", "Disable", "admin"),
    ("spend", "Customer", "viewer"),
    ("ledger/{charge}", "Correct", "admin"),
    ("holds", "Look again", "viewer"),
    ("members", "Invite somebody", "admin"),
    ("members", "Leave this tenant", "viewer"),
    ("members", "Remove dennis@acme.example", "admin"),
    ("members", "Change the role of dennis@acme.example", "admin"),
    ("members", "Password link for dennis@acme.example", "admin"),
    ("members", "Change the role of grace@acme.example", "owner"),
    ("settings", "Save", "owner"),
];

/// Actions by their paths, and from which role on they are there.
const ACTIONS: &[(&str, &str)] = &[
    ("keys/new", "developer"),
    ("keys/{key}/edit", "developer"),
    ("keys/{key}/rotate", "developer"),
    ("keys/{key}/regenerate", "developer"),
    ("keys/{key}/disable", "developer"),
    ("keys/{key}/block", "developer"),
    ("keys/{key}/revoke", "developer"),
    ("keys/{key}/delete", "developer"),
    ("customers/new", "developer"),
    ("customers/{customer}/edit", "developer"),
    ("customers/{customer}/archive", "developer"),
    ("applications/new", "admin"),
    ("applications/{application}/edit", "admin"),
    ("applications/{application}/archive", "admin"),
    ("applications/{application}/new-permission", "admin"),
    ("applications/{application}/routing/edit", "admin"),
    ("members/invite", "admin"),
    ("members/{member}/role", "admin"),
    ("members/{member}/remove", "admin"),
    ("members/{member}/reset", "admin"),
    ("models/new", "admin"),
    ("models/import", "admin"),
    ("models/{model}/edit", "admin"),
    ("models/{model}/delete", "admin"),
    ("providers/new", "admin"),
    ("providers/{provider}/edit", "admin"),
    ("providers/{provider}/delete", "admin"),
    ("ledger/{charge}/correct", "admin"),
    ("holds/{hold}/settle", "admin"),
    ("webhooks/new", "admin"),
    ("webhooks/{webhook}/edit", "admin"),
    ("webhooks/{webhook}/rotate", "admin"),
    ("webhooks/{webhook}/delete", "admin"),
    ("members/{owner}/role", "owner"),
    ("members/{owner}/remove", "owner"),
];

/// Forms that are sent to where anybody may look, or nobody.
const FORMS: &[(&str, &str)] = &[
    ("keys/bulk", "developer"),
    ("jobs/{job}/cancel", "developer"),
    ("jobs/{job}/retry", "developer"),
    ("jobs/{job}/secrets", "developer"),
    ("models/{model}/enable", "admin"),
    ("models/{model}/disable", "admin"),
    ("providers/{provider}/enable", "admin"),
    ("providers/{provider}/disable", "admin"),
    ("webhooks/{webhook}/test", "admin"),
    ("webhooks/{webhook}/enable", "admin"),
    ("webhooks/{webhook}/disable", "admin"),
    ("webhooks/{webhook}/redeliver", "admin"),
    ("settings", "owner"),
];

/// A role, in a browser of its own.
struct Persona<'s> {
    scene: &'s Scene,
    browser: Browser,
    role: &'static str,
    /// A developer, and the owner.
    people: [String; 2],
}

impl<'s> Persona<'s> {
    fn of(scene: &'s Scene, role: &'static str) -> Self {
        let browser = scene.browser(role);
        browser.open(&scene.page("members"));
        let (names, ids) = (browser.css("td .name").texts(), browser.css("td .under").texts());
        let id = |email: &str| ids[names.iter().position(|name| name == email).unwrap()].clone();
        let people = ["dennis@acme.example", OWNER].map(id);
        Self { scene, browser, role, people }
    }

    fn may(&self, least: &str) -> bool {
        let place = |role: &str| ROLES.iter().position(|own| *own == role).unwrap();
        place(self.role) >= place(least)
    }

    fn path(&self, page: &str) -> String {
        let put = [
            ("{key}", self.scene.key("Checkout service").id.as_str()),
            ("{leak}", &self.scene.leak),
            ("{application}", &self.scene.applications[0]),
            ("{customer}", &self.scene.customers[0]),
            ("{job}", &self.scene.job),
            ("{webhook}", &self.scene.webhooks[0]),
            ("{model}", &self.scene.models[1]),
            ("{provider}", &self.scene.providers[0]),
            ("{charge}", &self.scene.charge),
            ("{hold}", &self.scene.hold),
            ("{member}", &self.people[0]),
            ("{owner}", &self.people[1]),
        ];
        let page = put.iter().fold(page.to_owned(), |page, (name, id)| page.replace(name, id));
        self.scene.page(&page)
    }

    /// Every page is there, with what the role may use and without the rest.
    fn sees_what_it_may(&self) {
        let mut shown = "none yet";
        for (page, control, least) in CONTROLS {
            if shown != *page {
                self.browser.open(&self.path(page));
                assert_eq!(self.browser.status(), 200, "{} at {page}", self.role);
                shown = page;
            }
            let is_there = self.browser.control(control).count() > 0;
            assert_eq!(is_there, self.may(least), "{}: “{control}” at “{page}”", self.role);
        }
    }

    /// Whoever opens what they may not do is told so by a page, and a form of theirs does nothing.
    fn is_refused_the_rest(&self) {
        for (action, least) in ACTIONS {
            let path = self.path(action);
            self.browser.open(&path);
            if self.may(least) {
                assert_eq!(self.browser.status(), 200, "{} at {path}", self.role);
                continue;
            }
            assert_eq!(self.browser.status(), 403, "{} at {path}", self.role);
            assert_eq!(self.browser.css("h1").text(), "Not allowed");
            self.browser.control("To the console").wait();
            self.browser.expect_complaint(NOT_ALLOWED);
        }
        self.browser.open(&self.path(""));
        for (form, _) in ACTIONS.iter().chain(FORMS).filter(|(_, least)| !self.may(least)) {
            assert_eq!(self.submits(&self.path(form)), 403, "{} to {form}", self.role);
            self.browser.expect_complaint(NOT_ALLOWED);
        }
    }

    /// The status of a form with everything that ours have, sent from a page of ours.
    fn submits(&self, path: &str) -> u64 {
        let send = "const body = new URLSearchParams({ form_token: document.querySelector('[name=form_token]').value });
            return fetch(arguments[0], { method: 'POST', body }).then(answer => answer.status)";
        self.browser.script(send, &[json!(path)]).as_u64().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_sees_what_it_may_and_is_refused_the_rest() {
    let scene = Scene::start(KEYSTILE).await;
    for role in ROLES {
        let persona = Persona::of(&scene, role);
        persona.sees_what_it_may();
        persona.is_refused_the_rest();
    }
}
