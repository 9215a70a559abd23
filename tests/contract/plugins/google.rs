//! `google` in front of a server that answers as <https://ai.google.dev/api/generate-content> shows.

use allos_host::Host;
use allos_plugin_api::{ChatRequest, ErrorKind, Message};
use serde_json::{Map, Value, json};

use super::{CHAT, Served};
use crate::calls::{chat, soon};
use crate::folder::PluginFolder;
use crate::upstream::{Received, Reply, Upstream};

const MODEL: &str = "google/gemini-3-flash-preview";
const KEY: &str = "api_key = \"key-of-the-upstream\"\n";

async fn served(upstream: Upstream) -> Served {
    Served::start("google", upstream, "", KEY).await
}

async fn always(reply: &Value) -> Served {
    served(Upstream::always(Reply::json(200, reply)).await).await
}

/// The plugin in a host, for what the gateway does not show.
async fn host(upstream: &Upstream) -> (PluginFolder, Host) {
    let folder = PluginFolder::with(&["google"]);
    let table = format!("[providers.google]\nbase_url = {:?}\n{KEY}", upstream.url(""));
    let host = folder.host(&table).await;
    (folder, host)
}

fn asking(members: &Value) -> Value {
    let mut request = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    request
}

/// A reply, or a frame of a stream, with these parts.
fn reply(parts: &Value, finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 20,
            "thoughtsTokenCount": 6,
        },
        "modelVersion": "gemini-3-flash-preview",
        "responseId": "r1",
    })
}

/// What a client makes of the frames of a stream: one message.
fn message_of(frames: &[Value]) -> Value {
    let mut message = Map::new();
    for frame in frames {
        for (name, piece) in frame["choices"][0]["delta"].as_object().into_iter().flatten() {
            join(message.entry(name.clone()).or_insert(Value::Null), piece);
        }
    }
    let is_number = |name: &str| name == "index";
    for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
        call.as_object_mut().expect("a call").retain(|name, _| !is_number(name));
    }
    Value::Object(message)
}

fn join(whole: &mut Value, piece: &Value) {
    match (whole, piece) {
        (Value::String(whole), Value::String(piece)) if whole != "assistant" => {
            whole.push_str(piece);
        }
        (Value::Object(whole), Value::Object(piece)) => {
            for (name, piece) in piece {
                join(whole.entry(name.clone()).or_insert(Value::Null), piece);
            }
        }
        (Value::Array(whole), Value::Array(pieces)) => {
            for piece in pieces {
                match whole.iter_mut().find(|it| it["index"] == piece["index"]) {
                    Some(known) => join(known, piece),
                    None => whole.push(piece.clone()),
                }
            }
        }
        (whole, piece) => *whole = piece.clone(),
    }
}

/// What Gemini says in one step: a thought, code that it ran, a text, and two calls of which one has
/// an id.
fn step() -> [Value; 6] {
    [
        json!({"text": "Hm.", "thought": true, "thoughtSignature": "of-the-thought"}),
        json!({"executableCode": {"language": "PYTHON", "code": "1"},
            "thoughtSignature": "of-the-code"}),
        json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
        json!({"text": "I look.", "thoughtSignature": "of-the-text"}),
        json!({"functionCall": {"id": "g1", "name": "weather", "args": {"city": "Bern"}},
            "thoughtSignature": "of-the-call"}),
        json!({"functionCall": {"name": "weather", "args": {"city": "Rome"}}}),
    ]
}

/// Sends the message back as it was received, with results in another order, and gives what the
/// upstream is asked.
async fn next_turn(served: &Served, message: &Value) -> Value {
    let id = |at: usize| message["tool_calls"][at]["id"].as_str().expect("an id").to_owned();
    let answer = served
        .post(
            CHAT,
            &asking(&json!({"messages": [
                {"role": "user", "content": "weather?"},
                message,
                {"role": "tool", "tool_call_id": id(1), "content": "hot"},
                {"role": "tool", "tool_call_id": id(0), "content": "{\"cold\":true}"},
            ]})),
        )
        .await;
    assert_eq!((answer.status, answer.header("x-allos-warning")), (200, ""), "{answer:?}");
    served.asked()["contents"].clone()
}

