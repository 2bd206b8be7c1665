//! Bodies that come compressed. What they unpack to is bounded, and so is the memory that unpacking takes.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use keystile_bearer::Part;
use ruzstd::decoding::StreamingDecoder;
use tokio::sync::Semaphore;

use crate::problem::{ApiProblem, BUSY};

/// Most bytes that a body may unpack to. Unpacking stops there, however much would follow.
pub(crate) const MAX_UNPACKED: usize = 8 * 1024 * 1024;
/// Most memory that a zstd frame may ask for to look back, as RFC 9659 has it for HTTP.
const MAX_WINDOW: u64 = 8 * 1024 * 1024;
/// Bodies that are unpacked at the same time: each takes a processor.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// How a body is compressed.
#[derive(Debug, Clone, Copy)]
enum Coding {
    Gzip,
    Zstd,
}

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    TooLarge,
    Broken,
}

/// Unpacks a body, if it is compressed, and lets what it takes then count.
pub(crate) async fn unpack(
    headers: &HeaderMap,
    body: Bytes,
    part: &mut Part<'_>,
) -> Result<Bytes, ApiProblem> {
    let Some(coding) = coding_of(headers)? else { return Ok(body) };
    let turn = AT_ONCE.acquire().await.map_err(|_| ApiProblem::internal())?;
    // It goes on when nobody waits for it any more, and keeps its turn.
    let work = move || {
        let _turn = turn;
        coding.unpack(&body)
    };
    let unpacked = tokio::task::spawn_blocking(work).await;
    let unpacked = unpacked.map_err(|_| ApiProblem::internal())?.map_err(Trouble::told)?;
    part.grow(unpacked.len())
        .map_err(|none| ApiProblem::new(StatusCode::SERVICE_UNAVAILABLE, BUSY, none.to_string()))?;
    Ok(unpacked.into())
}

fn coding_of(headers: &HeaderMap) -> Result<Option<Coding>, ApiProblem> {
    let mut declared = headers.get_all(CONTENT_ENCODING).iter();
    let (Some(one), None) = (declared.next(), declared.next()) else {
        return if headers.contains_key(CONTENT_ENCODING) { Err(unsupported()) } else { Ok(None) };
    };
    match one.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "identity" => Ok(None),
        "gzip" | "x-gzip" => Ok(Some(Coding::Gzip)),
        "zstd" => Ok(Some(Coding::Zstd)),
        _ => Err(unsupported()),
    }
}

fn unsupported() -> ApiProblem {
    let rule = "send the body as it is, or with one `Content-Encoding`: `gzip` or `zstd`";
    ApiProblem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_encoding", rule)
}

impl Coding {
    fn unpack(self, body: &[u8]) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Gzip => {
                let mut whole = Vec::new();
                read_into(&mut whole, MultiGzDecoder::new(body))?;
                Ok(whole)
            }
            Self::Zstd => unpack_zstd(body),
        }
    }
}

/// A body is one frame or several.
fn unpack_zstd(mut body: &[u8]) -> Result<Vec<u8>, Trouble> {
    let mut whole = Vec::new();
    while !body.is_empty() {
        if window_of(body).ok_or(Trouble::Broken)? > MAX_WINDOW {
            return Err(Trouble::TooLarge);
        }
        let frame = StreamingDecoder::new(&mut body).map_err(|_| Trouble::Broken)?;
        read_into(&mut whole, frame)?;
    }
    Ok(whole)
}

fn read_into(whole: &mut Vec<u8>, packed: impl Read) -> Result<(), Trouble> {
    let room = (MAX_UNPACKED - whole.len()) as u64;
    // What the decoder says may quote the body.
    packed.take(room + 1).read_to_end(whole).map_err(|_: io::Error| Trouble::Broken)?;
    if whole.len() > MAX_UNPACKED { Err(Trouble::TooLarge) } else { Ok(()) }
}

