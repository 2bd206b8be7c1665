//! How many tokens of input a request has at most, and whether there is more to it than what is sent.
//!
//! What is not known to stay out of the prompt is counted: a field that nobody knows yet cannot hide a text. Each member and item counts a
//! little more than its text, for what a template writes around it.

use super::vision::Vision;
use crate::call::{Body, Call};
use crate::json::{Json, Object, is_lower};
use crate::operation::Operation;

/// What a template writes once, and what an answer begins with.
const REQUEST: u64 = 24;
/// What a template writes around a member of an object: as many characters as JSON takes.
const MEMBER: u64 = 3;
/// The same for an item of a list.
const ITEM: u64 = 1;
/// What is written around the definitions of tools. OpenAI writes some twenty tokens, Anthropic up to 804.
const TOOLS: u64 = 64;
const TOOLS_OF_ANTHROPIC: u64 = 1_024;
/// What a tool that the upstream defines itself, and the client carries out, brings along: with Anthropic up to 735.
const DEFINED_TOOL: u64 = 1_024;
/// Sound is sent as base64; a second of the tightest speech has 666 characters, and becomes ten tokens.
const SOUND_BYTES_A_TOKEN: u64 = 16;
/// A sound is a few tokens however short it is.
const SOUND: u64 = 64;
/// What a token costs more in a cache that is kept for an hour: twice a token of input, and therefore counted as two.
const KEPT_AN_HOUR: u64 = 2;

/// Fields at the top that no model reads.
const NOT_READ: [&str; 39] = [
    "background",
    "best_of",
    "dimensions",
    "echo",
    "encoding_format",
    "frequency_penalty",
    "include",
    "inference_geo",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_output_tokens",
    "max_tokens",
    "max_tool_calls",
    "metadata",
    "min_p",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "repetition_penalty",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "stop_sequences",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "top_k",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
];

/// Parts of messages whose content is elsewhere, or packed so that its length says nothing.
const ELSEWHERE: [&str; 13] = [
    "audio",
    "audio_url",
    "container_upload",
    "document_url",
    "file",
    "file_url",
    "input_file",
    "input_video",
    "item_reference",
    "media",
    "video",
    "video_url",
    "document",
];

/// What of a request is read by the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    /// Tokens at most, of all that is sent.
    pub(super) tokens: u64,
    /// What each of them counts as.
    pub(super) weight: u64,
    /// Tokens that the client guesses of the answer; those that are wrong are billed as output.
    pub(super) guessed: u64,
    /// The field by which there is more than what is sent.
    pub(super) hidden: Option<String>,
}

impl Prompt {
    /// That of a call to a model, by what its provider calls it.
    pub(super) fn of(call: &Call, model: &str) -> Self {
        let prompt = Self { tokens: REQUEST, weight: 1, guessed: 0, hidden: None };
        let mut reader = Reader { prompt, vision: Vision::of(model) };
        match call.body() {
            Body::Nothing => {}
            Body::Form(form) => {
                for (name, text) in form.texts().filter(|(name, _)| !NOT_READ.contains(name)) {
                    reader.add(length(name).saturating_add(length(text)));
                }
            }
            Body::Json(object) => reader.top(call.operation(), object),
        }
        reader.prompt
    }
}

struct Reader {
    prompt: Prompt,
    vision: Vision,
}

impl Reader {
    fn add(&mut self, tokens: u64) {
        self.prompt.tokens = self.prompt.tokens.saturating_add(tokens);
    }

    fn hide(&mut self, field: &str) {
        self.prompt.hidden.get_or_insert_with(|| field.to_owned());
    }

    fn top(&mut self, operation: &Operation, object: &Object) {
        for (name, value) in object.members() {
            if NOT_READ.contains(&name) || *value == Json::Null {
                continue;
            }
            self.add(MEMBER);
            match (operation, name) {
                (Operation::Completions, "prompt") | (Operation::Embeddings, "input") => {
                    self.tokens_or_text(name, value);
                }
                // What is kept elsewhere, and templates and settings of the client's, by which what is sent may become more.
                (Operation::Responses, "previous_response_id" | "conversation" | "prompt")
                | (Operation::Messages, "container")
                | (_, "cached_content" | "chat_template" | "mm_processor_kwargs") => self.hide(name),
                (_, "messages" | "input" | "system" | "instructions") => self.content(value),
                (_, "tools" | "functions") => self.tools(operation, value),
                (_, "prediction") => self.prediction(value),
                _ => self.member(name, value),
            }
        }
    }

