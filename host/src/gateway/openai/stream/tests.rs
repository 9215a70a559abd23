//! Tests of both lanes of a stream.

use allos_plugin_api::{
    Annotation, AnnotationAdded, Event, FinishReason, PartEnd, RawBody, ReasoningStart, Signature,
    Start, TextDelta, ToolCallDelta, ToolCallStart, Usage,
};
use serde_json::{Map, Value, json};

use super::*;
use crate::gateway::answer::Lanes;

/// The data of every frame that the events make, and of the end.
fn written(events: impl IntoIterator<Item = ProviderChunk>, include_usage: bool) -> Vec<Value> {
    let mut frames = Lanes::new(ChatFrames::new("echo/echo".to_owned(), include_usage));
    let mut bytes: Vec<u8> = events.into_iter().flat_map(|chunk| frames.chunk(chunk)).collect();
    bytes.extend_from_slice(&frames.end());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into())).collect()
}

fn deltas(frames: &[Value]) -> Vec<Value> {
    let delta = |frame: &Value| frame.pointer("/choices/0/delta").cloned();
    frames.iter().filter_map(delta).collect()
}

fn raw(event: Event, json: &str) -> ProviderChunk {
    ProviderChunk::from(event).with_body(RawBody::new(Dialect::OpenAiChat, json))
}

#[test]
fn frames_are_built_where_no_chunk_carries_its_own() {
    let usage = Usage { input_tokens: Some(1), output_tokens: Some(2), ..Usage::default() };
    let start = Start { id: Some("c1".to_owned()), ..Start::default() };
    let frames = written(
        [
            Event::Start(start).into(),
            ProviderChunk::text("hel"),
            ProviderChunk::text("lo"),
            ProviderChunk::finish(FinishReason::STOP),
            Event::Usage(usage).into(),
        ],
        true,
    );
    assert_eq!(
        deltas(&frames),
        [
            json!({"role": "assistant", "content": ""}),
            json!({"content": "hel"}),
            json!({"content": "lo"}),
            json!({}),
        ]
    );
    assert!(frames.iter().take(5).all(|frame| frame["id"] == "c1"));
    assert_eq!(frames[3]["choices"][0]["finish_reason"], "stop");
    assert_eq!(frames[4]["choices"], json!([]));
    assert_eq!(frames[4]["usage"]["total_tokens"], 3);
    assert_eq!(frames[5], "[DONE]");
}

#[test]
fn usage_is_silent_where_nobody_asked() {
    let usage = Usage { input_tokens: Some(1), ..Usage::default() };
    let finish = ProviderChunk::finish(FinishReason::STOP);
    let frames = written([finish, Event::Usage(usage).into()], false);
    assert!(frames.iter().all(|frame| frame.get("usage").is_none()));
}

