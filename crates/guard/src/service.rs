//! A service behind the guard.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tower::Service;

use crate::limits::LimitFields;
use crate::{Authority, Guard};

/// A service that only requests with a good key reach. What it answers tells what is left of the key's limits.
#[derive(Clone)]
pub struct Guarded<A, S> {
    pub(crate) guard: Guard<A>,
    pub(crate) inner: S,
}

impl<A, S, B, R> Service<Request<B>> for Guarded<A, S>
where
    A: Authority,
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready is used; its copy has to become ready first.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let guard = self.guard.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match guard.admit(&mut parts).await {
                Ok(key) => {
                    let fields = LimitFields::of(&key);
                    let mut response = inner.call(Request::from_parts(parts, body)).await?;
                    fields.write(response.headers_mut());
                    Ok(response)
                }
                Err(refusal) => Ok(refusal.map(|text| R::from(Bytes::from(text)))),
            }
        })
    }
}
