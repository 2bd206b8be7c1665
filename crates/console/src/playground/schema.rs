//! Schemas of the OpenAPI document, laid out as a table of fields: what they refer to is looked up, parts of parts are listed
//! below them.

use serde_json::{Map, Value};

use super::common::about;

/// How deep parts of parts are listed.
const DEEPEST: usize = 3;
/// Most references that lead to one schema.
const MOST_STEPS: usize = 8;

/// A field of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// What it is a part of, as `rate_limits[].`; empty at the top.
    pub(super) within: String,
    pub(super) name: String,
    pub(super) required: bool,
    /// Its type in a word.
    pub(super) kind: String,
    pub(super) notes: String,
}

/// The schemas of a document, by name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schemas<'d>(pub(super) &'d Value);

impl<'d> Schemas<'d> {
    /// A schema as it is, wherever it stands.
    pub(super) fn resolved(self, schema: &'d Value) -> &'d Value {
        let mut schema = schema;
        for _ in 0..MOST_STEPS {
            let next = reference(schema).and_then(|name| self.0.get(name));
            let next = next.or_else(|| only_choice(schema));
            let Some(next) = next else { break };
            schema = next;
        }
        schema
    }

    /// All fields of a schema that is an object, or a list of such.
    pub(super) fn fields(self, schema: &'d Value) -> Vec<Field> {
        let mut fields = Vec::new();
        self.collect(schema, "", 0, &mut fields);
        fields
    }

    fn collect(self, schema: &'d Value, within: &str, depth: usize, fields: &mut Vec<Field>) {
        if depth > DEEPEST {
            return;
        }
        let (properties, required) = self.members(schema);
        for (name, property) in properties {
            fields.push(Field {
                within: within.to_owned(),
                name: name.clone(),
                required: required.contains(&name.as_str()),
                kind: self.kind(property),
                notes: self.notes(name, property),
            });
            let resolved = self.resolved(property);
            let (part, mark) = match resolved.get("items") {
                Some(items) => (items, "[]"),
                None => (resolved, ""),
            };
            self.collect(part, &format!("{within}{name}{mark}."), depth + 1, fields);
        }
    }

    /// The members of an object, those of what it is put together of, too, and which of them have to be there.
    pub(super) fn members(self, schema: &'d Value) -> (Vec<(&'d String, &'d Value)>, Vec<&'d str>) {
        let schema = self.resolved(schema);
        let (mut members, mut required) = (Vec::new(), Vec::new());
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            let (more, needed) = self.members(part);
            members.extend(more);
            required.extend(needed);
        }
        // Of several choices the first that is an object stands for all; the notes tell that there are others.
        let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        if let Some(choice) =
            choices.map(|choice| self.resolved(choice)).find(|choice| choice.get("properties").is_some())
        {
            let (more, needed) = self.members(choice);
            members.extend(more);
            required.extend(needed);
        }
        members.extend(schema.get("properties").and_then(Value::as_object).into_iter().flatten());
        let own = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        required.extend(own.filter_map(Value::as_str));
        (members, required)
    }

    /// The type of a schema in a word.
    pub(super) fn kind(self, schema: &'d Value) -> String {
        let schema = self.resolved(schema);
        if schema.get("enum").is_some() {
            return "enum".to_owned();
        }
        if schema.get("oneOf").or_else(|| schema.get("anyOf")).is_some() {
            return "one of several".to_owned();
        }
        let id =
            schema.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.ends_with("{25}$"));
        match (word(schema), schema.get("format").and_then(Value::as_str)) {
            (Some("string"), Some(format)) => format.to_owned(),
            (Some("string"), None) if id => "id".to_owned(),
            (Some("array"), _) => match schema.get("items") {
                Some(items) => format!("list of {}", self.kind(items)),
                None => "list".to_owned(),
            },
            (Some("object"), _) if schema.get("properties").is_none() => "json".to_owned(),
            (Some(word), _) => word.to_owned(),
            (None, _) if schema.get("allOf").is_some() => "object".to_owned(),
            (None, _) => "json".to_owned(),
        }
    }

    /// What else there is to know of a field.
    pub(super) fn notes(self, name: &str, property: &'d Value) -> String {
        let schema = self.resolved(property);
        let text = |value: &Value| value.get("description").and_then(Value::as_str).map(one_line);
        let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let choices: Vec<_> = choices.filter(|choice| !choice.is_null()).map(bare).collect();
        let choices = (!choices.is_empty()).then(|| format!("{}.", choices.join(" | ")));
        let variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
        let variants: Vec<_> = variants.filter_map(text).collect();
        let variants = (variants.len() > 1).then(|| format!("Either: {}", variants.join(" Or: ")));
        // What stands beside a reference says what the thing is here, and stands before what it is everywhere.
        let here = text(property).or_else(|| only_choice(property).and_then(text)).or_else(|| text(schema));
        let here = here.or_else(|| about(name).map(str::to_owned));
        let parts = [choices, here, variants, bounds(schema), default(schema)];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

/// The name that a reference leads to.
fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.rsplit('/').next()
}

