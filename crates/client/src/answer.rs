//! Answers: read up to a bound, and told apart from what no Keystile server says.

use http::StatusCode;
use keystile_wire::Problem;
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::ClientError;
use crate::download::Download;

/// Longest answer that is read, in bytes. A full page of 200 keys, each with the longest tags, metadata, permissions
/// and lists that a key may have, stays below it.
pub const MAX_ANSWER: usize = 32 * 1024 * 1024;

const NOT_KEYSTILE: &str = "this is no answer of a Keystile server; check the address";
const OTHER_FORM: &str = "the answer has another form than this version of the client knows; \
    check that client and server are of the same version";
const REDIRECT: &str = "redirects are not followed; use the address of the server itself";
const TOO_LONG: &str = "the answer is longer than any answer of the API; check the address";

/// The body of a success, or the problem.
pub(crate) async fn read<A: DeserializeOwned>(response: Response, url: &str) -> Result<A, ClientError> {
    let (status, bytes) = success(response, url).await?;
    // What the parser says may quote the answer, and an answer may hold a secret.
    serde_json::from_slice(&bytes).map_err(|_| unexpected(status, OTHER_FORM))
}

/// The text of a success, or the problem.
pub(crate) async fn read_text(response: Response, url: &str) -> Result<String, ClientError> {
    let (status, bytes) = success(response, url).await?;
    String::from_utf8(bytes).map_err(|_| unexpected(status, NOT_KEYSTILE))
}

/// A success without a body, or the problem.
pub(crate) async fn read_nothing(response: Response, url: &str) -> Result<(), ClientError> {
    success(response, url).await.map(|_| ())
}

/// The body of a success as it comes, or the problem.
pub(crate) async fn download(response: Response, url: &str) -> Result<Download, ClientError> {
    if response.status().is_success() {
        return Ok(Download::new(response, url));
    }
    let status = response.status();
    success(response, url).await.and(Err(unexpected(status, NOT_KEYSTILE)))
}

async fn success(response: Response, url: &str) -> Result<(StatusCode, Vec<u8>), ClientError> {
    let status = response.status();
    if status.is_redirection() {
        return Err(unexpected(status, REDIRECT));
    }
    let bytes = bounded(response, url).await?;
    if status.is_success() {
        return Ok((status, bytes));
    }
    Err(match serde_json::from_slice(&bytes) {
        Ok(problem) => ClientError::Problem(Box::<Problem>::new(problem)),
        Err(_) => unexpected(status, NOT_KEYSTILE),
    })
}

async fn bounded(mut response: Response, url: &str) -> Result<Vec<u8>, ClientError> {
    let status = response.status();
    let mut bytes = Vec::new();
    loop {
        let next = response.chunk().await.map_err(|source| interrupted(url, source))?;
        match next {
            None => return Ok(bytes),
            Some(chunk) if bytes.len() + chunk.len() > MAX_ANSWER => {
                return Err(unexpected(status, TOO_LONG));
            }
            Some(chunk) => bytes.extend_from_slice(&chunk),
        }
    }
}

pub(crate) fn interrupted(url: &str, source: reqwest::Error) -> ClientError {
    ClientError::Interrupted { url: url.to_owned(), source: source.without_url() }
}

/// A stream that is none of ours.
pub(crate) fn unreadable() -> ClientError {
    unexpected(StatusCode::OK, OTHER_FORM)
}

fn unexpected(status: StatusCode, what: &'static str) -> ClientError {
    ClientError::Unexpected { status: status.as_u16(), what }
}
