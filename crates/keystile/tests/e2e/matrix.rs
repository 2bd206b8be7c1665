//! Every call that the OpenAPI document names, to be made with other people's ids.

use keystile_testkit::http::NOTHING;
use serde_json::{Value, json};

use crate::world::World;

/// One documented call, with places for ids in its path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Call {
    /// The path with these ids in it.
    pub(crate) fn path_with(&self, ids: &[(&str, &str)]) -> String {
        let put = |path: String, (name, id): &(&str, &str)| path.replace(&format!("{{{name}}}"), id);
        let path = ids.iter().fold(self.path.clone(), put);
        assert!(!path.contains('{'), "an id that this test does not know: {path}");
        path
    }

    /// A body that the call takes, so that nothing but the ids can be wrong.
    pub(crate) fn body(&self) -> Value {
        let end = self.path.rsplit('/').next().unwrap_or_default();
        match (self.method.as_str(), end) {
            ("POST", "block") => json!({ "reason": "by the matrix" }),
            ("POST", "api-keys" | "applications") | ("PATCH", _) => json!({ "name": "by the matrix" }),
            ("GET" | "DELETE", _) | ("POST", "regenerate" | "revoke" | "disable" | "enable" | "unblock") => {
                NOTHING
            }
            _ => panic!("say which body {self:?} takes"),
        }
    }

    /// Whether it names something below the tenant.
    pub(crate) fn names_an_item(&self) -> bool {
        self.path.contains("_id}") && self.path.matches('{').count() > 1
    }
}

/// All calls inside a tenant, on both mounts.
pub(crate) async fn calls_in_a_tenant(world: &World) -> Vec<Call> {
    let document = world.http.json("GET", "/openapi.json", "", &NOTHING).await.expect(200);
    let paths = document["paths"].as_object().unwrap();
    let mut calls = Vec::new();
    for (path, operations) in paths.iter().filter(|(path, _)| path.contains("{tenant_id}")) {
        for method in operations.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            if !["GET", "POST", "PATCH", "PUT", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let alias = path.strip_prefix("/api/v1").unwrap().to_owned();
            calls.push(Call { method: method.clone(), path: alias });
            calls.push(Call { method, path: path.clone() });
        }
    }
    // One tenant, two applications, nine calls on keys at least, each on two mounts.
    assert!(calls.len() >= 28, "the document is not what it was: {calls:?}");
    calls
}
