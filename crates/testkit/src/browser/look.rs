//! How the page looks: how large it is, light or dark, and pictures of it.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Browser;

/// Up to this width it is a phone, which follows the page's own word on its width.
const WIDEST_PHONE: u32 = 600;

/// The part of the page that can be seen, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Across.
    pub width: u32,
    /// Down.
    pub height: u32,
}

impl Size {
    /// A small phone.
    pub const PHONE: Self = Self { width: 360, height: 800 };
    /// A usual desktop.
    pub const DESKTOP: Self = Self { width: 1440, height: 900 };
}

/// What the person has asked their system for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Media {
    /// Light colours.
    #[default]
    Light,
    /// Dark colours.
    Dark,
    /// Light colours, and that nothing moves.
    Still,
    /// Dark colours, and that nothing moves.
    DarkAndStill,
}

impl Media {
    const fn features(self) -> (&'static str, &'static str) {
        match self {
            Self::Light => ("light", "no-preference"),
            Self::Dark => ("dark", "no-preference"),
            Self::Still => ("light", "reduce"),
            Self::DarkAndStill => ("dark", "reduce"),
        }
    }
}

impl Browser {
    /// Makes the page as large as this.
    pub fn resize(&self, Size { width, height }: Size) {
        let is_phone = width <= WIDEST_PHONE;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        // They would make pages narrower than what was asked for.
        self.devtools("Emulation.setScrollbarsHidden", &json!({ "hidden": true }));
    }

    /// Lets the page know what the person likes.
    pub fn emulate(&self, media: Media) {
        let (colours, motion) = media.features();
        let features = json!([
            { "name": "prefers-color-scheme", "value": colours },
            { "name": "prefers-reduced-motion", "value": motion },
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// By how many pixels the page is wider than what can be seen of it: it has to be scrolled sideways then.
    ///
    /// # Panics
    /// When the page does not say.
    pub fn overflow(&self) -> i64 {
        let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
        self.script(script, &[]).as_i64().unwrap()
    }

    /// A picture of the whole page as PNG, also of what is below the edge.
    ///
    /// # Panics
    /// When it cannot be taken.
    pub fn screenshot(&self) -> Vec<u8> {
        let size = self.devtools("Page.getLayoutMetrics", &json!({}))["cssContentSize"].clone();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let how = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", &how);
        STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// The same, written to a file.
    ///
    /// # Panics
    /// When it cannot be taken or written.
    pub fn screenshot_to(&self, file: &Path) {
        fs::write(file, self.screenshot()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Waits until fonts and pictures are there and nothing moves any more, so that pictures of one page are alike.
    ///
    /// # Panics
    /// When that never comes.
    pub fn settle(&self) {
        let still = "return Promise.all([document.fonts.ready, ...[...document.images].map(image => image.decode().catch(() => {})),
            ...document.getAnimations().filter(animation => animation.effect.getTiming().iterations !== Infinity)
                .map(animation => animation.finished.catch(() => {}))]).then(() => null)";
        self.script(still, &[]);
        self.wait_a_frame();
    }

    /// Waits until the browser has drawn once more: what changes on the page can have changed by then.
    pub(super) fn wait_a_frame(&self) {
        // Between two pages there is nothing that could be asked.
        let _drawn =
            self.try_script("return new Promise(done => requestAnimationFrame(() => setTimeout(done)))", &[]);
    }

    /// Where the page is and what it says, for whoever reads why a test failed.
    pub(super) fn describe(&self) -> String {
        let script = "return location.href + '\\n' + (document.body?.innerText ?? '').slice(0, 2000)";
        let said = self.try_script(script, &[]).unwrap_or(Value::Null);
        format!("The page is {}", said.as_str().unwrap_or("gone"))
    }
}
