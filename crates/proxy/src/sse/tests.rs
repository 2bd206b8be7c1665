//! Events are found wherever the bytes are cut.

use proptest::prelude::*;

use super::*;

/// All events of pieces, and what is left.
fn split(pieces: &[&[u8]], longest: usize) -> (Vec<Bytes>, Bytes) {
    let mut frames = Frames::within(longest);
    let mut events = Vec::new();
    for piece in pieces {
        frames.push(Bytes::copy_from_slice(piece));
        events.extend(frames.by_ref());
    }
    let rest = frames.rest();
    (events, rest)
}

fn whole(text: &str) -> (Vec<Bytes>, Bytes) {
    split(&[text.as_bytes()], LONGEST_EVENT)
}

#[test]
fn events_end_in_an_empty_line_whatever_ends_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("event: a{end}data: 1{end}{end}: comment{end}{end}data: 2{end}{end}");
        let (events, rest) = whole(&text);
        assert!(rest.is_empty(), "{end:?}");
        let data: Vec<_> = events.iter().map(|event| data_of(event).map(Cow::into_owned)).collect();
        assert_eq!(data, [Some(b"1".to_vec()), None, Some(b"2".to_vec())], "{end:?}");
        assert_eq!(events.concat(), text.as_bytes());
    }
}

#[test]
fn an_event_is_passed_on_as_soon_as_its_end_is_there() {
    for text in ["data: 1\n\n", "data: 1\r\n\r\n", "data: 1\r\r", ": ping\n\n", "\n"] {
        assert_eq!(whole(text), (vec![Bytes::copy_from_slice(text.as_bytes())], Bytes::new()), "{text:?}");
    }
    let (events, rest) = whole("data: 1\n\ndata: 2\n");
    assert_eq!((events.len(), &rest[..]), (1, &b"data: 2\n"[..]));
}

#[test]
fn lines_of_data_are_joined_and_others_passed_over() {
    for (event, data) in [
        ("data: a\ndata:b\n\n", Some("a\nb")),
        ("data\n\n", Some("")),
        ("data:  two spaces\r\n\r\n", Some(" two spaces")),
        ("id: 7\ndata: [DONE]\nretry: 1\n\n", Some("[DONE]")),
        ("database: x\n\n", None),
        (": data: x\n\n", None),
        ("", None),
    ] {
        let read = data_of(event.as_bytes()).map(|data| String::from_utf8(data.into_owned()).unwrap());
        assert_eq!(read.as_deref(), data, "{event:?}");
    }
}

#[test]
fn what_is_too_long_is_passed_on_in_pieces() {
    let text = format!("data: {}\n\ndata: 2\n\n", "x".repeat(25));
    let (events, rest) = split(&[text.as_bytes()], 10);
    assert_eq!(events.iter().map(Bytes::len).collect::<Vec<_>>(), [10, 10, 10, 3, 9]);
    assert_eq!((events.concat(), rest.len()), (text.into_bytes(), 0));
}

#[test]
fn events_are_the_same_wherever_their_bytes_are_cut() {
    let text =
        b": hi\r\n\r\nevent: a\ndata: {\"a\":1}\n\ndata: x\r\rdata: y\n\r\ndata: z\r\n\ndata: [DONE]\n\nrest";
    for longest in [1, 2, 7, 64, LONGEST_EVENT] {
        let expected = split(&[text], longest);
        for first in 0..text.len() {
            let (head, tail) = text.split_at(first);
            assert_eq!(split(&[head, tail], longest), expected, "cut at {first}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(split(&bytes, longest), expected, "byte by byte");
    }
}

#[test]
fn nothing_is_lost_when_more_is_given_before_all_is_taken() {
    let mut frames = Frames::new();
    frames.push(Bytes::from_static(b"data: 1\n\nda"));
    frames.push(Bytes::from_static(b"ta: 2\n\n"));
    let events: Vec<_> = frames.by_ref().collect();
    assert_eq!(events, ["data: 1\n\n", "data: 2\n\n"]);
}

proptest! {
    #[test]
    fn any_bytes_cut_anywhere_give_the_same_events(
        text in "[a:\r\n ]{0,60}",
        cuts in prop::collection::vec(0_usize..60, 0..6),
        longest in 1_usize..20,
    ) {
        let bytes = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect();
        let (events, rest) = split(&pieces, longest);
        prop_assert_eq!((events.clone(), rest.clone()), split(&[bytes], longest));
        prop_assert!(events.iter().all(|event| !event.is_empty() && event.len() <= longest));
        prop_assert_eq!([events.concat(), rest.to_vec()].concat(), bytes);
    }
}
