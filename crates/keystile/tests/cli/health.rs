//! `keystile health`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use keystile_testkit::server::Plan;

use crate::run::{Ran, keystile, ran};

#[test]
fn a_server_that_serves_is_ready_until_it_stops() {
    let mut server = Plan::serve(env!("CARGO_BIN_EXE_keystile")).start();
    let (address, url) = (server.address().to_owned(), format!("http://{}", server.address()));
    let file = server.plan().folder().join("keystile.toml");
    std::fs::write(&file, format!("listen = \"{address}\"\n")).unwrap();
    let file = file.display().to_string();

    let ask = || ran(&mut keystile(&["health", &url]));
    let ready = ask();
    assert!(ready.status == Some(0) && ready.out.is_empty() && ready.notes.contains(&url), "{ready:?}");
    ran(keystile(&["health"]).env("KEYSTILE_LISTEN", &address)).ok();
    ran(keystile(&["health"]).env("KEYSTILE_CONFIG", &file)).ok();
    let told = ran(&mut keystile(&["health", "--json", "--listen", &address])).ok();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told, serde_json::json!({ "url": url, "ready": true, "reason": null }));

    server.stop();
    let stopped = ask();
    assert!(stopped.status == Some(1) && stopped.notes.contains("no connection to"), "{stopped:?}");
}

/// `keystile health`, of something that reads a request and gives this answer.
fn asked(answer: &'static str) -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let something = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let read = stream.read(&mut head).unwrap();
        assert!(head[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let ran = ran(&mut keystile(&["health", &url]));
    something.join().unwrap();
    ran
}

#[test]
fn whatever_does_not_serve_is_not_ready() {
    let unavailable = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n\
        {\"type\":\"urn:keystile:problem:unavailable\",\"title\":\"Unavailable\",\"status\":503,\"code\":\"unavailable\",\
        \"detail\":\"the store does not answer\",\"request_id\":\"r1\"}";
    for (answer, says) in [
        (unavailable, "the store does not answer"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"status\":\"up\"}", "unexpected answer"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "unexpected answer"),
        ("HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\n\r\n", "redirects are not followed"),
        ("", "gave no answer"),
    ] {
        let refused = asked(answer);
        assert!(refused.status == Some(1) && refused.notes.contains(says), "{answer}: {refused:?}");
    }
}

#[test]
fn an_address_that_cannot_be_asked_is_a_wrong_question() {
    for arguments in [["health", "127.0.0.1:7878"], ["health", "http://ada:sesame@127.0.0.1"]] {
        let refused = ran(&mut keystile(&arguments));
        assert!(refused.status == Some(2) && !refused.notes.contains("sesame"), "{refused:?}");
    }
    let missing = ran(&mut keystile(&["health", "--config", "no-such-file.toml"]));
    assert!(missing.status == Some(2) && missing.notes.contains("no-such-file.toml"), "{missing:?}");
}
