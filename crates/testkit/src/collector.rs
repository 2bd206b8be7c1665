//! An OpenTelemetry collector that keeps what it is sent, by OTLP over HTTP in protobuf.
//!
//! Source of the numbers of fields: `opentelemetry/proto/trace/v1/trace.proto` of OpenTelemetry.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A collector that runs until the process ends.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Arc<Mutex<Vec<Span>>>,
}

/// A span that was sent.
#[derive(Debug, Clone, Default)]
pub struct Span {
    /// Its trace, in hexadecimal.
    pub trace_id: String,
    /// Its own id, in hexadecimal.
    pub span_id: String,
    /// What tracing systems before it say, in the words of `tracestate`; empty without them.
    pub state: String,
    /// The id of the span above it; empty without one.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// What is said of it, and of the service that sent it; numbers as text.
    pub attributes: BTreeMap<String, String>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, spans) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Span>>>::default());
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that went away is nobody's fault.
                if let Ok(body) = receive(&stream) {
                    kept.lock().unwrap().extend(read(&body));
                }
            }
        });
        Self { address, spans }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans that were sent so far.
    ///
    /// # Panics
    /// When what was sent could not be read.
    pub fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

fn receive(mut stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        head += &lower;
    }
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/x-protobuf"), "{head}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(body)
}

/// A field of a message: its number, and what stands there.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn read(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in parts(body, 1) {
        let service: Vec<_> = parts(resource_spans, 1).into_iter().flat_map(|of| parts(of, 1)).collect();
        for span in parts(resource_spans, 2).into_iter().flat_map(|scope| parts(scope, 2)) {
            let mut read = Span::default();
            for attribute in service.iter().copied().chain(parts(span, 9)) {
                let (name, value) = key_value(attribute);
                read.attributes.insert(name, value);
            }
            read.trace_id = hex(parts(span, 1).concat());
            read.span_id = hex(parts(span, 2).concat());
            read.state = text(&parts(span, 3).concat());
            read.parent_id = hex(parts(span, 4).concat());
            read.name = text(&parts(span, 5).concat());
            spans.push(read);
        }
    }
    spans
}

fn key_value(attribute: &[u8]) -> (String, String) {
    let value = parts(attribute, 2).concat();
    let value = fields(&value).into_iter().map(|(_, field)| match field {
        Field::Number(number) => number.to_string(),
        Field::Bytes(bytes) => text(bytes),
    });
    (text(&parts(attribute, 1).concat()), value.collect())
}

fn parts(message: &[u8], number: u64) -> Vec<&[u8]> {
    let of_number = |(own, field)| match field {
        Field::Bytes(bytes) if own == number => Some(bytes),
        Field::Bytes(_) | Field::Number(_) => None,
    };
    fields(message).into_iter().filter_map(of_number).collect()
}

/// The fields of a message, as protobuf writes them.
fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = varint(&mut message);
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => Field::Bytes(message.split_off(..8).unwrap()),
            2 => {
                let length = usize::try_from(varint(&mut message)).unwrap();
                Field::Bytes(message.split_off(..length).unwrap())
            }
            5 => Field::Bytes(message.split_off(..4).unwrap()),
            other => panic!("no wire type {other}"),
        };
        found.push((tag >> 3, field));
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first().unwrap();
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return number;
        }
    }
    panic!("a number without end")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hex(bytes: Vec<u8>) -> String {
    bytes.into_iter().map(|byte| format!("{byte:02x}")).collect()
}
