//! Makes a picture of every page of the console, light and dark, on a phone and on a desktop: `cargo xtask screenshots`.
//!
//! On the way it notes what a test of the page would fail for, and fails at the end for it.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool of developers, which tells what it does and what has stopped it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use keystile_testkit::browser::{Browser, Media, Size};
use keystile_testkit::pages::{PAGES, Page, Pages, Who};

const LOOKS: [(Size, Media, &str); 4] = [
    (Size::DESKTOP, Media::Light, "1440-light"),
    (Size::DESKTOP, Media::Dark, "1440-dark"),
    (Size::PHONE, Media::Light, "360-light"),
    (Size::PHONE, Media::Dark, "360-dark"),
];

/// The pages, and where pictures go.
struct Studio {
    pages: Pages,
    folder: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, only @ ..] = arguments.as_slice() else {
        println!("usage: screenshots FOLDER [PAGE]…");
        return ExitCode::FAILURE;
    };
    fs::create_dir_all(folder).unwrap();
    // Cargo puts both in the same folder.
    let program = std::env::current_exe().unwrap().with_file_name("keystile").display().to_string();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("making a tenant to look at");
    let studio = Studio { pages: runtime.block_on(Pages::start(&program)), folder: folder.into() };
    let is_wanted = |page: &&Page| only.is_empty() || only.iter().any(|name| name == page.name);
    let wanted: Vec<_> = PAGES.iter().filter(is_wanted).collect();
    let troubles: usize = Who::ALL.iter().map(|who| studio.all_of(*who, &wanted)).sum();
    println!("{} pages are in {folder}", wanted.len());
    if troubles == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Studio {
    /// Takes the pages that somebody sees, and gives how many troubles there were.
    fn all_of(&self, who: Who, wanted: &[&Page]) -> usize {
        let pages: Vec<_> = wanted.iter().filter(|page| page.who == who).collect();
        if pages.is_empty() {
            return 0;
        }
        let browser = self.pages.browser(who);
        let troubles = pages.iter().map(|page| self.take(&browser, page)).sum();
        // What is foreign was told with its page.
        browser.take_complaints();
        browser.forgive_foreign_requests();
        troubles
    }

    fn take(&self, browser: &Browser, page: &Page) -> usize {
        let mut troubles = Vec::new();
        for (size, media, look) in LOOKS {
            browser.resize(size);
            browser.emulate(media);
            self.pages.open(browser, page);
            browser.screenshot_to(&self.file(page, look));
            let found = self.pages.troubles(browser, page);
            troubles.extend(found.into_iter().map(|trouble| format!("{look}: {trouble}")));
        }
        println!("  {:<28} {}", page.name, if troubles.is_empty() { "fine" } else { "" });
        troubles.iter().for_each(|trouble| println!("    {trouble}"));
        troubles.len()
    }

    fn file(&self, page: &Page, look: &str) -> PathBuf {
        Path::new(&self.folder).join(format!("{}-{look}.png", page.name))
    }
}
