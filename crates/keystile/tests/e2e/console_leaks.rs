//! Leaks in the console: what was reported, what to do next, and rules for scanners.

use keystile_testkit::http::NOTHING;
use serde_json::json;

use crate::console::{Browser, between};
use crate::leak_intake::leaked;
use crate::world::{World, text};

const PLACE: &str = "https://example.com/<gist>";
const SHOWN_PLACE: &str = "https://example.com/&#60;gist&#62;";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_what_the_secret_opens_and_leads_to_what_ends_it() {
    let world = World::start().await;
    let (owner, viewer) = (Browser::of_owner(&world).await, Browser::of_member(&world, "viewer").await);
    let teaches = viewer.page("leaks").await;
    assert!(teaches.contains("keystile scan PATH") && teaches.contains("docs/leaks.md"), "{teaches}");

    let key = world.create(&json!({ "name": "Van <telemetry>" })).await;
    let report = leaked(&world, &key, PLACE).await;
    let (id, page) = (text(&key, "id"), format!("leaks/{}", text(&report, "id")));
    let list = viewer.page("leaks").await;
    for shown in ["Van &#60;telemetry&#62;", SHOWN_PLACE, "Live", "A report", &page] {
        assert!(list.contains(shown), "{shown}: {list}");
    }
    let overview = format!("/console/{}", world.credentials.tenant_id);
    assert!(viewer.page(&overview).await.contains("Leaked, and still good"));
    let revoke = format!("/keys/{id}/revoke");
    let (seen, may) = (viewer.page(&page).await, owner.page(&page).await);
    for shown in [&seen, &may] {
        assert!(shown.contains(SHOWN_PLACE) && shown.contains("whoever has found it can use it"), "{shown}");
    }
    assert!(may.contains(&revoke) && may.contains(&format!("/keys/{id}/rotate")), "{may}");
    assert!(!seen.contains(&revoke) && seen.contains("Somebody who may manage keys"), "{seen}");
    let of_key = viewer.page(&format!("keys/{id}")).await;
    assert!(of_key.contains("Reported as leaked") && of_key.contains(&page), "{of_key}");

    world.change("POST", id, "/block", &json!({ "reason": "looking into it" })).await.expect(200);
    let warned = owner.page(&format!("keys/{id}/unblock")).await;
    assert!(warned.contains("reported as leaked") && warned.contains("looking into it"), "{warned}");

    world.change("POST", id, "/revoke", &NOTHING).await.expect(200);
    assert!(!viewer.page(&overview).await.contains("Leaked, and still good"));
    let over = owner.page(&page).await;
    assert!(over.contains("Nothing is left to be done here") && !over.contains(&revoke), "{over}");
    world.change("DELETE", id, "", &NOTHING).await.expect(204);
    let gone = owner.page(&page).await;
    assert!(gone.contains("deleted") && !gone.contains(&format!("/keys/{id}\"")), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_paged_and_narrowed_to_one_key() {
    let world = World::start().await;
    let viewer = Browser::of_member(&world, "viewer").await;
    let (first, second) =
        (world.create(&json!({ "name": "First" })).await, world.create(&json!({ "name": "Second" })).await);
    for key in [&first, &second] {
        leaked(&world, key, PLACE).await;
    }
    let latest = viewer.page("leaks?limit=1").await;
    assert!(latest.contains(">Second</a>") && !latest.contains(">First</a>"), "{latest}");
    let next = between(&latest, "<a class=\"button\" href=\"?", "\" rel=\"next\"").replace("&#38;", "&");
    let further = viewer.page(&format!("leaks?{next}")).await;
    assert!(further.contains(">First</a>") && !further.contains(">Second</a>"), "{further}");
    let of_first = viewer.page(&format!("leaks?key_id={}", text(&first, "id"))).await;
    assert!(of_first.contains(">First</a>") && !of_first.contains(">Second</a>"), "{of_first}");
    let other = world.create(&json!({ "name": "Third" })).await;
    let none = viewer.page(&format!("leaks?key_id={}", text(&other, "id"))).await;
    assert!(none.contains("This key was not reported as leaked"), "{none}");
    for wrong in ["leaks?key_id=key_1", "leaks?cursor=1", "leaks?limit=0", "leaks/rules?format=trufflehog"] {
        assert_eq!(viewer.open(wrong).await.status, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_secret_is_told_as_such() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let key = world.create(&json!({ "name": "Renewed" })).await;
    let report = leaked(&world, &key, PLACE).await;
    world.change("POST", text(&key, "id"), "/regenerate", &NOTHING).await.expect(200);
    let page = owner.page(&format!("leaks/{}", text(&report, "id"))).await;
    assert!(page.contains("Replaced") && page.contains("Nothing is left to be done here"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_for_scanners_are_shown_for_the_label_that_the_tenant_has() {
    let world = World::start().await;
    world.ask("PATCH", &world.tenant(), &json!({ "key_label": "acme" })).await.expect(200);
    let viewer = Browser::of_member(&world, "viewer").await;
    for (query, part) in [
        ("", "[[rules]]"),
        ("?format=gitleaks", "[[rules]]"),
        ("?format=detect-secrets", "class KeystileDetector"),
        ("?format=regex", "--format regex --label acme"),
    ] {
        let page = viewer.page(&format!("leaks/rules{query}")).await;
        let regex = r"sk_acme_(?:live|stage|dev)_[0-9A-Za-z]{49}\b";
        assert!(page.contains(part) && page.contains(regex), "{query}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_say_what_becomes_of_keys_that_leak() {
    let world = World::start().await;
    let (owner, viewer) = (Browser::of_owner(&world).await, Browser::of_member(&world, "viewer").await);
    let fields = |wanted| [("version", "1"), ("name", "Acme"), ("key_label", "acme"), ("on_leak", wanted)];
    assert_eq!(owner.submit("settings", &fields("delete")).await.status, 422);
    assert_eq!(owner.submit("settings", &fields("revoke")).await.status, 303);
    assert_eq!(world.read(&world.tenant()).await["on_leak"], "revoke");
    let told = "The key is refused at once and for good.";
    assert!(viewer.page("settings").await.contains(told) && viewer.page("leaks").await.contains(told));
}
