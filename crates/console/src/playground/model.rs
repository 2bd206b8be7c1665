//! The API as the playground shows it: made once, of the OpenAPI document.

use std::sync::LazyLock;

use super::reader::read;
use super::schema::Field;
use keystile_web::openapi;

/// Everything that is served.
pub(super) static API: LazyLock<Api> =
    LazyLock::new(|| read(&serde_json::to_value(openapi()).unwrap_or_default()));

/// The whole API.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) groups: Vec<Group>,
}

/// Calls that belong together.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) operations: Vec<Operation>,
    /// The records that its calls answer with.
    pub(super) resources: Vec<Resource>,
}

/// A record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    pub(super) name: String,
    /// The path of all of them.
    pub(super) path: String,
    pub(super) description: String,
    pub(super) fields: Vec<Field>,
}

/// A call.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) summary: String,
    pub(super) description: String,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Told>,
    /// Whether nothing proves who calls.
    pub(super) is_open: bool,
    pub(super) is_dangerous: bool,
}

/// A value that a call takes beside its body.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `path`, `query` or `header`.
    pub(super) place: String,
    pub(super) required: bool,
    pub(super) kind: String,
    pub(super) notes: String,
    pub(super) choices: Vec<String>,
}

/// What a call sends.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) media: String,
    pub(super) required: bool,
    pub(super) fields: Vec<Field>,
    pub(super) example: String,
}

/// What a call answers.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: String,
    pub(super) description: String,
    pub(super) fields: Vec<Field>,
}

impl Api {
    /// A call, with its group.
    pub(super) fn operation(&self, id: &str) -> Option<(&Group, &Operation)> {
        let all = self
            .groups
            .iter()
            .flat_map(|group| group.operations.iter().map(move |operation| (group, operation)));
        all.into_iter().find(|(_, operation)| operation.id == id)
    }

    /// A group of calls.
    pub(super) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }
}

impl Operation {
    /// What it does in a word, as lists of calls name it.
    pub(super) fn verb(&self) -> &str {
        match self.id.split('_').next().unwrap_or_default() {
            "show" => "get",
            verb => verb,
        }
    }

    /// What it is called, in words.
    pub(super) fn words(&self) -> String {
        self.id.replace('_', " ")
    }

    /// The parameters in one place.
    pub(super) fn within(&self, place: &str) -> Vec<&Parameter> {
        self.parameters.iter().filter(|parameter| parameter.place == place).collect()
    }
}
