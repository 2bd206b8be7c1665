//! Which models there are, in the words of both protocols.

use bytes::Bytes;
use keystile_core::Timestamp;
use keystile_core::llm::{Protocol, Upstream};
use serde_json::{Value, json};

/// A model as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    name: &'a str,
    provider: &'a str,
    created_at: Timestamp,
}

impl<'a> Listed<'a> {
    /// A model under one of its names, which is what requests call it.
    pub fn of(name: &'a str, upstream: &'a Upstream) -> Self {
        Self { name, provider: upstream.provider.name.as_str(), created_at: upstream.model.created_at }
    }

    /// What requests call it.
    pub const fn name(&self) -> &'a str {
        self.name
    }
}

/// The body of `GET /v1/models`: all of them, on one page.
pub fn model_list<'a>(models: impl IntoIterator<Item = Listed<'a>>, protocol: Protocol) -> Bytes {
    let data: Vec<Value> = models.into_iter().map(|model| object(protocol, &model)).collect();
    let list = match protocol {
        Protocol::OpenAi => json!({ "object": "list", "data": data }),
        Protocol::Anthropic => {
            let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
            let (first_id, last_id) = (id(data.first()), id(data.last()));
            json!({ "data": data, "has_more": false, "first_id": first_id, "last_id": last_id })
        }
    };
    Bytes::from(list.to_string())
}

/// The body of `GET /v1/models/{model}`.
pub fn model_object(model: &Listed<'_>, protocol: Protocol) -> Bytes {
    Bytes::from(object(protocol, model).to_string())
}

fn object(protocol: Protocol, model: &Listed<'_>) -> Value {
    let Listed { name, provider, created_at } = *model;
    match protocol {
        Protocol::OpenAi => {
            json!({ "id": name, "object": "model", "created": created_at.as_seconds(), "owned_by": provider })
        }
        Protocol::Anthropic => {
            json!({ "type": "model", "id": name, "display_name": name, "created_at": created_at.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> [Listed<'static>; 2] {
        let created_at = Timestamp::from_millis(1_700_000_000_000);
        ["fast", "gpt-4o"].map(|name| Listed { name, provider: "OpenAI", created_at })
    }

    fn value(body: &Bytes) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn models_are_listed_as_openai_does() {
        let list = value(&model_list(listed(), Protocol::OpenAi));
        let fast = json!({ "id": "fast", "object": "model", "created": 1_700_000_000, "owned_by": "OpenAI" });
        assert_eq!((&list["object"], &list["data"][0]), (&json!("list"), &fast));
        assert_eq!(value(&model_object(&listed()[0], Protocol::OpenAi)), fast);
    }

    #[test]
    fn models_are_listed_as_anthropic_does() {
        let list = value(&model_list(listed(), Protocol::Anthropic));
        let fast = json!({
            "type": "model", "id": "fast", "display_name": "fast", "created_at": "2023-11-14T22:13:20.000Z",
        });
        assert_eq!(list["data"][0], fast);
        let ends = json!(["fast", "gpt-4o", false]);
        assert_eq!(json!([list["first_id"], list["last_id"], list["has_more"]]), ends);
        let none = value(&model_list([], Protocol::Anthropic));
        assert_eq!(none, json!({ "data": [], "has_more": false, "first_id": null, "last_id": null }));
    }
}
