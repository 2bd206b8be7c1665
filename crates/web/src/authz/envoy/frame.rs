//! One message, there and back, in the way of gRPC: five bytes before each, and the status behind, in a trailer.

use std::convert::Infallible;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full};
use keystile_core::Invalid;
use prost::Message;

use crate::problem::ApiProblem;
use crate::service::AnyBody;

/// Whether the message is compressed, in one byte, and its length in four.
pub(super) const PREFIX: usize = 5;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const OK: HeaderValue = HeaderValue::from_static("0");
const UNIMPLEMENTED: HeaderValue = HeaderValue::from_static("12");

/// Whether this is gRPC, with messages of protocol buffers.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    [&b"application/grpc"[..], b"application/grpc+proto"].contains(&declared)
}

/// The one message of a request.
pub(super) fn read<M: Message + Default>(mut body: Bytes) -> Result<M, ApiProblem> {
    let broken = |rule: &'static str| Invalid::new("", rule);
    if body.len() < PREFIX {
        return Err(broken("the call has no message").into());
    }
    if body.get_u8() != 0 {
        return Err(broken("the message is compressed; it must not be").into());
    }
    if body.get_u32() as usize != body.len() {
        return Err(broken("the call must have one message, of the length it says").into());
    }
    M::decode(body).map_err(|_| broken("the message is no CheckRequest").into())
}

/// The answer with one message.
pub(super) fn write(message: &impl Message) -> Response<AnyBody> {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    // A message of 4 GiB does not come about: its longest part is a header of a few kilobytes.
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put(message.encode_to_vec().as_slice());
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, OK)]);
    let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers)));
    let body = Full::new(frame.freeze()).with_trailers(trailers);
    with_type(Either::Right(axum::body::Body::new(body)))
}

/// The answer to a call of something else.
pub(super) fn unimplemented() -> Response<AnyBody> {
    let mut response = with_type(Either::Left(Full::default()));
    let why = HeaderValue::from_static("only envoy.service.auth.v3.Authorization/Check is served here");
    response.headers_mut().extend([(GRPC_STATUS, UNIMPLEMENTED), (GRPC_MESSAGE, why)]);
    response
}

/// The answer to what is no gRPC.
pub(super) fn unsupported() -> Response<AnyBody> {
    let mut response = Response::new(Either::Left(Full::from("this is for gRPC\n")));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}

fn with_type(body: AnyBody) -> Response<AnyBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    response
}

#[cfg(test)]
mod tests {
    use super::super::messages::{CheckRequest, CheckResponse, Code, Status};
    use super::*;

    #[tokio::test]
    async fn a_message_comes_back_as_it_was_with_its_status_behind() {
        let denied =
            CheckResponse { status: Some(Status { code: Code::PermissionDenied.into() }), answer: None };
        let collected = write(&denied).into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()[GRPC_STATUS], OK);
        assert_eq!(read::<CheckResponse>(collected.to_bytes()).unwrap(), denied);
    }

    #[test]
    fn what_is_not_one_whole_message_is_refused() {
        for body in [
            &b""[..],
            b"\0\0\0\0",
            b"\x01\0\0\0\0",
            b"\0\0\0\0\x01",
            b"\0\0\0\0\0\0\0\0\0\0",
            b"\0\xff\xff\xff\xff\0",
            b"\0\0\0\0\x02\x0a\x7f",
        ] {
            assert!(read::<CheckRequest>(Bytes::from_static(body)).is_err(), "{body:?}");
        }
        assert_eq!(read::<CheckRequest>(Bytes::from_static(b"\0\0\0\0\0")).unwrap(), CheckRequest::default());
    }
}
