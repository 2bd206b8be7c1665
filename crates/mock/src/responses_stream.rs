//! The events of a streamed response.

use serde_json::{Value, json};

use crate::exchange::Tab;
use crate::pen::{Ended, Pen};
use crate::responses::{Answer, part, usage};
use crate::story::word;

/// Writes events with the numbers that they carry.
struct Sequence {
    pen: Pen,
    next: u64,
}

impl Sequence {
    async fn put(&mut self, kind: &str, mut event: Value) -> Result<(), Ended> {
        event["type"] = kind.into();
        event["sequence_number"] = self.next.into();
        self.next += 1;
        self.pen.put_named(&event).await
    }
}

pub(crate) async fn tell(answer: Answer, pen: Pen, mut tab: Tab) -> Result<(), Ended> {
    let mut events = Sequence { pen, next: 0 };
    let begun = answer.so("in_progress", &[]);
    events.put("response.created", json!({ "response": begun })).await?;
    events.put("response.in_progress", json!({ "response": begun })).await?;
    let mut item = answer.item_so("in_progress", "");
    if answer.story.tool.is_none() {
        item["content"] = json!([]);
    }
    events.put("response.output_item.added", json!({ "output_index": 0, "item": item })).await?;
    match &answer.story.tool {
        None => tell_text(&answer, &mut events, &mut tab).await?,
        Some(_) => tell_call(&answer, &mut events, &mut tab).await?,
    }
    let item = answer.item_so("completed", &answer.story.text());
    events.put("response.output_item.done", json!({ "output_index": 0, "item": item })).await?;
    tab.close(answer.story.usage);
    let kind = format!("response.{}", answer.status());
    events.put(&kind, json!({ "response": answer.ended() })).await
}

async fn tell_text(answer: &Answer, events: &mut Sequence, tab: &mut Tab) -> Result<(), Ended> {
    let within = |more: Value| {
        let mut event = json!({ "item_id": answer.item, "output_index": 0, "content_index": 0 });
        if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
            event.extend(more);
        }
        event
    };
    events.put("response.content_part.added", within(json!({ "part": part("") }))).await?;
    for place in 0..answer.story.words {
        if place == answer.story.words / 2
            && let Some(told) = answer.story.told_before()
        {
            let mut response = answer.so("in_progress", &[]);
            response["usage"] = usage(told);
            events.put("response.in_progress", json!({ "response": response })).await?;
        }
        tab.add(1);
        let delta = json!({ "delta": word(place), "logprobs": [] });
        events.put("response.output_text.delta", within(delta)).await?;
    }
    let text = answer.story.text();
    events.put("response.output_text.done", within(json!({ "text": text, "logprobs": [] }))).await?;
    events.put("response.content_part.done", within(json!({ "part": part(&text) }))).await
}

async fn tell_call(answer: &Answer, events: &mut Sequence, tab: &mut Tab) -> Result<(), Ended> {
    tab.add(answer.story.words);
    let delta = json!({ "item_id": answer.item, "output_index": 0, "delta": "{}" });
    events.put("response.function_call_arguments.delta", delta).await?;
    let done = json!({
        "item_id": answer.item, "output_index": 0, "arguments": "{}", "name": answer.story.tool,
    });
    events.put("response.function_call_arguments.done", done).await
}
