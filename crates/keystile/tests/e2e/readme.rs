//! What README says to type does what it says.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::dev::guide_commands;
use crate::world::{KEYSTILE, World, text};

const README: &str = include_str!("../../../../README.md");

/// What the shell is given between two headings of README.
fn shell_blocks(from: &str, to: &str) -> Vec<&'static str> {
    let (_, section) = README.split_once(from).unwrap();
    let (section, _) = section.split_once(to).unwrap();
    section.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_five_minutes_go_as_readme_says() {
    let world = World::start().await;
    let folder = world.server.plan().folder();
    fs::copy(world.server.credentials_file(), folder.join("dev.json")).unwrap();
    // What is searched for keys.
    fs::create_dir_all(folder.join("src/shop")).unwrap();
    let key = world.create(&json!({ "name": "to be changed" })).await;
    let blocks = shell_blocks("## The first five minutes", "**Run it for real**");
    assert!(blocks.len() >= 2, "{blocks:?}");
    let typed = blocks
        .join("\n")
        .replace("127.0.0.1:7878", world.server.address())
        .replace("key_01…", text(&key, "id"))
        .replace("sk_ks_live_…", "$KEY")
        // There is no terminal to ask at.
        .replace("keys revoke", "keys revoke --yes");
    assert!(!typed.contains('…'), "nothing is left to the reader: {typed}");
    let programs = Path::new(KEYSTILE).parent().unwrap().display();
    let guide = guide_commands(&world.server);
    let script = format!("PATH=\"{programs}:$PATH\"\n{guide}\n{typed}");
    let mut command = Command::new("sh");
    command.args(["-euc", &script]).current_dir(folder).env("HOME", folder);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{said}", String::from_utf8_lossy(&output.stderr));
    let yes = said.matches(r#""valid":true,"code":"allowed""#).count();
    assert_eq!(yes, 2, "the guide's production key is good for README, too: {said}");
    assert!(said.contains(" passed\n") && said.contains(" not asked\n"), "each check is shown: {said}");
    let ended = world.read(&format!("{}/{}", world.keys(), text(&key, "id"))).await;
    assert_eq!((text(&ended, "status"), &ended["rpm_limit"]), ("revoked", &json!(600)));
}
