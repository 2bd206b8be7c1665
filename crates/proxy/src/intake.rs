//! Bodies of requests and of answers: read within bounds of size, time and memory.

use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use hyper::body::Body;
use keystile_bearer::Part;

/// How much longer than it may be a body can be that is read only to be dropped.
const MOST_DROPPED: usize = 8 * 1024 * 1024;
/// Memory that a value in JSON takes when it is parsed, in bytes, with what a list of them keeps free. A number of one digit takes two
/// bytes of a body.
const PARSED: usize = 64;
/// Longest that is spent on it.
const DROPPING: Duration = Duration::from_secs(5);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It has more than so many bytes.
    TooLarge(usize),
    /// There is no memory for it now.
    NoRoom,
    /// It took too long.
    TooSlow,
    /// It broke off.
    BrokeOff,
}

/// Reads a body of at most `longest` bytes, which take their part of the memory.
///
/// # Errors
/// When it is not there within that time and those bounds. What the client is still sending then was read, as far as that has a
/// bound: if the connection were closed under it, it might not see the answer.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    (longest, within): (usize, Duration),
    part: &mut Part<'_>,
) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let gathered = if is_longer(headers, longest) {
        Err(Unread::TooLarge(longest))
    } else {
        let gathering = gather(body.as_mut(), longest, part);
        tokio::time::timeout(within, gathering).await.unwrap_or(Err(Unread::TooSlow))
    };
    match gathered {
        Err(Unread::TooLarge(_) | Unread::NoRoom) if !headers.contains_key(EXPECT) => {
            Box::pin(drop_rest(body, longest.saturating_add(MOST_DROPPED))).await;
        }
        Ok(_) | Err(_) => {}
    }
    gathered
}

/// Memory that a body takes when it is parsed, beside that of its texts: each of its values but the last is followed by a comma.
pub(crate) fn parsed(body: &[u8]) -> usize {
    memchr::memchr_iter(b',', body).count().saturating_mul(PARSED)
}

/// Reads an answer as a whole, likewise.
///
/// # Errors
/// When it is not there within that time and those bounds.
pub(crate) async fn gather_within<B>(
    body: B,
    (longest, within): (usize, Duration),
    part: &mut Part<'_>,
) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
{
    let body = pin!(body);
    tokio::time::timeout(within, gather(body, longest, part)).await.unwrap_or(Err(Unread::TooSlow))
}

/// An answer, or as much of it as there is memory for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gathered {
    Whole(Bytes),
    /// More of it comes.
    Begun(Bytes),
}

/// Reads an answer as a whole if that is possible within `longest` bytes and the memory that there is. What has no room is given back as
/// far as it was read: it has been paid for.
///
/// # Errors
/// [`Unread::TooSlow`] when it is not there within that time, and [`Unread::BrokeOff`].
pub(crate) async fn gather_if_it_fits<B>(
    body: &mut B,
    (longest, within): (usize, Duration),
    part: &mut Part<'_>,
) -> Result<Gathered, Unread>
where
    B: Body<Data = Bytes> + Unpin,
{
    let gathering = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let Ok(piece) = frame.map_err(|_| Unread::BrokeOff)?.into_data() else { continue };
            let fits = whole.len() + piece.len() <= longest && part.grow(piece.len()).is_ok();
            if fits && whole.is_empty() && body.is_end_stream() {
                return Ok(Gathered::Whole(piece));
            }
            whole.extend_from_slice(&piece);
            if !fits {
                return Ok(Gathered::Begun(whole.freeze()));
            }
        }
        Ok(Gathered::Whole(whole.freeze()))
    };
    tokio::time::timeout(within, gathering).await.unwrap_or(Err(Unread::TooSlow))
}

/// Whether the client says so itself.
fn is_longer(headers: &HeaderMap, longest: usize) -> bool {
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    announced.is_some_and(|length| length > longest)
}

