//! Requests of any shape keep the laws.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::call_laws;

/// Any JSON, now and then with names that mean something.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            ".{0,8}",
            prop::sample::select(vec![
                "type",
                "role",
                "content",
                "text",
                "input",
                "source",
                "detail",
                "image_url",
                "cache_control",
                "ttl",
                "data",
            ])
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A body with a model, a cap that Anthropic's API wants, and anything else.
fn body() -> impl Strategy<Value = Value> {
    let field = prop::sample::select(vec![
        "messages",
        "input",
        "prompt",
        "system",
        "tools",
        "n",
        "stream",
        "stream_options",
        "thinking",
        "prediction",
        "response_format",
        "metadata",
        "echo",
        "unknown",
    ]);
    (prop::collection::hash_map(field, value(), 0..6), 1_u32..10_000).prop_map(|(members, cap)| {
        let mut body = json!({ "model": "m", "max_tokens": cap });
        for (name, value) in members {
            body[name] = value;
        }
        body
    })
}

proptest! {
    #[test]
    fn the_rebuilt_body_parses_to_what_was_meant(body in body()) {
        call_laws::hold_json(body.to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        call_laws::hold_json(&bytes);
        call_laws::hold_form(&bytes);
    }

    #[test]
    fn forms_of_any_content_are_written_as_they_were_meant(
        name in "[a-z\"\\\\ ]{1,12}",
        content in "[-X\r\n a]{0,40}",
    ) {
        let body = format!(
            "--X\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--X\r\n\
             Content-Disposition: form-data; name=\"image\"; filename=\"{name}\"\r\n\r\n{content}\r\n--X--"
        );
        call_laws::hold_form(body.as_bytes());
    }
}
