//! Exchanges written by hand from the vendors' documentation: what the dialect allows and no
//! recording may happen to hold. They go through the same checks as the recordings, so that both
//! lanes are tested on a machine without recordings too.

use serde_json::{Map, Value, json};

use crate::wire::recording::{Recorded, Recording};

/// An exchange for both lanes.
pub(super) fn both_lanes() -> Vec<Recording> {
    let mut all = requests();
    all.extend(replies());
    all.extend(streams());
    all.extend(streams_with_calls());
    all
}

/// Exchanges with what only the first lane can keep.
pub(super) fn first_lane_alone() -> Vec<Recording> {
    let weather = json!([{"name": "weather", "parameters": {"type": "object"}}]);
    let called = json!([
        {"role": "user", "content": "and in Oslo?"},
        {"role": "assistant", "content": null, "function_call": {"name": "weather", "arguments": "{}"}},
        {"role": "function", "name": "weather", "content": "21.5"},
    ]);
    let audio = json!({"id": "audio_1", "data": "AAAA", "expires_at": 1, "transcript": "hi"});
    let audio = reply_with(&json!({"role": "assistant", "content": null, "audio": audio}), "stop");
    vec![
        sent(
            "every parameter",
            &json!({
                "store": true, "metadata": {"a": "b"}, "logit_bias": {"50256": -100},
                "modalities": ["text"], "service_tier": "flex", "verbosity": "low",
                "prediction": {"type": "content", "content": "x"}, "prompt_cache_key": "k",
                "safety_identifier": "s", "web_search_options": {}, "empty": "", "none": [],
                "seed": 9_007_199_254_740_993_i64, "temperature": 1.0, "top_p": 0.1,
                "frequency_penalty": 1e-7, "max_completion_tokens": 1,
            }),
        ),
        sent(
            "legacy functions",
            &json!({
                "functions": weather, "function_call": {"name": "weather"}, "messages": called,
            }),
        ),
        exchange("a sound", &json!({"modalities": ["text", "audio"]}), Recorded::Json(audio)),
        stream(
            "a finish in the vendor's own word",
            &json!({}),
            &[
                json!({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
                delta(&json!({"role": "assistant", "content": "hi"})),
                finish("end_turn"),
            ],
        ),
    ]
}

fn requests() -> Vec<Recording> {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": "{}"}});
    vec![
        sent(
            "parts of every kind",
            &json!({"messages": [{"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"file_id": "file_1"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
            ]}]}),
        ),
        sent(
            "roles and names",
            &json!({"messages": [
                {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
                {"role": "system", "name": "rules", "content": "be kind"},
                {"role": "user", "name": "ann", "content": "hi"},
                {"role": "user", "name": "bob", "content": "hi too"},
                {"role": "assistant", "content": null, "refusal": "no"},
                {"role": "user", "content": "why?"},
            ]}),
        ),
        sent(
            "tools and their results",
            &json!({
                "messages": [
                    {"role": "user", "content": "weather?"},
                    {"role": "assistant", "content": "asking", "tool_calls": [call("a"), call("b")]},
                    {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "rain"}]},
                    {"role": "tool", "tool_call_id": "a", "content": "sun"},
                ],
                "tools": [{"type": "function", "function": {
                    "name": "weather", "description": "The weather", "strict": true,
                    "parameters": {"type": "object", "properties": {}, "required": []},
                }}],
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
                "parallel_tool_calls": false,
            }),
        ),
        sent(
            "modelled parameters",
            &json!({
                "temperature": 0.1, "top_p": 0.9, "seed": -7, "frequency_penalty": -0.5,
                "presence_penalty": 0.25, "stop": "END", "user": "u1", "logprobs": true,
                "top_logprobs": 2, "reasoning_effort": "minimal", "max_completion_tokens": 100,
                "response_format": {"type": "json_schema", "json_schema": {
                    "name": "answer", "strict": true, "schema": {"type": "object"},
                }},
            }),
        ),
        sent(
            "characters of every kind",
            &json!({"messages": [
                {"role": "user", "content": "🦀 \u{0} \"quoted\" \\ ünï\u{202e}cødé \n\r\t"},
            ]}),
        ),
    ]
}

fn replies() -> Vec<Recording> {
    let call = |id: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": "weather", "arguments": arguments}});
    let said = |message: Value, finish: &str| Recorded::Json(reply_with(&message, finish));
    let mut two = reply_with(&json!({"role": "assistant", "content": "one"}), "stop");
    let mut second = two["choices"][0].clone();
    second["index"] = 1.into();
    second["message"]["content"] = "two".into();
    second["finish_reason"] = "length".into();
    two["choices"].as_array_mut().expect("a list").push(second);
    vec![
        exchange("two choices", &json!({"n": 2}), Recorded::Json(two)),
        exchange(
            "a refusal",
            &json!({}),
            said(
                json!({"role": "assistant", "content": null, "refusal": "I would rather not"}),
                "stop",
            ),
        ),
        exchange(
            "calls with arguments that are no JSON",
            &json!({}),
            said(
                json!({"role": "assistant", "content": null, "tool_calls": [
                    call("a", "{\"half\":"), call("b", ""), call("c", "{\"ü\":\"🦀\"}"),
                ]}),
                "tool_calls",
            ),
        ),
        exchange(
            "text that was withheld",
            &json!({}),
            said(json!({"role": "assistant", "content": ""}), "content_filter"),
        ),
        exchange(
            "thought before text",
            &json!({}),
            said(
                json!({"role": "assistant", "reasoning_content": "hm", "content": "<think>no</think> hi"}),
                "stop",
            ),
        ),
    ]
}

