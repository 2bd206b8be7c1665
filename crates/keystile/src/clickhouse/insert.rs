//! One insert, by ClickHouse's HTTP interface.
//!
//! Sources: <https://clickhouse.com/docs/interfaces/http>; `src/Server/HTTP/exceptionCodeToHTTPStatus.cpp` and
//! `src/Common/ErrorCodes.cpp` of ClickHouse.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{HeaderName, StatusCode};
use keystile_core::LoggedRequest;
use keystile_engine::{NotLogged, RequestSink};
use keystile_verify::BoxFuture;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use super::measures::Measures;
use super::{Destination, row};
use crate::failure::Failure;

/// Longest an insert may take, so that its failure is told before whoever writes the log gives up waiting, which is after ten
/// seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// Longest a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(3);
/// How long a connection is kept without use: less than ClickHouse keeps it, which was three seconds in old releases.
const IDLE: Duration = Duration::from_secs(2);
/// Most that is read of an answer, so that its connection can be used again.
const MOST_ANSWER: usize = 64 * 1024;

const USER: HeaderName = HeaderName::from_static("x-clickhouse-user");
const KEY: HeaderName = HeaderName::from_static("x-clickhouse-key");
const EXCEPTION: HeaderName = HeaderName::from_static("x-clickhouse-exception-code");
/// What the headers begin with that only ClickHouse sends.
const OWN_HEADERS: &str = "x-clickhouse-";

/// Said of every insert, whatever the user's profile says. The status of the answer is that of the whole insert, which is on the
/// disk then; a token that was seen before changes nothing; times are read as RFC 3339.
const SETTINGS: [(&str, &str); 4] = [
    ("wait_end_of_query", "1"),
    ("async_insert", "0"),
    ("insert_deduplicate", "1"),
    ("date_time_input_format", "best_effort"),
];

/// Codes that say that these rows cannot be read, however often they are sent: CANNOT_PARSE_TEXT, …_QUOTED_STRING,
/// …_INPUT_ASSERTION_FAILED, …_DATE, …_DATETIME, TYPE_MISMATCH, CANNOT_PARSE_NUMBER, INCORRECT_DATA,
/// VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE, VIOLATED_CONSTRAINT.
const UNREADABLE: [u32; 10] = [6, 26, 27, 38, 41, 53, 72, 117, 321, 469];

/// A table that rows are written to, each batch with one insert that is answered when ClickHouse has it.
pub(crate) struct Clickhouse {
    http: Client,
    insert: Url,
    headers: HeaderMap,
    measures: Arc<Measures>,
}

/// Why rows were not taken. It shows nothing of them, nor of the answer's text, which quotes them.
#[derive(Debug)]
enum NotTaken {
    Unreachable(reqwest::Error),
    Answered { status: StatusCode, code: Option<u32> },
    Stranger,
    Unwritable(io::Error),
}

impl Clickhouse {
    /// A sink that gives up an insert after `patience`. It asks ClickHouse nothing beforehand, so that a server can start without it.
    pub(super) fn new(destination: &Destination, patience: Duration) -> Result<Self, Failure> {
        let http = Client::builder()
            .user_agent(concat!("keystile/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECTING)
            .pool_idle_timeout(IDLE)
            .timeout(patience)
            .build()
            .map_err(|error| Failure::because("requests cannot be sent to ClickHouse", &error))?;
        let mut insert = destination.url.clone();
        insert.query_pairs_mut().append_pair("query", &destination.table.insert()).extend_pairs(SETTINGS);
        let headers = HeaderMap::from_iter([
            (USER, destination.user.clone()),
            (KEY, destination.password.clone()),
            (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson")),
            (CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        ]);
        Ok(Self { http, insert, headers, measures: Arc::default() })
    }

    pub(super) const fn measures(&self) -> &Arc<Measures> {
        &self.measures
    }

    /// The first request names the batch: no other has it, and the same batch has it again.
    async fn insert(&self, rows: Arc<[LoggedRequest]>) -> Result<(), NotTaken> {
        let Some(token) = rows.first().map(|first| first.id.to_string()) else { return Ok(()) };
        let mut url = self.insert.clone();
        url.query_pairs_mut().append_pair("insert_deduplication_token", &token);
        // Compressing takes milliseconds, for which no verification should wait.
        let body = tokio::task::spawn_blocking(move || row::compressed(&rows)).await;
        let body = body.map_err(io::Error::other).flatten().map_err(NotTaken::Unwritable)?;
        let sent = self.http.post(url).headers(self.headers.clone()).body(body).send().await;
        let answer = sent.map_err(|error| NotTaken::Unreachable(error.without_url()))?;
        let judged = judge(&answer);
        drain(answer).await;
        judged
    }
}

impl RequestSink for Clickhouse {
    fn write(&self, rows: Arc<[LoggedRequest]>) -> BoxFuture<'_, Result<(), NotLogged>> {
        let count = rows.len();
        Box::pin(async move {
            let taken = self.insert(rows).await.map_err(|why| logged(&why));
            self.measures.note(count, taken);
            taken
        })
    }
}

/// Warnings show the sink.
impl fmt::Debug for Clickhouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClickHouse")
    }
}

/// A yes is ClickHouse's own: something else at the address, which says yes to everything, keeps nothing.
fn judge(answer: &Response) -> Result<(), NotTaken> {
    let code = answer.headers().get(EXCEPTION);
    let code = code.map(|code| code.to_str().ok().and_then(|code| code.parse().ok()));
    let is_clickhouse = answer.headers().keys().any(|name| name.as_str().starts_with(OWN_HEADERS));
    match (answer.status(), code) {
        (StatusCode::OK, None) if is_clickhouse => Ok(()),
        (StatusCode::OK, None) => Err(NotTaken::Stranger),
        (status, code) => Err(NotTaken::Answered { status, code: code.flatten() }),
    }
}

async fn drain(mut answer: Response) {
    let mut read = 0;
    while read < MOST_ANSWER
        && let Ok(Some(piece)) = answer.chunk().await
    {
        read += piece.len();
    }
}

impl NotTaken {
    /// Whether the same rows will never be taken.
    fn is_final(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Stranger => false,
            Self::Answered { status, code } => {
                let is_unreadable = code.is_some_and(|code| UNREADABLE.contains(&code));
                is_unreadable || *status == StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Unwritable(_) => true,
        }
    }
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("ClickHouse cannot be reached"),
            Self::Answered { status, code: Some(code) } => {
                write!(f, "ClickHouse answers {status} with its error {code}")
            }
            Self::Answered { status, code: None } => write!(f, "{status} is answered"),
            Self::Stranger => f.write_str("what answers is not ClickHouse"),
            Self::Unwritable(_) => f.write_str("the rows cannot be written"),
        }
    }
}

impl Error for NotTaken {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable(cause) => Some(cause),
            Self::Unwritable(cause) => Some(cause),
            Self::Answered { .. } | Self::Stranger => None,
        }
    }
}

/// It is tried about once a second at most, so each failure may have its line.
fn logged(why: &NotTaken) -> NotLogged {
    let error = why as &dyn Error;
    if why.is_final() {
        tracing::error!(error, "ClickHouse does not take these requests, and they are not tried again");
        return NotLogged::Refused;
    }
    tracing::warn!(error, "requests cannot be written to ClickHouse now");
    NotLogged::Unavailable
}
