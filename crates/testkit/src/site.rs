//! A few fixed pages on a port of their own, with a policy of contents as strict as ours.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// What pages may do: run and show what comes from where they come from, and nothing else.
const POLICY: &str =
    "default-src 'self'; img-src 'self' data:; script-src 'self'; style-src 'self'; frame-ancestors 'none'";

/// A server of pages that runs until the process ends.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
}

impl Site {
    /// Serves texts by their paths; the end of a path says what it is. Everything else is not found.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        let files: Arc<BTreeMap<_, _>> = Arc::new(files.collect());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = Arc::clone(&files);
                // A browser opens connections that it may never use, so one must not wait for another.
                std::thread::spawn(move || {
                    // A client that went away is nobody's fault.
                    let _answered = answer(&stream, &files);
                });
            }
        });
        Self { address }
    }

    /// Where it listens, as `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

fn answer(mut stream: &TcpStream, files: &BTreeMap<String, String>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream).lines();
    let request_line = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request_line.split(' ').nth(1).unwrap_or_default();
    let (status, text) = match files.get(path) {
        Some(text) => ("200 OK", text.as_str()),
        None => ("404 Not Found", ""),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {}; charset=utf-8\r\nContent-Security-Policy: {POLICY}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        kind(path),
        text.len()
    )
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        _ => "text/html",
    }
}
