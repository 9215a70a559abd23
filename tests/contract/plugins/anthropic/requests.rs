//! What reaches Anthropic of a request.

use allos_plugin_api::{ChatRequest, Dialect, Message, RawBody};
use serde_json::{Value, json};

use super::{MESSAGES, MODEL, hello, host, message, sent, text};
use crate::calls::soon;
use crate::upstream::{Reply, Upstream};

fn cached() -> Value {
    json!({ "type": "ephemeral", "ttl": "5m" })
}

#[tokio::test]
async fn a_conversation_with_tools_arrives_in_turns_with_its_results_merged() {
    let call = |id: &str| {
        let function = json!({ "name": "weather", "arguments": "{\"city\":\"Oslo\"}" });
        json!({ "id": id, "type": "function", "function": function })
    };
    let body = sent(&json!({
        "model": MODEL,
        "max_completion_tokens": 100,
        "temperature": 0.5,
        "user": "u-1",
        "stop": ["END"],
        "tool_choice": "required",
        "parallel_tool_calls": false,
        "tools": [{ "type": "function", "cache_control": cached(), "function": {
            "name": "weather", "description": "tells", "parameters": { "type": "object" },
        } }],
        "messages": [
            { "role": "system", "content": [
                { "type": "text", "text": "be brief", "cache_control": cached() },
            ] },
            { "role": "developer", "content": "and kind" },
            { "role": "user", "content": "compare" },
            { "role": "assistant", "content": "", "tool_calls": [call("a"), call("b")] },
            { "role": "tool", "tool_call_id": "a", "content": "rain" },
            { "role": "tool", "tool_call_id": "b", "content": "sun", "cache_control": cached() },
            { "role": "user", "content": [text("so?")] },
        ],
    }))
    .await;
    let system = json!([
        { "type": "text", "text": "be brief", "cache_control": cached() }, text("and kind"),
    ]);
    assert_eq!(body["system"], system);
    let used = |id: &str| {
        let input = json!({ "city": "Oslo" });
        json!({ "type": "tool_use", "id": id, "name": "weather", "input": input })
    };
    let result = |id: &str, said: &str| {
        let content = [text(said)];
        json!({ "type": "tool_result", "tool_use_id": id, "content": content })
    };
    let mut last = result("b", "sun");
    last["cache_control"] = cached();
    let expected = json!([
        { "role": "user", "content": [text("compare")] },
        { "role": "assistant", "content": [used("a"), used("b")] },
        { "role": "user", "content": [result("a", "rain"), last, text("so?")] },
    ]);
    assert_eq!(body["messages"], expected);
    let tool = json!({
        "name": "weather", "description": "tells", "input_schema": { "type": "object" },
        "cache_control": cached(),
    });
    assert_eq!(body["tools"], json!([tool]));
    let choice = json!({ "type": "any", "disable_parallel_tool_use": true });
    assert_eq!(body["tool_choice"], choice);
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(100), &json!(0.5)));
    assert_eq!(
        (&body["stop_sequences"], &body["metadata"]["user_id"]),
        (&json!(["END"]), &json!("u-1"))
    );
}