/// The one choice beside `null`, and the first of several that are not told apart by words.
fn only_choice(schema: &Value) -> Option<&Value> {
    let is_something = |choice: &&Value| choice.get("type").and_then(Value::as_str) != Some("null");
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let mut choices = choices.iter().filter(is_something);
        return choices.next().filter(|_| choices.next().is_none());
    }
    schema.get("anyOf")?.as_array()?.iter().find(is_something)
}

/// The type beside `null`.
fn word(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|word| *word != "null"),
        other => other.as_str(),
    }
}

fn bounds(schema: &Value) -> Option<String> {
    let number = |name: &str| schema.get(name).filter(|value| value.is_number()).map(bare);
    let span = |least: Option<String>, most: Option<String>, unit: &str| match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}.")),
        (None, Some(most)) => Some(format!("At most {most}{unit}.")),
        (Some(least), None) => Some(format!("At least {least}{unit}.")),
        (None, None) => None,
    };
    span(number("minimum"), number("maximum"), "")
        .or_else(|| span(number("minLength"), number("maxLength"), " characters"))
        .or_else(|| span(number("minItems"), number("maxItems"), " entries"))
}

fn default(schema: &Value) -> Option<String> {
    schema.get("default").map(|value| format!("Default {}.", bare(value)))
}

/// A value as it is read: a text without its quotes.
pub(super) fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value that a schema takes: its own example, or one made up.
pub(super) fn example(schemas: Schemas<'_>, name: &str, schema: &Value) -> Value {
    let schema = schemas.resolved(schema);
    let told = schema.get("example").or_else(|| schema.get("examples").and_then(|all| all.get(0)));
    if let Some(told) =
        told.or_else(|| schema.get("default")).or_else(|| schema.get("enum").and_then(|all| all.get(0)))
    {
        return told.clone();
    }
    match word(schema) {
        Some("boolean") => Value::Bool(true),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("array") => {
            Value::Array(schema.get("items").map(|items| example(schemas, name, items)).into_iter().collect())
        }
        Some("string") if schema.get("format").and_then(Value::as_str) == Some("date-time") => {
            "2030-01-01T00:00:00Z".into()
        }
        Some("string") => name.into(),
        _ => Value::Object(needed(schemas, schema)),
    }
}

/// An object with just what has to be there.
pub(super) fn needed(schemas: Schemas<'_>, schema: &Value) -> Map<String, Value> {
    let (members, required) = schemas.members(schema);
    let members = members.into_iter().filter(|(name, _)| required.contains(&name.as_str()));
    members.map(|(name, member)| (name.clone(), example(schemas, name, member))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_schema_refers_to_is_listed_below_it() {
        let all = json!({
            "Rate": { "type": "object", "required": ["limit"], "properties": {
                "limit": { "type": "integer", "minimum": 1, "maximum": 9, "description": "Requests\nper window." } } },
            "Key": { "allOf": [{ "$ref": "#/components/schemas/Named" }, { "type": "object", "properties": {
                "rates": { "type": ["array", "null"], "items": { "$ref": "#/components/schemas/Rate" } } } }] },
            "Named": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } },
        });
        let schemas = Schemas(&all);
        let fields = schemas.fields(&all["Key"]);
        let told: Vec<_> =
            fields.iter().map(|field| format!("{}{} {}", field.within, field.name, field.kind)).collect();
        assert_eq!(told, ["name string", "rates list of object", "rates[].limit integer"]);
        assert_eq!((fields[0].required, fields[1].required), (true, false));
        assert_eq!(fields[2].notes, "Requests per window. 1 to 9.");
        assert_eq!(Value::Object(needed(schemas, &all["Key"])), json!({ "name": "name" }));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let all = json!({ "A": { "type": "object", "properties": { "a": { "$ref": "#/components/schemas/A" } } },
            "B": { "$ref": "#/components/schemas/B" } });
        assert_eq!(Schemas(&all).fields(&all["A"]).len(), DEEPEST + 1);
        assert!(Schemas(&all).fields(&all["B"]).is_empty());
    }

    #[test]
    fn a_choice_is_told_with_its_words() {
        let all = json!({ "E": { "type": ["string", "null"], "enum": ["a", "b", null], "description": "Which." },
            "C": { "oneOf": [{ "$ref": "#/components/schemas/E", "description": "Here." }, { "type": "null" }] } });
        let schemas = Schemas(&all);
        assert_eq!(
            (schemas.kind(&all["C"]), schemas.notes("c", &all["C"])),
            ("enum".to_owned(), "a | b. Here.".to_owned())
        );
        assert_eq!(example(schemas, "c", &all["C"]), json!("a"));
    }
}
