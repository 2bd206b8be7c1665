//! `keystile mock-llm`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::run::{keystile, ran};

/// The whole answer to a request; the mock closes the connection behind it.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_mock_says_where_it_is_and_answers_as_it_was_asked_to_behave() {
    let mut command = keystile(&["mock-llm", "--listen", "127.0.0.1:0", "--behaviour", "tokens=3"]);
    let mut mock = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(mock.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit('/').next().unwrap().to_owned();
    let chat = "POST /v1/chat/completions\n{\"model\": \"mock\", \"messages\": []}";
    let said = ask(&address, chat);
    let billed = ask(&address, "GET /mock/billed");
    mock.kill().unwrap();
    mock.wait().unwrap();
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("\"content\":\"The sea was\""), "{said}");
    assert!(billed.contains("\"output\":3"), "{billed}");
}

#[test]
fn a_behaviour_that_does_not_exist_is_refused_with_those_that_do() {
    let refused = ran(&mut keystile(&["mock-llm", "--listen", "127.0.0.1:0", "--behaviour", "swift"]));
    assert_eq!(refused.status, Some(2), "{refused:?}");
    assert!(refused.notes.contains("`swift`") && refused.notes.contains("usage-missing"), "{refused:?}");
}
