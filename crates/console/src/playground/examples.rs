//! Bodies to begin with, for calls that do little with just what has to be there.

/// Bodies that show more than what has to be there.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    (
        "create_key",
        "{\n  \"name\": \"Checkout service\",\n  \"environment\": \"staging\",\n  \"source_id\": \"checkout-service\",\n  \"scopes\": [\"orders:read\"],\n  \"rpm_limit\": 600\n}",
    ),
    ("patch_key", "{\n  \"name\": \"Checkout service 2\",\n  \"rpm_limit\": 1200\n}"),
    (
        "create_integration_key",
        "{\n  \"name\": \"Nightly import\",\n  \"kind\": \"service\",\n  \"issued_to_service\": \"importer\",\n  \"scopes\": [\"orders:read\"]\n}",
    ),
    ("patch_integration_key", "{\n  \"name\": \"Nightly import 2\"\n}"),
    ("rotate_key", "{\n  \"overlap_seconds\": 3600\n}"),
    ("block_key", "{\n  \"reason\": \"leaked in a log\"\n}"),
    ("revoke_key", "{\n  \"reason\": \"replaced\"\n}"),
    (
        "create_customer",
        "{\n  \"name\": \"Nordwind Logistics\",\n  \"external_id\": \"crm-1042\",\n  \"metadata\": { \"plan\": \"gold\" }\n}",
    ),
    ("patch_customer", "{\n  \"rpm_limit\": 600\n}"),
    (
        "create_application",
        "{\n  \"name\": \"Orders API\",\n  \"description\": \"What partners order with.\"\n}",
    ),
    ("patch_application", "{\n  \"description\": \"What partners order with.\"\n}"),
    (
        "set_permission",
        "{\n  \"label\": \"Order Read\",\n  \"description\": \"See orders and what is in them.\"\n}",
    ),
    (
        "set_routing",
        "{\n  \"hosts\": [{ \"host\": \"api.example.com\", \"environment\": \"production\" }],\n  \"routes\": [{ \"methods\": [\"GET\"], \"path\": \"/v1/orders/{id}\", \"permissions\": [\"orders:read\"] }]\n}",
    ),
    (
        "verify_key",
        "{\n  \"key\": \"sk_ks_live_…\",\n  \"environment\": \"production\",\n  \"permissions\": [\"orders:read\"],\n  \"explain\": true\n}",
    ),
    ("create_invitation", "{\n  \"email\": \"ada@example.com\",\n  \"role\": \"developer\"\n}"),
    (
        "send_events",
        "{\n  \"id\": \"a-1\",\n  \"type\": \"order.paid\",\n  \"entity\": { \"type\": \"order\", \"id\": \"4711\" },\n  \"data\": { \"total\": 42 }\n}",
    ),
    ("patch_tenant", "{\n  \"rotation_days\": 90\n}"),
];

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::model::API;
    use super::*;

    #[test]
    fn examples_name_operations_and_fields_that_exist() {
        for (id, text) in EXAMPLES {
            let (_, operation) = API.operation(id).unwrap_or_else(|| panic!("{id}"));
            let body = operation.body.as_ref().unwrap();
            let example: Map<String, Value> = serde_json::from_str(text).unwrap();
            let top: Vec<_> = body.fields.iter().filter(|field| field.within.is_empty()).collect();
            for name in example.keys() {
                assert!(top.iter().any(|field| field.name == *name), "{id}: {name}");
            }
            for field in top.iter().filter(|field| field.required) {
                assert!(example.contains_key(&field.name), "{id}: {}", field.name);
            }
        }
    }

    #[test]
    fn every_example_is_json() {
        for operation in API.groups.iter().flat_map(|group| &group.operations) {
            if let Some(body) = &operation.body {
                assert!(
                    serde_json::from_str::<Value>(&body.example).unwrap().is_object(),
                    "{}",
                    operation.id
                );
            }
        }
    }
}
