//! The key as an argument of axum's handlers.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::StatusCode;
use http::request::Parts;
use std::convert::Infallible;

use crate::VerifiedKey;

/// A handler that takes it and is not guarded answers 500: nobody can reach what it does without a key.
impl<S: Send + Sync> FromRequestParts<S> for VerifiedKey {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let key = parts.extensions.get::<Self>().cloned();
        key.ok_or_else(|| {
            tracing::error!("a handler takes the key of a request, and no layer of the guard is around it");
            StatusCode::INTERNAL_SERVER_ERROR
        })
    }
}

/// For handlers that stand inside and outside of the guard.
impl<S: Send + Sync> OptionalFromRequestParts<S> for VerifiedKey {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
