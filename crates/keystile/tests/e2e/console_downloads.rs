//! Files that are saved from the console.

use std::process::Command;

use serde_json::json;

use crate::console::{Browser, between};
use crate::console_authorization::assert_guarded;
use crate::world::World;

/// Secrets that people bring, with all that a shell would read as something else.
const BROUGHT: [&str; 4] = [
    "7hQ-vX2mLpR9wKzB4nYcJ8dHs",
    "7hQ$(id)vX2`id`mL\"pR9\\wK#zB4;nY&c",
    "7hQ'vX2m#LpR9=wKzB4nYcJ8dHs",
    "7hQ'vX2$HOME\"pR9`id`wK\\zB4!nYcJ8",
];

/// What a shell has in `API_KEY` when it has read a file, and how many other variables that file has set.
fn read_by_a_shell(world: &World, file: &str) -> (String, usize) {
    let path = world.server.plan().folder().join("saved.env");
    std::fs::write(&path, file).unwrap();
    let script = "before=$(set | wc -l); . \"$1\"; printf %s \"$API_KEY\"; exec >&2; unset API_KEY; set | wc -l; echo \"$before\"";
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let counts = String::from_utf8(output.stderr).unwrap();
    let counts: Vec<usize> = counts.split_whitespace().map(|count| count.parse().unwrap()).collect();
    // `before` is one of them by then.
    (String::from_utf8(output.stdout).unwrap(), counts[0] - counts[1] - 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_saved_so_that_a_shell_reads_it_as_it_is() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let name = "../Odd \"name\"\u{2028}NODE_OPTIONS=--require=/tmp/x\u{2029}$(id) </pre><b>";
    for secret in BROUGHT.map(Some).into_iter().chain([None]) {
        let mut fields = vec![("name", name), ("kind", "service"), ("expiry", "never")];
        fields.extend(secret.map(|secret| ("secret", secret)));
        let answer = owner.submit_for_secret("keys/new", &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_guarded(&answer, "a page with a secret");
        let unescaped = |text: &str| {
            let signs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
            signs.iter().fold(text.to_owned(), |text, (written, sign)| text.replace(written, sign))
        };
        assert_eq!(
            between(&answer.text, "data-save-as=\"", "\""),
            "odd-name-node-options-require-tmp-x-id-pre-b.production.env"
        );
        let file = unescaped(between(&answer.text, "<pre id=\"new-secret-file\" hidden>", "</pre>"));
        let shown = unescaped(between(&answer.text, "<code id=\"new-secret\">", "</code>"));
        assert_eq!(read_by_a_shell(&world, &file), (shown.clone(), 0), "{file}");
        assert_eq!(secret.unwrap_or(&shown), shown);
        let lines: Vec<_> = file.split(['\n', '\u{2028}', '\u{2029}', '\u{85}', '\r']).collect();
        assert_eq!(lines.len(), 4, "{file}");
        assert!(lines[..2].iter().all(|line| line.starts_with("# ")) && lines[3].is_empty(), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_saved_as_a_file_that_no_browser_shows() {
    let world = World::start().await;
    let viewer = Browser::of_member(&world, "viewer").await;
    world.create(&json!({ "name": "Stands in it" })).await;
    let export = viewer.open("audit/export").await;
    assert_eq!((export.status, export.header("content-type")), (200, "application/x-ndjson"));
    let name = between(export.header("content-disposition"), "attachment; filename=\"", "\"");
    assert!(name.starts_with(&format!("keystile-audit-{}-", world.credentials.tenant_id)), "{name}");
    assert_guarded(&export, "the export");
    assert!(export.text.contains("Stands in it") && !export.text.contains("<html"), "{}", export.text);
}
