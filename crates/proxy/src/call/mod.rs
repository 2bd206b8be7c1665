//! A request, parsed: nothing of it goes on that was not understood as JSON or as a form, and what goes on is written anew.

mod body;
mod elsewhere;
mod form;
mod rebuilt;

use bytes::Bytes;
use http::HeaderValue;
use keystile_core::llm::ModelName;

use crate::bounds::UNCAPPED;
use crate::fault::Fault;
use crate::json::Json;
use crate::operation::Operation;

pub(crate) use body::Body;
pub(crate) use form::Form;

/// Most answers to one request, as with OpenAI.
const MOST_CHOICES: u64 = 128;

/// A request for an operation that has a body, or for models, which has none.
#[derive(Debug)]
pub struct Call {
    operation: Operation,
    body: Body,
    model: Option<ModelName>,
    streams: bool,
    asks_usage: bool,
    cap: Option<u64>,
    shape: Shape,
    /// Bytes of the body.
    length: usize,
}

/// What multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Texts that are continued, or made into vectors.
    pub(crate) prompts: u64,
    /// Answers that are made and billed, of all prompts together.
    pub(crate) choices: u64,
}

impl Call {
    /// Reads a request. `body` is all of it; it is a form if its content type says so, else JSON.
    ///
    /// # Errors
    /// When the body cannot be read, or a field that decides what the request costs or where it leads breaks a rule, `messages` or
    /// `tools` are no list, or what is to be spoken is no text. All other fields are for the upstream to judge.
    pub fn read(
        operation: &Operation,
        content_type: Option<&HeaderValue>,
        body: &Bytes,
    ) -> Result<Self, Fault> {
        let (length, body) = (body.len(), Body::read(operation, content_type, body)?);
        elsewhere::refuse(&body)?;
        body.check_list("messages")?;
        body.check_list("tools")?;
        if matches!(operation, Operation::AudioSpeech) {
            let _text = body.text("input")?;
        }
        let model = model_of(operation, &body)?;
        let streams = streams(operation, &body)?;
        let asks_usage = asks_usage(operation, &body)?;
        let (cap, shape) = (cap_of(operation, &body)?, shape_of(operation, &body)?);
        Ok(Self { operation: operation.clone(), body, model, streams, asks_usage, cap, shape, length })
    }

    /// What it asks for.
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The model, as the client calls it; `None` only for models themselves.
    pub fn model(&self) -> Option<&str> {
        self.model.as_ref().map(ModelName::as_str)
    }

    /// Whether the answer comes as a stream of events.
    pub const fn streams(&self) -> bool {
        self.streams
    }

    /// What to tell the client of when its answer may have `output` tokens: the cap, if that is not the client's own.
    pub fn clamped(&self, output: u64) -> Option<u64> {
        let has_cap = !cap_names(&self.operation).is_empty();
        let is_own = self.cap.is_some_and(|cap| cap <= output);
        (has_cap && !is_own && output < UNCAPPED).then_some(output)
    }

    pub(crate) const fn body(&self) -> &Body {
        &self.body
    }

    /// Whether the client wants the usage in its stream.
    pub(crate) const fn asks_usage(&self) -> bool {
        self.asks_usage
    }

    /// The most tokens of each answer that the client wants.
    pub(crate) const fn cap(&self) -> Option<u64> {
        self.cap
    }

    pub(crate) const fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) const fn length(&self) -> usize {
        self.length
    }
}

/// The fields in which a client says how long an answer may be.
pub(crate) const fn cap_names(operation: &Operation) -> &'static [&'static str] {
    match operation {
        Operation::ChatCompletions => &["max_tokens", "max_completion_tokens"],
        Operation::Completions | Operation::Messages => &["max_tokens"],
        Operation::Responses => &["max_output_tokens"],
        Operation::Embeddings
        | Operation::Models
        | Operation::Model(_)
        | Operation::Moderations
        | Operation::ImagesGenerations
        | Operation::ImagesEdits
        | Operation::ImagesVariations
        | Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::CountTokens => &[],
    }
}

/// The documented model of operations that can be asked for without one.
fn usual_model(operation: &Operation) -> Option<&'static str> {
    match operation {
        Operation::Moderations => Some("omni-moderation-latest"),
        Operation::ImagesVariations => Some("dall-e-2"),
        _ => None,
    }
}

