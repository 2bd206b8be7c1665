//! A request as the upstream gets it: written anew, with its own name of the model, a cap on the output, and usage asked for.

use bytes::Bytes;
use http::HeaderValue;
use keystile_core::llm::{Encoding, Upstream};

use super::{Body, Call, cap_names};
use crate::bounds::UNCAPPED;
use crate::fault::Fault;
use crate::json::{Changed, Json, Object};
use crate::operation::Operation;

/// Anthropic takes no smaller budget for thoughts.
const LEAST_THINKING: u64 = 1_024;

/// By how much a request grows at most as a rule, in bytes: a cap, usage that is asked for, and a longer name of the model.
const ADDED: usize = 128;

/// Members that are written in place of those of the client.
type Set = Vec<(&'static str, Json)>;

impl Call {
    /// Content type and body for this upstream, whose answer may have `output` tokens for each choice; [`crate::UNCAPPED`] leaves the
    /// client's own cap as it is, or absent.
    ///
    /// # Errors
    /// When the client wants more tokens of thought than there are of output.
    pub fn for_upstream(&self, upstream: &Upstream, output: u64) -> Result<(HeaderValue, Bytes), Fault> {
        let model = upstream.model.upstream_name.as_str();
        match self.body() {
            Body::Nothing => Err(Fault::internal()),
            Body::Form(form) => form.write(model),
            Body::Json(object) => {
                let mut set: Set = vec![("model", Json::from(model))];
                if output < UNCAPPED {
                    self.set_cap(object, upstream, output, &mut set)?;
                }
                self.set_usage(object, &mut set);
                let mut body = Vec::with_capacity(self.length().saturating_add(ADDED));
                serde_json::to_writer(&mut body, &Changed { object, set: &set })
                    .map_err(|_| Fault::internal())?;
                Ok((HeaderValue::from_static("application/json"), body.into()))
            }
        }
    }

    fn set_cap(&self, object: &Object, upstream: &Upstream, output: u64, set: &mut Set) -> Result<(), Fault> {
        let names = cap_names(self.operation());
        let given = names.iter().filter_map(|name| Some((*name, object.given(name)?.as_count()?)));
        let before = set.len();
        set.extend(given.map(|(name, cap)| (name, Json::from(cap.min(output)))));
        if set.len() == before
            && let Some(name) = cap_name(self.operation(), upstream)
        {
            set.push((name, Json::from(output)));
        }
        if matches!(self.operation(), Operation::ChatCompletions)
            && let (None, Some(cap)) = (object.given("max_tokens"), self.cap())
            && !knows_newer_name(upstream)
        {
            set.push(("max_tokens", Json::from(cap.min(output))));
        }
        match self.operation() {
            Operation::Messages => self.set_thinking(object, output, set),
            _ => Ok(()),
        }
    }

    /// Thoughts are part of the output, and must be fewer.
    fn set_thinking(&self, object: &Object, output: u64, set: &mut Set) -> Result<(), Fault> {
        let is_clamped = self.cap().is_none_or(|cap| cap > output);
        let thinking = object.given("thinking").and_then(Json::as_object).filter(|_| is_clamped);
        let Some(thinking) = thinking else { return Ok(()) };
        match thinking.given("budget_tokens").and_then(Json::as_count) {
            Some(budget) if budget < output => Ok(()),
            None => Ok(()),
            Some(_) if output > LEAST_THINKING => {
                let less = thinking.with(vec![("budget_tokens", Json::from(output - 1))]);
                set.push(("thinking", Json::Object(less)));
                Ok(())
            }
            Some(_) => Err(Fault::field(
                "thinking.budget_tokens",
                &format!("needs more output than the {output} tokens that this API key has left"),
            )),
        }
    }

    /// A stream of chunks tells its usage only if it is asked to.
    fn set_usage(&self, object: &Object, set: &mut Set) {
        let is_chat = matches!(self.operation(), Operation::ChatCompletions | Operation::Completions);
        if is_chat && self.streams() {
            let own = object.given("stream_options").and_then(Json::as_object).cloned().unwrap_or_default();
            let asking = own.with(vec![("include_usage", Json::Bool(true))]);
            set.push(("stream_options", Json::Object(asking)));
        }
    }
}

/// The field for a cap that the client did not give. OpenAI's newer models refuse `max_tokens`, and many others know nothing else.
fn cap_name(operation: &Operation, upstream: &Upstream) -> Option<&'static str> {
    let [old, new] = match *cap_names(operation) {
        [only] => [only, only],
        [old, new] => [old, new],
        _ => return None,
    };
    Some(if is_openai(upstream) { new } else { old })
}

fn is_openai(upstream: &Upstream) -> bool {
    let host = upstream.provider.base_url.host();
    ["openai.com", "openai.azure.com"].iter().any(|own| is_within(host, own))
}

/// Whether a cap by its newer name alone is kept to. Who does not know it answers as if there were none; OpenAI's own models, wherever
/// they are, refuse a request with both names.
fn knows_newer_name(upstream: &Upstream) -> bool {
    let name = upstream.model.upstream_name.as_str();
    let own = name.strip_prefix("openai/").unwrap_or(name);
    is_openai(upstream) || Encoding::of_openai(own).is_some()
}

