//! What a request asks for.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::Value;

use crate::behaviour::Behaviour;
use crate::fault::Fault;
use crate::form::Form;
use crate::records::Usage;
use crate::weigh;

/// Most choices of an answer, as with OpenAI.
const MAX_CHOICES: u64 = 128;
/// The names of the most tokens of an answer, in all shapes.
const MOST: &[&str] = &["max_completion_tokens", "max_output_tokens", "max_tokens"];

/// A request, as far as it matters.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) behaviour: Behaviour,
    pub(crate) streams: bool,
    /// Whether a stream of OpenAI's has its usage at the end.
    pub(crate) tells_usage: bool,
    /// The most tokens of each choice.
    pub(crate) most: Option<u64>,
    /// Answers that are given.
    pub(crate) choices: u64,
    /// Answers that are tried for each prompt, and billed.
    pub(crate) tried: u64,
    /// The tool that is called instead of an answer.
    pub(crate) tool: Option<String>,
    /// All of it; the fields of a form.
    pub(crate) body: Value,
    pub(crate) file_bytes: usize,
}

impl Ask {
    /// Reads JSON or a form. `all` is how every model behaves.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8], all: &Behaviour) -> Result<Self, Fault> {
        let (body, file_bytes) = members(headers, body)?;
        let model = body["model"].as_str().ok_or_else(|| Fault::bad("you must provide a model parameter"))?;
        let behaviour = Behaviour::of(model, all).map_err(|unknown| Fault::bad(unknown.to_string()))?;
        let choices = number(&body["n"]).unwrap_or(1);
        let tried = number(&body["best_of"]).unwrap_or(choices);
        if choices == 0 || choices > MAX_CHOICES || tried > MAX_CHOICES || tried < choices {
            return Err(Fault::bad(format!("`n` and `best_of` must be from 1 to {MAX_CHOICES}")));
        }
        Ok(Self {
            model: model.to_owned(),
            behaviour,
            streams: is_true(&body["stream"]),
            tells_usage: body["stream_options"]["include_usage"] == true,
            most: MOST.iter().find_map(|name| number(&body[*name])),
            choices,
            tried,
            tool: tool(&body),
            file_bytes,
            body,
        })
    }

    /// The tokens of the input as they are billed, with as many written to a cache as `written` allows.
    pub(crate) fn input(&self, written: CacheWrites) -> Usage {
        let whole = self.behaviour.input.unwrap_or_else(|| weigh::of_request(&self.body));
        let cached_input = self.behaviour.cached.map_or(0, |part| part.of(whole));
        let cache_write = match written {
            CacheWrites::Billed => self.behaviour.cache_write.unwrap_or(0).min(whole - cached_input),
            CacheWrites::Unknown => 0,
        };
        Usage { input: whole - cached_input - cache_write, cached_input, cache_write, ..Usage::default() }
    }

    /// How many of so many tokens are thoughts.
    pub(crate) fn reasoning(&self, output: u64) -> u64 {
        self.behaviour.reasoning.map_or(0, |part| part.of(output))
    }

    /// How many prompts there are; a list of texts, or of lists of tokens, has many.
    pub(crate) fn prompts(&self, member: &str) -> u64 {
        let has_many = |list: &&Vec<Value>| list.first().is_some_and(|one| !one.is_number());
        let several = self.body[member].as_array().filter(has_many);
        several.map_or(1, |list| u64::try_from(list.len()).unwrap_or(u64::MAX)).clamp(1, 2048)
    }
}

/// Whether a shape tells of tokens that are written to a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CacheWrites {
    Billed,
    Unknown,
}

fn members(headers: &HeaderMap, body: &[u8]) -> Result<(Value, usize), Fault> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("multipart/") {
        let form = Form::read(content_type, body).ok_or_else(|| Fault::bad("this is no form"))?;
        return Ok((form.fields, form.file_bytes));
    }
    let body = serde_json::from_slice(body);
    let body: Value = body.map_err(|_| Fault::bad("We could not parse the JSON body of your request."))?;
    if body.is_object() { Ok((body, 0)) } else { Err(Fault::bad("the body must be an object")) }
}

/// A number, which a form has as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn is_true(value: &Value) -> bool {
    *value == true || *value == "true"
}

/// The first tool, unless none may be called, or the last thing said is what a tool gave back.
fn tool(body: &Value) -> Option<String> {
    let choice = &body["tool_choice"];
    let first = body["tools"].as_array()?.first()?;
    let said = body["messages"].as_array().or_else(|| body["input"].as_array());
    let is_answered = said.and_then(|said| said.last()).is_some_and(is_of_a_tool);
    if *choice == "none" || choice["type"] == "none" || is_answered {
        return None;
    }
    let name = first["function"]["name"].as_str().or_else(|| first["name"].as_str())?;
    Some(name.to_owned())
}

fn is_of_a_tool(said: &Value) -> bool {
    let parts = said["content"].as_array();
    said["role"] == "tool"
        || said["type"] == "function_call_output"
        || parts.is_some_and(|parts| parts.iter().any(|part| part["type"] == "tool_result"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Ask, Fault> {
        Ask::read(&HeaderMap::new(), body.to_string().as_bytes(), &Behaviour::default())
    }

    #[test]
    fn a_request_is_read_in_every_shape() {
        let ask = read(&json!({
            "model": "mock+cached=2", "stream": true, "max_tokens": 7, "n": 3,
            "messages": [{ "role": "user", "content": "Who is there?" }],
        }));
        let ask = ask.unwrap();
        assert!(ask.streams && !ask.tells_usage);
        assert_eq!((ask.most, ask.choices, ask.tried), (Some(7), 3, 3));
        let usage = ask.input(CacheWrites::Unknown);
        assert_eq!((usage.input, usage.cached_input), (3, 2));
        let many = read(&json!({ "model": "mock", "input": ["a", "b"], "max_output_tokens": 9 })).unwrap();
        assert_eq!((many.prompts("input"), many.most), (2, Some(9)));
        assert_eq!(read(&json!({ "model": "mock", "input": [1, 2, 3] })).unwrap().prompts("input"), 1);
    }

    #[test]
    fn a_tool_is_called_until_it_has_answered() {
        let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
        let said = |role: &str| json!([{ "role": role, "content": "x" }]);
        let with = |role: &str| json!({ "model": "m", "tools": tools, "messages": said(role) });
        assert_eq!(read(&with("user")).unwrap().tool.as_deref(), Some("weather"));
        assert_eq!(read(&with("tool")).unwrap().tool, None);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in [json!({}), json!([]), json!({ "model": "m+what" }), json!({ "model": "m", "n": 0 })] {
            assert_eq!(read(&body).unwrap_err().status.as_u16(), 400, "{body}");
        }
    }
}