#[tokio::test]
async fn signatures_and_ids_survive_a_client_that_sends_back_what_it_received() {
    let parts = step();
    let whole = reply(&json!(parts), Some("STOP"));
    let frames = [
        reply(&json!([{"text": "Hm", "thought": true}]), None),
        reply(&json!([{"text": ".", "thought": true, "thoughtSignature": "of-the-thought"}]), None),
        reply(&json!([parts[1], parts[2]]), None),
        reply(&json!([{"text": "I "}]), None),
        reply(&json!([{"text": "look."}, {"text": "", "thoughtSignature": "of-the-text"}]), None),
        reply(&json!([parts[4]]), None),
        reply(&json!([parts[5], {"text": ""}]), Some("STOP")),
    ];
    let upstream = Upstream::start(move |request: &Received| {
        if request.path.ends_with(":streamGenerateContent?alt=sse") {
            Reply::events(&frames).in_pieces_of(7)
        } else {
            Reply::json(200, &whole)
        }
    })
    .await;
    let served = served(upstream).await;
    let answer = served.post(CHAT, &asking(&json!({}))).await;
    let body = answer.json();
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        (&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]),
        (&10.into(), &10.into())
    );
    let streamed = served.post(CHAT, &asking(&json!({"stream": true}))).await;
    let received = served.upstream.last();
    assert_eq!(received.header("x-goog-api-key"), "key-of-the-upstream");
    for message in [body["choices"][0]["message"].clone(), message_of(&streamed.frames())] {
        assert_eq!(message["reasoning_content"], "Hm.");
        assert_eq!(message["content"], "I look.");
        let contents = next_turn(&served, &message).await;
        assert_eq!(contents[1], json!({"role": "model", "parts": parts}), "{message}");
        let response = |id: Option<&str>, response: Value| {
            let mut members = json!({"name": "weather", "response": response});
            if let Some(id) = id {
                members["id"] = id.into();
            }
            json!({"functionResponse": members})
        };
        let expected =
            [response(Some("g1"), json!({"cold": true})), response(None, json!({"result": "hot"}))];
        assert_eq!(contents[2], json!({"role": "user", "parts": expected}));
    }
}

