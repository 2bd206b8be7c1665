//! Replays the seeds of the fuzz targets with the stable toolchain.

use std::collections::BTreeSet;
use std::path::Path;

use bytes::Bytes;
use http::HeaderValue;
use keystile_proxy::{Call, Operation};

use crate::{call_laws, event_laws};

/// Each seed keeps the laws; its name begins with what is made of it. Gives all that were met.
fn met(target: &str, laws: fn(&[u8]), kind: fn(&[u8]) -> &'static str) -> Vec<&'static str> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut met = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        laws(&bytes);
        let kind = kind(&bytes);
        assert!(name.starts_with(kind), "{name} is {kind}");
        met.insert(kind);
    }
    met.into_iter().collect()
}

fn outcome(operation: &Operation, content_type: Option<&HeaderValue>, bytes: &[u8]) -> &'static str {
    match Call::read(operation, content_type, &Bytes::copy_from_slice(bytes)) {
        Ok(_) => "read",
        Err(_) => "refused",
    }
}

#[test]
fn every_seed_of_a_body_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |bytes: &[u8]| outcome(&Operation::ChatCompletions, None, bytes);
    assert_eq!(met("llm_body", call_laws::hold_json, kind), ["read", "refused"]);
}

#[test]
fn every_seed_of_a_form_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |bytes: &[u8]| {
        let content_type = HeaderValue::from_static("multipart/form-data; boundary=X");
        outcome(&Operation::ImagesEdits, Some(&content_type), bytes)
    };
    assert_eq!(met("llm_form", call_laws::hold_form, kind), ["read", "refused"]);
}

#[test]
fn every_seed_of_a_stream_keeps_the_laws_and_is_what_its_name_says() {
    let kind = |bytes: &[u8]| match event_laws::events(bytes, bytes.len().max(1), usize::MAX).as_slice() {
        [_] => "none",
        [_, _] => "one",
        _ => "many",
    };
    assert_eq!(met("llm_events", event_laws::hold, kind), ["many", "none", "one"]);
}
