//! Pages to try the harness on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use keystile_testkit::browser::Browser;
use keystile_testkit::site::Site;
use keystile_testkit::wait::until;

/// A page that is as it should be.
pub(crate) const GOOD: &str = r#"
<h1>Sample</h1>
<form id="form">
  <label for="name">Name <small>of the key</small></label><input id="name" autocomplete="off">
  <label>Environment <select id="environment"><option>production</option><option>staging</option></select></label>
  <button>Add</button>
</form>
<ul id="list"></ul>
<button id="later" type="button">Later</button>
<div id="place"></div>
<p id="said"></p>"#;
const STYLE: &str = "
body { background: #fff; color: #111; margin: 1rem }
@media (prefers-color-scheme: dark) { body { background: #101010; color: #eee } }
.faint { color: #ddd }
.wide { width: 2000px }
.tall { height: 3000px }";
/// Adds lines; and replaces a button again and again before the right one comes, as a page does that is loaded in parts.
const SCRIPT: &str = r#"
const by = id => document.getElementById(id);
by('form')?.addEventListener('submit', event => {
    event.preventDefault();
    const line = document.createElement('li');
    line.textContent = `${by('name').value} in ${by('environment').value}`;
    by('list').append(line);
    const remove = document.createElement('button');
    remove.setAttribute('aria-label', `Remove ${by('name').value}`);
    remove.addEventListener('click', () => { line.remove(); remove.remove(); });
    by('list').after(remove);
});
by('later')?.addEventListener('click', () => {
    let count = 0;
    const replace = () => {
        const button = document.createElement('button');
        button.textContent = ++count < 20 ? 'Not yet' : 'At last';
        button.addEventListener('click', () => { by('said').textContent = 'done'; });
        by('place').replaceChildren(button);
        if (count < 25) requestAnimationFrame(replace);
    };
    requestAnimationFrame(replace);
});"#;

/// A whole page with this in its main part.
pub(crate) fn page(main: &str) -> String {
    format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sample</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"><script src="/app.js" defer></script></head>
        <body><main>{main}</main></body></html>"#
    )
}

fn site(page: &str, script: &str) -> Site {
    Site::start(&[("/", page), ("/style.css", STYLE), ("/app.js", script)])
}

/// A browser that shows the page.
pub(crate) fn open(page: &str) -> Browser {
    at(&site(page, SCRIPT))
}

/// A browser that shows a page with a script of the test.
pub(crate) fn with_script(main: &str, script: &str) -> Browser {
    at(&site(&page(main), script))
}

/// A browser that shows the first page of a site.
pub(crate) fn at(site: &Site) -> Browser {
    let browser = Browser::start(&site.address());
    browser.open("/");
    browser
}

/// What a test says when it fails.
pub(crate) fn caught(test: impl FnOnce()) -> String {
    let failed = catch_unwind(AssertUnwindSafe(test)).expect_err("it did not fail");
    failed.downcast_ref::<String>().cloned().unwrap_or_else(|| panic!("it failed without a text"))
}

/// Waits until none of these processes runs. Who has ended and was not buried by its parent is no process any more.
pub(crate) fn wait_until_ended(processes: &[u32]) {
    let runs = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let state = status.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
        state.is_some_and(|state| state != 'Z' && state != 'X')
    };
    until("the end of the browser", || (!processes.iter().any(runs)).then_some(()));
}