#[tokio::test]
async fn images_and_documents_arrive_as_blocks() {
    let content = json!([
        text("what is this?"),
        { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBORw0KGgo=" } },
        { "type": "image_url", "image_url": { "url": "https://example.com/a.jpg" } },
        { "type": "file", "file": {
            "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0=",
        } },
        { "type": "file", "file": {
            "filename": "a.txt", "file_data": "data:text/plain;base64,aGk=",
        } },
        { "type": "file", "file": { "file_id": "file_1" } },
    ]);
    let mut request = hello();
    request["messages"][0]["content"] = content;
    let body = sent(&request).await;
    let base64 = |media_type: &str, data: &str| {
        let kind = "base64";
        json!({ "type": kind, "media_type": media_type, "data": data })
    };
    let plain = json!({ "type": "text", "media_type": "text/plain", "data": "hi" });
    let expected = json!([
        text("what is this?"),
        { "type": "image", "source": base64("image/png", "iVBORw0KGgo=") },
        { "type": "image", "source": { "type": "url", "url": "https://example.com/a.jpg" } },
        { "type": "document", "source": base64("application/pdf", "JVBERi0="), "title": "a.pdf" },
        { "type": "document", "source": plain, "title": "a.txt" },
        { "type": "document", "source": { "type": "file", "file_id": "file_1" } },
    ]);
    assert_eq!(body["messages"][0]["content"], expected);
}

#[tokio::test]
async fn an_effort_and_a_schema_arrive_in_the_words_of_the_model() {
    let schema = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let mut request = hello();
    request["reasoning_effort"] = json!("high");
    request["response_format"] =
        json!({ "type": "json_schema", "json_schema": { "name": "n", "schema": schema } });
    let body = sent(&request).await;
    let thinking = json!({ "type": "enabled", "budget_tokens": 16_384 });
    assert_eq!((&body["thinking"], &body["max_tokens"]), (&thinking, &json!(64_000)));
    let format = json!({ "type": "json_schema", "schema": schema });
    assert_eq!(body["output_config"], json!({ "format": format }));
    request["model"] = json!("anthropic/claude-opus-4-8");
    let body = sent(&request).await;
    assert_eq!(body["thinking"], json!({ "type": "adaptive" }));
    assert_eq!(body["output_config"], json!({ "effort": "high", "format": format }));
}

#[tokio::test]
async fn a_client_of_the_same_dialect_reaches_anthropic_as_it_wrote() {
    let reply = message(&[text("ok")], "end_turn");
    let upstream = Upstream::always(Reply::json(200, &reply)).await;
    let more = "options = { beta = \"one, two\" }\nheaders = { anthropic-beta = \"three\" }\n";
    let (_folder, host) = host(&upstream, more).await;
    let handle = host.provider("anthropic").expect("it is registered");
    let body = json!({
        "model": "anything/else", "max_tokens": 5, "member_of_tomorrow": { "a": [1.0] },
        "messages": [{ "role": "user", "content": "hi" }],
    });
    let mut request = ChatRequest::new("claude-opus-4-8", vec![Message::user("hi")]);
    request.body = Some(RawBody::new(Dialect::AnthropicMessages, body.to_string()));
    for (name, value) in [("anthropic-beta", "four,one"), ("anthropic-version", "2099-01-01")] {
        request.headers.insert(name.to_owned(), value.to_owned());
    }
    let answer = soon(handle.chat(request.clone())).await.expect("an answer");
    let received = upstream.last();
    let mut expected = body.clone();
    expected["model"] = json!("claude-opus-4-8");
    assert_eq!((received.path.as_str(), received.json()), (MESSAGES, expected));
    assert_eq!(received.header("anthropic-beta"), "one,two,three,four");
    assert_eq!(received.header("anthropic-version"), "2099-01-01");
    assert_eq!(received.header("x-api-key"), "key-of-the-upstream");
    let raw = answer.body.expect("the reply as it came").value().expect("JSON");
    assert_eq!(raw, reply);
    request.body = None;
    request.headers.clear();
    soon(handle.chat(request)).await.expect("an answer");
    assert_eq!(upstream.last().header("anthropic-version"), "2023-06-01");
    assert_eq!(upstream.last().json()["messages"][0]["content"], json!([text("hi")]));
}

#[tokio::test]
async fn a_prompt_is_counted_in_both_lanes() {
    let upstream = Upstream::always(Reply::json(200, &json!({ "input_tokens": 14 }))).await;
    let (_folder, host) = host(&upstream, "").await;
    let handle = host.provider("anthropic").expect("it is registered");
    let mut request = ChatRequest::new("claude-opus-4-8", vec![Message::user("hi")]);
    request.temperature = Some(1.0);
    let body = json!({ "model": "m", "messages": [], "max_tokens": 1, "stream": true, "new": 1 });
    let turn = json!({ "role": "user", "content": [text("hi")] });
    let expected = [
        json!({ "model": "claude-opus-4-8", "messages": [turn] }),
        json!({ "model": "claude-opus-4-8", "messages": [], "new": 1 }),
    ];
    for expected in expected {
        let count = soon(handle.count_tokens(request.clone())).await.expect("a count");
        assert_eq!((count.input_tokens, count.body.is_some()), (14, true));
        let received = upstream.last();
        assert_eq!(received.path, "/v1/messages/count_tokens");
        assert_eq!(received.json(), expected);
        request.body = Some(RawBody::new(Dialect::AnthropicMessages, body.to_string()));
    }
}