/// How far back a zstd frame may refer, which is the memory that its decoder takes (RFC 8878, section 3.1.1.1).
fn window_of(frame: &[u8]) -> Option<u64> {
    let rest = frame.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?;
    let (descriptor, rest) = rest.split_first()?;
    let is_single_segment = descriptor & 0b10_0000 != 0;
    if !is_single_segment {
        let (exponent, mantissa) = (rest.first()? >> 3, rest.first()? & 0b111);
        let base = 1_u64 << (10 + exponent);
        return Some(base + base / 8 * u64::from(mantissa));
    }
    let dictionary = [0, 1, 2, 4].get(usize::from(descriptor & 0b11))?;
    let length = [1, 2, 4, 8].get(usize::from(descriptor >> 6))?;
    let field = rest.get(*dictionary..dictionary + length)?;
    let size = field.iter().rev().fold(0, |size, byte| size << 8 | u64::from(*byte));
    Some(if *length == 2 { size + 256 } else { size })
}

impl Trouble {
    fn told(self) -> ApiProblem {
        match self {
            Self::TooLarge => ApiProblem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                format!("a body unpacks to at most {MAX_UNPACKED} bytes"),
            ),
            Self::Broken => ApiProblem::new(
                StatusCode::BAD_REQUEST,
                "body_unreadable",
                "the body is not what `Content-Encoding` says",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    #[test]
    fn what_was_packed_comes_out_also_in_parts() {
        let (one, other) = (b"one ".repeat(100_000), b"other".to_vec());
        let both = [one.clone(), other.clone()].concat();
        assert!(Coding::Gzip.unpack(&[gzip(&one), gzip(&other)].concat()).unwrap() == both);
        assert!(Coding::Zstd.unpack(&[zstd(&one), zstd(&other)].concat()).unwrap() == both);
        assert_eq!(Coding::Zstd.unpack(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused_and_a_byte_less_is_not() {
        let most = vec![0; MAX_UNPACKED];
        let more = vec![0; MAX_UNPACKED + 1];
        for (coding, pack) in [(Coding::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Coding::Zstd, zstd)] {
            assert_eq!(coding.unpack(&pack(&most)).map(|whole| whole.len()), Ok(MAX_UNPACKED));
            assert_eq!(coding.unpack(&pack(&more)), Err(Trouble::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn what_is_no_such_thing_is_refused() {
        for broken in [b"{}".to_vec(), gzip(b"{}")[..12].to_vec(), zstd(b"{}")[..8].to_vec()] {
            assert_eq!(Coding::Gzip.unpack(&broken), Err(Trouble::Broken));
            assert_eq!(Coding::Zstd.unpack(&broken), Err(Trouble::Broken));
        }
    }

    #[test]
    fn a_frame_that_asks_for_much_memory_is_refused_before_it_is_given_any() {
        // The window descriptor asks for 1 TiB; with a single segment the size of the content is the window.
        let windowed = [0x28, 0xb5, 0x2f, 0xfd, 0b0000_0000, 30 << 3];
        let single = [0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000, 0, 0, 0, 0x40];
        assert_eq!(window_of(&windowed), Some(1 << 40));
        assert_eq!(window_of(&single), Some(0x4000_0000));
        assert_eq!(Coding::Zstd.unpack(&windowed), Err(Trouble::TooLarge));
        assert_eq!(Coding::Zstd.unpack(&single), Err(Trouble::TooLarge));
    }

    #[test]
    fn one_known_coding_is_taken() {
        let headers = |values: &[&str]| {
            values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap())).collect::<HeaderMap>()
        };
        assert!(matches!(coding_of(&headers(&[])), Ok(None)));
        assert!(matches!(coding_of(&headers(&["identity"])), Ok(None)));
        assert!(matches!(coding_of(&headers(&["GZIP"])), Ok(Some(Coding::Gzip))));
        assert!(matches!(coding_of(&headers(&["zstd"])), Ok(Some(Coding::Zstd))));
        for other in [&["br"][..], &["gzip, zstd"], &["gzip", "gzip"]] {
            assert!(coding_of(&headers(other)).is_err(), "{other:?}");
        }
    }
}
