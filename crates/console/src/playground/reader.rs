//! The OpenAPI document, read into what the playground shows.

use serde_json::{Map, Value};

use super::examples::EXAMPLES;
use super::model::{Api, Body, Group, Operation, Parameter, Resource, Told};
use super::schema::{Schemas, bare, needed};

/// What tells a call that cannot be undone, or that shuts somebody out, from others.
const DANGEROUS: &[&str] = &[
    "delete",
    "revoke",
    "regenerate",
    "rotate",
    "block",
    "disable",
    "remove",
    "end",
    "logout",
    "reset",
    "change",
];
/// What the resources of these groups are called elsewhere than in the document.
const KNOWN_AS: &[(&str, &str)] = &[("IntegrationKey", "IntegrationApiKey")];

/// The API that a document describes.
pub(super) fn read(document: &Value) -> Api {
    let empty = Value::Null;
    let components = document.get("components").unwrap_or(&empty);
    let reader = Reader { schemas: Schemas(components.get("schemas").unwrap_or(&empty)), components };
    let tags = document.get("tags").and_then(Value::as_array).into_iter().flatten();
    let groups = tags.map(|tag| reader.group(tag, document)).filter(|group| !group.operations.is_empty());
    Api { groups: groups.collect() }
}

struct Reader<'d> {
    schemas: Schemas<'d>,
    components: &'d Value,
}

impl<'d> Reader<'d> {
    fn group(&self, tag: &Value, document: &'d Value) -> Group {
        let name = text(tag, "name");
        let (mut operations, mut resources): (Vec<Operation>, Vec<Resource>) = Default::default();
        for (path, methods) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            for (method, described) in methods.as_object().into_iter().flatten() {
                let is_here =
                    described.get("tags").and_then(|tags| tags.get(0)).and_then(Value::as_str) == Some(&name);
                // A path that takes every method is described once for each.
                if !is_here || operations.iter().any(|known| known.id == text(described, "operationId")) {
                    continue;
                }
                resources.extend(
                    self.resource(path, described)
                        .filter(|found| !resources.iter().any(|known| known.name == found.name)),
                );
                operations.push(self.operation(path, method, described));
            }
        }
        Group { name, description: text(tag, "description"), operations, resources }
    }

    fn operation(&self, path: &str, method: &str, described: &'d Value) -> Operation {
        let id = text(described, "operationId");
        let list = |name: &str| described.get(name).and_then(Value::as_array).into_iter().flatten();
        let is_open = described.get("security").and_then(Value::as_array).is_some_and(|ways| {
            !ways.is_empty() && ways.iter().all(|way| way.as_object().is_some_and(Map::is_empty))
        });
        let (summary, more) = first_sentence(&text(described, "summary"));
        let description = [more, text(described, "description")];
        Operation {
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary,
            description: description
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
            parameters: list("parameters").map(|parameter| self.parameter(parameter)).collect(),
            body: described.get("requestBody").and_then(|body| self.body(&id, body)),
            answers: described
                .get("responses")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(status, told)| self.told(status, told))
                .collect(),
            is_open,
            is_dangerous: id.split('_').any(|word| DANGEROUS.contains(&word)),
            id,
        }
    }

    fn parameter(&self, described: &'d Value) -> Parameter {
        let empty = &Value::Null;
        let schema = self.schemas.resolved(described.get("schema").unwrap_or(empty));
        let own = text(described, "description");
        // What the document says of the parameter itself comes first.
        let name = text(described, "name");
        let notes = self.schemas.notes(if own.is_empty() { &name } else { "" }, schema);
        let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let truths = ["true", "false"].map(str::to_owned).to_vec();
        let kind = self.schemas.kind(schema);
        Parameter {
            name,
            place: text(described, "in"),
            required: described.get("required").and_then(Value::as_bool).unwrap_or_default(),
            notes: [own, notes].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
            choices: if kind == "boolean" {
                truths
            } else {
                choices.filter(|choice| !choice.is_null()).map(bare).collect()
            },
            kind,
        }
    }

    fn body(&self, operation: &str, described: &'d Value) -> Option<Body> {
        let (media, content) = described.get("content")?.as_object()?.iter().next()?;
        let schema = content.get("schema")?;
        let own = EXAMPLES.iter().find(|(id, _)| *id == operation).map(|(_, text)| (*text).to_owned());
        let made = || serde_json::to_string_pretty(&needed(self.schemas, schema)).unwrap_or_default();
        Some(Body {
            media: media.clone(),
            required: described.get("required").and_then(Value::as_bool).unwrap_or_default(),
            fields: self.schemas.fields(schema),
            example: own.unwrap_or_else(made),
        })
    }

    fn told(&self, status: &str, described: &'d Value) -> Told {
        let shared = described.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let shared = shared.and_then(|name| self.components.get("responses")?.get(name));
        let described = shared.unwrap_or(described);
        let fields = self
            .answer(described)
            .filter(|_| status.starts_with('2'))
            .map(|schema| self.schemas.fields(schema));
        Told {
            status: status.to_owned(),
            description: text(described, "description"),
            fields: fields.unwrap_or_default(),
        }
    }

    fn answer(&self, described: &'d Value) -> Option<&'d Value> {
        described.get("content")?.as_object()?.values().next()?.get("schema")
    }

    /// The record that a call shows: what is answered to a question for one.
    fn resource(&self, path: &str, described: &'d Value) -> Option<Resource> {
        let id = text(described, "operationId");
        let schema = self.answer(described.get("responses")?.get("200")?)?;
        let name = schema.get("$ref")?.as_str()?.rsplit('/').next()?;
        if !id.starts_with("show_") {
            return None;
        }
        let known_as = KNOWN_AS.iter().find(|(own, _)| *own == name).map(|(_, known_as)| *known_as);
        Some(Resource {
            name: known_as.unwrap_or_else(|| name.strip_suffix("View").unwrap_or(name)).to_owned(),
            path: path
                .rsplit_once("/{")
                .map_or(path, |(list, rest)| if rest.ends_with('}') { list } else { path })
                .to_owned(),
            description: text(self.schemas.resolved(schema), "description"),
            fields: self.schemas.fields(schema),
        })
    }
}