#[test]
fn a_chunk_that_carries_its_own_frame_is_handed_on_and_nothing_else() {
    let delta = TextDelta { index: 0, text: "x".to_owned() };
    let frames = written(
        [
            Event::Start(Start::default()).into(),
            raw(Event::TextDelta(delta), r#"{"choices":[{"x":1}]}"#),
            ProviderChunk::text("of the same frame"),
            ProviderChunk::finish(FinishReason::STOP),
        ],
        true,
    );
    assert_eq!(frames, [json!({"choices": [{"x": 1}]}), json!("[DONE]")]);
}

#[test]
fn tool_calls_are_numbered_among_themselves_and_keep_their_signature() {
    let call = ToolCallStart { index: 3, id: "a".into(), name: "f".into(), extra: Map::new() };
    let delta = ToolCallDelta { index: 3, arguments: "{}".to_owned() };
    let signature = Signature { index: 3, signature: "s".to_owned() };
    let frames = written(
        [
            ProviderChunk::text("hm"),
            Event::ToolCallStart(call).into(),
            Event::ToolCallDelta(delta).into(),
            Event::Signature(signature).into(),
            Event::ToolCallEnd(PartEnd::new(3)).into(),
        ],
        false,
    );
    let calls: Vec<_> = deltas(&frames).into_iter().skip(1).collect();
    let function = json!({"name": "f", "arguments": ""});
    let google = json!({"google": {"thought_signature": "s"}});
    assert_eq!(
        calls,
        [
            json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            json!({"tool_calls": [
                {"index": 0, "function": {"arguments": ""}, "extra_content": google},
            ]}),
        ]
    );
}

#[test]
fn sources_are_numbered_since_clients_put_lists_together_by_number() {
    let source = |url: &str| {
        let (kind, url) = ("url_citation".to_owned(), Some(url.to_owned()));
        let annotation = Annotation { kind, url, ..Annotation::default() };
        Event::Annotation(AnnotationAdded { index: 0, annotation }).into()
    };
    let frames = written([ProviderChunk::text("a"), source("u"), source("v")], false);
    let sources: Vec<_> = deltas(&frames)
        .iter()
        .filter_map(|delta| delta.get("annotations"))
        .map(|list| (list[0]["index"].clone(), list[0]["url_citation"]["url"].clone()))
        .collect();
    assert_eq!(sources, [(json!(0), json!("u")), (json!(1), json!("v"))]);
}

#[test]
fn calls_that_come_side_by_side_are_written_one_after_the_other() {
    let start = |index, id: &str| {
        let (id, name) = (id.to_owned(), "f".to_owned());
        Event::ToolCallStart(ToolCallStart { index, id, name, ..ToolCallStart::default() }).into()
    };
    let more = |index, arguments: &str| {
        Event::ToolCallDelta(ToolCallDelta { index, arguments: arguments.to_owned() }).into()
    };
    let end = |index| Event::ToolCallEnd(PartEnd::new(index)).into();
    let signature = Signature { index: 2, signature: "s".to_owned() };
    let frames = written(
        [
            start(0, "a"),
            start(1, "b"),
            more(0, "{"),
            more(1, "{}"),
            start(2, "c"),
            Event::Signature(signature).into(),
            end(2),
            more(0, "}"),
            end(0),
            end(1),
            ProviderChunk::finish(FinishReason::STOP),
        ],
        false,
    );
    let deltas = deltas(&frames);
    let pieces = deltas.iter().filter_map(|delta| delta.pointer("/tool_calls/0"));
    let pieces: Vec<_> = pieces
        .map(|call| (call["index"].as_u64(), call["function"]["arguments"].as_str()))
        .collect();
    let of = |index, arguments| (Some(index), Some(arguments));
    let expected =
        [of(0, ""), of(0, "{"), of(0, "}"), of(1, ""), of(1, "{}"), of(2, ""), of(2, "")];
    assert_eq!(pieces, expected);
    assert_eq!(frames[frames.len() - 2]["choices"][0]["finish_reason"], "stop");
}

#[test]
fn what_belongs_to_texts_is_said_once_however_many_there_are() {
    let end = |index, id: &str| {
        let provider_data = [("vendor".to_owned(), json!({ "id": id }))].into();
        Event::TextEnd(PartEnd { provider_data, ..PartEnd::new(index) }).into()
    };
    let finish = ProviderChunk::finish(FinishReason::STOP);
    let frames = written([end(0, "a"), end(1, "b"), finish], false);
    let seen_again = json!({ "role": "assistant", "extra_content": { "vendor": { "id": "b" } } });
    assert_eq!(deltas(&frames), [seen_again, json!({})]);
}

#[test]
fn signed_reasoning_ends_with_one_whole_detail() {
    let start = ReasoningStart { format: Some("f1".to_owned()), ..ReasoningStart::default() };
    let text = |text: &str| TextDelta { index: 0, text: text.to_owned() };
    let signature = Signature { index: 0, signature: "s".to_owned() };
    let frames = written(
        [
            Event::ReasoningStart(start).into(),
            Event::ReasoningDelta(text("a")).into(),
            Event::ReasoningDelta(text("b")).into(),
            Event::Signature(signature).into(),
            Event::ReasoningEnd(PartEnd::new(0)).into(),
        ],
        false,
    );
    let detail = json!({
        "type": "reasoning.text", "text": "ab", "signature": "s", "format": "f1", "index": 0,
    });
    assert_eq!(deltas(&frames).last(), Some(&json!({ "reasoning_details": [detail] })));
}
