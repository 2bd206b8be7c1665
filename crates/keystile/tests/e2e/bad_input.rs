//! Bad input: a documented answer that names the field, and nothing changed.

use keystile_testkit::http::{Answer, NOTHING, raw};
use serde_json::{Value, json};

use crate::bad_requests::{BROUGHT, Case, Subject, on_change, on_create, on_lists, on_others, on_verify};
use crate::world::{World, as_key, text};

/// Everything there is in the tenant, without what asking changes.
async fn everything(world: &World) -> Value {
    let mut keys = world.read(&format!("{}?include_deleted=true&limit=200", world.keys())).await;
    for key in keys["data"].as_array_mut().unwrap() {
        key["last_used_at"].take();
        key["last_used_ip"].take();
    }
    let applications = world.read(&format!("{}/applications", world.tenant())).await;
    let customers = world.read(&format!("{}/customers", world.tenant())).await;
    json!([keys, applications, customers, world.read("/api/v1/tenants").await])
}

async fn subject(world: &World) -> Subject {
    let brought = world.create(&json!({ "name": "brought", "secret": BROUGHT })).await;
    let made = world.create(&json!({ "name": "subject" })).await;
    let id = text(&made, "id");
    let at_two = world.change("PATCH", id, "", &json!({ "name": "subject of changes" })).await.expect(200);
    assert_eq!((&at_two["version"], &brought["version"]), (&json!(2), &json!(1)));
    Subject {
        keys: world.keys(),
        tenant: world.tenant(),
        id: id.to_owned(),
        secret: text(&made, "secret").into(),
    }
}

