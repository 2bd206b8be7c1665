//! Style sheet, scripts, font and icon: in the binary, compressed once, and kept by browsers for ever, because their path
//! changes with what they contain.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName};
use keystile_core::Digest;

use keystile_web::no_such_path;

struct Asset {
    /// Below `assets/`. What it is called in paths is the name of the file alone.
    file: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    compresses: bool,
}

impl Asset {
    fn name(&self) -> &'static str {
        self.file.rsplit('/').next().unwrap_or(self.file)
    }
}

macro_rules! assets {
    ($( $file:literal, $content_type:expr, $compresses:literal; )+) => {
        &[$( Asset {
            file: $file,
            content_type: $content_type,
            bytes: include_bytes!(concat!("../assets/", $file)),
            compresses: $compresses,
        } ),+]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const ASSETS: &[Asset] = assets! {
    "console.css", STYLE, true;
    "scripts/answer.js", SCRIPT, true;
    "scripts/call.js", SCRIPT, true;
    "scripts/charts.js", SCRIPT, true;
    "scripts/command.js", SCRIPT, true;
    "scripts/console.js", SCRIPT, true;
    "scripts/copying.js", SCRIPT, true;
    "scripts/dom.js", SCRIPT, true;
    "scripts/forms.js", SCRIPT, true;
    "scripts/live.js", SCRIPT, true;
    "scripts/menus.js", SCRIPT, true;
    "scripts/panel.js", SCRIPT, true;
    "scripts/playground.js", SCRIPT, true;
    "scripts/progress.js", SCRIPT, true;
    "scripts/rows.js", SCRIPT, true;
    "scripts/shortcuts.js", SCRIPT, true;
    "scripts/theme.js", SCRIPT, true;
    "scripts/times.js", SCRIPT, true;
    "htmx-2.0.11.min.js", SCRIPT, true;
    "uplot-1.6.32.min.js", SCRIPT, true;
    "uplot-1.6.32.min.css", STYLE, true;
    "inter-latin.woff2", "font/woff2", false;
    "favicon.svg", "image/svg+xml", true;
};

/// The modules that `console.js` takes: pages name them, so that browsers load all at once.
pub(super) const CONSOLE_MODULES: &[&str] = &[
    "charts.js",
    "copying.js",
    "dom.js",
    "forms.js",
    "menus.js",
    "panel.js",
    "progress.js",
    "rows.js",
    "shortcuts.js",
    "theme.js",
    "times.js",
];
/// Those that `playground.js` takes.
pub(super) const PLAYGROUND_MODULES: &[&str] = &["answer.js", "call.js", "command.js"];

/// Those that `live.js` takes; pages name them for `console.js`.
#[cfg(test)]
const LIVE_MODULES: &[&str] = &["dom.js", "times.js"];

/// Names all of them: when one changes, all have other paths.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<u8> = ASSETS.iter().flat_map(|asset| asset.bytes).copied().collect();
    Digest::of(&all).to_hex()[..12].to_owned()
});

static COMPRESSED: LazyLock<Vec<Option<Bytes>>> = LazyLock::new(|| {
    ASSETS.iter().map(|asset| asset.compresses.then(|| gzipped(asset.bytes, Compression::best()))?).collect()
});

/// Where a file of `assets/` is.
pub(super) fn path(name: &str) -> String {
    format!("/console/assets/{}/{name}", *VERSION)
}

pub(super) async fn serve(Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let found = ASSETS.iter().position(|asset| asset.name() == name).filter(|_| version == *VERSION);
    let Some(index) = found else { return no_such_path().await };
    let Some(asset) = ASSETS.get(index) else { return no_such_path().await };
    let compressed = COMPRESSED.get(index).cloned().flatten().filter(|_| takes_gzip(&headers));
    let told: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VARY, "accept-encoding"),
    ];
    match compressed {
        Some(bytes) => (told, [(CONTENT_ENCODING, "gzip")], bytes).into_response(),
        None => (told, Bytes::from_static(asset.bytes)).into_response(),
    }
}

/// Whether the client takes what is compressed with gzip. Browsers name it without a weight.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| coding.trim().eq_ignore_ascii_case("gzip"))
}

/// The same bytes, compressed; `None` should that fail.
pub(super) fn gzipped(bytes: &[u8], level: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), level);
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What a first page loads must stay small: the goal is 150 KiB with the page itself.
    #[test]
    fn everything_that_a_page_loads_is_below_130_kibibytes() {
        let sizes = ASSETS.iter().zip(COMPRESSED.iter());
        let total: usize =
            sizes.map(|(asset, compressed)| compressed.as_ref().map_or(asset.bytes.len(), Bytes::len)).sum();
        assert!((60_000..130 * 1024).contains(&total), "{total}");
    }

    /// The modules that a script takes, and those that they take.
    fn taken(name: &str, found: &mut BTreeSet<&'static str>) {
        let asset = ASSETS.iter().find(|asset| asset.name() == name).unwrap_or_else(|| panic!("{name}"));
        let script = std::str::from_utf8(asset.bytes).unwrap();
        for line in script.lines().filter(|line| line.starts_with("import ")) {
            let module = line.split("\"./").nth(1).unwrap().trim_end_matches("\";");
            if found.insert(module) {
                taken(module, found);
            }
        }
    }

    #[test]
    fn pages_name_every_module_that_their_scripts_take() {
        for (script, named) in [
            ("console.js", CONSOLE_MODULES),
            ("live.js", LIVE_MODULES),
            ("playground.js", PLAYGROUND_MODULES),
        ] {
            let mut found = BTreeSet::new();
            taken(script, &mut found);
            assert_eq!(found, named.iter().copied().collect::<BTreeSet<_>>(), "{script}");
        }
    }

    #[test]
    fn gzip_is_taken_by_who_names_it() {
        let asks =
            |value: &str| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]));
        assert!(asks("gzip, deflate, br") && asks("br,GZIP"));
        assert!(!asks("br") && !asks("gzipped") && !takes_gzip(&HeaderMap::new()));
    }
}