/// The first sentence without its full stop, and what follows.
fn first_sentence(text: &str) -> (String, String) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((first, rest)) => (first.to_owned(), rest.to_owned()),
        None => (text.trim_end_matches('.').to_owned(), String::new()),
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::model::API;
    use super::*;
    use keystile_web::openapi;

    #[test]
    fn every_operation_is_there_once_and_no_name_is_taken_twice() {
        let document = serde_json::to_value(openapi()).unwrap();
        let described = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values());
        let described: HashSet<_> = described.map(|operation| text(operation, "operationId")).collect();
        let shown: Vec<_> =
            API.groups.iter().flat_map(|group| &group.operations).map(|known| known.id.clone()).collect();
        assert_eq!(shown.iter().cloned().collect::<HashSet<_>>(), described);
        assert_eq!(shown.len(), described.len());
        assert!(API.groups.iter().all(|group| API.operation(&group.name).is_none()));
    }

    /// The page of the third seed: a resource with its calls and the schema, field by field.
    #[test]
    fn the_integrations_key_is_shown_with_its_calls_and_all_its_fields() {
        let group = API.group("integration").unwrap();
        let resource = &group.resources[0];
        assert_eq!(
            (resource.name.as_str(), resource.path.as_str()),
            ("IntegrationApiKey", "/api/v1/integration/api-keys")
        );
        let verbs: HashSet<_> = group.operations.iter().map(Operation::verb).collect();
        assert_eq!(verbs, HashSet::from(["list", "get", "create", "patch", "revoke"]));
        let field = |name: &str| {
            resource.fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{name}"))
        };
        for name in [
            "id",
            "tenant_id",
            "app_id",
            "created_by",
            "source_type",
            "is_deleted",
            "prefix",
            "kind",
            "scopes",
            "tpm_limit",
            "max_budget_usd",
            "rotated_from_key_id",
            "tags",
            "version",
            "application_id",
            "key_fingerprint",
            "key_prefix",
            "status",
        ] {
            assert!(!field(name).kind.is_empty(), "{name}");
        }
        assert!(
            field("source_type").kind == "enum" && field("source_type").notes.contains("frontend | backend")
        );
        assert!(field("id").required && field("created_at").kind == "date-time");
    }

    #[test]
    fn what_cannot_be_undone_is_told_apart() {
        let is_dangerous = |id: &str| API.operation(id).unwrap().1.is_dangerous;
        for id in [
            "delete_key",
            "revoke_key",
            "revoke_integration_key",
            "rotate_key",
            "block_key",
            "remove_totp",
            "logout",
            "revoke_token",
        ] {
            assert!(is_dangerous(id), "{id}");
        }
        for id in ["list_keys", "create_key", "show_me", "patch_key", "unblock_key", "verify_key"] {
            assert!(!is_dangerous(id), "{id}");
        }
        // A gateway asks with whatever method its client used, and that changes nothing.
        let deletes = API.groups.iter().flat_map(|group| &group.operations);
        let deletes = deletes.filter(|known| known.method == "DELETE" && known.id != "authorize");
        assert!(deletes.into_iter().all(|known| known.is_dangerous));
    }
}