    /// Texts, or tokens, each of which is a number.
    fn tokens_or_text(&mut self, name: &str, value: &Json) {
        match value {
            Json::Number(_) => self.add(1),
            Json::Array(items) => items.iter().for_each(|item| self.tokens_or_text(name, item)),
            // An image, or something else that may be anywhere.
            Json::Object(_) => {
                self.hide(name);
                self.plain(value);
            }
            Json::Null | Json::Bool(_) | Json::Text(_) => self.plain(value),
        }
    }

    fn tools(&mut self, operation: &Operation, value: &Json) {
        let around = match operation {
            Operation::Messages => TOOLS_OF_ANTHROPIC,
            _ => TOOLS,
        };
        let is_defined = |tool: &&Json| {
            let kind = tool.as_object().and_then(|tool| tool.text("type"));
            kind.is_some_and(|kind| !["function", "custom"].contains(&kind))
        };
        let defined = u64::try_from(value.items().iter().filter(is_defined).count()).unwrap_or(u64::MAX);
        self.add(around.saturating_add(defined.saturating_mul(DEFINED_TOOL)));
        self.plain(value);
    }

    /// A guess is sent as input, and what of it is wrong is billed as output.
    fn prediction(&mut self, value: &Json) {
        let before = self.prompt.tokens;
        self.plain(value);
        self.prompt.guessed = self.prompt.tokens - before;
    }

    fn member(&mut self, name: &str, value: &Json) {
        self.note_cache(name, value);
        self.add(length(name));
        self.plain(value);
    }

    /// Something that is read as it stands.
    fn plain(&mut self, value: &Json) {
        match value {
            Json::Null | Json::Bool(_) => self.add(ITEM),
            Json::Number(number) => self.add(length(&number.to_string())),
            Json::Text(text) => self.add(length(text)),
            Json::Array(items) => {
                for item in items {
                    self.add(ITEM);
                    self.plain(item);
                }
            }
            Json::Object(object) => {
                for (name, value) in object.members() {
                    self.add(MEMBER);
                    self.member(name, value);
                }
            }
        }
    }

    /// Messages and their parts, in which there may be images, sound and files.
    fn content(&mut self, value: &Json) {
        match value {
            Json::Array(items) => {
                for item in items {
                    self.add(ITEM);
                    self.content(item);
                }
            }
            Json::Object(object) => self.part(object),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => self.plain(value),
        }
    }

    fn part(&mut self, part: &Object) {
        let kind = part.text("type").unwrap_or_default();
        // What is counted by itself, so that its bytes are no text.
        let apart: &[&str] = match kind {
            "image" | "image_url" | "input_image" | "computer_screenshot" => {
                self.add(self.vision.tokens(part));
                &["image_url", "source", "file_id"]
            }
            "input_audio" => {
                self.sound(part);
                &["input_audio"]
            }
            "document" if is_text(part) => &[],
            kind if ELSEWHERE.contains(&kind) => {
                self.hide(kind);
                &["file", "file_data", "file_url", "file_id", "source", "video_url", "audio_url"]
            }
            _ => &[],
        };
        for (name, value) in part.members().filter(|(name, _)| !apart.contains(name)) {
            self.add(MEMBER.saturating_add(length(name)));
            self.note_cache(name, value);
            if !is_lower(name) {
                self.hide(name);
            }
            match name {
                // What a tool is called with is read as it stands, whatever it looks like.
                "input" | "arguments" | "parameters" => self.plain(value),
                // A sound that was given before is kept upstream.
                "audio" if part.text("role") == Some("assistant") => self.hide("audio"),
                _ => self.content(value),
            }
        }
    }

    fn sound(&mut self, part: &Object) {
        let sound = part.given("input_audio").and_then(|audio| audio.as_object()?.text("data"));
        match sound {
            Some(sound) if !sound.contains("://") => {
                self.add(SOUND.saturating_add(length(sound).div_ceil(SOUND_BYTES_A_TOKEN)));
            }
            // A URL, or what we do not know how to find a sound in.
            Some(_) | None => self.hide("input_audio"),
        }
    }

