//! Every page of the console, in a real browser: nothing on it hinders people, complains, is too wide, or comes from elsewhere.

use keystile_testkit::browser::{Media, Size};
use keystile_testkit::pages::{PAGES, Pages, Who};

use crate::world::KEYSTILE;

/// Goes through all pages as each of those who see them, and fails with all that is wrong with any.
async fn look_at_every_page(size: Size, media: Media) {
    let pages = Pages::start(KEYSTILE).await;
    let mut troubles = Vec::new();
    for who in Who::ALL {
        let browser = pages.browser(who);
        browser.resize(size);
        browser.emulate(media);
        for page in PAGES.iter().filter(|page| page.who == who) {
            pages.open(&browser, page);
            let found = pages.troubles(&browser, page);
            troubles.extend(found.into_iter().map(|trouble| format!("{}: {trouble}", page.name)));
        }
    }
    assert!(troubles.is_empty(), "{}", troubles.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_as_pages_must_be_on_a_desktop_in_light_colours() {
    look_at_every_page(Size::DESKTOP, Media::Light).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_as_pages_must_be_on_a_phone_in_dark_colours() {
    look_at_every_page(Size::PHONE, Media::Dark).await;
}
