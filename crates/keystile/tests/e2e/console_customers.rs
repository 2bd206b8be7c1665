//! Customers in the console.

use serde_json::{Value, json};

use crate::console::Browser;
use crate::world::{World, text};

const NOBODY: &str = "customers/cus_01J00000000000000000000001";

fn full() -> Vec<(&'static str, &'static str)> {
    vec![
        ("name", "Nordwind <Logistics>"),
        ("external_id", "crm-1042"),
        ("rpm_limit", "600"),
        ("rate_limits[0].name", ""),
        ("rate_limits[0].unit", "60"),
        ("rate_limits[1].name", "daily"),
        ("rate_limits[1].limit", "1000"),
        ("rate_limits[1].window", "1"),
        ("rate_limits[1].unit", "86400"),
        ("rate_limits[1].when_away", "refuse"),
        ("metadata", r#"{"plan": "gold", "region": {"a": 1, "b": 2}}"#),
    ]
}

/// Where a form that was carried out leads: the path of the page, without what it tells.
#[track_caller]
fn led_to(answer: &keystile_testkit::http::Answer, told: &str) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let (path, query) = answer.header("location").split_once('?').unwrap();
    assert_eq!(query, format!("told={told}"));
    path.to_owned()
}

async fn read(world: &World, page: &str) -> Value {
    let id = page.rsplit('/').next().unwrap();
    world.read(&format!("{}/customers/{id}", world.tenant())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_added_changed_archived_and_restored() {
    let world = World::start().await;
    let browser = Browser::of_owner(&world).await;
    assert!(browser.page("customers").await.contains("Tell your customers apart"));
    let page = led_to(&browser.submit("customers/new", &full()).await, "customer-created");
    let shown = browser.page(&page).await;
    assert!(
        shown.contains("Nordwind &#60;Logistics&#62;")
            && shown.contains("crm-1042")
            && shown.contains("600/min, 1,000/d")
            && shown.contains("While the shared count is away: daily refuses")
    );
    let made = read(&world, &page).await;
    let daily = json!({ "name": "daily", "limit": 1000, "window_seconds": 86400, "when_away": "refuse" });
    assert_eq!(made["rate_limits"], json!([daily]));

    let form = browser.page(&format!("{page}/edit")).await;
    assert!(form.contains("value=\"Nordwind &#60;Logistics&#62;\"") && form.contains("value=\"daily\""));
    let changed = [("name", "Nordwind"), ("version", "1"), ("metadata", r#"{"region": {"b": 3}}"#)];
    led_to(&browser.submit(&format!("{page}/edit"), &changed).await, "saved");
    let after = read(&world, &page).await;
    // What was taken out of the form is gone, in the depth of the metadata, too.
    assert_eq!(after["metadata"], json!({ "region": { "b": 3 } }));
    assert_eq!(
        (&after["external_id"], &after["rpm_limit"], &after["rate_limits"]),
        (&Value::Null, &Value::Null, &json!([]))
    );

    assert!(browser.page(&format!("{page}/archive")).await.contains("go on working"));
    led_to(&browser.submit(&format!("{page}/archive"), &[]).await, "customer-archived");
    assert!(!browser.page("customers").await.contains("Nordwind"));
    assert!(browser.page("customers?include_archived=true&q=&external_id=").await.contains("Nordwind"));
    led_to(&browser.submit(&format!("{page}/restore"), &[]).await, "customer-restored");
    assert!(browser.page("customers?q=nordw").await.contains("Nordwind"));
    assert!(browser.page("customers?q=elsewhere").await.contains("No customer is like that"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_customer_is_told_at_its_field() {
    let world = World::start().await;
    let browser = Browser::of_owner(&world).await;
    led_to(&browser.submit("customers/new", &full()).await, "customer-created");
    for (field, typed, told) in [
        ("name", "", "name-wrong"),
        ("rpm_limit", "many", "must be a whole number"),
        ("rpm_limit", "0", "must be from 1 to"),
        ("metadata", "plan: gold", "metadata-wrong"),
        ("rate_limits[1].limit", "", "limit must be"),
        ("rate_limits[1].window", "40", "window_seconds must be"),
        ("external_id", "crm-1042", "external_id-wrong"),
    ] {
        let others = full()
            .into_iter()
            .filter(|(name, _)| *name != field && (field == "external_id" || *name != "external_id"));
        let fields: Vec<_> = others.chain([(field, typed)]).collect();
        let answer = browser.submit("customers/new", &fields).await;
        assert_eq!(answer.status, 422, "{field}");
        assert!(answer.text.contains(told), "{field}: {}", answer.text);
        assert!(
            field == "name" || answer.text.contains("value=\"Nordwind &#60;Logistics&#62;\""),
            "{field}: what was typed stays"
        );
    }
    let stale = led_to(&browser.submit("customers/new", &[("name", "Stale")]).await, "customer-created");
    led_to(&browser.submit(&format!("{stale}/edit"), &[("name", "Newer"), ("version", "1")]).await, "saved");
    let late = browser.submit(&format!("{stale}/edit"), &[("name", "Older"), ("version", "1")]).await;
    assert!(late.status == 422 && late.text.contains("repeat the change"), "{}", late.text);
    assert_eq!(text(&read(&world, &stale).await, "name"), "Newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_change_customers_sees_them_all_the_same() {
    let world = World::start().await;
    let id = world.customer("Nordwind").await;
    let viewer = Browser::of_member(&world, "viewer").await;
    let page = viewer.page(&format!("customers/{id}")).await;
    assert!(page.contains("Nordwind") && !page.contains("/archive") && !page.contains("/edit"));
    assert!(!viewer.page("customers").await.contains("customers/new"));
    for form in ["customers/new", &format!("customers/{id}/edit"), &format!("customers/{id}/archive")] {
        assert_eq!(viewer.open(form).await.status, 403, "{form}");
        assert_eq!(viewer.submit(form, &[("name", "X")]).await.status, 403, "{form}");
    }
    let developer = Browser::of_member(&world, "developer").await;
    led_to(&developer.submit(&format!("customers/{id}/archive"), &[]).await, "customer-archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_customers_are_taken_from_our_pages_and_for_our_customers_only() {
    let world = World::start().await;
    let id = world.customer("Nordwind").await;
    let browser = Browser::of_owner(&world).await;
    for form in [
        "customers/new",
        &format!("customers/{id}/edit"),
        &format!("customers/{id}/archive"),
        &format!("customers/{id}/restore"),
    ] {
        assert_eq!(browser.submit_without_token(form, &[("name", "X")]).await.status, 403, "{form}");
        assert_eq!(browser.submit_from_elsewhere(form, &[("name", "X")]).await.status, 403, "{form}");
    }
    assert_eq!(browser.open(NOBODY).await.status, 404);
    for what in ["edit", "archive", "restore"] {
        assert_eq!(browser.submit(&format!("{NOBODY}/{what}"), &[("name", "X")]).await.status, 404, "{what}");
    }
}