/// A body that is one frame, as nearly all are, is not copied.
async fn gather<B>(mut body: Pin<&mut B>, longest: usize, part: &mut Part<'_>) -> Result<Bytes, Unread>
where
    B: Body<Data = Bytes>,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Unread::BrokeOff)?.into_data() else { continue };
        if whole.len() + piece.len() > longest {
            return Err(Unread::TooLarge(longest));
        }
        part.grow(piece.len()).map_err(|_| Unread::NoRoom)?;
        if whole.is_empty() && body.is_end_stream() {
            return Ok(piece);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

async fn drop_rest<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, most: usize) {
    let drop_frames = async {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            dropped += frame.data_ref().map_or(0, Bytes::len);
            if dropped > most {
                break;
            }
        }
    };
    // However it ends, the answer is the same.
    let _in_time = tokio::time::timeout(DROPPING, drop_frames).await;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use http::HeaderValue;
    use hyper::body::Frame;
    use keystile_bearer::Room;

    use super::*;

    /// A body whose pieces come one at a time, and which then ends or falls silent.
    struct Pieces {
        left: Vec<&'static str>,
        ends: bool,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.left.pop() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece.into())))),
                None if self.ends => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    async fn read_pieces(ends: bool, longest: usize, room: &Room) -> Result<Bytes, Unread> {
        let body = Pieces { left: vec!["c", "", "ab"], ends };
        let within = Duration::from_millis(1);
        read(&HeaderMap::new(), body, (longest, within), &mut room.part()).await
    }

    #[tokio::test]
    async fn a_body_is_read_within_its_bounds() {
        let room = Room::new(3);
        assert_eq!(read_pieces(true, 3, &room).await.unwrap(), "abc");
        assert_eq!(read_pieces(true, 2, &room).await, Err(Unread::TooLarge(2)));
        assert_eq!(read_pieces(false, 3, &room).await, Err(Unread::TooSlow));
        assert_eq!(read_pieces(true, 3, &Room::new(2)).await, Err(Unread::NoRoom));
        assert_eq!(room.held_of_most(), (0, 3));
    }

    #[tokio::test]
    async fn an_answer_that_does_not_fit_is_given_back_as_far_as_it_was_read() {
        for (longest, memory) in [(2, 9), (9, 2), (1, 1)] {
            let (room, mut body) = (Room::new(memory), Pieces { left: vec!["c", "", "ab"], ends: true });
            let bounds = (longest, Duration::from_secs(1));
            let mut part = room.part();
            let begun = match gather_if_it_fits(&mut body, bounds, &mut part).await.unwrap() {
                Gathered::Begun(begun) => begun,
                Gathered::Whole(whole) => panic!("{whole:?} has room"),
            };
            let rest = body.collect().await.unwrap().to_bytes();
            assert_eq!([begun, rest].concat(), b"abc");
        }
        let (room, mut body) = (Room::new(3), Pieces { left: vec!["c", "", "ab"], ends: true });
        let whole = gather_if_it_fits(&mut body, (3, Duration::from_secs(1)), &mut room.part()).await;
        assert_eq!(whole, Ok(Gathered::Whole("abc".into())));
        let mut silent = Pieces { left: vec!["ab"], ends: false };
        let late = gather_if_it_fits(&mut silent, (3, Duration::from_millis(1)), &mut room.part()).await;
        assert_eq!(late, Err(Unread::TooSlow));
    }

    #[test]
    fn a_list_of_numbers_takes_far_more_memory_than_its_text() {
        assert_eq!(parsed(b"{\"input\":[0,0,0]}"), 2 * PARSED);
        assert!(PARSED >= 2 * size_of::<crate::json::Json>());
    }

    #[tokio::test]
    async fn a_body_that_says_that_it_is_too_long_takes_no_memory() {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static("4"))]);
        let (room, body) = (Room::new(3), Pieces { left: vec!["abcd"], ends: true });
        let read = read(&headers, body, (3, Duration::from_secs(1)), &mut room.part()).await;
        assert_eq!((read, room.refused()), (Err(Unread::TooLarge(3)), 0));
    }
}
