//! `keystile scan-rules`.

use crate::run::{keystile, ran};
use crate::server::Server;

#[test]
fn rules_are_made_for_a_label_without_a_server() {
    let rules = |arguments: &[&str]| {
        ran(&mut keystile(&[&["scan-rules", "--label", "acme"], arguments].concat())).ok()
    };
    let regex = rules(&["--format", "regex"]);
    assert_eq!(regex, "sk_acme_(?:live|stage|dev)_[0-9A-Za-z]{49}\\b\n");
    for (arguments, part) in [
        (&[][..], "id = \"keystile-acme\""),
        (&["--format", "gitleaks"], "id = \"keystile-acme\""),
        (&["--format", "detect-secrets"], "secret_type = \"Keystile API key (acme)\""),
    ] {
        let rules = rules(arguments);
        assert!(rules.contains(part) && rules.contains(regex.trim_end()), "{rules}");
    }
    for (arguments, said) in [(["--label", "A"], "a-z and 0-9"), (["--format", "trufflehog"], "gitleaks")] {
        let refused = ran(&mut keystile(&[&["scan-rules"], &arguments[..]].concat()));
        assert!(refused.status == Some(2) && refused.notes.contains(said), "{refused:?}");
    }
}

#[test]
fn a_server_knows_the_label_of_the_tenant() {
    let server = Server::start("scan-rules");
    ran(&mut server.ask("tenants", &["update", "--key-label", "acme"])).ok();
    let of_server = ran(&mut server.ask("scan-rules", &["--format", "detect-secrets"])).ok();
    let without = ran(&mut keystile(&["scan-rules", "--label", "acme", "--format", "detect-secrets"])).ok();
    assert_eq!(of_server, without);
    let nobody = ran(&mut keystile(&["scan-rules"]));
    assert!(nobody.status == Some(2) && nobody.out.is_empty(), "{nobody:?}");
}
