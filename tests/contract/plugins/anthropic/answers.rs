//! What a client gets of an answer, and what comes back of it in its next request.

use allos_plugin_api::{ChatRequest, Collector, Message};
use serde_json::{Value, json};

use super::{CHAT, MESSAGES, MODEL, always, block, hello, host, message, streamed, text};
use crate::calls::soon;
use crate::upstream::{Received, Reply, Upstream};

fn thoughts() -> [Value; 2] {
    [
        json!({ "type": "thinking", "thinking": "hm, well", "signature": "c2ln/bmF0+dXJl" }),
        json!({ "type": "redacted_thinking", "data": "ZGF0YQ==" }),
    ]
}

fn call() -> Value {
    json!({ "type": "tool_use", "id": "toolu_1", "name": "f", "input": { "x": 1 } })
}

/// The same answer as a stream.
fn as_stream() -> Reply {
    let [_, redacted] = thoughts();
    let thinking = [
        json!({ "type": "thinking_delta", "thinking": "hm, " }),
        json!({ "type": "thinking_delta", "thinking": "well" }),
        json!({ "type": "signature_delta", "signature": "c2ln/bmF0+dXJl" }),
    ];
    let input = |json: &str| json!({ "type": "input_json_delta", "partial_json": json });
    let mut started = call();
    started["input"] = json!({});
    let empty = json!({ "type": "thinking", "thinking": "", "signature": "" });
    let said = [json!({ "type": "text_delta", "text": "let me see" })];
    let blocks = [
        block(0, &empty, &thinking),
        block(1, &redacted, &[]),
        block(2, &text(""), &said),
        block(3, &started, &[input(""), input("{\"x\""), input(":1}")]),
    ];
    streamed(&blocks, "tool_use")
}

/// The turn of the assistant that a later request holds.
fn expected_turn() -> Value {
    let [thinking, redacted] = thoughts();
    json!({ "role": "assistant", "content": [thinking, redacted, text("let me see"), call()] })
}

#[tokio::test]
async fn thinking_comes_back_with_its_signature_in_the_message_that_the_client_got() {
    let [thinking, redacted] = thoughts();
    let content = [thinking, redacted, text("let me see"), call()];
    let served = always(Reply::json(200, &message(&content, "tool_use"))).await;
    let first = served.post(CHAT, &hello()).await.json();
    let choice = &first["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["reasoning_content"], "hm, well");
    assert_eq!(choice["message"]["content"], "let me see");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"x":1}"#);
    let usage = &first["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(123), &json!(7)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 100);
    let mut next = hello();
    next["messages"] = json!([
        { "role": "user", "content": "hello" },
        choice["message"],
        { "role": "tool", "tool_call_id": "toolu_1", "content": "2" },
    ]);
    let answer = served.post(CHAT, &next).await;
    assert_eq!((answer.status, answer.header("x-allos-warning")), (200, ""), "{answer:?}");
    assert_eq!(served.asked()["messages"][1], expected_turn());
}

/// What a client sends back of a stream.
fn gathered(frames: &[Value]) -> Value {
    let deltas = || frames.iter().map(|frame| &frame["choices"][0]["delta"]);
    let text: String = deltas().filter_map(|it| it["content"].as_str()).collect();
    let details = deltas().filter_map(|it| it["reasoning_details"].as_array()).flatten();
    let function = json!({ "name": "f", "arguments": r#"{"x":1}"# });
    json!({
        "role": "assistant", "content": text, "reasoning_details": details.collect::<Vec<_>>(),
        "tool_calls": [{ "id": "toolu_1", "type": "function", "function": function }],
    })
}

#[tokio::test]
async fn thoughts_and_server_tools_between_texts_come_back_where_they_stood() {
    let [thinking, redacted] = thoughts();
    let used = json!({
        "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {},
    });
    let found =
        json!({ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [] });
    let answers = [
        vec![thinking.clone(), text("I think ☔."), redacted, call()],
        vec![thinking, text("I look."), used, found, text("Found."), call()],
    ];
    for content in answers {
        let blocks: Vec<_> = (0..).zip(&content).map(|(at, it)| block(at, it, &[])).collect();
        let whole = always(Reply::json(200, &message(&content, "tool_use"))).await;
        let stream = always(streamed(&blocks, "tool_use")).await;
        let mut request = hello();
        let heard = whole.post(CHAT, &request).await.json()["choices"][0]["message"].take();
        request["stream"] = json!(true);
        let gathered = gathered(&stream.post(CHAT, &request).await.frames());
        for message in [heard, gathered] {
            let result = json!({ "role": "tool", "tool_call_id": "toolu_1", "content": "2" });
            let mut next = hello();
            next["messages"] = json!([hello()["messages"][0], message, result]);
            let answer = whole.post(CHAT, &next).await;
            assert_eq!((answer.status, answer.header("x-allos-warning")), (200, ""), "{answer:?}");
            assert_eq!(whole.asked()["messages"][1]["content"], json!(content));
        }
    }
}

#[tokio::test]
async fn a_stream_makes_the_same_history_inside_the_library() {
    let upstream = Upstream::always(as_stream().in_pieces_of(7)).await;
    let (_folder, host) = host(&upstream, "").await;
    let handle = host.provider("anthropic").expect("it is registered");
    let mut request = ChatRequest::new("claude-sonnet-4-5", vec![Message::user("hello")]);
    let mut chunks = handle.stream_chat(request.clone());
    let mut collector = Collector::default();
    while let Some(chunk) = soon(chunks.next()).await {
        collector.push(chunk.expect("no error"));
    }
    let response = collector.into_response().expect("a whole answer");
    let usage = response.usage.expect("its usage");
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(123), Some(9)));
    request.messages.extend(response.choices.into_iter().map(|choice| choice.message));
    assert_eq!(upstream.last().json()["stream"], true);
    let _same_script = soon(handle.stream_chat(request).next()).await;
    assert_eq!(upstream.last().json()["messages"][1], expected_turn());
}

#[tokio::test]
async fn a_stream_says_the_same_as_the_answer_in_one_piece() {
    let served = always(as_stream()).await;
    let mut request = hello();
    request["stream"] = json!(true);
    let answer = served.post(CHAT, &request).await;
    assert_eq!(answer.streamed_text(), "let me see");
    let frames = answer.frames();
    let deltas: Vec<_> = frames.iter().map(|frame| &frame["choices"][0]["delta"]).collect();
    let joined = |pointer: &str| -> String {
        deltas.iter().filter_map(|delta| delta.pointer(pointer)?.as_str()).collect()
    };
    assert_eq!(joined("/reasoning_content"), "hm, well");
    assert_eq!(joined("/tool_calls/0/id"), "toolu_1");
    assert_eq!(joined("/tool_calls/0/function/arguments"), r#"{"x":1}"#);
    let finishes = frames.iter().filter_map(|it| it["choices"][0]["finish_reason"].as_str());
    assert_eq!(finishes.collect::<Vec<_>>(), ["tool_calls"]);
}

#[tokio::test]
async fn what_anthropic_runs_itself_is_neither_text_nor_a_call_for_the_client() {
    let citation = json!({
        "type": "web_search_result_location", "url": "https://example.com", "title": "Example",
        "encrypted_index": "e", "cited_text": "c",
    });
    let content = [
        json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} }),
        json!({ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [] }),
        json!({ "type": "text", "text": "found", "citations": [citation] }),
        json!({ "type": "block_of_tomorrow", "text": "new" }),
    ];
    let served = always(Reply::json(200, &message(&content, "pause_turn"))).await;
    let reply = served.post(CHAT, &hello()).await.json();
    let choice = &reply["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("stop"), &json!("found"))
    );
    assert!(choice["message"].get("tool_calls").is_none(), "{choice}");
    let cited = &choice["message"]["annotations"][0];
    assert_eq!(cited["type"], "url_citation");
    assert_eq!(cited["url_citation"], json!({ "url": "https://example.com", "title": "Example" }));
}

