//! Every path that is served may be named in a log, up to what somebody chose.

use keystile_web::loggable::Words;
use keystile_web::openapi;

use crate::{places, words};

/// What stands in paths for the names in them: ids are shown.
const IDS: &[(&str, &str)] = &[
    ("{tenant_id}", "ten_01J00000000000000000000001"),
    ("{api_key_id}", "key_01J00000000000000000000002"),
    ("{application_id}", "app_01J00000000000000000000003"),
    ("{customer_id}", "cus_01J00000000000000000000004"),
    ("{person_id}", "per_01J00000000000000000000005"),
    ("{invitation_id}", "inv_01J00000000000000000000006"),
    ("{session_id}", "ses_01J00000000000000000000007"),
    ("{audit_id}", "aud_01J00000000000000000000008"),
    ("{event_id}", "evt_01J00000000000000000000009"),
    ("{leak_id}", "leak_01J0000000000000000000000A"),
    ("{log_id}", "log_01J00000000000000000000010"),
    ("{job_id}", "job_01J0000000000000000000000A"),
    ("{provider_id}", "prv_01J0000000000000000000000A"),
    ("{model_id}", "mdl_01J0000000000000000000000A"),
    ("{webhook_id}", "hook_01J0000000000000000000000A"),
    ("{hold_id}", "hld_01J0000000000000000000000A"),
    ("{ledger_id}", "led_01J0000000000000000000000A"),
];
/// Names of what somebody chooses, and of files: neither they nor what comes behind them is shown.
const CHOSEN: &[&str] = &["{permission}", "{name}", "{version}", "{entity_type}", "{entity_id}"];

const SOMETHING: &str = "Zk3v9Qp1xT";

/// A path that fits, and what a log shows of it. A path with a name in it that stands in neither table has no place here yet.
fn filled(path: &str) -> (String, String) {
    let mut parts = Vec::new();
    for part in path.split('/') {
        parts.push(match IDS.iter().find(|(name, _)| *name == part) {
            Some((_, id)) => *id,
            None if CHOSEN.contains(&part) => SOMETHING,
            None => {
                assert!(!part.starts_with('{'), "{path}: say whether {part} may be shown");
                part
            }
        });
    }
    let whole = parts.join("/");
    let shown = whole.split_once(SOMETHING).map(|(ours, _)| format!("{ours}…"));
    (whole.clone(), shown.unwrap_or(whole))
}

#[test]
fn every_path_that_is_served_is_shown_up_to_what_somebody_chose() {
    let logged = Words::of(&openapi(), words());
    let documented: Vec<_> = openapi().paths.paths.into_keys().collect();
    let aliases = documented.iter().filter_map(|path| path.strip_prefix("/api/v1/tenants/"));
    let aliases: Vec<_> = aliases.map(|below| format!("/tenants/{below}")).collect();
    let pages = places().into_iter().map(|(_, path)| path);
    let others = ["/openapi.json", "/metrics"].map(str::to_owned);
    let all: Vec<_> = documented.iter().cloned().chain(aliases).chain(pages).chain(others).collect();
    assert!(all.len() > 150, "the tables are not what they were: {}", all.len());
    for path in all {
        let (whole, shown) = filled(&path);
        assert_eq!(logged.shown(&whole), shown, "{path}");
    }
}
