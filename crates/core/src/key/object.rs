//! Free-form objects: how a change writes them, and their bounds.

use serde_json::{Map, Value};

use crate::{ApiKey, Invalid};

/// What a change writes into a free-form object.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectPatch {
    /// This, instead of all that it held.
    Replace(Map<String, Value>),
    /// These members, as RFC 7396 merges them: null removes one, an object is merged in turn, and what is not named
    /// stays.
    Merge(Map<String, Value>),
}

impl ObjectPatch {
    /// Writes it into `object`.
    pub fn apply(self, object: &mut Map<String, Value>) {
        match self {
            Self::Replace(whole) => *object = whole,
            Self::Merge(members) => merge(object, members),
        }
    }
}

fn merge(object: &mut Map<String, Value>, members: Map<String, Value>) {
    for (name, value) in members {
        match value {
            Value::Null => {
                object.remove(&name);
            }
            Value::Object(inner) => {
                let mut held = match object.remove(&name) {
                    Some(Value::Object(held)) => held,
                    _ => Map::new(),
                };
                merge(&mut held, inner);
                object.insert(name, Value::Object(held));
            }
            plain => {
                object.insert(name, plain);
            }
        }
    }
}

/// Holds an object to its bounds, and says which rule it breaks.
pub(crate) fn check((field, object): (&'static str, &Map<String, Value>)) -> Option<Invalid> {
    let bytes = serde_json::to_vec(object).map_or(usize::MAX, |text| text.len());
    let deep = object.values().any(|value| depth(value) >= ApiKey::MAX_OBJECT_DEPTH);
    let nul = object.iter().any(|(name, value)| name.contains('\0') || holds_nul(value));
    if bytes > ApiKey::MAX_OBJECT_BYTES {
        Some(Invalid::new(field, format!("must be at most {} bytes of JSON", ApiKey::MAX_OBJECT_BYTES)))
    } else if deep {
        Some(Invalid::new(field, format!("must be at most {} levels deep", ApiKey::MAX_OBJECT_DEPTH)))
    } else if nul {
        Some(Invalid::new(field, "must not contain the character U+0000"))
    } else {
        None
    }
}

/// Lists and objects inside one another. What is read has at most 127 levels, by the reader's own bound.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(held: &Value, patch: &Value) -> Value {
        let mut object = held.as_object().unwrap().clone();
        ObjectPatch::Merge(patch.as_object().unwrap().clone()).apply(&mut object);
        Value::Object(object)
    }

    /// Those of appendix A of RFC 7396 whose target and patch are objects.
    #[test]
    fn members_are_merged_as_the_standard_says() {
        for (held, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(merged(&held, &patch), expected, "{held} {patch}");
        }
    }
}
