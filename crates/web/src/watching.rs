//! Whoever watches a log, by server-sent events (WHATWG HTML, section 9.2): told in words that are up to the face, as long as they may be.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use keystile_core::{LogFilter, TenantId};
use keystile_engine::{Tail, Tailed};

use crate::api::Answer;
use crate::beats::{Beats, NOTHING_NEW, Next, X_ACCEL_BUFFERING};
use crate::problem::{ApiProblem, BUSY};
use crate::request_log::Noted;
use crate::state::App;

/// How somebody is told, and who they are.
pub trait Telling: Send + 'static {
    /// What is sent of something that is told, and of what is there behind it; nothing ends the answer.
    fn told(&mut self, first: Tailed, behind: &mut Tail) -> impl Future<Output = Option<String>> + Send;

    /// Goes on only if whoever watches could begin it now, with what they showed.
    fn recheck(&mut self, shown: &mut Parts) -> impl Future<Output = Option<()>> + Send;
}

/// Somebody who watches.
pub struct Watching<T> {
    telling: T,
    /// What they showed, which is looked at again and again.
    shown: Parts,
    tail: Tail,
    beats: Beats,
}

/// What is logged of a tenant from now on.
pub fn tail(app: &App, tenant_id: TenantId, filter: LogFilter) -> Answer<Tail> {
    let tail = app.requests.watch(tenant_id, filter);
    tail.map_err(|busy| ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, busy.to_string()))
}

impl<T: Telling> Watching<T> {
    /// Begins for whoever showed what is in `shown`, with what is in `tail`.
    pub fn begin(telling: T, mut shown: Parts, tail: Tail) -> Self {
        // Looking again is no call, and is not noted as one.
        shown.extensions.insert(Noted::default());
        Self { telling, shown, tail, beats: Beats::begin() }
    }

    /// The answer that goes on until there is nothing more to tell. Its head goes out with `first`, so that the client knows that it is
    /// heard.
    pub fn answer(self, first: String) -> Response {
        let pieces = stream::unfold((self, Some(first)), |(mut watching, first)| async move {
            let piece = match first {
                Some(first) => first,
                None => watching.next().await?,
            };
            Some((Ok::<_, Infallible>(piece), (watching, None)))
        });
        let headers =
            [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")];
        (headers, Body::from_stream(pieces)).into_response()
    }

    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            match self.beats.next(self.tail.next()).await {
                Next::Tell(told) => return self.telling.told(told, &mut self.tail).await,
                Next::Beat => return Some(NOTHING_NEW.to_owned()),
                Next::Recheck => self.telling.recheck(&mut self.shown).await?,
                Next::End => return None,
            }
        }
    }
}
