//! `POST /responses` and `/responses/input_tokens`.

use http::Response;
use serde_json::{Value, json};

use crate::ask::CacheWrites;
use crate::behaviour::Ends;
use crate::body::Body;
use crate::exchange::{CREATED, Exchange};
use crate::media::counted;
use crate::records::Usage;
use crate::responses_stream;
use crate::story::Story;

/// Counts, and bills nothing.
pub(crate) async fn count(exchange: &Exchange) -> Response<Body> {
    let answer = json!({ "object": "response.input_tokens", "input_tokens": counted(exchange) });
    exchange.free("application/json", answer.to_string().into_bytes()).await
}

pub(crate) async fn answer(exchange: &Exchange) -> Response<Body> {
    let story = Story::of(&exchange.ask, 1, CacheWrites::Billed);
    let answer = Answer {
        id: exchange.id("resp_"),
        item: exchange.id(if story.tool.is_some() { "fc_" } else { "msg_" }),
        model: exchange.ask.model.clone(),
        story,
    };
    if exchange.ask.body["store"] != false {
        exchange.state.records.keep_response(&answer.id, &answer.ended());
    }
    if !exchange.ask.streams {
        return exchange.whole(&answer.id, answer.story.usage, &answer.ended()).await;
    }
    let (pen, response) = exchange.stream();
    let tab = exchange.tab(&answer.id, Usage { output: 0, ..answer.story.usage });
    tokio::spawn(responses_stream::tell(answer, pen, tab));
    response
}

pub(crate) struct Answer {
    id: String,
    /// The id of the only item of its output.
    pub(crate) item: String,
    model: String,
    pub(crate) story: Story,
}

impl Answer {
    /// As it is at its end.
    pub(crate) fn ended(&self) -> Value {
        let text = self.story.text();
        let mut answer = self.so(self.status(), &[self.item_so("completed", &text)]);
        if self.story.ends == Ends::AtTheMost {
            answer["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        if let Some(told) = self.story.told() {
            answer["usage"] = usage(told);
        }
        self.story.burden(&mut answer);
        answer
    }

    /// How it is at its end.
    pub(crate) const fn status(&self) -> &'static str {
        match self.story.ends {
            Ends::ByItself | Ends::WithATool => "completed",
            Ends::AtTheMost => "incomplete",
        }
    }

    /// As it is in the middle, with this output.
    pub(crate) fn so(&self, status: &str, output: &[Value]) -> Value {
        json!({
            "id": self.id, "object": "response", "created_at": CREATED, "status": status, "error": null,
            "incomplete_details": null, "instructions": null, "max_output_tokens": null, "metadata": {},
            "model": self.model, "output": output, "parallel_tool_calls": true, "previous_response_id": null,
            "reasoning": { "effort": null, "summary": null }, "store": true, "temperature": 1.0,
            "text": { "format": { "type": "text" } }, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "truncation": "disabled", "usage": null, "user": null,
        })
    }

    /// The item of the output, with this text; a call of a tool has its arguments.
    pub(crate) fn item_so(&self, status: &str, text: &str) -> Value {
        match &self.story.tool {
            None => json!({
                "id": self.item, "type": "message", "role": "assistant", "status": status,
                "content": [part(text)],
            }),
            Some(name) => json!({
                "id": self.item, "type": "function_call", "call_id": format!("call_{}", self.id), "name": name,
                "arguments": if status == "completed" { "{}" } else { "" }, "status": status,
            }),
        }
    }
}

/// A part of a message.
pub(crate) fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

/// The usage as this route tells it.
pub(crate) fn usage((used, reasoning): (Usage, u64)) -> Value {
    let input = used.input + used.cached_input + used.cache_write;
    json!({
        "input_tokens": input,
        "input_tokens_details": { "cached_tokens": used.cached_input, "cache_write_tokens": used.cache_write },
        "output_tokens": used.output,
        "output_tokens_details": { "reasoning_tokens": reasoning },
        "total_tokens": input + used.output,
    })
}
