//! Cases, and what each face says of them.

use keystile_core::Code;
use keystile_guard::{Authority, Guard};
use keystile_store::Location;
use keystile_testkit::http::NOTHING;
use keystile_testkit::postgres::Postgres;
use keystile_testkit::wait;
use serde_json::{Value, json};

use crate::world::{Headers, World, noticed, through};

const OUTSIDE: &str = "203.0.113.9";

/// A request, and what is said of it.
struct Case {
    fact: &'static str,
    headers: Vec<(&'static str, String)>,
    status: u16,
    code: &'static str,
}

impl Case {
    fn key(fact: &'static str, secret: &str, status: u16, code: &'static str) -> Self {
        Self { fact, headers: vec![("authorization", format!("ApiKey {secret}"))], status, code }
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

async fn cases(world: &World) -> Vec<Case> {
    let (_, good) = world.key(&json!({ "metadata": { "shop": "Äpfel" }, "source_id": "erp" })).await;
    let (_, other) = world.key(&json!({})).await;
    let mut cases = vec![
        Case::key("a good key", &good, 200, "allowed"),
        Case {
            headers: vec![("x-api-key", good.clone())],
            ..Case::key("in its own header", "", 200, "allowed")
        },
        Case { headers: vec![], ..Case::key("no key", "", 401, "key_missing") },
        Case {
            headers: vec![("authorization", "Basic YTpi".into())],
            ..Case::key("another scheme", "", 401, "key_missing")
        },
        Case {
            headers: vec![("x-api-key", String::new())],
            ..Case::key("an empty key", "", 401, "key_malformed")
        },
        Case::key("two different keys", &good, 400, "ambiguous_credentials").and("x-api-key", &other),
        Case::key("one key twice", &good, 200, "allowed").and("x-api-key", &good),
        Case::key("a mistyped key", &mistyped(&good), 401, "key_malformed"),
        Case::key("what is too long for a key", &"k".repeat(20_000), 401, "key_malformed"),
        Case::key("a token", "eyJh.eyJz.c2ln", 401, "key_not_found"),
        Case::key("what nobody has issued", "a-foreign-secret-of-another-system", 401, "key_not_found"),
    ];
    for (fact, settings, action, status, code) in [
        ("revoked", json!({}), Some(("revoke", NOTHING)), 401, "key_revoked"),
        ("disabled", json!({}), Some(("disable", NOTHING)), 401, "key_inactive"),
        ("blocked", json!({}), Some(("block", json!({ "reason": "leaked" }))), 403, "key_blocked"),
        ("of another environment", json!({ "environment": "development" }), None, 401, "wrong_environment"),
        ("without the permission", json!({ "scopes": ["orders:write"] }), None, 403, "permission_denied"),
        ("bound to an address", json!({ "allowed_ips": ["192.0.2.0/24"] }), None, 403, "ip_not_allowed"),
    ] {
        let (id, secret) = world.key(&settings).await;
        if let Some((action, body)) = action {
            world.change(&id, action, &body).await;
        }
        cases.push(Case::key(fact, &secret, status, code));
    }
    let (_, bound) = world.key(&json!({ "allowed_ips": [OUTSIDE] })).await;
    cases.push(Case::key("from its address", &bound, 200, "allowed").and("x-forwarded-for", OUTSIDE));
    cases.push(
        Case::key("from nobody knows where", &bound, 403, "ip_not_allowed").and("x-forwarded-for", "unknown"),
    );
    let application = world.ask("POST", "/applications", &json!({ "name": "Another" })).await;
    let (_, foreign) = world.key(&json!({ "application_id": application["id"] })).await;
    cases.push(Case::key("of another application", &foreign, 403, "wrong_application"));
    cases.extend(limited(world).await);
    cases.push(expired(world).await);
    cases
}

/// The same key with another last letter.
fn mistyped(secret: &str) -> String {
    let (rest, last) = secret.split_at(secret.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}

/// A key with limits that is used up, and one that is not.
async fn limited(world: &World) -> [Case; 2] {
    let hourly = json!([{ "name": "hourly", "limit": 1, "window_seconds": 3_600 }]);
    let (_, used_up) = world.key(&json!({ "rate_limits": hourly })).await;
    assert_eq!(world.forward(&[("x-api-key", &used_up)]).await.status, 200);
    let (_, free) = world.key(&json!({ "rpm_limit": 1_000_000, "rate_limits": [] })).await;
    [Case::key("used up", &used_up, 429, "rate_limited"), Case::key("limited", &free, 200, "allowed")]
}

async fn expired(world: &World) -> Case {
    let soon = std::time::Duration::from_secs(1);
    let soon = keystile_core::Clock::now(&keystile_engine::SystemClock).plus(soon);
    let (_, secret) = world.key(&json!({ "expires_at": soon })).await;
    let until = async || (world.forward(&[("x-api-key", &secret)]).await.status == 401).then_some(());
    wait::eventually("the key has expired", until).await;
    Case::key("expired", &secret, 401, "key_expired")
}

async fn all_answer_alike(location: Option<Location>) {
    let world = World::start(location).await;
    let (remote, in_process) = (world.guard(world.remote.clone()), world.guard(world.in_process.clone()));
    for Case { fact, headers, status, code } in cases(&world).await {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let forward = world.forward(&headers).await;
        assert_eq!(forward.status, status, "{fact}: {}", forward.text);
        let [asked, decided] = [through(&remote, &headers).await, through(&in_process, &headers).await];
        for (who, answer) in [("over HTTP", &asked), ("in process", &decided)] {
            assert_eq!(answer.status, status, "{fact}, {who}: {}", answer.text);
            if status == 200 {
                let field = "ratelimit-policy";
                assert_eq!(answer.headers.get(field), forward.headers.get(field), "{fact}, {who}");
                assert_eq!(answer.header("ratelimit").is_empty(), forward.header("ratelimit").is_empty());
            } else {
                assert_eq!(answer.json["code"], code, "{fact}, {who}");
                assert_eq!(noticed(answer), noticed(&forward), "{fact}, {who}");
            }
        }
        if code == Code::Allowed.as_str() {
            let whose = |mut seen: Value| {
                seen["limits"] = NOTHING;
                seen
            };
            assert_eq!(whose(asked.json), whose(decided.json), "{fact}");
        }
    }
    world.stop().await;
}

#[tokio::test]
async fn all_answer_alike_on_sqlite() {
    all_answer_alike(None).await;
}

#[tokio::test]
async fn all_answer_alike_on_postgres() {
    let database = Postgres::shared().database();
    all_answer_alike(Some(database.url().parse().unwrap())).await;
}

async fn is_refused_at_once<A: Authority>(world: &World, guard: &Guard<A>) {
    for _ in 0..50 {
        let (id, secret) = world.key(&json!({})).await;
        let headers: &Headers<'_> = &[("x-api-key", &secret)];
        assert_eq!(through(guard, headers).await.status, 200);
        world.change(&id, "revoke", &NOTHING).await;
        through(guard, headers).await.expect_problem(401, "key_revoked");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_in_the_next_request() {
    let world = World::start(None).await;
    is_refused_at_once(&world, &world.guard(world.remote.clone())).await;
    is_refused_at_once(&world, &world.guard(world.in_process.clone())).await;
    world.stop().await;
}

/// What a guard asks beside what forward authentication can: customers, costs, one of several permissions.
async fn asks_for_more<A: Authority>(world: &World, authority: A) {
    let customer = |name: &'static str| async move {
        world.ask("POST", "/customers", &json!({ "name": name })).await["id"].as_str().unwrap().to_owned()
    };
    let (own, another) = (customer("Own").await, customer("Another").await);
    let (_, secret) = world.key(&json!({ "customer_id": own, "rpm_limit": 10 })).await;
    let key = ("x-api-key", secret.as_str());
    let guard = world
        .guard(authority)
        .all_of([])
        .any_of(["orders:write", "orders:read"].map(|name| name.parse().unwrap()));
    let guard = guard.asking(|parts, question| {
        let Some(customer) = parts.headers.get("customer") else { return Err(Code::WrongCustomer.into()) };
        question.customer_id = customer.to_str().ok().and_then(|id| id.parse().ok());
        question.cost = parts.headers.get("cost").map_or(0, |cost| cost.to_str().unwrap().parse().unwrap());
        Ok(())
    });
    assert_eq!(through(&guard, &[key, ("customer", &own)]).await.json["customer_id"], json!(own));
    through(&guard, &[key, ("customer", &another)]).await.expect_problem(403, "wrong_customer");
    through(&guard, &[key]).await.expect_problem(403, "wrong_customer");
    through(&guard, &[]).await.expect_problem(401, "key_missing");
    let passed = through(&guard, &[key, ("customer", &own), ("cost", "10")]).await;
    assert_eq!((passed.status, &passed.json["limits"][0]["remaining"]), (200, &json!(0)));
    let limited = through(&guard, &[key, ("customer", &own), ("cost", "1")]).await;
    assert_eq!((limited.status, &limited.json["code"]), (429, &json!("rate_limited")));
    assert_eq!(limited.json["limited_by"]["limit"], 10);
    let never = through(&guard, &[key, ("customer", &own), ("cost", "11")]).await;
    assert_eq!((never.status, &never.json["code"]), (429, &json!("rate_limited")));
    assert!(never.headers.get("retry-after").is_none(), "{:?}", never.headers);
    for (cost, code) in [("1000000000", "rate_limited"), ("1000000001", "enforcement_unavailable")] {
        assert_eq!(through(&guard, &[key, ("customer", &own), ("cost", cost)]).await.json["code"], code);
    }
    let nothing = guard.any_of([]);
    through(&nothing, &[key, ("customer", &own)]).await.expect_problem(403, "permission_denied");
}

#[tokio::test]
async fn a_guard_asks_what_fits_the_request() {
    let world = World::start(None).await;
    asks_for_more(&world, world.remote.clone()).await;
    asks_for_more(&world, world.in_process.clone()).await;
    world.stop().await;
}

#[tokio::test]
async fn what_a_client_says_of_itself_does_not_arrive() {
    let world = World::start(None).await;
    let (id, secret) = world.key(&json!({})).await;
    let headers = [
        ("x-api-key", secret.as_str()),
        ("x-keystile-customer-id", "forged"),
        ("X-KEYSTILE-KEY-ID", "forged"),
        ("X_Keystile_Scopes", "forged"),
    ];
    let seen = through(&world.guard(world.in_process.clone()), &headers).await;
    assert_eq!((&seen.json["key_id"], &seen.json["claims"]), (&json!(id), &json!(0)));
    world.stop().await;
}

#[tokio::test]
async fn keys_of_other_tenants_do_not_exist() {
    let world = World::start(None).await;
    let other = world.http_as_owner("POST", "/api/v1/tenants", &json!({ "name": "Other" })).await;
    let path = format!("/api/v1/tenants/{}/api-keys", other["id"].as_str().unwrap());
    let foreign = world.http_as_owner("POST", &path, &json!({ "name": "foreign" })).await;
    let headers: &Headers<'_> = &[("x-api-key", foreign["secret"].as_str().unwrap())];
    through(&world.guard(world.remote.clone()), headers).await.expect_problem(401, "key_not_found");
    through(&world.guard(world.in_process.clone()), headers).await.expect_problem(401, "key_not_found");
    world.stop().await;
}
