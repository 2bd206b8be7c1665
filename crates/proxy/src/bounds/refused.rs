//! What a bounded key may not ask for, because nobody knows before what it costs.
//!
//! Tools that the upstream runs itself cost a fee for each call, which no price of a token covers, and read the conversation anew after each.
//! Some fields choose another price for the same tokens. An answer in the background is billed when nobody reads its usage.

use crate::call::Call;
use crate::fault::Fault;
use crate::json::{Json, Object};
use crate::operation::Operation;

/// Fields that have the upstream run tools, or ask others.
const RUN_UPSTREAM: [&str; 5] =
    ["enable_search", "mcp_servers", "plugins", "search_parameters", "web_search_options"];
/// Tools of OpenAI's that the client runs.
const RUN_BY_CLIENT: [&str; 6] =
    ["apply_patch", "computer", "computer_use_preview", "custom", "function", "local_shell"];
/// How tools of Anthropic's begin that the client runs; a date follows.
const RUN_BY_CLIENT_OF_ANTHROPIC: [&str; 4] = ["bash_", "computer_", "memory_", "text_editor_"];
/// Fields that choose a price, and what they may say: that of the price list.
const PRICED_APART: [(&str, &[&str]); 3] = [
    ("inference_geo", &["global"]),
    ("service_tier", &["auto", "default", "flex", "standard", "standard_only"]),
    ("speed", &["standard"]),
];

/// Refuses what cannot be bounded.
pub(super) fn refuse(call: &Call) -> Result<(), Fault> {
    let Some(object) = call.body().object() else { return Ok(()) };
    let is_on = |name: &&&str| object.given(name).is_some_and(|value| *value != Json::Bool(false));
    if let Some(name) = RUN_UPSTREAM.iter().find(is_on) {
        return Err(Fault::unbounded(name, "has the provider run tools, whose cost is not known before"));
    }
    if let Some(index) = tools(object).iter().position(|tool| !is_run_by_client(call.operation(), tool)) {
        let name = format!("tools[{index}]");
        return Err(Fault::unbounded(&name, "is run by the provider, and its cost is not known before"));
    }
    for (name, usual) in PRICED_APART {
        if object.given(name).is_some_and(|value| value.as_text().is_none_or(|text| !usual.contains(&text))) {
            return Err(Fault::unbounded(name, "chooses another price than that of the price list"));
        }
    }
    if call.body().flag("background")? {
        return Err(Fault::unbounded("background", "has the answer made when nobody waits for it"));
    }
    if object.given("context_management").is_some_and(compacts) {
        return Err(Fault::unbounded("context_management", "has the model read the conversation once more"));
    }
    Ok(())
}

fn tools(object: &Object) -> &[Json] {
    object.given("tools").map(Json::items).unwrap_or_default()
}

fn is_run_by_client(operation: &Operation, tool: &Json) -> bool {
    let Some(tool) = tool.as_object() else { return false };
    match (tool.given("type"), operation) {
        (None, _) => true,
        (Some(Json::Text(kind)), Operation::Messages) => {
            kind == "custom" || RUN_BY_CLIENT_OF_ANTHROPIC.iter().any(|start| kind.starts_with(start))
        }
        (Some(Json::Text(kind)), _) => RUN_BY_CLIENT.contains(&kind.as_str()),
        (Some(_), _) => false,
    }
}

/// Whether the conversation is to be summed up by the model when it grows long.
fn compacts(management: &Json) -> bool {
    let edits = management.as_object().and_then(|object| object.given("edits")).unwrap_or(management);
    let kind = |edit: &Json| edit.as_object().and_then(|edit| edit.text("type")).map(str::to_owned);
    edits.items().iter().filter_map(kind).any(|kind| kind.starts_with("compact"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;

    fn outcome(operation: Operation, member: &str) -> Result<(), Fault> {
        refuse(&call(operation, &format!(r#"{{"model":"m","max_tokens":9,{member}}}"#)))
    }

    #[test]
    fn what_the_provider_runs_is_refused() {
        for (operation, member, field) in [
            (Operation::ChatCompletions, r#""web_search_options":{}"#, "web_search_options"),
            (Operation::ChatCompletions, r#""plugins":[{"id":"web"}]"#, "plugins"),
            (Operation::Responses, r#""tools":[{"type":"function"},{"type":"web_search"}]"#, "tools[1]"),
            (Operation::Responses, r#""tools":[{"type":"file_search"}]"#, "tools[0]"),
            (Operation::Responses, r#""tools":[{"type":"code_interpreter"}]"#, "tools[0]"),
            (
                Operation::Responses,
                r#""tools":[{"type":"mcp","server_url":"https://a.example"}]"#,
                "tools[0]",
            ),
            (Operation::ChatCompletions, r#""enable_search":true"#, "enable_search"),
            (Operation::Responses, r#""tools":[{"type":7}]"#, "tools[0]"),
            (Operation::Responses, r#""tools":["web_search"]"#, "tools[0]"),
            (Operation::Responses, r#""background":true"#, "background"),
            (Operation::Messages, r#""tools":[{"type":"web_search_20250305"}]"#, "tools[0]"),
            (Operation::Messages, r#""tools":[{"type":"code_execution_20250825"}]"#, "tools[0]"),
            (Operation::Messages, r#""mcp_servers":[{"url":"https://a.example"}]"#, "mcp_servers"),
            (
                Operation::Messages,
                r#""context_management":{"edits":[{"type":"compact_20260112"}]}"#,
                "context_management",
            ),
        ] {
            let fault = outcome(operation, member).unwrap_err();
            assert!(fault.message().starts_with(&format!("`{field}` ")), "{member}: {}", fault.message());
            assert_eq!((fault.status().as_u16(), fault.code()), (400, "unbounded_request"));
        }
    }

    #[test]
    fn what_is_priced_apart_is_refused() {
        for (member, is_good) in [
            (r#""service_tier":"priority""#, false),
            (r#""service_tier":"auto""#, true),
            (r#""service_tier":null"#, true),
            (r#""service_tier":7"#, false),
            (r#""speed":"fast""#, false),
            (r#""inference_geo":"us""#, false),
            (r#""inference_geo":"global""#, true),
        ] {
            assert_eq!(outcome(Operation::Messages, member).is_ok(), is_good, "{member}");
        }
    }

    #[test]
    fn what_the_client_runs_is_not_refused() {
        for (operation, member) in [
            (Operation::ChatCompletions, r#""tools":[{"type":"function"},{"type":"custom"}]"#),
            (Operation::Responses, r#""tools":[{"type":"local_shell"},{"type":"computer_use_preview"}]"#),
            (Operation::Responses, r#""background":false"#),
            (Operation::ChatCompletions, r#""enable_search":false"#),
            (Operation::Messages, r#""tools":[{"name":"a"},{"type":"custom"},{"type":"bash_20250124"}]"#),
            (Operation::Messages, r#""tools":[{"type":"text_editor_20250728"},{"type":"memory_20250818"}]"#),
            (Operation::Messages, r#""context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}"#),
        ] {
            assert!(outcome(operation, member).is_ok(), "{member}");
        }
    }
}