/// Whether a host is of a domain.
fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::tests::{at, upstream};
    use crate::call::tests::call;

    fn sent(operation: Operation, body: &str, upstream: &Upstream, output: u64) -> String {
        let (kind, body) = call(operation, body).for_upstream(upstream, output).unwrap();
        assert_eq!(kind, "application/json");
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn the_upstream_gets_its_own_name_of_the_model_and_all_else_in_order() {
        let body = r#"{"messages":[{"role":"user","content":"é"}],"model":"alias","store":true,"service_tier":"flex","x":{"b":1,"a":2}}"#;
        assert_eq!(
            sent(Operation::ChatCompletions, body, &upstream(), UNCAPPED),
            body.replace("alias", "real")
        );
    }

    #[test]
    fn a_cap_is_lowered_where_it_stands_and_never_raised() {
        for (operation, body, output, expected) in [
            (
                Operation::ChatCompletions,
                r#"{"model":"real","max_tokens":9}"#,
                5,
                r#"{"model":"real","max_tokens":5}"#,
            ),
            (
                Operation::ChatCompletions,
                r#"{"model":"real","max_tokens":9}"#,
                50,
                r#"{"model":"real","max_tokens":9}"#,
            ),
            (
                Operation::ChatCompletions,
                r#"{"max_tokens":9,"max_completion_tokens":3,"model":"real"}"#,
                5,
                r#"{"max_tokens":5,"max_completion_tokens":3,"model":"real"}"#,
            ),
            (
                Operation::ChatCompletions,
                r#"{"model":"real","max_tokens":null}"#,
                5,
                r#"{"model":"real","max_tokens":5}"#,
            ),
            (
                Operation::Completions,
                r#"{"model":"real","max_tokens":0}"#,
                5,
                r#"{"model":"real","max_tokens":0}"#,
            ),
            (Operation::Responses, r#"{"model":"real"}"#, 5, r#"{"model":"real","max_output_tokens":5}"#),
            (Operation::Embeddings, r#"{"model":"real"}"#, 0, r#"{"model":"real"}"#),
        ] {
            assert_eq!(sent(operation, body, &upstream(), output), expected);
        }
    }

    #[test]
    fn openai_is_told_the_cap_by_its_newer_name() {
        for (url, name) in [
            ("https://api.openai.com/v1", "max_completion_tokens"),
            ("https://eu.api.openai.com/v1", "max_completion_tokens"),
            ("https://acme.openai.azure.com/openai/v1", "max_completion_tokens"),
            ("https://api.mistral.ai/v1", "max_tokens"),
            ("https://notopenai.com/v1", "max_tokens"),
        ] {
            let body = sent(Operation::ChatCompletions, r#"{"model":"real"}"#, &at(url), 7);
            assert_eq!(body, format!(r#"{{"model":"real","{name}":7}}"#), "{url}");
        }
    }

    #[test]
    fn a_cap_by_its_newer_name_is_told_by_its_older_one_too_where_only_that_may_be_known() {
        let body = r#"{"model":"real","max_completion_tokens":9}"#;
        let at_host = |url: &str, name: &str| {
            let mut upstream = at(url);
            upstream.model.upstream_name = name.parse().unwrap();
            sent(Operation::ChatCompletions, body, &upstream, 5)
        };
        for (url, name, is_told) in [
            ("https://api.mistral.ai/v1", "real", true),
            ("https://api.openai.com/v1", "real", false),
            ("https://openrouter.example/v1", "openai/gpt-5-mini", false),
        ] {
            let older = if is_told { r#","max_tokens":5"# } else { "" };
            let expected = format!(r#"{{"model":"{name}","max_completion_tokens":5{older}}}"#);
            assert_eq!(at_host(url, name), expected);
        }
    }

    #[test]
    fn a_stream_is_asked_for_its_usage() {
        for (operation, body, expected) in [
            (
                Operation::ChatCompletions,
                r#"{"model":"real","stream":true}"#,
                r#"{"model":"real","stream":true,"stream_options":{"include_usage":true}}"#,
            ),
            (
                Operation::Completions,
                r#"{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":false},"model":"real"}"#,
                r#"{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true},"model":"real"}"#,
            ),
            (
                Operation::ChatCompletions,
                r#"{"model":"real","stream":false}"#,
                r#"{"model":"real","stream":false}"#,
            ),
            (Operation::Responses, r#"{"model":"real","stream":true}"#, r#"{"model":"real","stream":true}"#),
        ] {
            assert_eq!(sent(operation, body, &upstream(), UNCAPPED), expected);
        }
    }

    #[test]
    fn thoughts_stay_fewer_than_the_output() {
        let body = r#"{"model":"real","max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":8000}}"#;
        let sent = |output| sent(Operation::Messages, body, &upstream(), output);
        assert!(sent(8_001).contains(r#""budget_tokens":8000"#) && sent(9_000).contains("8000"));
        assert!(
            sent(2_000).contains(r#""max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1999}"#)
        );
        let fault = call(Operation::Messages, body).for_upstream(&upstream(), 1_024).unwrap_err();
        assert!(fault.message().starts_with("`thinking.budget_tokens` needs more"));
    }
}
