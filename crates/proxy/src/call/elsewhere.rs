//! Fields by which a request would lead elsewhere than the key may go, or ask for more than it seems to.
//!
//! Other gateways take them in a body, and one of those may well be the upstream. A provider and its credential are chosen here, and a
//! model is looked for in the key's list; a request names neither a destination nor a second model.

use super::Body;
use crate::fault::Fault;
use crate::json::{Json, is_lower};

/// Names at the top of a body that name a destination, a credential, or further models.
const LEADING_ELSEWHERE: [&str; 12] = [
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "custom_llm_provider",
    "extra_body",
    "extra_headers",
    "fallbacks",
    "models",
    "organization",
    "provider",
    "route",
];

/// How much of a name is told in an error.
const SHOWN: usize = 64;

/// Refuses what leads elsewhere, and names that only some would take for one that decides that, or the cost.
pub(super) fn refuse(body: &Body) -> Result<(), Fault> {
    if let Some(name) = body.names().into_iter().find(|name| !is_lower(name)) {
        let shown: String = name.chars().take(SHOWN).collect();
        return Err(Fault::field(&shown, "must be written in lower case"));
    }
    if let Some(name) = body.names().into_iter().find(|name| LEADING_ELSEWHERE.contains(name)) {
        return Err(Fault::field(name, "is not taken here: where a request goes follows from its model"));
    }
    let tools = body.object().and_then(|object| object.given("tools")).map(Json::items).unwrap_or_default();
    for (index, tool) in tools.iter().enumerate() {
        if tool.as_object().is_some_and(|tool| tool.members().any(|(name, _)| !is_lower(name))) {
            return Err(Fault::field(&format!("tools[{index}]"), "must have its names in lower case"));
        }
        if tool.as_object().is_some_and(|tool| tool.given("model").is_some()) {
            let name = format!("tools[{index}].model");
            return Err(Fault::field(&name, "is not taken here: a request has one model"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::Operation;
    use crate::call::tests::read;

    #[test]
    fn a_name_that_only_some_would_take_for_another_is_refused() {
        let with = |member: &str| read(&Operation::ChatCompletions, &format!(r#"{{"model":"m",{member}}}"#));
        for member in [
            r#""Model":"o3""#,
            r#""MAX_TOKENS":100000"#,
            r#""N":128"#,
            r#""\u017ftream":true"#,
            r#""max_to\u212aens":100000"#,
            r#""tools":[{"type":"function","Type":"web_search"}]"#,
        ] {
            let fault = with(member).unwrap_err();
            assert!(fault.message().ends_with("in lower case"), "{member}: {}", fault.message());
        }
        for member in [
            r#""metadata":{"User":1}"#,
            r#""tools":[{"function":{"parameters":{"properties":{"Name":{}}}}}]"#,
        ] {
            assert!(with(member).is_ok(), "{member}");
        }
    }

    #[test]
    fn a_request_names_neither_a_destination_nor_a_second_model() {
        let with = |member: &str| read(&Operation::Responses, &format!(r#"{{"model":"m",{member}}}"#));
        for member in [
            r#""api_base":"http://169.254.169.254/""#,
            r#""base_url":null"#,
            r#""fallbacks":["o3"]"#,
            r#""models":["o3"]"#,
            r#""tools":[{"type":"function"},{"type":"image_generation","model":"gpt-image-1"}]"#,
        ] {
            let fault = with(member).unwrap_err();
            assert_eq!((fault.status().as_u16(), fault.code()), (400, "invalid_value"), "{member}");
        }
        for member in
            [r#""tools":[{"type":"function","parameters":{"model":1}}]"#, r#""metadata":{"models":1}"#]
        {
            assert!(with(member).is_ok(), "{member}");
        }
    }
}