/// Sends all cases and reports all that are answered otherwise, not only the first.
async fn are_refused(world: &World, cases: Vec<Case>) {
    let before = everything(world).await;
    let mut wrong = Vec::new();
    for case in cases {
        let mut request = world.http.request(case.method, &case.path);
        for (name, value) in &case.headers {
            request = request.header(*name, value.as_slice());
        }
        let answer = world.http.send(request.header("authorization", &world.owner), case.body).await;
        let told = (answer.status, text_or_nothing(&answer), answer.fields());
        if told != (case.status, case.code, case.fields.clone()) {
            wrong.push(format!("{}: {told:?} {}", case.what, answer.text));
            continue;
        }
        answer.expect_problem(case.status, case.code);
        if case.code == "version_conflict" {
            assert_eq!(answer.json["current_version"], 2, "{}", case.what);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(everything(world).await, before, "something was changed");
}

fn text_or_nothing(answer: &Answer) -> &str {
    answer.json["code"].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_with_the_field_and_change_nothing() {
    let world = World::start().await;
    let subject = subject(&world).await;
    let mut cases = on_create(&subject);
    cases.extend(on_change(&subject));
    cases.extend(on_lists(&subject));
    cases.extend(on_verify(&subject, &world.authz("production")));
    cases.extend(on_others(&subject));
    are_refused(&world, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_credential_and_never_in_its_url() {
    let world = World::start().await;
    let (secret, other) = (world.credentials.secret("production"), world.credentials.secret("staging"));
    let (authz, keys, verify) = (world.authz("production"), world.keys(), "/api/v1/keys/verify");
    for (method, path) in [("GET", keys.as_str()), ("GET", &authz), ("POST", verify)] {
        let send = async |headers: &[(&str, &[u8])]| {
            let request = headers.iter().fold(world.http.request(method, path), |request, (name, value)| {
                request.header(*name, *value)
            });
            world.http.send(request, "").await
        };
        let key = as_key(secret);
        send(&[]).await.expect_problem(401, "key_missing");
        send(&[("authorization", b"Basic dXNlcjpwYXNz")]).await.expect_problem(401, "key_missing");
        send(&[("x-api-key", b"")]).await.expect_problem(401, "key_malformed");
        send(&[("authorization", b"ApiKey \xff\xfe")]).await.expect_problem(401, "key_malformed");
        send(&[("x-api-key", b"\xff")]).await.expect_problem(401, "key_malformed");
        for second in [("x-api-key", other.as_bytes()), ("authorization", world.owner.as_bytes())] {
            let two = send(&[("authorization", key.as_bytes()), second]).await;
            two.expect_problem(400, "ambiguous_credentials");
        }
    }
    for path in [format!("{keys}?api_key={secret}"), format!("{keys}?access_token={secret}")] {
        world.http.json("GET", &path, "", &NOTHING).await.expect_problem(401, "key_missing");
    }
    for path in [format!("{verify}?key={secret}"), format!("{verify}?authorization=ApiKey%20{secret}")] {
        let question = json!({ "key": secret });
        world.http.json("POST", &path, "", &question).await.expect_problem(401, "key_missing");
    }
    let answer = world.http.json("GET", &format!("{authz}&api_key={secret}"), "", &NOTHING).await;
    assert!((400..=401).contains(&answer.status) && !answer.text.contains(secret), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_is_refused_and_a_401_tells_how_to_sign_in() {
    let world = World::start().await;
    let (head, rest) = world.owner.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    // {"alg":"none"}
    let unsigned = format!("Bearer eyJhbGciOiJub25lIn0.{payload}.");
    let turned: String = signature.chars().rev().collect();
    for token in ["Bearer eyJ.a.b".to_owned(), unsigned, format!("{head}.{payload}.{turned}")] {
        let answer = world.http.json("GET", &world.keys(), &token, &NOTHING).await;
        answer.expect_problem(401, "token_invalid");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.contains(r#"ApiKey realm="keystile""#), "{challenge}");
        assert!(challenge.contains(r#"error="invalid_token""#), "{challenge}");
    }
    let nobody = world.http.json("GET", &world.keys(), "", &NOTHING).await;
    let plain = r#"ApiKey realm="keystile", Bearer realm="keystile""#;
    assert_eq!(nobody.header("www-authenticate"), plain);
    // Nothing is wrong with a token where none was sent.
    let wrong = json!({ "email": "nobody@example.com", "password": "wrong-otter-41-lamp" });
    let refresh = json!({ "refresh_token": "rt_0123" });
    for (path, body) in [("token", wrong), ("token/refresh", refresh)] {
        let refused = world.http.json("POST", &format!("/api/v1/auth/{path}"), "", &body).await;
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, plain));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sign_ins_are_all_answered_alike() {
    let world = World::start().await;
    let (email, password) = (&world.credentials.email, &world.credentials.password);
    let mut details = Vec::new();
    for (email, password) in [
        (email.as_str(), "wrong"),
        (email, ""),
        (email, "a\0b"),
        ("nobody@example.com", password),
        ("no address", password),
        ("", ""),
    ] {
        let body = json!({ "email": email, "password": password });
        let answer = world.http.json("POST", "/api/v1/auth/token", "", &body).await;
        answer.expect_problem(401, "wrong_credentials");
        details.push(answer.json["detail"].clone());
    }
    details.dedup();
    assert_eq!(details.len(), 1, "{details:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_request_is_cut_off_and_the_server_goes_on() {
    let world = World::start().await;
    let address = world.server.address();
    let status = |answer: &str| answer.split(' ').nth(1).unwrap_or_default().to_owned();
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Long: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    let many =
        format!("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n", "A: b\r\n".repeat(100));
    let answer = raw(address, long.as_bytes()).unwrap();
    assert_eq!(status(&answer), "431");
    assert!(answer.contains("head_too_long") && answer.contains("x-request-id: req_"), "{answer}");
    assert_eq!(status(&raw(address, many.as_bytes()).unwrap()), "431");
    let endless = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "a".repeat(256 * 1024));
    assert_eq!(status(&raw(address, endless.as_bytes()).unwrap()), "431");
    let path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(64 * 1024));
    assert!(["414", "431"].contains(&status(&raw(address, path.as_bytes()).unwrap()).as_str()));
    for nonsense in
        [&b"nonsense\r\n\r\n"[..], b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
    {
        let answer = raw(address, nonsense).unwrap();
        assert!(["400", ""].contains(&status(&answer).as_str()), "{answer}");
    }
    let both = b"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
        GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = raw(address, both).unwrap();
    assert!(answer.matches("HTTP/1.1").count() <= 2, "one request was read as more: {answer}");
    world.http.json("GET", "/healthz", "", &NOTHING).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_bounded_too() {
    let world = World::start().await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: a\r\nAuthorization: {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        world.keys(),
        world.owner
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let request = head + &chunk.repeat(17) + "0\r\n\r\n";
    let answer = raw(world.server.address(), request.as_bytes()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
}
