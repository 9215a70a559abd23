//! Tests of replies, in one piece and as streams.

use allos_plugin_api::{Collector, ErrorKind, Finish, Part, ProviderResponse};
use serde_json::json;

use super::*;

fn read(frames: &[Value]) -> Result<Vec<ProviderChunk>, ProviderError> {
    let (mut reader, mut chunks) = (Reader::default(), Vec::new());
    for frame in frames {
        reader.frame("", frame, &frame.to_string(), &mut chunks)?;
    }
    reader.end(&mut chunks)?;
    Ok(chunks)
}

fn collected(chunks: Vec<ProviderChunk>) -> ProviderResponse {
    let mut collector = Collector::default();
    for chunk in chunks {
        collector.push(chunk);
    }
    collector.into_response().unwrap()
}

fn whole(reply: &Value) -> Result<ProviderResponse, ProviderError> {
    let (mut reader, mut chunks) = (Reader::default(), Vec::new());
    reader.whole(reply, &reply.to_string(), &mut chunks)?;
    reader.end(&mut chunks)?;
    Ok(collected(chunks))
}

fn start() -> Value {
    let usage = json!({ "input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 1 });
    json!({ "type": "message_start", "message": { "id": "msg_1", "model": "m", "usage": usage } })
}

fn block(index: u32, block: &Value, deltas: &[Value]) -> Vec<Value> {
    let start = json!({ "type": "content_block_start", "index": index, "content_block": block });
    let delta =
        |delta: &Value| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    let mut frames = vec![start];
    frames.extend(deltas.iter().map(delta));
    frames.push(json!({ "type": "content_block_stop", "index": index }));
    frames
}

fn input(text: &str) -> Value {
    json!({ "type": "input_json_delta", "partial_json": text })
}

fn end(reason: &str) -> Vec<Value> {
    vec![
        json!({
            "type": "message_delta", "usage": { "output_tokens": 9 },
            "delta": { "stop_reason": reason, "container": { "id": "c" } },
        }),
        json!({ "type": "message_stop" }),
    ]
}

fn streamed(content: &[Vec<Value>], reason: &str) -> ProviderResponse {
    collected(read(&[vec![start()], content.concat(), end(reason)].concat()).unwrap())
}

#[test]
fn a_stream_says_the_same_as_the_reply_in_one_piece() {
    let citation = json!({ "type": "web_search_result_location", "url": "https://a" });
    let content = json!([
        { "type": "thinking", "thinking": "hm", "signature": "s" },
        { "type": "redacted_thinking", "data": "d" },
        { "type": "server_tool_use", "id": "srv", "name": "web_search", "input": { "query": "q" } },
        { "type": "web_search_tool_result", "tool_use_id": "srv", "content": [] },
        { "type": "text", "text": "hi", "citations": [citation] },
        {
            "type": "tool_use", "id": "a", "name": "f", "input": { "x": 1 },
            "caller": { "type": "direct" },
        },
        { "type": "tool_use", "id": "b", "name": "g", "input": {} },
        { "type": "block_of_tomorrow", "text": "new" },
    ]);
    let usage = json!({ "input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 9 });
    let reply = json!({
        "type": "message", "id": "msg_1", "model": "m", "content": content, "usage": usage,
        "stop_reason": "tool_use", "container": { "id": "c" },
    });
    let thinking = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let server =
        json!({ "type": "server_tool_use", "id": "srv", "name": "web_search", "input": {} });
    let mut call = content[5].clone();
    call["input"] = json!({});
    let frames = [
        block(
            0,
            &thinking,
            &[
                json!({ "type": "thinking_delta", "thinking": "h" }),
                json!({ "type": "thinking_delta", "thinking": "m" }),
                json!({ "type": "signature_delta", "signature": "s" }),
            ],
        ),
        block(1, &content[1], &[]),
        block(2, &server, &[input(""), input("{\"query\":"), input("\"q\"}")]),
        block(3, &content[3], &[]),
        block(
            4,
            &json!({ "type": "text", "text": "", "citations": [] }),
            &[
                json!({ "type": "citations_delta", "citation": citation }),
                json!({ "type": "text_delta", "text": "hi" }),
            ],
        ),
        block(5, &call, &[input(""), input("{\"x\""), input(":1}")]),
        block(6, &content[6], &[input("")]),
        block(
            7,
            &json!({ "type": "block_of_tomorrow" }),
            &[
                json!({ "type": "delta_of_tomorrow", "text": "n" }),
                json!({ "type": "delta_of_tomorrow", "text": "ew" }),
            ],
        ),
    ];
    let answer = whole(&reply).unwrap();
    assert_eq!(answer, streamed(&frames, "tool_use"));
    let calls: Vec<_> = answer.tool_calls().map(|call| call.arguments.as_str()).collect();
    assert_eq!(calls, [r#"{"x":1}"#, "{}"]);
    assert_eq!(answer.choices[0].finish_reason.unified, Finish::ToolCalls);
    let content = &answer.choices[0].message.content;
    assert!(matches!(&content[2], Part::Vendor(part) if part.raw["input"]["query"] == "q"));
    let Some(Part::Vendor(last)) = content.last() else { panic!("the last part") };
    assert_eq!(last.raw, json!({ "type": "block_of_tomorrow", "text": "new" }));
    assert_eq!(last.provider_data["anthropic-messages"], json!({ "container": { "id": "c" } }));
}

#[test]
fn a_compaction_that_is_streamed_is_whole_again() {
    let started = json!({ "type": "compaction", "content": null });
    let delta = json!({ "type": "compaction_delta", "content": "what was said" });
    let answer = streamed(&[block(0, &started, &[delta])], "end_turn");
    let Part::Vendor(part) = &answer.choices[0].message.content[0] else { panic!("a part") };
    assert_eq!(part.raw, json!({ "type": "compaction", "content": "what was said" }));
}

#[test]
fn usage_of_later_frames_beats_that_of_earlier_ones() {
    let usage = streamed(&[], "end_turn").usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(7), Some(9)));
    let raw = json!({ "input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 9 });
    assert_eq!(usage.raw, Some(raw));
}

#[test]
fn pings_and_frames_that_are_not_known_say_nothing() {
    let frames = [json!({ "type": "ping" }), json!({ "type": "frame_of_tomorrow", "index": 7 })];
    let hello = block(0, &json!({ "type": "text", "text": "hi" }), &[]);
    let with = collected(
        read(&[vec![start()], frames.to_vec(), hello.clone(), end("end_turn")].concat()).unwrap(),
    );
    assert_eq!(with, streamed(&[hello], "end_turn"));
    let mut chunks = Vec::new();
    Reader::default().frame("ping", &frames[0], "", &mut chunks).unwrap();
    assert_eq!(chunks, []);
}

#[test]
fn a_caller_that_is_code_is_seen_again() {
    let call = |caller: &str| {
        let caller = json!({ "type": caller });
        json!({ "type": "tool_use", "id": "a", "name": "f", "input": {}, "caller": caller })
    };
    for (caller, is_kept) in [("direct", false), ("code_execution_20250825", true)] {
        let mut chunks = Vec::new();
        let mut content = Content::default();
        content.start(0, &call(caller), &mut chunks);
        content.stop(0, &mut chunks);
        content.finish(None, &mut chunks);
        let Some(Event::ToolCallEnd(end)) = chunks.pop().map(|it| it.event) else { panic!("end") };
        assert_eq!(!end.provider_data.is_empty(), is_kept, "{caller}");
    }
}

#[test]
fn a_stream_without_its_end_was_cut_off() {
    let complete = [vec![start()], block(0, &json!({ "type": "text", "text": "a" }), &[])].concat();
    let complete = [complete, end("end_turn")].concat();
    assert!(read(&complete).is_ok());
    for length in 0..complete.len() {
        let error = read(&complete[..length]).unwrap_err();
        assert_eq!(error, ProviderError::truncated(), "after {length} frames");
    }
}

#[test]
fn an_error_in_a_stream_is_an_error() {
    let failed =
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } });
    let error = read(&[start(), failed.clone()]).unwrap_err();
    assert_eq!((error.kind(), error.message()), (&ErrorKind::Unavailable, "busy"));
    assert_eq!(error.body().unwrap().json, failed.to_string());
}

#[test]
fn a_reply_without_an_answer_is_never_a_success() {
    for reply in [
        json!({}),
        json!(null),
        json!({ "content": null }),
        json!({ "content": [], "usage": {} }),
        json!({ "content": [{ "type": "text", "text": "a" }], "stop_reason": null }),
    ] {
        assert_eq!(whole(&reply).unwrap_err().kind(), &ErrorKind::MalformedReply, "{reply}");
    }
    let stray = json!({ "type": "content_block_delta", "index": 3, "delta": input("{") });
    assert_eq!(read(&[start(), stray]).unwrap_err().kind(), &ErrorKind::MalformedReply);
    let refused = whole(&json!({ "content": [], "stop_reason": "refusal" })).unwrap();
    assert_eq!(refused.choices[0].finish_reason.unified, Finish::ContentFilter);
}

#[test]
fn what_a_stream_begins_with_is_part_of_the_answer() {
    let content = json!([
        { "type": "code_execution_tool_result", "tool_use_id": "s" },
        { "type": "tool_use", "id": "t", "name": "f", "input": { "a": 1 } },
    ]);
    let message = json!({ "content": content, "stop_reason": "tool_use" });
    let start = json!({ "type": "message_start", "message": message });
    let answer = collected(read(&[start, json!({ "type": "message_stop" })]).unwrap());
    let [Part::Vendor(_), Part::ToolCall(call)] = &answer.choices[0].message.content[..] else {
        panic!("{answer:?}")
    };
    assert_eq!((call.id.as_str(), call.arguments.as_str()), ("t", r#"{"a":1}"#));
}

#[test]
fn blocks_may_have_any_numbers_and_the_same_one_after_the_other() {
    let text = json!({ "type": "text", "text": "a" });
    for (one, other) in [(0, 0), (u64::MAX, u64::MAX - 1), (1 << 32, 1 << 33)] {
        let mut frames = vec![start()];
        for index in [one, other] {
            frames.push(json!({
                "type": "content_block_start", "index": index, "content_block": text,
            }));
            frames.push(json!({ "type": "content_block_stop", "index": index }));
        }
        frames.extend(end("end_turn"));
        assert_eq!(collected(read(&frames).unwrap()).choices[0].message.text(), "aa");
    }
}