#[tokio::test]
async fn every_page_of_the_models_is_read_and_limits_come_from_the_vendor_or_the_table() {
    let upstream = Upstream::start(|request: &Received| {
        let model = |id: &str| json!({ "type": "model", "id": id, "display_name": "Claude" });
        let mut stated = model("claude-opus-4-8");
        stated["max_input_tokens"] = json!(123_456);
        stated["max_tokens"] = json!(1_234);
        Reply::json(200, &match request.path.as_str() {
            "/v1/models?limit=1000" => json!({
                "data": [stated], "has_more": true, "first_id": "a", "last_id": "claude-opus-4-8",
            }),
            _ => json!({
                "data": [model("claude-haiku-4-5"), model("claude-tomorrow")],
                "has_more": false, "last_id": "z",
            }),
        })
    })
    .await;
    let (_folder, host) = host(&upstream, "").await;
    let handle = host.provider("anthropic").expect("it is registered");
    let models = soon(handle.models()).await.expect("a list");
    let facts: Vec<_> =
        models.iter().map(|it| (it.id.as_str(), it.context_window, it.max_output_tokens)).collect();
    let expected = [
        ("claude-opus-4-8", Some(123_456), Some(1_234)),
        ("claude-haiku-4-5", Some(200_000), Some(64_000)),
        ("claude-tomorrow", None, None),
    ];
    assert_eq!(facts, expected);
    assert_eq!(upstream.last().path, "/v1/models?limit=1000&after_id=claude-opus-4-8");
    let window = soon(handle.context_window("claude-sonnet-5")).await;
    assert_eq!(window.expect("an answer"), Some(1_000_000));
}

#[tokio::test]
async fn a_model_of_the_vendors_is_asked_by_its_own_name() {
    let served = always(Reply::json(200, &message(&[text("ok")], "end_turn"))).await;
    let reply = served.post(CHAT, &hello()).await.json();
    assert_eq!(reply["model"], "claude-sonnet-4-5-20250929");
    let received = served.upstream.last();
    assert_eq!(received.path, MESSAGES);
    assert_eq!(Some(received.json()["model"].as_str().unwrap_or("")), MODEL.split('/').nth(1));
}
