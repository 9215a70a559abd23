//! Messages in Anthropic's dialect through the gateway, in front of providers that speak another.

use serde_json::{Value, json};

use super::{CHAT, Served, chunk, completion, hello, streamed};
use crate::client::Answer;
use crate::upstream::{Reply, Upstream};

const MESSAGES: &str = "/v1/messages";
const COUNT: &str = "/v1/messages/count_tokens";

/// A request with one message.
fn say(model: &str, content: &Value) -> Value {
    json!({
        "model": model, "max_tokens": 100, "messages": [{"role": "user", "content": content}],
    })
}

fn say_hello(model: &str) -> Value {
    say(model, &json!("hello there"))
}

/// The same request, to be streamed.
fn as_stream(mut request: Value) -> Value {
    request["stream"] = true.into();
    request
}

/// The events of a stream; each says its name twice.
fn events(answer: &Answer) -> Vec<Value> {
    let events = answer.text.split_terminator("\n\n").map(|event| {
        let event = event.strip_prefix("event: ").expect("an event has a name");
        let (name, data) = event.split_once("\ndata: ").expect("an event has data");
        let data: Value = serde_json::from_str(data).expect("its data is JSON");
        assert_eq!(data["type"], name);
        data
    });
    events.filter(|event| event["type"] != "ping").collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

/// The status, and what the error of Anthropic's shape says: type and message.
fn error(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    assert_eq!(body["type"], "error", "{answer:?}");
    let text = |name: &str| body["error"][name].as_str().expect("a text").to_owned();
    assert!(!answer.header("request-id").is_empty(), "{answer:?}");
    (answer.status, text("type"), text("message"))
}

#[tokio::test]
async fn a_message_is_answered_in_anthropics_shape() {
    let served = Served::echo().await;
    let answer = served.post(MESSAGES, &say_hello("echo/echo")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    let body = answer.json();
    assert!(body["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{body}");
    assert_eq!((&body["type"], &body["role"]), (&"message".into(), &"assistant".into()));
    assert_eq!(body["content"], json!([{"type": "text", "text": "hello there"}]));
    assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&"end_turn".into(), &Value::Null));
    assert_eq!(body["usage"], json!({"input_tokens": 2, "output_tokens": 2}));
}

#[tokio::test]
async fn a_stream_has_exactly_the_events_that_clients_expect() {
    let served = Served::echo().await;
    let answer = served.post(MESSAGES, &as_stream(say_hello("echo/echo"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    let events = events(&answer);
    let delta = "content_block_delta";
    let expected = [
        "message_start",
        "content_block_start",
        delta,
        delta,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds(&events), expected);
    assert_eq!(events[0]["message"]["content"], json!([]));
    assert_eq!(events[0]["message"]["stop_reason"], Value::Null);
    let text: String = events.iter().filter_map(|it| it["delta"]["text"].as_str()).collect();
    assert_eq!(text, "hello there");
    assert_eq!(events[5]["delta"]["stop_reason"], "end_turn");
    assert_eq!(events[5]["usage"], json!({"input_tokens": 2, "output_tokens": 2}));
}

#[tokio::test]
async fn what_is_said_and_shown_reaches_an_upstream_of_another_dialect() {
    let mut reply = completion("a cat");
    reply["choices"][0]["finish_reason"] = "length".into();
    let upstream = Upstream::always(Reply::json(200, &reply)).await;
    let served = Served::openai(&upstream).await;
    let source = json!({"type": "base64", "media_type": "image/png", "data": "AAAA"});
    let content = json!([
        {"type": "image", "source": source}, {"type": "text", "text": "what is this?"},
    ]);
    let mut request = say("openai/gpt", &content);
    request["system"] = "be brief".into();
    request["stop_sequences"] = json!(["."]);
    let answer = served.post(MESSAGES, &request).await;
    let body = answer.json();
    assert_eq!((&body["id"], &body["model"]), (&"chatcmpl-1".into(), &"gpt-script-2026".into()));
    assert_eq!(body["content"], json!([{"type": "text", "text": "a cat"}]));
    assert_eq!(body["stop_reason"], "max_tokens");
    assert_eq!(body["usage"], json!({"input_tokens": 3, "output_tokens": 2}));
    let sent = upstream.last().json();
    assert_eq!(sent["messages"][0], json!({"role": "system", "content": "be brief"}));
    let image = &sent["messages"][1]["content"][0]["image_url"]["url"];
    assert_eq!(image, "data:image/png;base64,AAAA");
    assert_eq!((&sent["model"], &sent["stop"]), (&"gpt".into(), &json!(["."])));
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_goes_back() {
    let call = json!({
        "id": "call_1", "type": "function",
        "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"},
        "extra_content": {"google": {"thought_signature": "signed"}},
    });
    let mut reply = completion("");
    reply["choices"][0]["message"] =
        json!({"role": "assistant", "content": null, "tool_calls": [call]});
    reply["choices"][0]["finish_reason"] = "tool_calls".into();
    let upstream = Upstream::always(Reply::json(200, &reply)).await;
    let served = Served::openai(&upstream).await;
    let mut request = say_hello("openai/gpt");
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    request["tools"] = json!([{"name": "weather", "input_schema": schema}]);
    request["tool_choice"] = json!({"type": "any", "disable_parallel_tool_use": true});
    let answer = served.post(MESSAGES, &request).await.json();
    assert_eq!(answer["stop_reason"], "tool_use");
    let block = json!({
        "type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"},
    });
    assert_eq!(answer["content"][0], block);
    let sent = upstream.last().json();
    let function = json!({"name": "weather", "parameters": schema});
    assert_eq!(sent["tools"], json!([{"type": "function", "function": function}]));
    assert_eq!(
        (&sent["tool_choice"], &sent["parallel_tool_calls"]),
        (&"required".into(), &false.into())
    );

    let result = json!({"type": "tool_result", "tool_use_id": "call_1", "content": "rain"});
    let results = json!([result, {"type": "text", "text": "and now?"}]);
    let messages = request["messages"].as_array_mut().expect("messages");
    messages.push(json!({"role": "assistant", "content": answer["content"]}));
    messages.push(json!({"role": "user", "content": results}));
    served.post(MESSAGES, &request).await;
    let sent = upstream.last().json();
    assert_eq!(sent["messages"][1]["tool_calls"], json!([call]), "with what must be seen again");
    let result = json!({"role": "tool", "tool_call_id": "call_1", "content": "rain"});
    assert_eq!(sent["messages"][2], result);
    assert_eq!(sent["messages"][3], json!({"role": "user", "content": "and now?"}));
}

#[tokio::test]
async fn streamed_calls_that_come_beside_each_other_are_written_one_after_the_other() {
    let call = |index: u32, name: Option<&str>, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        let id = name.map(|name| format!("call_{name}"));
        let call = json!({"index": index, "id": id, "type": "function", "function": function});
        chunk(&json!({"tool_calls": [call]}), None).to_string()
    };
    let events_of_upstream = [
        chunk(&json!({"role": "assistant", "content": "let me see"}), None).to_string(),
        call(0, Some("a"), ""),
        call(1, Some("b"), "{\"y\""),
        call(0, None, "{\"x\":1}"),
        call(1, None, ":2}"),
        chunk(&json!({}), Some("tool_calls")).to_string(),
        "[DONE]".to_owned(),
    ];
    let upstream = Upstream::always(Reply::events(events_of_upstream)).await;
    let served = Served::openai(&upstream).await;
    let answer = served.post(MESSAGES, &as_stream(say_hello("openai/gpt"))).await;
    let events = events(&answer);
    let mut inputs = vec![String::new(); 3];
    let mut open = None;
    for event in &events {
        let index = event["index"].as_u64();
        match event["type"].as_str() {
            Some("content_block_start") => assert_eq!(open.replace(index), None, "{answer:?}"),
            Some("content_block_stop") => assert_eq!(open.take(), Some(index), "{answer:?}"),
            Some("content_block_delta") => {
                let index = usize::try_from(index.expect("an index")).expect("a small index");
                inputs[index] += event["delta"]["partial_json"].as_str().unwrap_or_default();
            }
            _ => assert_eq!(open, None, "{answer:?}"),
        }
    }
    assert_eq!(inputs, ["", "{\"x\":1}", "{\"y\":2}"]);
    let started = events.iter().filter(|event| event["type"] == "content_block_start");
    let ids: Vec<_> = started.map(|event| &event["content_block"]["id"]).collect();
    assert_eq!(ids, [&Value::Null, &json!("call_a"), &json!("call_b")]);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
}

#[tokio::test]
async fn an_error_in_a_stream_is_an_event_after_the_text_so_far() {
    let served = Served::start(&["error_in_stream"], "").await;
    let answer = served.post(MESSAGES, &as_stream(say_hello("error-in-stream/any"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let events = events(&answer);
    let text: String = events.iter().filter_map(|it| it["delta"]["text"].as_str()).collect();
    assert_eq!(text, "one two ");
    let last = events.last().expect("an event");
    assert_eq!(
        (&last["type"], &last["error"]["type"]),
        (&"error".into(), &"overloaded_error".into())
    );
    assert!(last["error"]["message"].to_string().contains("overloaded"), "{last}");
    assert!(!kinds(&events).contains(&"message_delta"), "no end is invented: {events:?}");
}

#[tokio::test]
async fn tokens_are_counted_where_the_provider_can() {
    let upstream = Upstream::always(Reply::json(200, &completion("hi"))).await;
    let provider =
        format!("[providers.openai]\napi_key = \"key\"\nbase_url = {:?}\n", upstream.url("/v1"));
    let served = Served::start(&["echo", "openai"], &provider).await;
    let mut request = hello("echo/echo");
    let answer = served.post(COUNT, &request).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"input_tokens": 2})));
    request["model"] = "openai/gpt".into();
    let (status, kind, message) = error(&served.post(COUNT, &request).await);
    assert_eq!((status, kind.as_str()), (400, "invalid_request_error"));
    assert!(message.contains("openai") && message.contains("tokens"), "{message}");
    assert!(upstream.received().is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_said_in_anthropics_shape() {
    let served = Served::start(&["echo"], "[gateway]\nmax_body_bytes = 1000\n").await;
    let mut without_limit = say_hello("echo/echo");
    without_limit.as_object_mut().expect("an object").remove("max_tokens");
    let mut long = say_hello("echo/echo");
    long["system"] = "a".repeat(2000).into();
    let bad = say("echo/echo", &json!([{"type": "text", "text": 5}]));
    for (path, body, status, kind, words) in [
        (MESSAGES, without_limit.to_string(), 400, "invalid_request_error", "max_tokens"),
        (MESSAGES, bad.to_string(), 400, "invalid_request_error", "messages[0].content[0].text"),
        (MESSAGES, "{".to_owned(), 400, "invalid_request_error", "line 1"),
        (COUNT, "[]".to_owned(), 400, "invalid_request_error", "object"),
        (MESSAGES, long.to_string(), 413, "request_too_large", "1000"),
        (MESSAGES, say_hello("nobody/x").to_string(), 404, "not_found_error", "nobody"),
        (MESSAGES, say_hello("echo/x").to_string(), 404, "not_found_error", "echo"),
        ("/v1/messages/batches", "{}".to_owned(), 404, "not_found_error", "/v1/messages"),
    ] {
        let request = served.client.request("POST", &served.url(path));
        let request = request.header("content-type", "application/json").body(body);
        let (got, word, message) = error(&served.client.send(request).await);
        assert_eq!((got, word.as_str()), (status, kind), "{path}: {message}");
        assert!(message.contains(words), "{message}");
    }
    for (method, path, status) in [("GET", MESSAGES, 405), ("DELETE", COUNT, 405)] {
        let request = served.client.request(method, &served.url(path));
        let answer = served.client.send(request).await;
        assert_eq!(error(&answer).0, status);
        assert!(!answer.header("allow").is_empty(), "{answer:?}");
    }
    assert_eq!(served.post(MESSAGES, &say_hello("echo/echo")).await.status, 200, "it is alive");
}

#[tokio::test]
async fn a_wrong_key_is_401_in_the_shape_of_each_dialect() {
    let served = Served::start(&["echo"], "[gateway]\napi_key = \"key-of-the-gateway\"\n").await;
    for key in ["", "wrong"] {
        let request = served.client.request("POST", &served.url(MESSAGES)).header("x-api-key", key);
        let answer = served.client.send(request.body("{}")).await;
        let (status, kind, _) = error(&answer);
        assert_eq!((status, kind.as_str()), (401, "authentication_error"));
        assert_eq!(answer.json()["request_id"], answer.header("request-id"));
    }
    assert_eq!(served.post(CHAT, &hello("echo/echo")).await.error().0, 401);
    let request = served.client.request("POST", &served.url(MESSAGES));
    let request = request
        .header("x-api-key", "key-of-the-gateway")
        .header("content-type", "application/json")
        .body(say_hello("echo/echo").to_string());
    assert_eq!(served.client.send(request).await.status, 200);
}

#[tokio::test]
async fn an_upstreams_error_keeps_its_status_and_message() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let body = json!({"error": {"message": "the vendor says no", "type": "x", "code": null}});
        let reply = Reply::json(status, &body)
            .header("retry-after", "7")
            .header("anthropic-ratelimit-requests-remaining", "0");
        let upstream = Upstream::always(reply).await;
        let served = Served::openai(&upstream).await;
        for request in [say_hello("openai/gpt"), as_stream(say_hello("openai/gpt"))] {
            let answer = served.post(MESSAGES, &request).await;
            let (got, word, message) = error(&answer);
            assert_eq!((got, word.as_str()), (status, kind), "{answer:?}");
            assert!(message.contains("the vendor says no"), "{message}");
            assert_eq!(answer.header("retry-after"), "7");
        }
    }
}

#[tokio::test]
async fn models_have_the_shape_of_the_dialect_that_asks() {
    let served = Served::start(&["echo"], "[routes]\n\"claude\" = \"echo/echo\"\n").await;
    let ask = async |path: &str| {
        let request = served.client.request("GET", &served.url(path));
        served.client.send(request.header("anthropic-version", "2023-06-01")).await
    };
    let list = ask("/v1/models").await.json();
    assert_eq!(list["has_more"], false);
    assert_eq!((&list["first_id"], &list["last_id"]), (&"claude".into(), &"echo/echo".into()));
    let model = ask("/v1/models/echo/echo").await.json();
    let expected = json!({
        "type": "model", "id": "echo/echo", "display_name": "echo/echo",
        "created_at": "1970-01-01T00:00:00Z", "max_input_tokens": 8192,
    });
    assert_eq!((&list["data"][1], &model), (&expected, &expected));
    assert_eq!(error(&ask("/v1/models/nobody/x").await).1, "not_found_error");
    assert_eq!(served.get("/v1/models").await.json()["object"], "list");
    assert_eq!(served.post(CHAT, &streamed("echo/echo")).await.status, 200);
}
