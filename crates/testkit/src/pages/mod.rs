//! Every page of the console, of a tenant worth looking at, and what no page may do: whoever takes pictures and whoever tests
//! go through the same table.

mod deeds;
mod table;

use crate::browser::{Browser, Impact};
use crate::scene::Scene;
use crate::server::{Plan, Server};

pub use table::{PAGES, Page, Who};

/// The servers that the pages are of.
#[derive(Debug)]
pub struct Pages {
    scene: Scene,
    /// One that nobody has set up.
    new: Server,
}

impl Pages {
    /// Starts them. `program` is the binary `keystile`.
    ///
    /// # Panics
    /// When one does not start, or refuses what its tenant is made of.
    pub async fn start(program: &str) -> Self {
        Self { scene: Scene::start(program).await, new: Plan::serve(program).start() }
    }

    /// The browser of somebody.
    ///
    /// # Panics
    /// When they cannot sign in.
    #[must_use]
    pub fn browser(&self, who: Who) -> Browser {
        match who {
            Who::FirstOwner => Browser::start(self.new.address()),
            Who::Nobody => Browser::start(self.scene.server.address()),
            Who::Owner => self.scene.browser("owner"),
            Who::Viewer => self.scene.browser("viewer"),
        }
    }

    /// Opens a page and does on it what is to be done.
    ///
    /// # Panics
    /// When it does not come, or does not settle.
    pub fn open(&self, browser: &Browser, page: &Page) {
        browser.open(&page.path_in(&self.scene));
        (page.then)(browser);
        browser.settle();
    }

    /// What no page may do and this one does, each in a line or more: it is another page or answered otherwise than it should
    /// be, writes errors to the console, asks other hosts, allows what is unsafe, has to be scrolled sideways, or hinders
    /// people.
    ///
    /// # Panics
    /// When the page cannot be asked.
    pub fn troubles(&self, browser: &Browser, page: &Page) -> Vec<String> {
        let mut troubles = Vec::new();
        let (status, url) = (browser.status(), browser.path());
        if url != page.end_in(&self.scene) {
            troubles.push(format!("leads to {url}"));
        }
        if status != page.status {
            troubles.push(format!("answered with {status}"));
        }
        let is_meant = |told: &String| page.complaint.is_some_and(|part| told.contains(part));
        let told = browser.take_complaints().into_iter().map(|complaint| complaint.to_string());
        troubles.extend(told.filter(|told| !is_meant(told)));
        troubles.extend(browser.foreign_requests().iter().map(|url| format!("asks {url}")));
        browser.forgive_foreign_requests();
        match browser.policy() {
            Some(policy) if !policy.contains("unsafe-") => {}
            Some(policy) => troubles.push(format!("has the policy {policy}")),
            None => troubles.push("has no policy of contents".to_owned()),
        }
        if browser.overflow() > 0 {
            troubles.push(format!("is {} px too wide", browser.overflow()));
        }
        let hindering = browser.axe().from(Impact::Serious);
        if !hindering.0.is_empty() {
            troubles.push(format!("hinders people\n{}", hindering.to_string().trim_end()));
        }
        troubles
    }
}
