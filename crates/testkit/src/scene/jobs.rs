//! What was done in the background.

use serde_json::json;

use super::{Asker, text};
use crate::wait::eventually;

/// Asks for some jobs, waits until they are over, and gives the id of the one that has the most to tell.
pub(super) async fn make(owner: &Asker) -> String {
    let none = json!({ "kind": "disable", "filter": { "q": "no key is called so" }, "expected": 0 });
    let revoked = json!({ "status": "revoked" });
    let found = json!({ "kind": "enable", "filter": revoked, "dry_run": true });
    let found = owner.make("/jobs", &found).await["total"].clone();
    // What is revoked cannot be enabled, which is what the page of a job tells.
    let refused = json!({ "kind": "enable", "filter": revoked, "expected": found });
    let mut made = Vec::new();
    for body in [json!({ "kind": "export" }), none, refused] {
        made.push(text(&owner.make("/jobs", &body).await, "id"));
    }
    let all_over = async || {
        let jobs = owner.list("/jobs").await;
        jobs.iter().all(|job| ["done", "failed"].contains(&text(job, "state").as_str())).then_some(())
    };
    eventually("the jobs", all_over).await;
    made.swap_remove(2)
}
