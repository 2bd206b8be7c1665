//! Lists of keys in any order.

use serde_json::{Value, json};

use crate::world::{World, text};

/// The names of all keys with this tag, page by page.
async fn names(world: &World, query: &str) -> Vec<String> {
    let path = format!("{}?tag=listed&limit=2&{query}", world.keys());
    let (mut names, mut page) = (Vec::new(), world.read(&path).await);
    loop {
        let keys = page["data"].as_array().unwrap();
        names.extend(keys.iter().map(|key| text(key, "name").to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { return names };
        page = world.read(&format!("{path}&cursor={cursor}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_in_the_order_that_is_asked_for() {
    let world = World::start().await;
    let make = async |name: &str, more: Value| {
        let mut body = json!({ "name": name, "tags": { "listed": true } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.create(&body).await
    };
    let late = json!({ "expires_at": "2199-01-01T00:00:00Z" });
    let beta = make("beta", late).await;
    make("Alpha", json!({})).await;
    let gamma = make("Größe", json!({ "expires_at": "2099-01-01T00:00:00Z" })).await;
    for (query, expected) in [
        ("", ["Größe", "Alpha", "beta"]),
        ("order=asc", ["beta", "Alpha", "Größe"]),
        ("sort=name", ["Alpha", "beta", "Größe"]),
        ("sort=name&order=desc", ["Größe", "beta", "Alpha"]),
        ("sort=expires", ["Größe", "beta", "Alpha"]),
        ("sort=expires&order=desc", ["Alpha", "beta", "Größe"]),
        ("sort=last_used&order=asc", ["beta", "Alpha", "Größe"]),
    ] {
        assert_eq!(names(&world, query).await, expected, "{query}");
    }
    assert_eq!(names(&world, "expires_within_days=3650").await, [""; 0]);
    let reason = json!({ "reason": "unpaid" });
    world.change("POST", text(&gamma, "id"), "/block", &reason).await.expect(200);
    assert_eq!(names(&world, "blocked=true&sort=name").await, ["Größe"]);
    assert_eq!(names(&world, "blocked=false&sort=name").await, ["Alpha", "beta"]);
    let soon = json!({ "expires_at": null });
    world.change("PATCH", text(&beta, "id"), "", &soon).await.expect(200);
    assert_eq!(names(&world, "sort=expires").await, ["Größe", "beta", "Alpha"]);
}
