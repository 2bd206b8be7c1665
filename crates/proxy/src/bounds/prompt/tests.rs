//! What counts, and what is noticed.

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
        user(&format!(r#"[{{"type":"image_url","image_url":{{"url":"{url}","detail":"{detail}"}}}}]"#)).tokens
    };
    assert!(chat("low") > 1_024 && chat("low") < 1_200);
    assert!(chat("high") > 5_120 && chat("high") < 5_300);
    let input =
        format!(r#""input":[{{"role":"user","content":[{{"type":"input_image","image_url":"{url}"}}]}}]"#);
    assert!(of(Operation::Responses, &input).tokens < 5_300);
    let source = format!(r#"{{"type":"base64","media_type":"image/png","data":"{packed}"}}"#);
    let image = format!(r#"{{"type":"image","source":{source}}}"#);
    let shown =
        format!(r#""messages":[{{"role":"user","content":[{{"type":"tool_result","content":[{image}]}}]}}]"#);
    assert!(of(Operation::Messages, &shown).tokens < 5_400);
    let hidden =
        format!(r#""messages":[{{"role":"assistant","content":[{{"type":"tool_use","input":{image}}}]}}]"#);
    assert!(of(Operation::Messages, &hidden).tokens > 100_000, "what a tool is called with is text");
    let tool = format!(r#""tools":[{image}]"#);
    assert!(of(Operation::ChatCompletions, &tool).tokens > 100_000, "no tool is an image");
}

#[test]
fn what_is_kept_elsewhere_is_noticed() {
    let pdf =
        r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}"#;
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
    let text = r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"all of it"}}"#;
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
    let guess = of(Operation::ChatCompletions, r#""prediction":{"type":"content","content":"0123456789"}"#);
    assert!((10..60).contains(&guess.guessed), "{guess:?}");
    for (ttl, weight) in [(r#""5m""#, 1), (r#""1h""#, 2), ("null", 1)] {
        let control = format!(r#""cache_control":{{"type":"ephemeral","ttl":{ttl}}}"#);
        let text = format!(r#"{{"type":"text","text":"a",{control}}}"#);
        assert_eq!(of(Operation::Messages, &format!(r#""system":[{text}]"#)).weight, weight);
        assert_eq!(of(Operation::Messages, &format!(r#""tools":[{{"name":"a",{control}}}]"#)).weight, weight);
        assert_eq!(of(Operation::Messages, &control).weight, weight);
    }
}

#[test]
fn sound_is_bounded_by_its_bytes() {
    let data = "A".repeat(16_000);
    let content = format!(r#"[{{"type":"input_audio","input_audio":{{"format":"mp3","data":"{data}"}}}}]"#);
    let tokens = user(&content).tokens;
    assert!((1_064..1_300).contains(&tokens), "{tokens}");
}
