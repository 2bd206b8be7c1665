//! One request and its answer: the bill, and the two ways to send.

use std::mem;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use serde_json::Value;

use crate::ask::Ask;
use crate::body::{Body, Cut};
use crate::pen::Pen;
use crate::records::{Billed, Usage};
use crate::routes::Shape;
use crate::server::State;

/// When answers say that they were made, in seconds since 1970: always at the same moment, so that they are alike.
pub(crate) const CREATED: u64 = 1_700_000_000;

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) state: Arc<State>,
    pub(crate) ask: Ask,
    pub(crate) shape: Shape,
    /// The path without `/v1`.
    pub(crate) place: String,
    /// Which request of this mock it is.
    pub(crate) number: u64,
}

impl Exchange {
    /// An id of something in the answer, such as `msg_mock00000007`.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}mock{:08}", self.number)
    }

    /// Opens the bill of a stream.
    pub(crate) fn tab(&self, id: &str, usage: Usage) -> Tab {
        Tab { state: Arc::clone(&self.state), billed: self.billed(id, usage) }
    }

    fn billed(&self, id: &str, usage: Usage) -> Billed {
        let (id, path, model) = (id.to_owned(), self.place.clone(), self.ask.model.clone());
        Billed { id, path, model, usage, streamed: self.ask.streams, complete: false }
    }

    /// Bills and sends an answer that is whole. A provider that has begun one ends it, whoever leaves, so the bill comes first.
    pub(crate) async fn whole(&self, id: &str, usage: Usage, answer: &Value) -> Response<Body> {
        self.bytes(id, usage, "application/json", answer.to_string().into_bytes()).await
    }

    /// The same with other bytes.
    pub(crate) async fn bytes(
        &self,
        id: &str,
        usage: Usage,
        content_type: &'static str,
        answer: Vec<u8>,
    ) -> Response<Body> {
        self.state.records.bill(Billed { complete: true, ..self.billed(id, usage) });
        self.free(content_type, answer).await
    }

    /// Sends an answer that costs nothing.
    pub(crate) async fn free(&self, content_type: &'static str, mut answer: Vec<u8>) -> Response<Body> {
        if let Some(pause) = self.ask.behaviour.slow {
            tokio::time::sleep(pause).await;
        }
        if self.ask.behaviour.cut.is_none() {
            return respond(content_type, Body::of(answer));
        }
        answer.truncate(answer.len() / 2);
        let (sender, body) = tokio::sync::mpsc::channel(2);
        // There is room for both.
        let _sent = (sender.try_send(Ok(answer.into())), sender.try_send(Err(Cut)));
        respond(content_type, Body::Streamed(body))
    }

    /// What writes a stream, and the answer that it writes.
    pub(crate) fn stream(&self) -> (Pen, Response<Body>) {
        let resumed = self.state.resumed.subscribe();
        let (pen, body) = Pen::new(self.ask.behaviour.clone(), self.shape, resumed);
        let mut response = respond("text/event-stream; charset=utf-8", body);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        (pen, response)
    }
}

/// A bill that is open: it grows with what is made, and is sent when the stream has ended, in whatever way.
pub(crate) struct Tab {
    state: Arc<State>,
    billed: Billed,
}

impl Tab {
    /// So many tokens more were made.
    pub(crate) fn add(&mut self, output: u64) {
        self.state.note_made(output);
        self.billed.usage.output = self.billed.usage.output.saturating_add(output);
    }

    /// The answer is complete, and costs this.
    pub(crate) fn close(mut self, usage: Usage) {
        self.billed.usage = usage;
        self.billed.complete = true;
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        self.state.records.bill(mem::take(&mut self.billed));
    }
}

/// A good answer.
pub(crate) fn respond(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