#[tokio::test]
async fn signatures_and_ids_survive_a_client_of_anthropics_dialect_too() {
    let parts = step();
    let served = always(&reply(&json!(parts), Some("STOP"))).await;
    let asked = json!({"role": "user", "content": "weather?"});
    let request = |messages: Value| json!({"model": MODEL, "max_tokens": 99, "messages": messages});
    let answer = served.post("/v1/messages", &request(json!([asked]))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let content = answer.json()["content"].clone();
    let calls = content.as_array().into_iter().flatten().filter(|it| it["type"] == "tool_use");
    let results: Vec<_> = calls
        .map(|it| json!({"type": "tool_result", "tool_use_id": it["id"], "content": "mild"}))
        .collect();
    let messages = json!([
        asked,
        {"role": "assistant", "content": content},
        {"role": "user", "content": results},
    ]);
    let answer = served.post("/v1/messages", &request(messages)).await;
    assert_eq!((answer.status, answer.header("x-allos-warning")), (200, ""), "{answer:?}");
    let contents = served.asked()["contents"].clone();
    assert_eq!(contents[1]["parts"], json!(parts));
    assert_eq!(contents[2]["parts"][0]["functionResponse"]["id"], "g1");
}

#[tokio::test]
async fn a_lost_signature_is_a_warning_and_no_refusal() {
    let served = always(&reply(&json!([{"text": "ok"}]), Some("STOP"))).await;
    let call =
        json!({"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "y"},
    ]);
    let answer = served.post(CHAT, &asking(&json!({"messages": messages}))).await;
    assert!(answer.header("x-allos-warning").contains("thought signature"), "{answer:?}");
    let sent = &served.asked()["contents"][1]["parts"][0];
    assert_eq!(sent["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(sent["functionCall"]["id"], "c1");
}

#[tokio::test]
async fn images_go_both_ways_and_keep_their_signature() {
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
    let mut made = image.clone();
    made["thoughtSignature"] = "of-the-image".into();
    let served = always(&reply(&json!([{"text": "here"}, made]), Some("STOP"))).await;
    let url = "data:image/png;base64,AAAA";
    let content = json!([
        {"type": "text", "text": "draw this"},
        {"type": "image_url", "image_url": {"url": url}},
    ]);
    let asked = json!({"role": "user", "content": content});
    let answer = served.post(CHAT, &asking(&json!({"messages": [asked]}))).await;
    assert_eq!(served.asked()["contents"][0]["parts"], json!([{"text": "draw this"}, image]));
    let message = answer.json()["choices"][0]["message"].clone();
    assert_eq!(message["images"][0]["image_url"]["url"], url);
    let answer = served.post(CHAT, &asking(&json!({"messages": [asked, message, asked]}))).await;
    assert_eq!(served.asked()["contents"][1]["parts"], json!([{"text": "here"}, made]));
    assert_eq!(answer.header("x-allos-warning"), "");
}

#[tokio::test]
async fn what_a_schema_loses_is_a_warning() {
    let served = always(&reply(&json!([{"text": "{}"}]), Some("STOP"))).await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "x"}}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
    let answer = served.post(CHAT, &asking(&json!({"response_format": format}))).await;
    let warning = "ignored: response_format.schema.properties.a.pattern";
    assert_eq!(answer.header("x-allos-warning"), warning);
    let expected = json!({
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
    });
    assert_eq!(served.asked()["generationConfig"], expected);
}

#[tokio::test]
async fn what_google_withholds_is_an_answer_that_says_so() {
    let prompt = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 3}, "responseId": "r1"});
    let answer = json!({"candidates": [{"content": {}, "finishReason": "SAFETY"}]});
    for blocked in [prompt, answer] {
        let frame = blocked.clone();
        let upstream = Upstream::start(move |request: &Received| {
            if request.path.contains("sse") {
                Reply::events([&frame])
            } else {
                Reply::json(200, &blocked)
            }
        });
        let served = served(upstream.await).await;
        let answer = served.post(CHAT, &asking(&json!({}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["choices"][0]["finish_reason"], "content_filter");
        let frames = served.post(CHAT, &asking(&json!({"stream": true}))).await.frames();
        let last = frames.last().expect("a frame");
        assert_eq!(last["choices"][0]["finish_reason"], "content_filter", "{frames:?}");
    }
}

#[tokio::test]
async fn a_missing_key_is_named_before_anything_is_asked() {
    let upstream = Upstream::always(Reply::json(200, &json!({}))).await;
    let served = Served::start("google", upstream, "", "").await;
    let (status, _, _, message) = served.post(CHAT, &asking(&json!({}))).await.error();
    assert_eq!(status, 401);
    assert!(message.contains("GEMINI_API_KEY"), "{message}");
    assert!(served.upstream.received().is_empty());
}

#[tokio::test]
async fn a_wrong_key_is_an_authentication_error_although_google_calls_it_a_bad_request() {
    let details =
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]);
    let error = json!({"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT", "details": details}});
    let upstream = Upstream::always(Reply::json(400, &error)).await;
    let (_folder, host) = host(&upstream).await;
    let failed = chat(&host, "google", "m").await.expect_err("the key is wrong");
    assert_eq!(failed.kind(), &ErrorKind::Authentication);
    assert!(failed.hint().is_some_and(|hint| hint.contains("GEMINI_API_KEY")), "{failed:?}");
    let served = served(upstream).await;
    for stream in [false, true] {
        let answer = served.post(CHAT, &asking(&json!({"stream": stream}))).await;
        let (_, kind, _, message) = answer.error();
        assert_eq!(kind, "authentication_error", "{answer:?}");
        assert!(message.contains("API key not valid"), "{message}");
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_keeps_the_text() {
    let error = json!({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}});
    let frames = [reply(&json!([{"text": "so far"}]), None), error];
    let served = served(Upstream::always(Reply::events(frames)).await).await;
    let answer = served.post(CHAT, &asking(&json!({"stream": true}))).await;
    assert_eq!(answer.streamed_text(), "so far");
    let frames = answer.frames();
    let last = frames.last().expect("a frame");
    assert!(
        last["error"]["message"].as_str().is_some_and(|it| it.contains("overloaded")),
        "{last}"
    );
    let finishes = frames.iter().filter(|it| it["choices"][0]["finish_reason"].is_string());
    assert_eq!(finishes.count(), 0);
}

