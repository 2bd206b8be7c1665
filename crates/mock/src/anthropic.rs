//! `POST /messages` and `/messages/count_tokens`, as Anthropic has them.

use http::Response;
use serde_json::{Value, json};

use crate::ask::CacheWrites;
use crate::behaviour::Ends;
use crate::body::Body;
use crate::exchange::{Exchange, Tab};
use crate::media::counted;
use crate::pen::{Ended, Pen};
use crate::records::Usage;
use crate::story::{Story, word};

/// Counts, and bills nothing.
pub(crate) async fn count(exchange: &Exchange) -> Response<Body> {
    let answer = json!({ "input_tokens": counted(exchange) });
    exchange.free("application/json", answer.to_string().into_bytes()).await
}

pub(crate) async fn answer(exchange: &Exchange) -> Response<Body> {
    let story = Story::of(&exchange.ask, 1, CacheWrites::Billed);
    let message = Message { id: exchange.id("msg_"), model: exchange.ask.model.clone(), story };
    if !exchange.ask.streams {
        return exchange.whole(&message.id, message.story.usage, &message.whole()).await;
    }
    let (pen, response) = exchange.stream();
    let tab = exchange.tab(&message.id, Usage { output: 0, ..message.story.usage });
    tokio::spawn(message.tell(pen, tab));
    response
}

/// The usage: what was read from a cache or written to one is not in `input_tokens`.
fn usage((used, _): (Usage, u64)) -> Value {
    json!({
        "input_tokens": used.input,
        "cache_creation_input_tokens": used.cache_write,
        "cache_read_input_tokens": used.cached_input,
        "output_tokens": used.output,
        "service_tier": "standard",
    })
}

const fn stop_reason(ends: Ends) -> &'static str {
    match ends {
        Ends::ByItself => "end_turn",
        Ends::AtTheMost => "max_tokens",
        Ends::WithATool => "tool_use",
    }
}

struct Message {
    id: String,
    model: String,
    story: Story,
}

impl Message {
    fn whole(&self) -> Value {
        let content = match &self.story.tool {
            None => json!({ "type": "text", "text": self.story.text() }),
            Some(_) => self.tool_use(),
        };
        let reason = Some(stop_reason(self.story.ends));
        self.message(&[content], reason, self.story.told())
    }

    fn message(&self, content: &[Value], stop_reason: Option<&str>, told: Option<(Usage, u64)>) -> Value {
        let mut message = json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop_reason, "stop_sequence": null,
        });
        if let Some(told) = told {
            message["usage"] = usage(told);
        }
        message
    }

    fn tool_use(&self) -> Value {
        json!({ "type": "tool_use", "id": format!("toolu_{}", self.id), "name": self.story.tool, "input": {} })
    }

    async fn tell(self, mut pen: Pen, mut tab: Tab) -> Result<(), Ended> {
        // The output is a placeholder here.
        let first = self.story.told().map(|(used, _)| (Usage { output: used.output.min(1), ..used }, 0));
        let message = self.message(&[], None, first);
        pen.put_named(&json!({ "type": "message_start", "message": message })).await?;
        let block = match &self.story.tool {
            None => json!({ "type": "text", "text": "" }),
            Some(_) => self.tool_use(),
        };
        let start = json!({ "type": "content_block_start", "index": 0, "content_block": block });
        pen.put_named(&start).await?;
        pen.put_named(&json!({ "type": "ping" })).await?;
        self.tell_content(&mut pen, &mut tab).await?;
        pen.put_named(&json!({ "type": "content_block_stop", "index": 0 })).await?;
        pen.put_named(&self.end(self.story.told())).await?;
        tab.close(self.story.usage);
        pen.put_named(&json!({ "type": "message_stop" })).await
    }

    async fn tell_content(&self, pen: &mut Pen, tab: &mut Tab) -> Result<(), Ended> {
        for place in 0..self.story.words {
            if place == self.story.words / 2
                && let Some(told) = self.story.told_before()
            {
                pen.put_named(&self.end(Some(told))).await?;
            }
            tab.add(1);
            let delta = match (&self.story.tool, place) {
                (None, _) => json!({ "type": "text_delta", "text": word(place) }),
                (Some(_), 0) => json!({ "type": "input_json_delta", "partial_json": "{" }),
                (Some(_), 1) => json!({ "type": "input_json_delta", "partial_json": "}" }),
                (Some(_), _) => continue,
            };
            pen.put_named(&json!({ "type": "content_block_delta", "index": 0, "delta": delta })).await?;
        }
        Ok(())
    }

    /// What is told at the end; its counts are of the whole answer, and not of what is new.
    fn end(&self, told: Option<(Usage, u64)>) -> Value {
        let delta = json!({ "stop_reason": stop_reason(self.story.ends), "stop_sequence": null });
        let mut end = json!({ "type": "message_delta", "delta": delta });
        if let Some(told) = told {
            end["usage"] = usage(told);
        }
        end
    }
}
