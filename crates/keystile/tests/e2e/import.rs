//! Import of keys by the hashes of their secrets.

use keystile_core::Secret;
use keystile_testkit::http::{Answer, NOTHING};
use serde_json::{Value, json};

use crate::world::{World, as_key, text};

fn path(world: &World) -> String {
    format!("{}/import", world.keys())
}

fn hash(secret: &str) -> String {
    Secret::new(secret).digest().to_hex()
}

fn batch(encoding: &str, keys: &[Value]) -> Value {
    json!({ "algorithm": "sha256", "encoding": encoding, "keys": keys })
}

async fn import(world: &World, keys: &[Value]) -> Answer {
    world.ask("POST", &path(world), &batch("hex", keys)).await
}

async fn code(world: &World, secret: &str) -> String {
    text(&world.verify(&json!({ "key": secret })).await, "code").to_owned()
}

async fn count(world: &World) -> usize {
    let keys = world.read(&format!("{}?limit=200&include_deleted=true", world.keys())).await;
    keys["data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_keys_work_at_once_and_an_import_can_be_repeated() {
    let world = World::start().await;
    // Asked for before: what is not known must not stay unknown.
    assert_eq!(code(&world, "old-secret-of-web").await, "key_not_found");
    // SHA-256 of "abc", FIPS 180-2, appendix B.1; "abc" itself is too short to be asked for.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let web = json!({ "hash": hash("old-secret-of-web").to_uppercase(), "name": "web", "scopes": ["a:b"],
        "prefix": "old-secr", "last4": "-web", "tags": { "from": "elsewhere" }, "rpm_limit": 5 });
    let keys = [web, json!({ "hash": abc, "name": "abc", "environment": "staging" })];
    let told = import(&world, &keys).await.expect(200);
    assert_eq!((&told["created"], &told["existing"]), (&json!(2), &json!(0)));
    let id = text(&told["keys"][0], "id");
    let question = json!({ "key": "old-secret-of-web", "permissions": ["a:b"], "environment": "production" });
    let verified = world.verify(&question).await;
    assert_eq!((text(&verified, "code"), text(&verified, "key_id")), ("allowed", id));
    let record = world.change("GET", id, "", &NOTHING).await.expect(200);
    assert_eq!(
        (&record["prefix"], &record["last4"], &record["rpm_limit"]),
        (&json!("old-secr"), &json!("-web"), &json!(5))
    );
    assert_eq!(record["key_fingerprint"], hash("old-secret-of-web").as_str());
    let found = world.read(&format!("{}?tag=from:elsewhere", world.keys())).await;
    assert_eq!(text(&found["data"][0], "id"), id);

    let before = count(&world).await;
    let again = import(&world, &keys).await.expect(200);
    assert_eq!((&again["created"], &again["existing"]), (&json!(0), &json!(2)));
    assert_eq!((&again["keys"][0]["id"], &again["keys"][0]["created"]), (&json!(id), &json!(false)));
    world.change("POST", id, "/revoke", &NOTHING).await.expect(200);
    let more = [keys[0].clone(), json!({ "hash": hash("a third one"), "name": "third" })];
    let told = import(&world, &more).await.expect(200);
    assert_eq!((text(&told["keys"][0], "status"), &told["created"]), ("revoked", &json!(1)));
    assert_eq!(code(&world, "old-secret-of-web").await, "key_revoked", "an import brings nothing back");
    assert_eq!(count(&world).await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_encoding_is_read() {
    let world = World::start().await;
    // SHA-256 of "hello world", by `printf %s 'hello world' | openssl dgst -sha256 -binary | base64`.
    let base64 = "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=";
    let texts = [
        ("hex", "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9".to_owned()),
        ("base64", base64.to_owned()),
        ("base64", base64.trim_end_matches('=').to_owned()),
        ("base64url", base64.replace('+', "-").replace('/', "_")),
        ("base64url", base64.replace('+', "-").trim_end_matches('=').to_owned()),
    ];
    for (index, (encoding, text)) in texts.iter().enumerate() {
        let keys = [json!({ "hash": text, "name": "one and the same" })];
        let told = world.ask("POST", &path(&world), &batch(encoding, &keys)).await.expect(200);
        assert_eq!(told["created"], json!(usize::from(index == 0)), "{encoding} {text}");
    }
    for (encoding, text) in
        [("base64url", base64), ("base64", "AAAA"), ("hex", base64), ("base64", &"A".repeat(1000))]
    {
        let refused =
            world.ask("POST", &path(&world), &batch(encoding, &[json!({ "hash": text, "name": "a" })])).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), ["keys[0].hash"], "{encoding} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_happens_as_a_whole_or_not_at_all() {
    let world = World::start().await;
    let own = world.create(&json!({ "name": "held", "secret": "c41f8a07d93be6525af0917d-brought" })).await;
    let renewed = world.create(&json!({ "name": "renewed" })).await;
    world.change("POST", text(&renewed, "id"), "/regenerate", &NOTHING).await.expect(200);
    let good = json!({ "hash": hash("a-good-one"), "name": "good" });
    let before = count(&world).await;
    let cases: [(u16, &str, &str, Value); 11] = [
        (
            409,
            "secret_exists",
            "keys[1].hash",
            json!({ "hash": own["key_fingerprint"], "name": "other settings" }),
        ),
        (
            409,
            "secret_exists",
            "keys[1].hash",
            json!({ "hash": renewed["key_fingerprint"], "name": "renewed" }),
        ),
        (400, "invalid_request", "keys[1].hash", json!({ "hash": good["hash"], "name": "twice" })),
        (400, "invalid_request", "keys[1].hash", json!({ "hash": "00", "name": "short" })),
        (400, "invalid_request", "keys[1].hash", json!({ "name": "none" })),
        (400, "invalid_request", "keys[1].name", json!({ "hash": hash("x"), "name": "" })),
        (400, "invalid_request", "keys[1].secret", json!({ "hash": hash("x"), "name": "a", "secret": "x" })),
        (
            400,
            "invalid_request",
            "keys[1].prefix",
            json!({ "hash": hash("x"), "name": "a", "prefix": "123456789" }),
        ),
        (
            400,
            "invalid_request",
            "keys[1].rpm_limit",
            json!({ "hash": hash("x"), "name": "a", "rpm_limit": 0 }),
        ),
        (
            400,
            "invalid_request",
            "keys[1].application_id",
            json!({ "hash": hash("x"), "name": "a", "application_id": "app_01J00000000000000000000009" }),
        ),
        (
            400,
            "invalid_request",
            "keys[1].expires_at",
            json!({ "hash": hash("x"), "name": "a", "expires_at": "2020-01-01T00:00:00Z" }),
        ),
    ];
    for (status, problem, field, bad) in cases {
        let refused = import(&world, &[good.clone(), bad]).await;
        refused.expect_problem(status, problem);
        assert_eq!(refused.fields(), [field]);
    }
    for (field, body) in [
        ("algorithm", json!({ "algorithm": "md5", "encoding": "hex", "keys": [good] })),
        ("encoding", json!({ "algorithm": "sha256", "encoding": "rot13", "keys": [good] })),
        ("keys", batch("hex", &[])),
        ("keys", json!({ "algorithm": "sha256", "encoding": "hex", "keys": {} })),
        ("keys[0]", batch("hex", &[json!(["a"])])),
        ("keys", batch("hex", &vec![good.clone(); 10_001])),
    ] {
        let refused = world.ask("POST", &path(&world), &body).await;
        refused.expect_problem(400, "invalid_request");
        assert_eq!(refused.fields(), [field]);
    }
    let long = json!({ "hash": hash("x"), "name": "a", "source": "x".repeat(17 * 1024 * 1024) });
    import(&world, &[long]).await.expect_problem(413, "body_too_large");
    assert_eq!(count(&world).await, before);
    assert_eq!(code(&world, "a-good-one").await, "key_not_found");
    let same = json!({ "hash": own["key_fingerprint"], "name": "held" });
    let told = import(&world, &[good, same]).await.expect(200);
    assert_eq!((&told["created"], &told["existing"]), (&json!(1), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_another_tenant_is_refused_without_a_word_about_it() {
    let world = World::start().await;
    let tenant = world.ask("POST", "/api/v1/tenants", &json!({ "name": "B" })).await.expect(201);
    let keys = format!("/api/v1/tenants/{}/api-keys", text(&tenant, "id"));
    let theirs = world.ask("POST", &keys, &json!({ "name": "theirs" })).await.expect(201);
    let refused = import(&world, &[json!({ "hash": theirs["key_fingerprint"], "name": "theirs" })]).await;
    refused.expect_problem(409, "secret_exists");
    assert_eq!(refused.fields(), ["keys[0].hash"]);
    for trace in ["id", "tenant_id", "application_id"] {
        assert!(!refused.text.contains(text(&theirs, trace)), "{}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn automation_imports_no_more_than_it_has() {
    let world = World::start().await;
    let issuer = world.create(&json!({ "name": "issuer", "scopes": ["keystile.keys:issue", "a:b"] })).await;
    let credential = as_key(text(&issuer, "secret"));
    let send = async |scope: &str| {
        let keys = [json!({ "hash": hash("moved"), "name": "moved", "scopes": [scope] })];
        world.http.json("POST", &path(&world), &credential, &batch("hex", &keys)).await
    };
    let refused = send("a:*").await;
    refused.expect_problem(403, "forbidden");
    assert!(text(&refused.json, "detail").contains("`a:*` of keys[0]"), "{}", refused.text);
    let told = send("a:b").await.expect(200);
    let record = world.change("GET", text(&told["keys"][0], "id"), "", &NOTHING).await.expect(200);
    assert_eq!((&record["app_id"], &record["created_by"]), (&issuer["application_id"], &issuer["id"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_keys_are_imported_together() {
    let world = World::start().await;
    let key = |n: usize| json!({ "hash": hash(&format!("secret number {n}")), "name": format!("key {n}") });
    let keys: Vec<_> = (0..10_000).map(key).collect();
    for (created, existing) in [(10_000, 0), (0, 10_000)] {
        let told = import(&world, &keys).await.expect(200);
        assert_eq!((&told["created"], &told["existing"]), (&json!(created), &json!(existing)));
        assert_eq!(told["keys"].as_array().unwrap().len(), 10_000);
    }
    for n in [0, 4_999, 9_999] {
        assert_eq!(code(&world, &format!("secret number {n}")).await, "key_malformed");
    }
    let keys: Vec<_> =
        (0..3).map(|n| json!({ "hash": hash(&format!("secret-number-{n}")), "name": "k" })).collect();
    import(&world, &keys).await.expect(200);
    assert_eq!(code(&world, "secret-number-2").await, "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_keys_are_restricted_to_customers_of_the_tenant() {
    let world = World::start().await;
    let (globex, initech) = (world.customer("Globex").await, world.customer("Initech").await);
    let key = |secret: &str, customer: &str| json!({ "hash": hash(secret), "name": secret, "customer_id": customer });
    let before = count(&world).await;
    let nobody = "cus_01J00000000000000000000009";
    let mixed = [
        key("secret-of-globex", &globex),
        key("secret-of-nobody", nobody),
        key("other-secret-of-nobody", nobody),
    ];
    let refused = import(&world, &mixed).await;
    refused.expect_problem(400, "invalid_request");
    assert_eq!(refused.fields(), ["keys[1].customer_id", "keys[2].customer_id"]);
    let archived = json!({ "archived": true });
    world.ask("PATCH", &format!("{}/customers/{initech}", world.tenant()), &archived).await.expect(200);
    let late = import(&world, &[key("secret-of-initech", &initech)]).await;
    late.expect_problem(400, "invalid_request");
    assert_eq!(late.fields(), ["keys[0].customer_id"]);
    assert_eq!(count(&world).await, before, "nothing was imported");

    let told = import(&world, &[key("secret-of-globex-one", &globex), key("secret-of-globex-two", &globex)])
        .await
        .expect(200);
    assert_eq!(told["created"], 2);
    let found = world.read(&format!("{}?customer_id={globex}", world.keys())).await;
    assert_eq!(found["data"].as_array().unwrap().len(), 2);
    let verified = world.verify(&json!({ "key": "secret-of-globex-one" })).await;
    assert_eq!((text(&verified, "code"), text(&verified, "customer_id")), ("allowed", globex.as_str()));
}
