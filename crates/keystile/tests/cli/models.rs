//! `keystile providers …` and `keystile models …`.

use serde_json::{Value, json};

use crate::run::{Ran, ran, ran_with_input};
use crate::server::Server;

const CREDENTIAL: &str = "sk-proj-K3y0fTh3Pr0v1d3r-9xYz";

fn told(server: &Server, command: &str, arguments: &[&str]) -> Ran {
    ran(&mut server.ask(command, arguments))
}

fn json(server: &Server, command: &str, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--json"]].concat();
    serde_json::from_str(&ran(&mut server.ask(command, &arguments)).ok()).unwrap()
}

/// A provider, made with a key that is read from standard input: its id.
fn provider(server: &Server) -> String {
    let made =
        ran_with_input(&mut server.ask("providers", &["create", "OpenAI", "--json"]), &format!("{CREDENTIAL}\n"));
    assert!(!made.out.contains("sk-proj") && !made.notes.contains("sk-proj"), "{made:?}");
    let made: Value = serde_json::from_str(&made.ok()).unwrap();
    assert_eq!(made["base_url"], "https://api.openai.com/v1");
    made["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_provider_is_made_shown_changed_and_deleted() {
    let server = Server::start("providers");
    let none = told(&server, "providers", &["list"]);
    assert!(none.status == Some(0) && none.notes.contains("There is none"), "{none:?}");
    let id = provider(&server);
    let shown = told(&server, "providers", &["show", &id]).ok();
    assert!(shown.contains("…9xYz") && !shown.contains("sk-proj"), "{shown}");
    let nothing = told(&server, "providers", &["update", &id]);
    assert!(nothing.status == Some(2) && nothing.notes.contains("nothing is to be changed"), "{nothing:?}");
    let file = server.file("provider.key");
    std::fs::write(&file, "another-key-of-the-other-host\n").unwrap();
    let elsewhere = ["edit", &id, "--base-url", "https://eu.example.com/v1"];
    let refused = told(&server, "providers", &elsewhere);
    assert!(refused.status == Some(2) && refused.notes.contains("credential"), "{refused:?}");
    let with = [&elsewhere[..], &["--key-file", file.to_str().unwrap(), "--environment", "staging"]].concat();
    let moved = told(&server, "providers", &with).ok();
    assert!(moved.contains("eu.example.com") && moved.contains("staging"), "{moved}");
    let off = told(&server, "providers", &["edit", &id, "--disable", "--all-environments"]).ok();
    assert!(off.contains("off") && off.contains("all"), "{off}");
    let listed = told(&server, "providers", &["list"]).ok();
    assert!(listed.starts_with("ID  ") && listed.contains("OpenAI"), "{listed}");
    let deleted = told(&server, "providers", &["delete", &id]);
    assert!(deleted.status == Some(0) && deleted.notes.contains("is deleted"), "{deleted:?}");
    let inside = ["create", "Inside", "--base-url", "https://10.0.0.1/v1"];
    let refused = ran_with_input(&mut server.ask("providers", &inside), "a-key\n");
    assert!(refused.status == Some(2) && refused.notes.contains("base_url"), "{refused:?}");
}

#[test]
fn a_model_is_offered_repriced_and_deleted() {
    let server = Server::start("models");
    let provider = provider(&server);
    let none = told(&server, "models", &["list"]);
    assert!(none.status == Some(0) && none.notes.contains("There is none"), "{none:?}");
    let create = ["create", &provider, "gpt-4o-mini", "--alias", "small", "--input", "0.15", "--output", "0.6"];
    let made = json(&server, "models", &create);
    assert_eq!((&made["price"]["input_usd_per_million"], &made["aliases"]), (&json!(0.15), &json!(["small"])));
    let id = made["id"].as_str().unwrap();
    let changed = told(&server, "models", &["edit", id, "--input", "0.2", "--output", "0.8", "--rank", "3"]);
    assert!(changed.ok().contains("version 2"));
    let bare = told(&server, "models", &["edit", id, "--clear-price"]).ok();
    assert!(bare.contains("no key with a budget"), "{bare}");
    let half = told(&server, "models", &["edit", id, "--input", "0.2"]);
    assert!(half.status == Some(2) && half.notes.contains("--output"), "{half:?}");
    let prices = told(&server, "models", &["prices", id]).ok();
    let versions: Vec<_> = prices.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(versions, ["VERSION", "3", "2", "1"]);
    let listed = told(&server, "models", &["list", "--q", "MINI"]).ok();
    assert!(listed.contains("gpt-4o-mini") && listed.contains("none"), "{listed}");
    let held = told(&server, "providers", &["delete", &provider]);
    assert!(held.status == Some(2) && held.notes.contains("provider_has_models"), "{held:?}");
    let deleted = told(&server, "models", &["delete", id]);
    assert!(deleted.status == Some(0) && deleted.notes.contains("is deleted"), "{deleted:?}");
}

#[test]
fn models_are_imported_from_a_file_or_from_the_builtin_table() {
    let server = Server::start("models-import");
    let provider = provider(&server);
    let dry = told(&server, "models", &["import", &provider, "--builtin", "--dry-run"]);
    assert!(dry.out.contains("gpt-4o-mini") && dry.notes.contains("Nothing was written"), "{dry:?}");
    let one = ["import", &provider, "--builtin", "--name", "gpt-4o-mini"];
    let taken = told(&server, "models", &one);
    assert!(taken.out.contains("made") && taken.notes.contains("compare them"), "{taken:?}");
    let file = server.file("table.json");
    let entry = json!({ "litellm_provider": "openai", "input_cost_per_token": 2e-7, "output_cost_per_token": 1e-6 });
    std::fs::write(&file, json!({ "gpt-4o-mini": entry }).to_string()).unwrap();
    let import = ["import", &provider, file.to_str().unwrap()];
    let kept = told(&server, "models", &import).ok();
    assert!(kept.contains("kept") && kept.contains("0.15"), "{kept}");
    let changed = told(&server, "models", &[&import[..], &["--overwrite"]].concat()).ok();
    assert!(changed.contains("changed") && changed.contains("0.2"), "{changed}");
    std::fs::write(&file, json!({ "claude-x-1": { "litellm_provider": "openai", "mode": 7 } }).to_string()).unwrap();
    let broken = told(&server, "models", &[&import[..], &["--litellm-provider", "openai"]].concat());
    assert!(broken.status == Some(2) && broken.notes.contains("claude-x-1.mode"), "{broken:?}");
    let neither = told(&server, "models", &["import", &provider]);
    assert!(neither.status == Some(2) && neither.notes.contains("FILE"), "{neither:?}");
}
