//! Which models there are, in the words of both protocols.

use keystile_core::Timestamp;
use keystile_core::llm::Protocol;
use serde_json::{Value, json};

/// A model as clients see it.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// What requests call it: its name or an alias.
    pub name: &'a str,
    /// Who provides it.
    pub provider: &'a str,
    /// Since when it is offered.
    pub created_at: Timestamp,
}

/// The body of `GET /v1/models`: all of them, on one page.
pub fn model_list<'a>(protocol: Protocol, models: impl IntoIterator<Item = Listed<'a>>) -> String {
    let data: Vec<Value> = models.into_iter().map(|model| object(protocol, &model)).collect();
    let list = match protocol {
        Protocol::OpenAi => json!({ "object": "list", "data": data }),
        Protocol::Anthropic => {
            let id = |model: Option<&Value>| model.map_or(Value::Null, |model| model["id"].clone());
            let (first_id, last_id) = (id(data.first()), id(data.last()));
            json!({ "data": data, "has_more": false, "first_id": first_id, "last_id": last_id })
        }
    };
    list.to_string()
}

/// The body of `GET /v1/models/{model}`.
pub fn model_object(protocol: Protocol, model: &Listed<'_>) -> String {
    object(protocol, model).to_string()
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

    fn value(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn models_are_listed_as_openai_does() {
        let list = value(&model_list(Protocol::OpenAi, listed()));
        let fast = json!({ "id": "fast", "object": "model", "created": 1_700_000_000, "owned_by": "OpenAI" });
        assert_eq!((&list["object"], &list["data"][0]), (&json!("list"), &fast));
        assert_eq!(value(&model_object(Protocol::OpenAi, &listed()[0])), fast);
    }

    #[test]
    fn models_are_listed_as_anthropic_does() {
        let list = value(&model_list(Protocol::Anthropic, listed()));
        let fast = json!({
            "type": "model", "id": "fast", "display_name": "fast", "created_at": "2023-11-14T22:13:20.000Z",
        });
        assert_eq!(list["data"][0], fast);
        let ends = json!(["fast", "gpt-4o", false]);
        assert_eq!(json!([list["first_id"], list["last_id"], list["has_more"]]), ends);
        let none = value(&model_list(Protocol::Anthropic, []));
        assert_eq!(none, json!({ "data": [], "has_more": false, "first_id": null, "last_id": null }));
    }
}
