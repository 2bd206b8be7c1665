//! The tenant that pages are looked at with has something of everything.

use std::collections::BTreeSet;

use keystile_testkit::http::NOTHING;
use keystile_testkit::scene::{PASSWORD, Scene};
use serde_json::{Value, json};

use crate::world::{KEYSTILE, sign_in, text};

#[tokio::test(flavor = "multi_thread")]
async fn the_scene_has_keys_in_every_state_and_a_past() {
    let scene = Scene::start(KEYSTILE).await;
    let http = scene.server.http();
    let owner = sign_in(&http, scene.email("owner"), PASSWORD).await;
    let read = async |below: &str| {
        let path = format!("/api/v1/tenants/{}{below}", scene.tenant_id);
        http.json("GET", &path, &owner, &NOTHING).await.expect(200)
    };
    let list = async |below: &str| read(below).await["data"].as_array().unwrap().clone();

    let keys = list("/api-keys?limit=200&include_deleted=true").await;
    assert_eq!(keys.len(), scene.keys.len() + 1, "and a successor");
    let words = |member: &str| keys.iter().map(|key| text(key, member)).collect::<BTreeSet<_>>();
    assert_eq!(words("status").len(), 4);
    assert_eq!(words("environment").len(), 3);
    assert_eq!(words("kind").len(), 4);
    assert_eq!(words("trust_level").len(), 3);
    assert_eq!(words("application_id").len(), 3);
    for member in ["is_deleted", "blocked", "rotation_due"] {
        let is = |key: &&Value| key[member] == true;
        assert!((1..10).contains(&keys.iter().filter(is).count()), "{member}");
    }
    assert!(keys.iter().any(|key| key["last_used_at"].is_null()));

    let usage = async |name: &str| {
        let day = read(&format!("/api-keys/{}/usage?step=day", scene.key(name).id)).await.to_string();
        let refused = ["permission_denied", "wrong_environment", "rate_limited"];
        refused.map(|code| day.contains(code))
    };
    assert_eq!(usage("Checkout service").await, [true, true, false]);
    assert_eq!(usage("Returns desk").await, [true, true, true]);

    let together = read("/usage?step=hour").await;
    let hours = together["data"].as_array().unwrap();
    let busy = hours.iter().filter(|hour| hour["allowed"].as_u64() > Some(1000)).count();
    assert!(busy > 20, "{busy} of {}", hours.len());

    let events = read("/ingest?step=hour").await;
    let hours = events["data"].as_array().unwrap();
    assert!(hours.iter().filter(|hour| hour["accepted"].as_u64() > Some(50)).count() > 20, "{events}");
    let sources = list("/sources").await;
    assert_eq!(sources.len(), 3);
    assert!(sources.iter().all(|source| source["last_day"].as_u64() > Some(1000)), "{sources:?}");
    // Read together, so that no minute lies between them.
    let overview = read("/overview").await;
    let ingest = &overview["ingest"];
    for (of_source, span, outcome) in [
        ("last_hour", "last_hour", "accepted"),
        ("last_day", "last_day", "accepted"),
        ("refused_last_day", "last_day", "refused"),
    ] {
        let counts = ingest["sources"].as_array().unwrap().iter().map(|source| &source[of_source]);
        let sum: u64 = counts.map(|count| count.as_u64().unwrap()).sum();
        assert_eq!((sum > 0, json!(sum)), (true, ingest[span][outcome].clone()), "{of_source}: {ingest}");
    }

    let count = async |what: &str| list(what).await.len();
    assert_eq!((count("/memberships").await, count("/invitations").await), (5, 3));
    assert_eq!((count("/applications").await, count("/customers").await), (3, 8));
    assert_eq!(count("/permissions").await, 10);
    assert_eq!((count("/providers").await, count("/models").await), (2, 4));
    assert!((count("/spend?by=key").await, count("/spend?by=day").await) >= (3, 20));
    assert!((count("/ledger").await, count("/holds").await) >= (10, 1));
    assert!(count("/audit?limit=200").await > 100);
}
