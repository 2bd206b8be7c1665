//! chromedriver, and WebDriver over loopback (W3C WebDriver, section 6).

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::Process;
use crate::wait::{DEADLINE, until};

const CHROMIUM: (&str, &str) = ("/usr/bin/chromium", "chromium");
const CHROMEDRIVER: (&str, &str) = ("/usr/bin/chromedriver", "chromium-driver");
const STARTED: &str = "started successfully on port ";
const PORT_TAKEN: &str = "Address already in use";
/// What Chromium is told. By a pipe it ends when chromedriver does, however that comes about.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
];

/// A chromedriver with one session. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Driver {
    address: String,
    session: String,
    // Ends before its folder goes.
    process: Process,
    _folder: TempDir,
}

/// What a command came to instead of a result.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// WebDriver's word for it, such as `stale element reference`.
    pub code: String,
    /// What the browser says.
    pub message: String,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.lines().next().unwrap_or_default();
        write!(f, "{}: {message}", self.code)
    }
}

impl Driver {
    /// Starts chromedriver on a port that it finds free itself, and Chromium with a new profile.
    pub(super) fn start() -> Self {
        let folder = TempDir::with_prefix("keystile-browser-").unwrap();
        let (process, port) = until("chromedriver to listen", || listening(folder.path()));
        let address = format!("127.0.0.1:{port}");
        let made = send(&address, "POST", "/session", &capabilities(folder.path()));
        let made = made.unwrap_or_else(|trouble| panic!("Chromium did not start: {trouble}"));
        let session = made["sessionId"].as_str().unwrap().to_owned();
        Self { address, session, process, _folder: folder }
    }

    /// Its process and those below it.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut found = vec![self.process.id()];
        let mut next = 0;
        while let Some(id) = found.get(next) {
            found.extend(children_of(*id));
            next += 1;
        }
        found
    }

    /// A command of the session.
    pub(super) fn call(&self, method: &str, what: &str, parameters: &Value) -> Result<Value, Trouble> {
        send(&self.address, method, &format!("/session/{}/{what}", self.session), parameters)
    }
}

impl Drop for Driver {
    /// Lets Chromium end in order; if it does not, it ends with chromedriver, which is killed.
    fn drop(&mut self) {
        let path = format!("/session/{}", self.session);
        let _ended = send(&self.address, "DELETE", &path, &Value::Null);
    }
}

/// A chromedriver that listens, and where. It finds a port that is free for IPv6 and takes the same for IPv4, which somebody else may have:
/// then it ends, and there is none.
fn listening(folder: &Path) -> Option<(Process, u16)> {
    let mut command = Command::new(installed(CHROMEDRIVER));
    // Chromium keeps some files outside of its profile, and finds a session bus by the environment.
    command.arg("--port=0").env("HOME", folder).env_remove("DBUS_SESSION_BUS_ADDRESS");
    let mut process = Process::start(&mut command, folder, "chromedriver");
    let port = until("chromedriver to say where it listens", || {
        if process.ended().is_none() {
            return port_of(&process.stdout()).map(Some);
        }
        let said = process.stderr();
        assert!(said.contains(PORT_TAKEN), "chromedriver ended:\n{said}");
        Some(None)
    });
    port.map(|port| (process, port))
}

/// The processes that any thread of this one has started. One that ends meanwhile has none.
fn children_of(id: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let of_thread = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children"));
    let children = threads.filter_map(|thread| of_thread(thread).ok()).collect::<String>();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn installed((path, package): (&str, &str)) -> PathBuf {
    assert!(Path::new(path).exists(), "these tests need {path}: `apt-get install {package}`");
    path.into()
}

/// The line is complete when its end is there.
fn port_of(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once(STARTED)?;
    rest.split_once('.')?.0.parse().ok()
}

fn capabilities(folder: &Path) -> Value {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let flags: Vec<_> = FLAGS.iter().copied().chain([profile.as_str()]).collect();
    let patience = DEADLINE.as_millis();
    json!({ "capabilities": { "alwaysMatch": {
        "browserName": "chrome",
        "timeouts": { "pageLoad": patience, "script": patience, "implicit": 0 },
        "goog:chromeOptions": { "binary": installed(CHROMIUM), "args": flags },
        "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
    } } })
}

/// Each command has a connection of its own, which needs no client that keeps any.
fn send(address: &str, method: &str, path: &str, parameters: &Value) -> Result<Value, Trouble> {
    let body = if parameters.is_null() { String::new() } else { parameters.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let silent = |error: std::io::Error| Trouble { code: "no answer".to_owned(), message: error.to_string() };
    let answer = exchange(address, &request).map_err(silent)?;
    let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| silent(error.into()))?;
    let value = answer["value"].take();
    let Some(code) = value["error"].as_str() else { return Ok(value) };
    Err(Trouble { code: code.to_owned(), message: value["message"].as_str().unwrap_or_default().to_owned() })
}

/// The body of the answer. chromedriver tells its length, and leaves the connection open, whatever it is asked for.
fn exchange(address: &str, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    // What the browser has to wait for itself comes first.
    stream.set_read_timeout(Some(DEADLINE + DEADLINE))?;
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(body)
}
