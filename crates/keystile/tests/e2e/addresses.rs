//! From where a key was used, which tells what would miss it.

use keystile_testkit::http::NOTHING;
use keystile_testkit::server::Plan;
use keystile_testkit::wait::eventually;
use serde_json::{Value, json};

use crate::console::Browser;
use crate::world::{KEYSTILE, World, as_key, text};

const HERE: &str = "203.0.113.7";
const THERE: &str = "2001:db8::7";

impl World {
    fn addresses_path(&self, key: &Value) -> String {
        format!("{}/{}/addresses", self.keys(), text(key, "id"))
    }

    /// Uses a key as somebody at this address, behind a proxy that the server trusts.
    async fn use_from(&self, key: &Value, environment: &str, ip: &str) -> u16 {
        let request = self.http.request("GET", &self.authz(environment));
        let request =
            request.header("authorization", as_key(text(key, "secret"))).header("x-forwarded-for", ip);
        self.http.send(request, "").await.status
    }

    /// The addresses from which a key is used, once both are written.
    async fn used_from_both(&self, key: &Value) -> Value {
        let both = async || {
            // Of two addresses in the same half minute one can be missed, once in 32,768 times.
            assert_eq!(self.use_from(key, "production", HERE).await, 200);
            assert_eq!(self.use_from(key, "production", THERE).await, 200);
            let seen = self.read(&self.addresses_path(key)).await;
            (seen["data"].as_array().unwrap().len() > 1).then_some(seen)
        };
        eventually("both addresses to be written", both).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_key_away_is_told_from_where_it_is_used() {
    let plan = Plan::dev(KEYSTILE).flag("--trusted-proxies", "127.0.0.0/8");
    let world = World::of(plan.start()).await;
    let owner = Browser::of_owner(&world).await;
    let key = world.create(&json!({ "name": "shared" })).await;
    let id = text(&key, "id");
    assert_eq!(world.read(&world.addresses_path(&key)).await, json!({ "data": [], "next_cursor": null }));
    assert_eq!(world.use_from(&key, "staging", "198.51.100.1").await, 401, "it was refused, and so not used");
    let seen = world.used_from_both(&key).await;
    let seen = seen["data"].as_array().unwrap();
    let mut ips: Vec<_> = seen.iter().map(|address| text(address, "ip")).collect();
    ips.sort_unstable();
    assert_eq!(ips, [THERE, HERE]);
    assert!(seen.iter().all(|address| text(address, "first_seen_at") <= text(address, "last_seen_at")));
    for deed in ["revoke", "disable", "block", "delete", "regenerate"] {
        let page = owner.page(&format!("keys/{id}/{deed}")).await;
        assert!(
            page.contains(" from <strong>2 addresses</strong>. Seen in the last 30 days:"),
            "{deed}: {page}"
        );
        assert!(page.contains(HERE) && page.contains(THERE), "{deed}: {page}");
    }
    let many = owner.submit("keys/bulk", &[("id", id), ("action", "revoke")]).await.text;
    assert!(many.contains("Revoke 1 key?") && many.contains(" from 2 addresses"), "{many}");
    let page = owner.page(&format!("keys/{id}")).await;
    assert!(page.contains("from 2 addresses") && page.contains("<dt>Used from</dt>"), "{page}");
    assert!(page.contains(HERE) && page.contains(THERE) && !page.contains("198.51.100.1"), "{page}");

    world.change("DELETE", id, "", &NOTHING).await.expect(204);
    let after = world.read(&world.addresses_path(&key)).await;
    assert_eq!(after["data"].as_array().unwrap().len(), 2, "its history stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sees_the_addresses_of_the_keys_that_it_sees() {
    let world = World::start().await;
    let reader = world.key_with(&["keystile.keys:read"]).await;
    let ours = world.create(&json!({ "name": "ours" })).await;
    let theirs = world.create(&json!({ "name": "theirs", "environment": "staging" })).await;
    let ask = async |key: &Value| world.http.json("GET", &world.addresses_path(key), &reader, &NOTHING).await;
    ask(&ours).await.expect(200);
    ask(&theirs).await.expect_problem(404, "not_found");
}