fn streams() -> Vec<Recording> {
    let of = |choice: u32, mut frame: Value| {
        frame["choices"][0]["index"] = choice.into();
        frame
    };
    let say = |text: &str| delta(&json!({"content": text}));
    vec![
        stream(
            "choices that take turns",
            &json!({"n": 2}),
            &[
                of(0, delta(&json!({"role": "assistant", "content": "a"}))),
                of(1, delta(&json!({"role": "assistant", "content": "b"}))),
                of(0, say("a")),
                of(1, finish("length")),
                of(0, say("a")),
                of(0, finish("stop")),
            ],
        ),
        stream(
            "a refusal in pieces",
            &json!({}),
            &[
                delta(&json!({"role": "assistant", "content": null, "refusal": "I would "})),
                delta(&json!({"refusal": "rather not"})),
                finish("stop"),
            ],
        ),
        stream(
            "thought, then text",
            &json!({}),
            &[
                delta(
                    &json!({"role": "assistant", "content": null, "reasoning_content": "let me "}),
                ),
                delta(&json!({"content": null, "reasoning_content": "see"})),
                say("it is "),
                say("so"),
                finish("stop"),
            ],
        ),
        stream(
            "an answer without a word",
            &json!({}),
            &[delta(&json!({"role": "assistant"})), finish("content_filter")],
        ),
        stream(
            "an error after a word",
            &json!({}),
            &[
                delta(&json!({"role": "assistant", "content": "so far"})),
                json!({"error": {"message": "it broke", "type": "server_error", "code": 502}}),
            ],
        ),
    ]
}

fn streams_with_calls() -> Vec<Recording> {
    let call = |call: Value| delta(&json!({"tool_calls": [call]}));
    vec![
        stream(
            "calls that take turns",
            &json!({}),
            &[
                delta(&json!({"role": "assistant", "content": null})),
                call(json!({"index": 0, "id": "a", "type": "function",
                        "function": {"name": "weather", "arguments": ""}})),
                call(json!({"index": 1, "id": "b", "type": "function",
                        "function": {"name": "time", "arguments": "{\"z\""}})),
                call(json!({"index": 0, "function": {"arguments": "{}"}})),
                call(json!({"index": 1, "function": {"arguments": ":\"é🦀\"}"}})),
                finish("tool_calls"),
            ],
        ),
        stream(
            "text, then a call",
            &json!({}),
            &[
                delta(&json!({"role": "assistant", "content": "asking"})),
                call(json!({"index": 0, "id": "a", "type": "function",
                        "function": {"name": "weather", "arguments": "{}"}})),
                finish("tool_calls"),
            ],
        ),
    ]
}

/// A request with these members, and a plain reply.
fn sent(name: &str, members: &Value) -> Recording {
    let message = json!({"role": "assistant", "content": "fine", "refusal": null});
    exchange(name, members, Recorded::Json(reply_with(&message, "stop")))
}

/// A request with these members, and a stream of these frames, then its usage.
fn stream(name: &str, members: &Value, frames: &[Value]) -> Recording {
    let mut members = members.clone();
    members["stream"] = true.into();
    members["stream_options"] = json!({"include_usage": true});
    let failed = frames.iter().any(|frame| frame.get("error").is_some());
    let end = json!({"choices": [], "usage": usage()});
    let frames = frames.iter().chain((!failed).then_some(&end)).map(|frame| {
        let mut whole = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": "gpt-script-2026",
        });
        let members = frame.as_object().cloned().unwrap_or_default();
        whole.as_object_mut().expect("an object").extend(members);
        format!(": a comment\r\nevent: message\r\ndata:{whole}\r\n\r\n")
    });
    let text = frames.collect::<String>() + if failed { "" } else { "data: [DONE]\n\n" };
    exchange(name, &members, Recorded::Events(text))
}

fn exchange(name: &str, members: &Value, reply: Recorded) -> Recording {
    let mut request = json!({
        "model": "gpt-script",
        "messages": [{"role": "user", "content": "hello"}],
    });
    let members = members.as_object().cloned().unwrap_or_default();
    request.as_object_mut().expect("an object").extend(members);
    let media_type = match reply {
        Recorded::Events(_) => "text/event-stream; charset=utf-8",
        _ => "application/json",
    };
    Recording {
        id: name.to_owned(),
        path: "/v1/chat/completions".to_owned(),
        request,
        client: None,
        status: 200,
        media_type: media_type.to_owned(),
        headers: Map::new(),
        reply,
    }
}

fn reply_with(message: &Value, finish: &str) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-script-2026",
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
        "usage": usage(),
        "system_fingerprint": null,
    })
}

fn usage() -> Value {
    json!({
        "prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 10, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 0},
    })
}

fn delta(delta: &Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]})
}

fn finish(word: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": word}]})
}
