//! What takes inserts as ClickHouse's HTTP interface does, and checks that each has exactly the documented form.
//!
//! Sources: <https://clickhouse.com/docs/interfaces/http>, <https://clickhouse.com/docs/interfaces/formats/JSONEachRow>.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

/// The user that may insert.
pub const USER: &str = "keystile_writer";
/// The user's password.
pub const PASSWORD: &str = "c7Jq-no-log-shows-this";
/// The table that there is, as statements name it.
pub const TABLE: &str = "`logs`.`requests`";

/// Its columns, in the order in which they are inserted, and what values of them are.
const COLUMNS: [(&str, Kind); 20] = [
    ("id", Kind::Text),
    ("tenant_id", Kind::Text),
    ("at", Kind::Text),
    ("face", Kind::Text),
    ("environment", Kind::Text),
    ("application_id", Kind::Text),
    ("customer_id", Kind::Text),
    ("key_id", Kind::Text),
    ("asked_by", Kind::Text),
    ("person", Kind::Text),
    ("method", Kind::Text),
    ("path", Kind::Text),
    ("ip", Kind::Text),
    ("user_agent", Kind::Text),
    ("code", Kind::Text),
    ("status", Kind::Number),
    ("duration_micros", Kind::Number),
    ("bytes_in", Kind::Number),
    ("bytes_out", Kind::Number),
    ("request_id", Kind::Text),
];
/// What is said of every insert beside the query and the token.
const SETTINGS: [(&str, &str); 4] = [
    ("async_insert", "0"),
    ("date_time_input_format", "best_effort"),
    ("insert_deduplicate", "1"),
    ("wait_end_of_query", "1"),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Number,
}

/// What it does with inserts from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Keeps the rows and says so.
    Takes,
    /// Keeps the rows, and the answer is lost.
    LosesAnswers,
    /// Keeps nothing, and answers this status with this code of ClickHouse's.
    Fails(u16, u32),
    /// Keeps nothing, and does not answer.
    Hangs,
    /// Is something else, which says yes to everything.
    IsSomethingElse,
}

/// One that runs until the process ends.
#[derive(Debug)]
pub struct Clickhouse {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    inserts: usize,
    tokens: BTreeSet<String>,
    rows: Vec<Map<String, Value>>,
}

impl Clickhouse {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tokens, rows) = (BTreeSet::new(), Vec::new());
        let state = Arc::new(Mutex::new(State { mood: Mood::Takes, inserts: 0, tokens, rows }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that went away is nobody's fault.
                std::thread::spawn(move || serve(&stream, &state));
            }
        });
        Self { address, state }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what it does.
    ///
    /// # Panics
    /// When an insert had a wrong form.
    pub fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// How many inserts came, whatever was done with them.
    ///
    /// # Panics
    /// When one had a wrong form.
    pub fn inserts(&self) -> usize {
        self.state.lock().unwrap().inserts
    }

    /// The rows that it has.
    ///
    /// # Panics
    /// When an insert had a wrong form.
    pub fn rows(&self) -> Vec<Map<String, Value>> {
        self.state.lock().unwrap().rows.clone()
    }
}

/// One request for each connection. What has a wrong form panics with the state in hand, so that whoever looks at it panics, too.
fn serve(mut stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let (head, body) = receive(stream)?;
    let answer = state.lock().unwrap().take(&head, &body);
    match answer {
        Some(answer) => stream.write_all(answer.as_bytes()),
        // It ends when the client has gone.
        None => stream.read(&mut [0]).map(drop),
    }
}

/// The lines of the head, and the body.
fn receive(stream: &TcpStream) -> std::io::Result<(Vec<String>, Vec<u8>)> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim().to_owned());
    }
    let length = field(&head, "content-length").unwrap_or("0").parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((head, body))
}

fn field<'h>(head: &'h [String], name: &str) -> Option<&'h str> {
    let fields = head.iter().skip(1).filter_map(|line| line.split_once(':'));
    let mut named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    let first = named.next();
    assert!(named.next().is_none(), "{name} is sent twice");
    first
}

impl State {
    /// What is answered; nothing if nothing is.
    fn take(&mut self, head: &[String], body: &[u8]) -> Option<String> {
        self.inserts += 1;
        let token = token_of(&head[0]);
        assert_eq!(field(head, "content-encoding"), Some("gzip"));
        let sent = [field(head, "x-clickhouse-user"), field(head, "x-clickhouse-key")];
        if sent != [Some(USER), Some(PASSWORD)] {
            return Some(failure(403, 516));
        }
        match self.mood {
            Mood::Takes => {}
            Mood::LosesAnswers => {
                self.keep(token, body);
                // The connection is closed without a word.
                return Some(String::new());
            }
            Mood::Fails(status, code) => return Some(failure(status, code)),
            Mood::Hangs => return None,
            Mood::IsSomethingElse => {
                return Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
            }
        }
        self.keep(token, body);
        Some(
            "HTTP/1.1 200 OK\r\nX-ClickHouse-Query-Id: 7\r\nX-ClickHouse-Summary: {}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n"
                .to_owned(),
        )
    }

    /// A token that was seen before changes nothing.
    fn keep(&mut self, token: String, body: &[u8]) {
        let mut text = String::new();
        GzDecoder::new(body).read_to_string(&mut text).unwrap();
        assert!(text.ends_with('\n'), "the last line ends, too");
        let rows: Vec<_> = text.lines().map(row).collect();
        assert!((1..=2_000).contains(&rows.len()), "{} rows", rows.len());
        if self.tokens.insert(token) {
            self.rows.extend(rows);
        }
    }
}

/// The token of an insert into the table that has all that is to be said of one.
fn token_of(first_line: &str) -> String {
    let query = first_line.strip_prefix("POST /?").and_then(|rest| rest.strip_suffix(" HTTP/1.1"));
    let query = query.unwrap_or_else(|| panic!("{first_line}"));
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let before = parameters.insert(name.into_owned(), value.into_owned());
        assert!(before.is_none(), "a parameter is sent twice: {query}");
    }
    let columns = COLUMNS.map(|(name, _)| name).join(", ");
    let insert = format!("INSERT INTO {TABLE} ({columns}) FORMAT JSONEachRow");
    assert_eq!(parameters.remove("query"), Some(insert));
    let token = parameters.remove("insert_deduplication_token").unwrap();
    let said = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(parameters, BTreeMap::from(said));
    assert!(token.starts_with("log_") && token.len() == 30, "{token}");
    token
}

fn row(line: &str) -> Map<String, Value> {
    let row: Map<String, Value> = serde_json::from_str(line).unwrap();
    for (name, value) in &row {
        let kind = COLUMNS.iter().find(|(column, _)| column == name).map(|(_, kind)| kind);
        let fits = match kind {
            Some(Kind::Text) => value.as_str().is_some_and(|text| !text.is_empty()),
            Some(Kind::Number) => value.is_u64(),
            None => false,
        };
        assert!(fits, "{name} in {line}");
    }
    for always in ["id", "tenant_id", "at", "face", "code"] {
        assert!(row.contains_key(always), "no {always} in {line}");
    }
    row
}

/// As ClickHouse tells what went wrong; it quotes what it was sent.
fn failure(status: u16, code: u32) -> String {
    let body = format!("Code: {code}. DB::Exception: quoted from a row: /orders/7");
    format!(
        "HTTP/1.1 {status} Told\r\nX-ClickHouse-Exception-Code: {code}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
