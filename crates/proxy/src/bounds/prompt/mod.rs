//! How many tokens of input a request has at most, and whether there is more to it than what is sent.
//!
//! What is not known to stay out of the prompt is counted: a field that nobody knows yet cannot hide a text. Each member and item counts a
//! little more than its text, for what a template writes around it.

mod not_read;
mod parts;

use super::vision::Vision;
use crate::call::{Body, Call};
use crate::json::{Json, Object};
use crate::operation::Operation;

use not_read::NOT_READ;

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
/// What a token costs more in a cache that is kept for an hour: twice a token of input, and therefore counted as two.
const KEPT_AN_HOUR: u64 = 2;

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

    fn note_cache(&mut self, name: &str, value: &Json) {
        let control = value.as_object().filter(|_| name == "cache_control");
        if control.is_some_and(|control| control.text("ttl").is_some_and(|ttl| ttl != "5m")) {
            self.prompt.weight = KEPT_AN_HOUR;
        }
    }
}

fn length(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
