//! Tests of both lanes of a stream.

use allos_plugin_api::{
    Event, Finish, FinishReason, Part, PartEnd, RawBody, ReasoningStart, Signature, Start,
    TextDelta, ToolCallDelta, ToolCallStart, Usage,
};
use serde_json::{Value, json};

use super::*;
use crate::gateway::answer::Lanes;
use crate::gateway::anthropic::vendor::unseal;

/// The name and the data of every event that the chunks make, and of the end.
fn written(events: impl IntoIterator<Item = ProviderChunk>) -> Vec<(String, Value)> {
    let mut frames = Lanes::new(MessageFrames::new("echo/echo".to_owned(), "req_1"));
    let mut bytes: Vec<u8> = events.into_iter().flat_map(|chunk| frames.chunk(chunk)).collect();
    bytes.extend_from_slice(&frames.end());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let event = |event: &str| {
        let (name, data) = event.strip_prefix("event: ")?.split_once("\ndata: ")?;
        Some((name.to_owned(), serde_json::from_str(data).ok()?))
    };
    text.split_terminator("\n\n").filter_map(event).collect()
}

fn built(events: impl IntoIterator<Item = Event>) -> Vec<Value> {
    let events = written(events.into_iter().map(ProviderChunk::from));
    assert!(events.iter().all(|(name, data)| data["type"] == name.as_str()), "{events:?}");
    events.into_iter().map(|(_, data)| data).collect()
}

/// The blocks that a client gathers, which also checks that they come one after the other.
fn gathered(events: &[Value]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let mut is_open = false;
    for event in events {
        let index = event["index"].as_u64();
        match event["type"].as_str() {
            Some("content_block_start") => {
                assert_eq!((is_open, index), (false, Some(blocks.len() as u64)), "{events:?}");
                blocks.push(event["content_block"].clone());
                is_open = true;
            }
            Some("content_block_delta") => {
                assert_eq!((is_open, index), (true, Some(blocks.len() as u64 - 1)), "{events:?}");
                let Some(block) = blocks.last_mut() else { continue };
                gather(block, &event["delta"]);
            }
            Some("content_block_stop") => is_open = false,
            _ => assert!(!is_open, "{event}"),
        }
    }
    blocks
}

fn gather(block: &mut Value, delta: &Value) {
    let member = |name: &str| delta[name].as_str().unwrap_or_default();
    let (name, more) = match delta["type"].as_str() {
        Some("text_delta") => ("text", member("text")),
        Some("thinking_delta") => ("thinking", member("thinking")),
        Some("signature_delta") => ("signature", member("signature")),
        Some("input_json_delta") => ("input", member("partial_json")),
        _ => return,
    };
    let joined = block[name].as_str().unwrap_or_default().to_owned() + more;
    block[name] = joined.into();
}

fn text(index: u32, text: &str) -> Event {
    Event::TextDelta(TextDelta { index, text: text.to_owned() })
}

fn thought(index: u32, text: &str) -> Event {
    Event::ReasoningDelta(TextDelta { index, text: text.to_owned() })
}

fn call(index: u32, id: &str) -> Event {
    let (id, name) = (id.to_owned(), "f".to_owned());
    Event::ToolCallStart(ToolCallStart { index, id, name, ..ToolCallStart::default() })
}

fn arguments(index: u32, arguments: &str) -> Event {
    Event::ToolCallDelta(ToolCallDelta { index, arguments: arguments.to_owned() })
}

fn signed(index: u32) -> Event {
    Event::Signature(Signature { index, signature: "s".to_owned() })
}

const STOP: Event = Event::Finish(FinishReason::STOP);

#[test]
fn the_events_come_in_the_order_that_clients_expect() {
    let start = Start { id: Some("msg_1".to_owned()), ..Start::default() };
    let early = Usage { input_tokens: Some(3), ..Usage::default() };
    let usage = Usage { output_tokens: Some(2), ..early.clone() };
    let events = built([
        Event::Start(start),
        Event::Usage(early),
        text(0, "hel"),
        text(0, "lo"),
        Event::TextEnd(PartEnd::new(0)),
        STOP,
        Event::Usage(usage),
    ]);
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "echo/echo",
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 3, "output_tokens": 0 },
    });
    let delta = |text: &str| json!({ "type": "text_delta", "text": text });
    let block = json!({ "type": "text", "text": "" });
    assert_eq!(
        events,
        [
            json!({ "type": "message_start", "message": message }),
            json!({ "type": "content_block_start", "index": 0, "content_block": block }),
            json!({ "type": "content_block_delta", "index": 0, "delta": delta("hel") }),
            json!({ "type": "content_block_delta", "index": 0, "delta": delta("lo") }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({
                "type": "message_delta",
                "delta": { "stop_reason": "end_turn", "stop_sequence": null },
                "usage": { "input_tokens": 3, "output_tokens": 2 },
            }),
            json!({ "type": "message_stop" }),
        ]
    );
}