#[tokio::test]
async fn models_are_listed_page_by_page_with_their_windows() {
    let model = |name: &str, method: &str| {
        json!({"name": format!("models/{name}"), "displayName": name, "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536, "supportedGenerationMethods": [method]})
    };
    let first = json!({"models": [model("gemini-a", "generateContent"), model("veo", "predict")],
        "nextPageToken": "to/ken"});
    let second = json!({"models": [model("embed-b", "embedContent")]});
    let upstream = Upstream::start(move |request: &Received| {
        let page = if request.path.contains("pageToken=to%2Fken") { &second } else { &first };
        Reply::json(200, page)
    })
    .await;
    let served = served(upstream).await;
    let body = served.get("/v1/models").await.json();
    let listed = body["data"].as_array().expect("a list");
    let ids: Vec<_> = listed.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(ids, ["google/gemini-a", "google/embed-b"]);
    assert_eq!(listed[0]["context_window"], 1_048_576);
    assert_eq!(listed[0]["max_output_tokens"], 65_536);
}

#[tokio::test]
async fn texts_are_embedded_and_tokens_refused() {
    let served =
        always(&json!({"embeddings": [{"values": [0.5, -0.25]}, {"values": [1, 0]}]})).await;
    let embeddings = "/v1/embeddings";
    let model = "google/gemini-embedding-001";
    let request = json!({"model": model, "input": ["one", "two"], "dimensions": 2});
    let body = served.post(embeddings, &request).await.json();
    assert_eq!(body["data"][0]["embedding"], json!([0.5, -0.25]));
    let received = served.upstream.last();
    assert_eq!(received.path, "/v1beta/models/gemini-embedding-001:batchEmbedContents");
    let one = json!({"model": "models/gemini-embedding-001", "outputDimensionality": 2,
        "content": {"parts": [{"text": "one"}]}});
    assert_eq!(received.json()["requests"][0], one);
    let tokens = json!({"model": model, "input": [[1, 2]]});
    assert_eq!(served.post(embeddings, &tokens).await.error().0, 400);
}

#[tokio::test]
async fn windows_and_token_counts_are_asked_of_google() {
    let upstream = Upstream::start(|request: &Received| match request.path.as_str() {
        "/v1beta/models/m:countTokens" => Reply::json(200, &json!({"totalTokens": 7})),
        "/v1beta/models/m" => Reply::json(200, &json!({"name": "models/m", "inputTokenLimit": 9})),
        _ => Reply::json(404, &json!({"error": {"code": 404, "status": "NOT_FOUND"}})),
    })
    .await;
    let (_folder, host) = host(&upstream).await;
    let google = host.provider("google").expect("it is registered");
    assert_eq!(soon(google.context_window("m")).await, Ok(Some(9)));
    assert_eq!(soon(google.context_window("nobody")).await, Ok(None));
    let request = ChatRequest::new("m", vec![Message::user("hi")]);
    let count = soon(google.count_tokens(request)).await.expect("a count");
    assert_eq!(count.input_tokens, 7);
    assert_eq!(upstream.last().json()["generateContentRequest"]["model"], "models/m");
}
