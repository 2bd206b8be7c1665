//! `keystile setup`.

use keystile_testkit::server::Plan;

use crate::run::{keystile, ran_with_input};

const PASSWORD: &str = "correct-otter-lamp-41-river";

#[test]
fn the_link_of_the_first_start_makes_the_owner() {
    let server = Plan::serve(env!("CARGO_BIN_EXE_keystile")).start();
    let written = server.process().stdout();
    let link = written.split_whitespace().find(|word| word.contains("/console/setup#")).unwrap();
    let set_up = |link: &str, password: &str, more: &[&str]| {
        let arguments = [&["setup", "--email", "ada@example.com", "--stdin"], more].concat();
        ran_with_input(&mut keystile(&arguments), &format!("{link}\n{password}\n"))
    };
    let (page, token) = link.split_once('#').unwrap();
    for (link, password, says) in [
        (token, PASSWORD, "no link for setting up"),
        (&format!("{page}#kssetup_0"), PASSWORD, "is not the one that this start of the server made"),
        (link, "password1234", "can be guessed"),
    ] {
        let refused = set_up(link, password, &[]);
        assert!(refused.status != Some(0) && refused.out.is_empty(), "{refused:?}");
        assert!(refused.notes.contains(says) && !refused.notes.contains(token), "{refused:?}");
    }
    let made = set_up(link, PASSWORD, &["--tenant-name", "Acme"]);
    assert!(made.notes.contains("keystile login --url http://127.0.0.1:"), "{made:?}");
    assert!(made.ok().starts_with("ten_"));
    let again = set_up(link, PASSWORD, &[]);
    assert!(again.notes.contains("set up already"), "{again:?}");
}