#[test]
fn a_frame_that_a_chunk_carries_is_handed_on_and_nothing_else() {
    let raw = |event: Event, json: &str| {
        ProviderChunk::from(event).with_body(RawBody::new(Dialect::AnthropicMessages, json))
    };
    let ping = ProviderChunk::heartbeat()
        .with_body(RawBody::new(Dialect::AnthropicMessages, r#"{"type":"ping"}"#));
    let events = written([
        raw(Event::Start(Start::default()), r#"{"type":"message_start","message":{"x":1}}"#),
        Event::Usage(Usage::default()).into(),
        ping,
        raw(text(0, "a"), r#"{"type":"content_block_delta","y":1}"#),
        STOP.into(),
    ]);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["message_start", "ping", "content_block_delta"]);
    assert_eq!(events[2].1, json!({ "type": "content_block_delta", "y": 1 }));
}

#[test]
fn parallel_calls_are_written_one_after_the_other() {
    let end = |index| Event::ToolCallEnd(PartEnd::new(index));
    let events = built([
        text(0, "hm"),
        call(1, "a"),
        call(2, "b"),
        arguments(1, "{\"x\""),
        arguments(2, "{}"),
        call(3, "c"),
        arguments(1, ":1}"),
        Event::TextEnd(PartEnd::new(0)),
        end(1),
        end(2),
        end(3),
        Event::Finish(FinishReason::new(Finish::ToolCalls, "tool_calls")),
    ]);
    let blocks = gathered(&events);
    let calls: Vec<_> = blocks.iter().map(|it| (it["id"].as_str(), it["input"].as_str())).collect();
    let (a, b) = ((Some("a"), Some("{\"x\":1}")), (Some("b"), Some("{}")));
    assert_eq!(calls, [(None, None), a, b, (Some("c"), None)]);
    assert_eq!(blocks[3]["input"], json!({}));
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[test]
fn anthropics_own_thinking_is_signed_where_it_ends() {
    let format = Some("anthropic-claude-v1".to_owned());
    let start = ReasoningStart { format, ..ReasoningStart::default() };
    let redacted =
        ReasoningStart { index: 1, redacted: Some("opaque".to_owned()), ..start.clone() };
    let events = built([
        Event::ReasoningStart(start),
        thought(0, "a"),
        thought(0, "b"),
        signed(0),
        Event::ReasoningEnd(PartEnd::new(0)),
        Event::ReasoningStart(redacted),
        Event::ReasoningEnd(PartEnd::new(1)),
        text(2, "4"),
        STOP,
    ]);
    let expected = [
        json!({ "type": "thinking", "thinking": "ab", "signature": "s" }),
        json!({ "type": "redacted_thinking", "data": "opaque" }),
        json!({ "type": "text", "text": "4" }),
    ];
    assert_eq!(gathered(&events), expected);
}

#[test]
fn what_becomes_known_at_the_end_of_a_part_comes_behind_it() {
    let format = Some("openai-responses-v1".to_owned());
    let id = Some("rs_1".to_owned());
    let start = ReasoningStart { id: id.clone(), format, summary: true, ..Default::default() };
    let end = PartEnd { redacted: Some("encrypted".to_owned()), ..PartEnd::new(0) };
    let events = built([
        Event::ReasoningStart(start),
        thought(0, "a summary"),
        Event::ReasoningEnd(end),
        call(1, "c"),
        signed(1),
        Event::ToolCallEnd(PartEnd::new(1)),
        STOP,
    ]);
    let blocks = gathered(&events);
    let sealed = |block: &Value, name: &str| block[name].as_str().and_then(unseal);
    let Some(Part::Reasoning(part)) = sealed(&blocks[0], "signature") else { panic!("{blocks:?}") };
    assert_eq!((part.id, part.redacted.as_deref()), (id, Some("encrypted")));
    let Some(Part::ToolCall(seen)) = sealed(&blocks[2], "data") else { panic!("{blocks:?}") };
    assert_eq!((seen.id.as_str(), seen.signature.as_deref()), ("c", Some("s")));
}

#[test]
fn a_thought_gives_way_to_the_text_and_may_go_on() {
    let events = built([
        thought(0, "a"),
        text(1, "b"),
        thought(0, "c"),
        text(1, "d"),
        Event::ReasoningEnd(PartEnd::new(0)),
        Event::TextEnd(PartEnd::new(1)),
        STOP,
    ]);
    let blocks = gathered(&events);
    let said: Vec<_> =
        blocks.iter().filter_map(|it| it["thinking"].as_str().or(it["text"].as_str())).collect();
    assert_eq!(said, ["a", "b", "c", "d"]);
}

#[test]
fn an_error_is_an_event_of_its_own_and_a_silence_a_ping() {
    let frames = MessageFrames::new("m".to_owned(), "req_1");
    let failure = frames.failure(&Failure::shutting_down());
    let text = String::from_utf8_lossy(&failure);
    let data = text.strip_prefix("event: error\ndata: ").unwrap_or_default();
    let error: Value = serde_json::from_str(data).unwrap_or_default();
    assert_eq!((&error["type"], &error["request_id"]), (&json!("error"), &json!("req_1")));
    assert_eq!(error["error"]["type"], "api_error");
    assert!(frames.sign_of_life().starts_with(b"event: ping\ndata: {"));
}
