//! Making a tenant, and its settings, in the console.

use serde_json::json;

use crate::console::Browser;
use crate::console_account::{leads_to, wrong};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_and_owned() {
    let world = World::start().await;
    let viewer = Browser::of_member(&world, "viewer").await;
    let path = "/console/tenants/new";
    assert!(viewer.page(path).await.contains("data-mirrors=\"key_label\""));
    let broken = viewer.submit(path, &[("name", ""), ("key_label", "A!")]).await;
    assert!(wrong(&broken, "name").contains("1 to 200") && wrong(&broken, "key_label").contains("2 to 12"));
    assert!(broken.text.contains("value=\"A!\""), "what was typed stays");
    let fields = [("name", "Acme <b>"), ("key_label", "acme")];
    assert_eq!(viewer.submit_without_token(path, &fields).await.status, 403);
    assert_eq!(viewer.submit_from_elsewhere(path, &fields).await.status, 403);
    let home = leads_to(&viewer.submit(path, &fields).await);
    let (home, told) = home.split_once('?').unwrap();
    assert_eq!(told, "told=tenant-created");
    let settings = viewer.page(&format!("{home}/settings")).await;
    assert!(settings.contains("Owner</span>") && settings.contains("value=\"acme\""), "{settings}");
    assert!(!settings.contains("Acme <b>"), "names are text");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_by_owners_unless_somebody_was_faster() {
    let world = World::start().await;
    let owner = Browser::of_owner(&world).await;
    let fields = [
        ("version", "1"),
        ("name", "Acme"),
        ("key_label", "acme"),
        ("rotation_days", "30"),
        ("default_trust_level", "internal"),
        ("event_days", "30"),
        ("less_trusted_overwrites", "yes"),
        ("log_requests", "refused"),
        ("log_days", "7"),
        ("rpm_limit", "600"),
        ("rate_limits[0].name", "daily"),
        ("rate_limits[0].limit", "5000"),
        ("rate_limits[0].window", "1"),
        ("rate_limits[0].unit", "86400"),
        ("rate_limits[0].when_away", "refuse"),
    ];
    let with = |name, value| fields.map(|(field, typed)| (field, if field == name { value } else { typed }));
    for (field, typed) in [
        ("name", ""),
        ("key_label", "A!"),
        ("rotation_days", "0"),
        ("rotation_days", "many"),
        ("event_days", "0"),
        ("log_requests", "some"),
        ("log_days", "731"),
        ("rpm_limit", "0"),
    ] {
        let refused = owner.submit("settings", &with(field, typed)).await;
        assert!(!wrong(&refused, field).is_empty(), "{field}");
    }
    let refused = owner.submit("settings", &with("rate_limits[0].limit", "0")).await;
    assert!(refused.status == 422 && refused.text.contains("limit must be from 1 to"), "{}", refused.text);
    let refused = owner.submit("settings", &with("rate_limits[0].when_away", "open")).await;
    assert!(refused.status == 422 && refused.text.contains("must be one of `refuse`"), "{}", refused.text);
    assert_eq!(world.read(&world.tenant()).await["version"], 1, "nothing was changed");
    assert!(leads_to(&owner.submit("settings", &fields).await).ends_with("/settings?told=settings-saved"));
    let changed = world.read(&world.tenant()).await;
    let set = [
        "name",
        "key_label",
        "rotation_days",
        "mfa_required",
        "default_trust_level",
        "event_days",
        "less_trusted_overwrites",
        "log_requests",
        "log_days",
        "rpm_limit",
        "rate_limits",
    ];
    let daily = json!([{ "name": "daily", "limit": 5000, "window_seconds": 86_400, "when_away": "refuse" }]);
    let expected = [
        json!("Acme"),
        json!("acme"),
        json!(30),
        json!(false),
        json!("internal"),
        json!(30),
        json!(true),
        json!("refused"),
        json!(7),
        json!(600),
        daily,
    ];
    assert_eq!(set.map(|name| changed[name].clone()), expected);
    assert!(owner.page("settings").await.contains("value=\"daily\""));

    let stale = owner.submit("settings", &with("name", "Late")).await;
    assert!(stale.status == 422 && stale.text.contains("at version 2 by now"), "{}", stale.text);
    let cleared = [("version", "2"), ("name", "Acme"), ("mfa_required", "yes")];
    assert_eq!(
        leads_to(&owner.submit("settings", &cleared).await).split('?').nth(1),
        Some("told=settings-saved")
    );
    let page = owner.open("settings").await;
    assert!(page.status == 403 && page.text.contains("/console/account"), "{}", page.text);
    assert!(owner.page("/console/account").await.contains("Asks for a second factor"));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_read_the_settings_and_change_none() {
    let world = World::start().await;
    for role in ["viewer", "developer", "admin"] {
        let member = Browser::of_member(&world, role).await;
        let page = member.page("settings").await;
        assert!(
            page.contains("sk_ks_live_…")
                && page.contains("Playground")
                && !page.contains("name=\"rotation_days\"")
        );
        let fields = [("version", "1"), ("name", "Mine")];
        assert_eq!(member.submit("settings", &fields).await.status, 403, "{role}");
    }
    assert_eq!(world.read(&world.tenant()).await["name"], "Playground");
}
