//! A receiver of webhooks, as a tenant may have one: it keeps what it is sent, and can be away, slow, wrong or gone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::wait::DEADLINE;

/// How it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mood {
    /// With 204.
    Takes,
    /// With another status, and a word.
    Answers(u16),
    /// With the way to another place.
    Redirects(String),
    /// Not at all: it ends the connection.
    Away,
    /// Not at all: it leaves the connection open.
    Silent,
}

/// A message that arrived, whatever was answered.
#[derive(Debug, Clone)]
pub struct Received {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-timestamp`.
    pub timestamp: String,
    /// `webhook-signature`.
    pub signature: String,
    /// The body as it came.
    pub body: String,
    /// The body as JSON.
    pub json: Value,
    /// How it was answered.
    pub answered: Mood,
}

/// A receiver that runs until the process ends.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    received: Vec<Received>,
}

impl Receiver {
    /// Starts one on a free port of loopback, which takes everything.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { mood: Mood::Takes, received: Vec::new() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A client that went away is nobody's fault.
                std::thread::spawn(move || answer(&stream, &shared).ok());
            }
        });
        Self { address, state }
    }

    /// Where messages go.
    pub fn url(&self) -> String {
        format!("http://{}/hooks/keystile", self.address)
    }

    /// Answers so from now on.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn become_so(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// All that arrived, in the order in which it did.
    ///
    /// # Panics
    /// When a thread of it has.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// What was taken of it.
    pub fn taken(&self) -> Vec<Received> {
        self.received().into_iter().filter(|one| one.answered == Mood::Takes).collect()
    }
}

impl Received {
    /// What it tells, such as `key.revoked`.
    pub fn event(&self) -> &str {
        self.json["type"].as_str().unwrap_or_default()
    }

    /// The key that it is about.
    pub fn key_id(&self) -> &str {
        self.json["data"]["key"]["id"].as_str().unwrap_or_default()
    }

    /// Whether one of its signatures is by this secret, `whsec_…`.
    ///
    /// # Panics
    /// When that is no secret.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let bytes = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let tag = sign(&Key::new(HMAC_SHA256, &bytes), signed.as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(tag.as_ref()));
        self.signature.split(' ').any(|one| one == expected)
    }
}

fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (head, body) = read(stream)?;
    let mood = state.lock().unwrap().mood.clone();
    note(state, &head, body, mood.clone());
    let answer = match mood {
        Mood::Takes => "204 No Content\r\n".to_owned(),
        Mood::Answers(status) => format!("{status} So\r\nContent-Length: 8\r\n"),
        Mood::Redirects(place) => format!("302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n"),
        Mood::Away => return Ok(()),
        Mood::Silent => {
            std::thread::sleep(DEADLINE);
            return Ok(());
        }
    };
    let word = if answer.contains("Length: 8") { "so it is" } else { "" };
    write!(stream, "HTTP/1.1 {answer}Connection: close\r\n\r\n{word}")
}

/// The lines of the head, and the body.
fn read(stream: &TcpStream) -> std::io::Result<(Vec<String>, String)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
        head.push(line.trim().to_owned());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}

fn note(state: &Mutex<State>, head: &[String], body: String, answered: Mood) {
    let header = |name: &str| {
        let of = |line: &String| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        head.iter().find_map(of).unwrap_or_default()
    };
    let json = serde_json::from_str(&body).unwrap_or_default();
    let (id, timestamp, signature) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"));
    state.lock().unwrap().received.push(Received { id, timestamp, signature, body, json, answered });
}
