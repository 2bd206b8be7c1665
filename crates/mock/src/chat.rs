//! `POST /chat/completions`.

use http::Response;
use serde_json::{Value, json};

use crate::ask::CacheWrites;
use crate::behaviour::Ends;
use crate::body::Body;
use crate::exchange::{CREATED, Exchange, Tab};
use crate::pen::{Ended, Pen};
use crate::records::Usage;
use crate::story::{Story, word};

pub(crate) async fn answer(exchange: &Exchange) -> Response<Body> {
    let story = Story::of(&exchange.ask, 1, CacheWrites::Billed);
    let chat = Chat { id: exchange.id("chatcmpl-"), model: exchange.ask.model.clone(), story };
    if !exchange.ask.streams {
        return exchange.whole(&chat.id, chat.story.usage, &chat.whole()).await;
    }
    let (pen, response) = exchange.stream();
    let tab = exchange.tab(&chat.id, Usage { output: 0, ..chat.story.usage });
    tokio::spawn(chat.tell(pen, tab, exchange.ask.tells_usage));
    response
}

/// The usage as chat and completions tell it.
pub(crate) fn usage((used, reasoning): (Usage, u64)) -> Value {
    let input = used.input + used.cached_input + used.cache_write;
    json!({
        "prompt_tokens": input,
        "completion_tokens": used.output,
        "total_tokens": input + used.output,
        "prompt_tokens_details": {
            "cached_tokens": used.cached_input, "cache_write_tokens": used.cache_write, "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

/// Why a choice ends, as OpenAI says it.
pub(crate) const fn finish(ends: Ends) -> &'static str {
    match ends {
        Ends::ByItself => "stop",
        Ends::AtTheMost => "length",
        Ends::WithATool => "tool_calls",
    }
}

struct Chat {
    id: String,
    model: String,
    story: Story,
}

impl Chat {
    fn whole(&self) -> Value {
        let choice = |index: u64| {
            let reason = finish(self.story.ends);
            json!({ "index": index, "message": self.message(), "logprobs": null, "finish_reason": reason })
        };
        let mut answer = json!({
            "id": self.id, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": (0..self.story.choices).map(choice).collect::<Vec<_>>(),
            "service_tier": "default", "system_fingerprint": "fp_mock",
        });
        if let Some(told) = self.story.told() {
            answer["usage"] = usage(told);
        }
        self.story.burden(&mut answer);
        answer
    }

    fn message(&self) -> Value {
        match &self.story.tool {
            None => json!({ "role": "assistant", "content": self.story.text(), "refusal": null }),
            Some(_) => json!({
                "role": "assistant", "content": null, "refusal": null, "tool_calls": [self.call("{}")],
            }),
        }
    }

    /// A call of the tool with these arguments, or a part of them.
    fn call(&self, arguments: &str) -> Value {
        let function = json!({ "name": self.story.tool, "arguments": arguments });
        json!({ "id": format!("call_{}", self.id), "type": "function", "function": function })
    }

    async fn tell(self, mut pen: Pen, mut tab: Tab, tells_usage: bool) -> Result<(), Ended> {
        let chunk = |choices: &Value, told: Option<Value>| self.chunk(choices, told, tells_usage);
        for index in 0..self.story.choices {
            let delta = json!({ "role": "assistant", "content": "", "refusal": null });
            pen.put(&chunk(&choice(index, &delta, None), None)).await?;
        }
        self.tell_content(&mut pen, &mut tab, tells_usage).await?;
        let end = Some(finish(self.story.ends));
        for index in 0..self.story.choices {
            pen.put(&chunk(&choice(index, &json!({}), end), None)).await?;
        }
        if tells_usage && let Some(told) = self.story.told() {
            pen.put(&chunk(&json!([]), Some(usage(told)))).await?;
        }
        // All is made by now, the word behind it included.
        tab.close(self.story.usage);
        pen.done().await
    }

    async fn tell_content(&self, pen: &mut Pen, tab: &mut Tab, tells_usage: bool) -> Result<(), Ended> {
        for place in 0..self.story.words {
            if place == self.story.words / 2
                && tells_usage
                && let Some(told) = self.story.told_before()
            {
                pen.put(&self.chunk(&json!([]), Some(usage(told)), tells_usage)).await?;
            }
            for index in 0..self.story.choices {
                tab.add(1);
                if let Some(delta) = self.delta(place) {
                    pen.put(&self.chunk(&choice(index, &delta, None), None, tells_usage)).await?;
                }
            }
        }
        Ok(())
    }

    /// What a token adds to a choice; a call of a tool has fewer pieces than tokens.
    fn delta(&self, place: u64) -> Option<Value> {
        if self.story.tool.is_none() {
            return Some(json!({ "content": word(place) }));
        }
        let mut call = match place {
            0 => self.call(""),
            1 => json!({ "function": { "arguments": "{" } }),
            2 => json!({ "function": { "arguments": "}" } }),
            _ => return None,
        };
        call["index"] = json!(0);
        Some(json!({ "tool_calls": [call] }))
    }

    fn chunk(&self, choices: &Value, told: Option<Value>, tells_usage: bool) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
            "choices": choices, "service_tier": "default", "system_fingerprint": "fp_mock",
        });
        // Who asks for the usage gets the member in each chunk.
        if tells_usage {
            chunk["usage"] = told.unwrap_or_default();
        }
        chunk
    }
}

/// The only choice of a chunk.
fn choice(index: u64, delta: &Value, finish_reason: Option<&str>) -> Value {
    json!([{ "index": index, "delta": delta, "logprobs": null, "finish_reason": finish_reason }])
}