fn model_of(operation: &Operation, body: &Body) -> Result<Option<ModelName>, Fault> {
    if matches!(body, Body::Nothing) {
        return Ok(None);
    }
    let name = body.text("model")?.or(usual_model(operation));
    let name = name.ok_or_else(|| Fault::field("model", "is required"))?;
    name.parse().map(Some).map_err(|invalid: keystile_core::Invalid| Fault::field("model", &invalid.rule))
}

fn streams(operation: &Operation, body: &Body) -> Result<bool, Fault> {
    match operation {
        Operation::AudioSpeech => Ok(body.text("stream_format")? == Some("sse")),
        Operation::ChatCompletions
        | Operation::Responses
        | Operation::Completions
        | Operation::Messages
        | Operation::ImagesGenerations
        | Operation::ImagesEdits
        | Operation::AudioTranscriptions => body.flag("stream"),
        Operation::Embeddings
        | Operation::Models
        | Operation::Model(_)
        | Operation::Moderations
        | Operation::ImagesVariations
        | Operation::AudioTranslations
        | Operation::CountTokens => Ok(false),
    }
}

fn asks_usage(operation: &Operation, body: &Body) -> Result<bool, Fault> {
    let is_chat = matches!(operation, Operation::ChatCompletions | Operation::Completions);
    let options = body.object().and_then(|object| object.given("stream_options"));
    let Some(options) = options.filter(|_| is_chat) else { return Ok(false) };
    let options = options.as_object().ok_or_else(|| Fault::field("stream_options", "must be an object"))?;
    match options.given("include_usage") {
        None => Ok(false),
        Some(Json::Bool(asks)) => Ok(*asks),
        Some(_) => Err(Fault::field("stream_options.include_usage", "must be true or false")),
    }
}

/// The largest of the client's caps, as an upstream may know only one of two names.
fn cap_of(operation: &Operation, body: &Body) -> Result<Option<u64>, Fault> {
    // An old client that asks for no output at all wants to know how likely its own text is.
    let least = if matches!(operation, Operation::Completions) { 0 } else { 1 };
    let mut cap: Option<u64> = None;
    for name in cap_names(operation) {
        let given = body.count(name, least..=u64::MAX)?.map(|count| count.min(UNCAPPED - 1));
        cap = cap.max(given);
    }
    if cap.is_none() && matches!(operation, Operation::Messages) {
        return Err(Fault::field("max_tokens", "is required"));
    }
    Ok(cap)
}

fn shape_of(operation: &Operation, body: &Body) -> Result<Shape, Fault> {
    let count = |name: &str| body.count(name, 1..=MOST_CHOICES).map(|count| count.unwrap_or(1));
    let one = Shape { prompts: 1, choices: 1 };
    match operation {
        Operation::ChatCompletions => Ok(Shape { choices: count("n")?.max(count("best_of")?), ..one }),
        Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations => {
            Ok(Shape { choices: count("n")?, ..one })
        }
        Operation::Completions => {
            let prompts = prompts(body, "prompt");
            Ok(Shape { prompts, choices: prompts.saturating_mul(count("n")?.max(count("best_of")?)) })
        }
        Operation::Embeddings => Ok(Shape { prompts: prompts(body, "input"), ..one }),
        Operation::Responses
        | Operation::Messages
        | Operation::Models
        | Operation::Model(_)
        | Operation::Moderations
        | Operation::AudioSpeech
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations
        | Operation::CountTokens => Ok(one),
    }
}