    fn note_cache(&mut self, name: &str, value: &Json) {
        let control = value.as_object().filter(|_| name == "cache_control");
        if control.is_some_and(|control| control.text("ttl").is_some_and(|ttl| ttl != "5m")) {
            self.prompt.weight = KEPT_AN_HOUR;
        }
    }
}

/// Whether a document is sent as the text that it is.
fn is_text(document: &Object) -> bool {
    let source = document.given("source").and_then(Json::as_object);
    source.and_then(|source| source.text("type")).is_some_and(|kind| ["text", "content"].contains(&kind))
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::tests::call;

    fn of(operation: Operation, members: &str) -> Prompt {
        let cap = if operation == Operation::Messages { r#""max_tokens":9,"# } else { "" };
        Prompt::of(&call(operation, &format!(r#"{{"model":"m",{cap}{members}}}"#)), "gpt-4o")
    }

    fn user(content: &str) -> Prompt {
        of(Operation::ChatCompletions, &format!(r#""messages":[{{"role":"user","content":{content}}}]"#))
    }

    #[test]
    fn a_short_message_is_bounded_far_below_a_hundred_tokens() {
        // Such a message has eight tokens with OpenAI, and ten with Anthropic.
        let own = user(r#""hi""#);
        assert!((10..=60).contains(&own.tokens), "{own:?}");
        assert_eq!((own.weight, own.guessed, own.hidden), (1, 0, None));
    }

    #[test]
    fn every_byte_of_a_text_counts_wherever_it_stands() {
        let text = "wörd ".repeat(200);
        for members in [
            format!(r#""messages":[{{"role":"user","content":"{text}"}}]"#),
            format!(r#""messages":[{{"role":"user","content":[{{"type":"text","text":"{text}"}}]}}]"#),
            format!(
                r#""messages":[{{"role":"assistant","tool_calls":[{{"function":{{"arguments":"{text}"}}}}]}}]"#
            ),
            format!(r#""tools":[{{"type":"function","function":{{"description":"{text}"}}}}]"#),
            format!(r#""response_format":{{"json_schema":{{"schema":{{"title":"{text}"}}}}}}"#),
            format!(r#""something_new":["{text}"]"#),
            format!(r#""something_new":{{"{text}":0}}"#),
        ] {
            let own = of(Operation::ChatCompletions, &members);
            assert!(own.tokens >= 1_200 && own.tokens < 1_400, "{}: {members}", own.tokens);
        }
    }

    #[test]
    fn what_no_model_reads_counts_nothing() {
        let bare = of(Operation::ChatCompletions, r#""messages":[]"#);
        let more = of(
            Operation::ChatCompletions,
            r#""messages":[],"metadata":{"a":"long"},"user":"x","stop":["a"],"seed":7"#,
        );
        assert_eq!(bare, more);
    }

    #[test]
    fn an_image_counts_by_its_detail_and_not_by_its_bytes() {
        let packed = "A".repeat(100_000);
        let url = format!("data:image/png;base64,{packed}");
        let chat = |detail: &str| {
            user(&format!(r#"[{{"type":"image_url","image_url":{{"url":"{url}","detail":"{detail}"}}}}]"#))
                .tokens
        };
        assert!(chat("low") > 1_024 && chat("low") < 1_200);
        assert!(chat("high") > 5_120 && chat("high") < 5_300);
        let input = format!(
            r#""input":[{{"role":"user","content":[{{"type":"input_image","image_url":"{url}"}}]}}]"#
        );
        assert!(of(Operation::Responses, &input).tokens < 5_300);
        let source = format!(r#"{{"type":"base64","media_type":"image/png","data":"{packed}"}}"#);
        let image = format!(r#"{{"type":"image","source":{source}}}"#);
        let shown = format!(
            r#""messages":[{{"role":"user","content":[{{"type":"tool_result","content":[{image}]}}]}}]"#
        );
        assert!(of(Operation::Messages, &shown).tokens < 5_400);
        let hidden = format!(
            r#""messages":[{{"role":"assistant","content":[{{"type":"tool_use","input":{image}}}]}}]"#
        );
        assert!(of(Operation::Messages, &hidden).tokens > 100_000, "what a tool is called with is text");
        let tool = format!(r#""tools":[{image}]"#);
        assert!(of(Operation::ChatCompletions, &tool).tokens > 100_000, "no tool is an image");
    }

    #[test]
    fn what_is_kept_elsewhere_is_noticed() {
        let pdf = r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}"#;
        for (operation, members, field) in [
            (Operation::Responses, r#""previous_response_id":"resp_1""#.to_owned(), "previous_response_id"),
            (Operation::Responses, r#""conversation":{"id":"conv_1"}"#.to_owned(), "conversation"),
            (Operation::Responses, r#""prompt":{"id":"pmpt_1"}"#.to_owned(), "prompt"),
            (
                Operation::Responses,
                r#""input":[{"type":"item_reference","id":"msg_1"}]"#.to_owned(),
                "item_reference",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#
                    .to_owned(),
                "file",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[{"role":"assistant","audio":{"id":"audio_1"}}]"#.to_owned(),
                "audio",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[{"role":"user","content":[{"type":"document_url","document_url":"https://a.example"}]}]"#
                    .to_owned(),
                "document_url",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[{"role":"user","content":[{"type":"input_audio","input_audio":"https://a.example"}]}]"#
                    .to_owned(),
                "input_audio",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"https://a.example"}}]}]"#
                    .to_owned(),
                "input_audio",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[],"chat_template":"{{ messages }}""#.to_owned(),
                "chat_template",
            ),
            (
                Operation::ChatCompletions,
                r#""messages":[{"role":"user","content":[{"type":"text","Type":"image_url"}]}]"#.to_owned(),
                "Type",
            ),
            (Operation::Embeddings, r#""input":["a",{"image":"https://a.example"}]"#.to_owned(), "input"),
            (Operation::Messages, format!(r#""messages":[{{"role":"user","content":[{pdf}]}}]"#), "document"),
            (Operation::Messages, r#""container":"container_1""#.to_owned(), "container"),
        ] {
            assert_eq!(of(operation, &members).hidden.as_deref(), Some(field), "{members}");
        }
        let text =
            r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"all of it"}}"#;
        let text = of(Operation::Messages, &format!(r#""messages":[{{"role":"user","content":[{text}]}}]"#));
        assert_eq!(text.hidden, None);
    }

    #[test]
    fn tokens_that_are_sent_as_numbers_are_counted_one_by_one() {
        let bare = of(Operation::Embeddings, r#""input":[]"#).tokens;
        assert_eq!(of(Operation::Embeddings, r#""input":[[15339,1917],[100]]"#).tokens, bare + 3);
        assert_eq!(of(Operation::Embeddings, r#""input":["four","five!"]"#).tokens, bare + 9);
        assert_eq!(of(Operation::Completions, r#""prompt":[1,2,3,4]"#).tokens, bare + 4);
    }

    #[test]
    fn tools_a_guess_and_a_cache_of_an_hour_have_their_own_price() {
        let tool = r#""tools":[{"name":"a","input_schema":{}},{"type":"bash_20250124","name":"bash"}]"#;
        assert!(of(Operation::Messages, tool).tokens > 2_048);
        let guess =
            of(Operation::ChatCompletions, r#""prediction":{"type":"content","content":"0123456789"}"#);
        assert!((10..60).contains(&guess.guessed), "{guess:?}");
        for (ttl, weight) in [(r#""5m""#, 1), (r#""1h""#, 2), ("null", 1)] {
            let control = format!(r#""cache_control":{{"type":"ephemeral","ttl":{ttl}}}"#);
            let text = format!(r#"{{"type":"text","text":"a",{control}}}"#);
            assert_eq!(of(Operation::Messages, &format!(r#""system":[{text}]"#)).weight, weight);
            assert_eq!(
                of(Operation::Messages, &format!(r#""tools":[{{"name":"a",{control}}}]"#)).weight,
                weight
            );
            assert_eq!(of(Operation::Messages, &control).weight, weight);
        }
    }

    #[test]
    fn sound_is_bounded_by_its_bytes() {
        let data = "A".repeat(16_000);
        let content =
            format!(r#"[{{"type":"input_audio","input_audio":{{"format":"mp3","data":"{data}"}}}}]"#);
        let tokens = user(&content).tokens;
        assert!((1_064..1_300).contains(&tokens), "{tokens}");
    }
}
