//! `POST /completions`.

use http::Response;
use serde_json::{Value, json};

use crate::ask::CacheWrites;
use crate::body::Body;
use crate::chat::{finish, usage};
use crate::exchange::{CREATED, Exchange, Tab};
use crate::pen::{Ended, Pen};
use crate::records::Usage;
use crate::story::{Story, word};

pub(crate) async fn answer(exchange: &Exchange) -> Response<Body> {
    let story = Story::of(&exchange.ask, exchange.ask.prompts("prompt"), CacheWrites::Unknown);
    let completion = Completion {
        id: exchange.id("cmpl-"),
        model: exchange.ask.model.clone(),
        echo: echo(&exchange.ask.body),
        story,
    };
    if !exchange.ask.streams {
        return exchange.whole(&completion.id, completion.story.usage, &completion.whole()).await;
    }
    let (pen, response) = exchange.stream();
    let tab = exchange.tab(&completion.id, Usage { output: 0, ..completion.story.usage });
    tokio::spawn(completion.tell(pen, tab, exchange.ask.tells_usage));
    response
}

/// What stands before each text, when the prompt is to be repeated.
fn echo(body: &Value) -> String {
    let prompt = body["prompt"].as_str().filter(|_| body["echo"] == true);
    prompt.unwrap_or_default().to_owned()
}

struct Completion {
    id: String,
    model: String,
    echo: String,
    story: Story,
}

impl Completion {
    fn whole(&self) -> Value {
        let text = format!("{}{}", self.echo, self.story.text());
        let choice = |index| choice(index, &text, Some(finish(self.story.ends)));
        let choices = (0..self.story.choices).map(choice).collect::<Vec<_>>();
        self.chunk(&choices, self.story.told())
    }

    async fn tell(self, mut pen: Pen, mut tab: Tab, tells_usage: bool) -> Result<(), Ended> {
        for place in 0..self.story.words {
            for index in 0..self.story.choices {
                tab.add(1);
                let before = if place == 0 { self.echo.as_str() } else { "" };
                let text = format!("{before}{}", word(place));
                pen.put(&self.chunk(&[choice(index, &text, None)], None)).await?;
            }
        }
        for index in 0..self.story.choices {
            pen.put(&self.chunk(&[choice(index, "", Some(finish(self.story.ends)))], None)).await?;
        }
        if tells_usage && let Some(told) = self.story.told() {
            pen.put(&self.chunk(&[], Some(told))).await?;
        }
        tab.close(self.story.usage);
        pen.done().await
    }

    fn chunk(&self, choices: &[Value], told: Option<(Usage, u64)>) -> Value {
        let mut chunk = json!({
            "id": self.id, "object": "text_completion", "created": CREATED, "model": self.model,
            "choices": choices,
        });
        if let Some(told) = told {
            chunk["usage"] = usage(told);
        }
        chunk
    }
}

fn choice(index: u64, text: &str, finish_reason: Option<&str>) -> Value {
    json!({ "index": index, "text": text, "logprobs": null, "finish_reason": finish_reason })
}