/// How many texts there are: a list of texts, or of lists of tokens, has many; a list of tokens is one.
fn prompts(body: &Body, name: &str) -> u64 {
    let given = body.object().and_then(|object| object.given(name));
    let items = given.map(Json::items).unwrap_or_default();
    match items.first() {
        None | Some(Json::Number(_)) => 1,
        Some(_) => u64::try_from(items.len()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A call from a JSON text.
    #[allow(clippy::needless_pass_by_value, reason = "tables of tests give operations away")]
    pub(crate) fn call(operation: Operation, body: &str) -> Call {
        read(&operation, body).unwrap()
    }

    pub(crate) fn read(operation: &Operation, body: &str) -> Result<Call, Fault> {
        Call::read(operation, None, &Bytes::copy_from_slice(body.as_bytes()))
    }

    fn refused_field(operation: &Operation, body: &str) -> String {
        let fault = read(operation, body).unwrap_err();
        assert_eq!(fault.status(), 400, "{body}");
        fault.message().split('`').nth(1).unwrap_or_default().to_owned()
    }

    #[test]
    fn a_call_tells_model_stream_and_cap() {
        let own = call(
            Operation::ChatCompletions,
            r#"{"model":"gpt-4o","stream":true,"max_tokens":10,"max_completion_tokens":30,"n":2,"messages":[]}"#,
        );
        assert_eq!((own.model(), own.streams(), own.asks_usage()), (Some("gpt-4o"), true, false));
        assert_eq!((own.cap(), own.shape()), (Some(30), Shape { prompts: 1, choices: 2 }));
        assert_eq!((own.clamped(30), own.clamped(29), own.clamped(31)), (None, Some(29), None));
        let bare = call(Operation::ChatCompletions, r#"{"model":"gpt-4o","stream":null,"max_tokens":null}"#);
        assert_eq!((bare.streams(), bare.cap()), (false, None));
        assert_eq!((bare.clamped(7), bare.clamped(UNCAPPED)), (Some(7), None));
        let speech = call(Operation::AudioSpeech, r#"{"model":"tts-1","input":"a","stream_format":"sse"}"#);
        assert_eq!((speech.streams(), speech.clamped(7)), (true, None));
    }

    #[test]
    fn prompts_and_choices_multiply() {
        for (prompt, n, choices) in [
            (r#""one text""#, r#""n":3"#, 3),
            (r#"["a","b"]"#, r#""n":2,"best_of":5"#, 10),
            ("[1,2,3]", r#""best_of":4"#, 4),
            ("[[1,2],[3]]", r#""n":null"#, 2),
            ("[]", r#""n":1"#, 1),
        ] {
            let own = call(Operation::Completions, &format!(r#"{{"model":"m","prompt":{prompt},{n}}}"#));
            assert_eq!(own.shape().choices, choices, "{prompt} {n}");
        }
        let own = call(Operation::Embeddings, r#"{"model":"m","input":["a","b","c"]}"#);
        assert_eq!(own.shape(), Shape { prompts: 3, choices: 1 });
    }

    #[test]
    fn a_field_that_decides_the_cost_is_named_when_it_breaks_a_rule() {
        let chat = Operation::ChatCompletions;
        for (body, field) in [
            ("{}", "model"),
            (r#"{"model":7}"#, "model"),
            (r#"{"model":"a b"}"#, "model"),
            (r#"{"model":""}"#, "model"),
            (r#"{"model":"m","stream":"yes"}"#, "stream"),
            (r#"{"model":"m","stream_options":7}"#, "stream_options"),
            (r#"{"model":"m","stream_options":{"include_usage":1}}"#, "stream_options.include_usage"),
            (r#"{"model":"m","max_tokens":0}"#, "max_tokens"),
            (r#"{"model":"m","max_tokens":-1}"#, "max_tokens"),
            (r#"{"model":"m","max_tokens":1.5}"#, "max_tokens"),
            (r#"{"model":"m","max_completion_tokens":"9"}"#, "max_completion_tokens"),
            (r#"{"model":"m","n":0}"#, "n"),
            (r#"{"model":"m","n":129}"#, "n"),
            (r#"{"model":"m","best_of":0}"#, "best_of"),
            (r#"{"model":"m","tools":{"type":"web_search"}}"#, "tools"),
        ] {
            assert_eq!(refused_field(&chat, body), field, "{body}");
        }
        assert_eq!(refused_field(&Operation::Messages, r#"{"model":"m","messages":[]}"#), "max_tokens");
        assert_eq!(refused_field(&Operation::AudioSpeech, r#"{"model":"m","input":["a"]}"#), "input");
        assert_eq!(refused_field(&Operation::Completions, r#"{"model":"m","best_of":0}"#), "best_of");
        assert_eq!(call(Operation::Completions, r#"{"model":"m","max_tokens":0}"#).cap(), Some(0));
    }

    #[test]
    fn what_has_a_usual_model_can_be_asked_for_without() {
        let own = call(Operation::Moderations, r#"{"input":"a"}"#);
        assert_eq!(own.model(), Some("omni-moderation-latest"));
        assert!(Call::read(&Operation::Models, None, &Bytes::new()).unwrap().model().is_none());
    }
}
