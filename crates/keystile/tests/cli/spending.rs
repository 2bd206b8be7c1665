//! `keystile spend`, `ledger` and `holds`.

use serde_json::Value;

use crate::run::{Ran, ran, ran_with_input};
use crate::server::Server;

fn asked(server: &Server, command: &str, arguments: &[&str]) -> Ran {
    ran(&mut server.ask(command, arguments))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_is_held_is_settled_by_hand_and_what_was_charged_is_corrected() {
    let server = Server::start("spending");
    for (command, arguments, said) in [
        ("spend", &[][..], "Nothing was spent"),
        ("ledger", &["list"][..], "Nothing like that"),
        ("holds", &["list"][..], "Nothing is held"),
    ] {
        let none = asked(&server, command, arguments);
        assert!(none.status == Some(0) && none.notes.contains(said), "{none:?}");
    }
    let llm = ["create", "agents", "--kind", "virtual_llm", "--allowed-model", "gpt-4o"];
    let budget = ["--max-budget-usd", "1", "--budget-period", "day"];
    let secret = asked(&server, "keys", &[&llm[..], &budget].concat()).ok();
    let verify = ["verify", "--model", "gpt-4o", "--estimate-usd", "0.75", "--json"];
    let held = json(&ran_with_input(&mut server.keys(&verify), &secret).ok());
    let hold = held["hold_id"].as_str().unwrap();
    let refused = ran_with_input(&mut server.keys(&["verify", "--estimate-usd", "0.5"]), &secret);
    assert_eq!((refused.status, refused.out.lines().next()), (Some(1), Some("budget_exhausted")));
    let listed = asked(&server, "holds", &["list"]).ok();
    assert!(listed.contains(hold) && listed.contains("$0.7500") && listed.contains("gpt-4o"), "{listed}");

    let settle = ["settle", hold, "--cost-usd", "0.25", "--reason", "the worker died"];
    let settled = asked(&server, "holds", &settle);
    assert!(settled.notes.contains("$0.2500 of $0.7500 is charged"), "{settled:?}");
    let again = asked(&server, "holds", &settle);
    assert_eq!(again.notes, settled.notes, "whoever says the same again is told the same");
    let other =
        asked(&server, "holds", &["settle", hold, "--cost-usd", "0.3", "--reason", "the worker died"]);
    assert!(other.status == Some(2) && other.notes.contains("hold_over"), "{other:?}");

    let ledger = json(&asked(&server, "ledger", &["list", "--model", "gpt-4o", "--json"]).ok());
    let row = ledger["data"][0]["id"].as_str().unwrap();
    let correct = ["correct", row, "--amount-usd", "0.1", "--reason", "billed less"];
    let corrected = asked(&server, "ledger", &correct);
    assert!(corrected.notes.contains("$0.1000 is charged, -$0.1500 by this row"), "{corrected:?}");
    let rows = asked(&server, "ledger", &["list", "--kind", "correction"]).ok();
    assert!(rows.contains("-$0.1500"), "{rows}");
    let spent = asked(&server, "spend", &["--by", "model", "--from", "1d"]).ok();
    assert!(spent.contains("gpt-4o") && spent.contains("$0.1000"), "{spent}");
    let of_production = asked(&server, "spend", &["--model", "gpt-4o", "--environment", "production"]).ok();
    assert!(of_production.contains("$0.1000"), "{of_production}");
    let elsewhere = asked(&server, "spend", &["--model", "gpt-4o", "--environment", "staging"]);
    assert!(elsewhere.status == Some(0) && elsewhere.notes.contains("Nothing was spent"), "{elsewhere:?}");
    let too_long = asked(&server, "spend", &["--from", "1000d"]);
    assert!(
        too_long.status == Some(2) && too_long.notes.contains("--from: must be at most 366 days"),
        "{too_long:?}"
    );
}
