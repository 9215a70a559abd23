//! `ollama` in front of a server that answers as <https://docs.ollama.com/api/chat> shows.

use std::net::TcpListener;

use serde_json::{Value, json};

use super::{CHAT, Served};
use crate::folder::PluginFolder;
use crate::process::run;
use crate::upstream::{Received, Reply, Upstream};

const MODEL: &str = "ollama/gemma3:4b";

/// A stream of lines.
fn lines(lines: &[Value]) -> Reply {
    let text = lines.iter().map(|line| format!("{line}\n"));
    Reply::new(200, "application/x-ndjson", text.collect::<String>())
}

fn line(message: &Value) -> Value {
    json!({"model": "gemma3:4b", "created_at": "2026-04-10T13:19:59.948798825Z",
        "message": message, "done": false})
}

fn last(reason: &str) -> Value {
    json!({"model": "gemma3:4b", "created_at": "2026-04-10T13:20:00.156773998Z",
        "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason,
        "total_duration": 499_049_129, "prompt_eval_count": 21, "eval_count": 40})
}

/// A reply in one piece.
fn whole(message: &Value) -> Reply {
    let mut reply = last("stop");
    reply["message"] = message.clone();
    Reply::json(200, &reply)
}

async fn served(reply: Reply) -> Served {
    Served::start("ollama", Upstream::always(reply).await, "", "").await
}

fn asking(members: &Value) -> Value {
    let mut request = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().into_iter().flatten() {
        request[name] = value.clone();
    }
    request
}

fn streamed() -> Value {
    asking(&json!({"stream": true, "stream_options": {"include_usage": true}}))
}

#[tokio::test]
async fn a_stream_of_lines_is_a_chat_in_pieces_of_any_size() {
    let pieces = [
        line(&json!({"role": "assistant", "content": "", "thinking": "Hm"})),
        line(&json!({"role": "assistant", "content": "", "thinking": "…"})),
        line(&json!({"role": "assistant", "content": "The sky’s "})),
        line(&json!({"role": "assistant", "content": "blue."})),
        last("stop"),
    ];
    for bytes in [1, 7, 37, 10_000] {
        let served = served(lines(&pieces).in_pieces_of(bytes)).await;
        let answer = served.post(CHAT, &streamed()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.streamed_text(), "The sky’s blue.");
        let frames = answer.frames();
        let deltas = frames.iter().map(|it| &it["choices"][0]["delta"]["reasoning_content"]);
        assert_eq!(deltas.filter_map(Value::as_str).collect::<String>(), "Hm…");
        let usage = &frames.last().expect("a frame")["usage"];
        assert_eq!(
            (&usage["prompt_tokens"], &usage["completion_tokens"]),
            (&21.into(), &40.into())
        );
        assert_eq!(
            (&frames[0]["created"], &frames[0]["model"]),
            (&1_775_827_199.into(), &"gemma3:4b".into())
        );
        let received = served.upstream.last();
        assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", "/api/chat"));
        assert_eq!(received.header("authorization"), "");
    }
}

#[tokio::test]
async fn a_tool_is_called_and_its_result_goes_back_with_the_thinking() {
    let call = json!({"function": {"name": "get_temperature", "arguments": {"city": "New York"}}});
    let served = served(whole(&json!({"role": "assistant", "content": "", "thinking": "I ask.",
        "tool_calls": [call, call]})))
    .await;
    let tool = json!({"type": "function", "function": {"name": "get_temperature",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}});
    let answer = served.post(CHAT, &asking(&json!({"tools": [tool]}))).await;
    assert_eq!(served.asked()["tools"], json!([tool]));
    let body = answer.json();
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{body}");
    let message = &choice["message"];
    let calls = message["tool_calls"].as_array().expect("calls");
    assert_eq!(calls[0]["function"]["arguments"], r#"{"city":"New York"}"#);
    assert!(calls[0]["id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
    assert_ne!(calls[0]["id"], calls[1]["id"]);

    let result = json!({"role": "tool", "tool_call_id": calls[1]["id"], "content": "22°C"});
    let answer = served.post(CHAT, &asking(&json!({"messages": [message, result]}))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let asked = served.asked();
    let (said, result) = (&asked["messages"][0], &asked["messages"][1]);
    assert_eq!(said["thinking"], "I ask.");
    assert_eq!(said["tool_calls"][1]["function"]["arguments"], json!({"city": "New York"}));
    assert_eq!(
        result,
        &json!({"role": "tool", "content": "22°C", "tool_name": "get_temperature",
            "tool_call_id": calls[1]["id"]})
    );
}

#[tokio::test]
async fn an_image_is_sent_as_its_bytes_and_never_as_an_address() {
    let served = served(whole(&json!({"role": "assistant", "content": "a cat"}))).await;
    let with = |url: &str| {
        let content = json!([{"type": "text", "text": "what is it?"},
            {"type": "image_url", "image_url": {"url": url}}]);
        asking(&json!({"messages": [{"role": "user", "content": content}]}))
    };
    let answer = served.post(CHAT, &with("data:image/png;base64,aGk=")).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "a cat");
    let message = json!({"role": "user", "content": "what is it?", "images": ["aGk="]});
    assert_eq!(served.asked()["messages"], json!([message]));
    let (status, .., message) =
        served.post(CHAT, &with("https://example.com/cat.png")).await.error();
    assert_eq!(status, 400);
    assert!(message.contains("messages[0]") && message.contains("data:"), "{message}");
    assert_eq!(served.upstream.received().len(), 1);
}

#[tokio::test]
async fn parameters_become_options_and_the_instances_are_the_defaults() {
    let upstream = Upstream::always(whole(&json!({"role": "assistant", "content": "{}"}))).await;
    let options = "api_key = \"key\"\noptions = { keep_alive = \"10m\", num_ctx = 8192, \
                   model_options = { temperature = 1.0, num_gpu = 1 } }\n";
    let served = Served::start("ollama", upstream, "/v1", options).await;
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let request = asking(&json!({
        "temperature": 0.5, "max_tokens": 9, "stop": "x", "seed": 7, "reasoning_effort": "high",
        "options": {"mirostat": 1}, "user": "me",
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    }));
    let answer = served.post(CHAT, &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("x-allos-warning").contains("user"), "{answer:?}");
    let asked = served.asked();
    assert_eq!(
        asked["options"],
        json!({"temperature": 0.5, "num_gpu": 1, "num_ctx": 8192, "num_predict": 9, "seed": 7,
            "stop": ["x"], "mirostat": 1})
    );
    assert_eq!((&asked["keep_alive"], &asked["think"]), (&"10m".into(), &"high".into()));
    assert_eq!((&asked["format"], &asked["stream"]), (&schema, &false.into()));
    let received = served.upstream.last();
    assert_eq!(received.path, "/api/chat", "the address of the other dialect is the same server's");
    assert_eq!(received.header("authorization"), "Bearer key");
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_it_is_asked() {
    let served = served(whole(&json!({"content": "a"}))).await;
    let tool = json!({"type": "function", "function": {"name": "f"}});
    let sound = json!([{"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]);
    let document =
        json!([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}}]);
    for members in [
        json!({"n": 2}),
        json!({"tools": [tool], "tool_choice": "required"}),
        json!({"messages": [{"role": "user", "content": sound}]}),
        json!({"messages": [{"role": "user", "content": document}]}),
    ] {
        let answer = served.post(CHAT, &asking(&members)).await;
        assert_eq!(answer.error().0, 400, "{members}: {answer:?}");
    }
    let counted = served.post("/v1/messages/count_tokens", &asking(&json!({}))).await;
    assert_eq!(counted.json()["error"]["type"], "invalid_request_error", "{counted:?}");
    assert!(served.upstream.received().is_empty());
}

#[tokio::test]
async fn log_probabilities_are_asked_for_and_given() {
    let mut reply = last("stop");
    reply["message"] = json!({"role": "assistant", "content": "a"});
    let alternative = json!({"token": "b", "logprob": -1.5, "bytes": [98]});
    reply["logprobs"] = json!([{"token": "a", "logprob": -0.5, "bytes": [97],
        "top_logprobs": [alternative]}]);
    let served = served(Reply::json(200, &reply)).await;
    let answer = served.post(CHAT, &asking(&json!({"logprobs": true, "top_logprobs": 1}))).await;
    let asked = served.asked();
    assert_eq!((&asked["logprobs"], &asked["top_logprobs"]), (&true.into(), &1.into()));
    let token = &answer.json()["choices"][0]["logprobs"]["content"][0];
    assert_eq!((&token["token"], &token["logprob"]), (&"a".into(), &(-0.5).into()));
    assert_eq!(token["top_logprobs"], json!([alternative]));
}

#[tokio::test]
async fn an_error_in_the_middle_keeps_the_text_and_finishes_nothing() {
    let failed = json!({"error": "an error was encountered while running the model"});
    for end in [failed.to_string(), String::new(), "{\"mess".to_owned()] {
        let text = format!("{}\n{end}", line(&json!({"role": "assistant", "content": "I can"})));
        let served = served(Reply::new(200, "application/x-ndjson", text)).await;
        let answer = served.post(CHAT, &streamed()).await;
        assert_eq!(answer.streamed_text(), "I can");
        let frames = answer.frames();
        let error = &frames.last().expect("a frame")["error"];
        let message = error["message"].as_str().unwrap_or_default();
        assert!(
            !message.is_empty() && (end.len() < 9 || message.contains("running the model")),
            "{answer:?}"
        );
        let finishes = frames.iter().map(|it| &it["choices"][0]["finish_reason"]);
        assert!(finishes.into_iter().all(Value::is_null), "{answer:?}");
    }
}

#[tokio::test]
async fn errors_keep_their_status_and_their_words() {
    for (status, body, expected, words) in [
        (404, json!({"error": "model 'gemma3:4b' not found"}), 404, "not found"),
        (400, json!({"error": "\"gemma3:4b\" does not support tools"}), 400, "support tools"),
        (500, json!({"error": "the runner stopped"}), 500, "the runner stopped"),
        (200, json!({"StatusCode": 429, "error": "slow down"}), 429, "slow down"),
        (200, json!({}), 502, "reply"),
    ] {
        let served = served(Reply::json(status, &body)).await;
        let answer = served.post(CHAT, &asking(&json!({}))).await;
        let (status, .., message) = answer.error();
        assert!(status == expected && message.contains(words), "{answer:?}");
        let answer = served.post(CHAT, &streamed()).await;
        assert_eq!(answer.error().0, expected, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_an_operator_can_do() {
    for (status, message, words) in [
        (404, "model 'gemma3:4b' not found", "`ollama pull gemma3:4b`"),
        (401, "unauthorized", "OLLAMA_API_KEY"),
    ] {
        let upstream = Upstream::always(Reply::json(status, &json!({"error": message}))).await;
        assert_hints(&upstream.url(""), words);
    }
    assert_hints(&nobody(), "`ollama serve`");
}

/// An address at which nobody listens.
fn nobody() -> String {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    format!("http://{}", closed.expect("a port"))
}

fn assert_hints(address: &str, words: &str) {
    let folder = PluginFolder::with(&["ollama"]);
    folder.configure(&format!("[providers.ollama]\nbase_url = {address:?}\n"));
    let said = run(&folder, &["chat", "-m", MODEL, "hi"]);
    let hint = said.stderr.split("hint: ").nth(1).unwrap_or_default();
    assert!(hint.contains(words), "{said:?}");
}

/// Three models: one tells its window, one has set a smaller one, one cannot be shown.
fn shelf(request: &Received) -> Reply {
    if request.path == "/api/tags" {
        let model = |name| {
            json!({"name": name, "model": name, "size": 1,
            "modified_at": "2025-10-03T23:34:03.409490317-07:00"})
        };
        let models = ["a", "b", "c"].map(model);
        return Reply::json(200, &json!({"models": models}));
    }
    let info = json!({"general.architecture": "gemma3", "gemma3.context_length": 131_072});
    match request.json()["model"].as_str() {
        Some("a") => Reply::json(200, &json!({"model_info": info})),
        Some("b") => Reply::json(200, &json!({"model_info": info, "parameters": "num_ctx 4096"})),
        _ => Reply::json(500, &json!({"error": "broken"})),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_of_a_server_are_listed_with_their_windows() {
    let upstream = Upstream::start(shelf).await;
    let served = Served::start("ollama", upstream, "", "").await;
    let list = served.get("/v1/models").await.json();
    let ids = list["data"].as_array().into_iter().flatten().map(|it| &it["id"]);
    assert_eq!(ids.collect::<Vec<_>>(), ["ollama/a", "ollama/b", "ollama/c"]);

    let folder = PluginFolder::with(&["ollama"]);
    for (options, windows) in [
        ("", [json!(131_072), json!(4096), Value::Null]),
        ("options = { num_ctx = 2048 }\n", [2048, 2048, 2048].map(Value::from)),
    ] {
        let address = served.upstream.url("");
        folder.configure(&format!("[providers.ollama]\nbase_url = {address:?}\n{options}"));
        let said = run(&folder, &["models", "ollama", "--json"]);
        let models: Value = serde_json::from_str(&said.stdout).expect("JSON");
        let found = models.as_array().into_iter().flatten().map(|it| it["context_window"].clone());
        assert_eq!(found.collect::<Vec<_>>(), windows, "{said:?}");
        assert_eq!(models[0]["created"], 1_759_559_643);
    }
}

#[tokio::test]
async fn embeddings_come_for_each_text() {
    let reply = json!({"model": "embeddinggemma", "embeddings": [[0.5, -0.25], [1, 2]],
        "total_duration": 14_143_917, "prompt_eval_count": 8});
    let served = served(Reply::json(200, &reply)).await;
    let path = "/v1/embeddings";
    let request = |input: Value| json!({"model": "ollama/embeddinggemma", "input": input});
    let answer = served.post(path, &request(json!(["a", "b"]))).await;
    let body = answer.json();
    assert_eq!(served.upstream.last().path, "/api/embed");
    assert_eq!(served.asked(), json!({"model": "embeddinggemma", "input": ["a", "b"]}));
    assert_eq!(body["data"][1]["embedding"], json!([1.0, 2.0]));
    assert_eq!(body["usage"]["prompt_tokens"], 8);
    for (input, status) in [(json!("a"), 502), (json!([1, 2]), 400)] {
        let answer = served.post(path, &request(input.clone())).await;
        assert_eq!(answer.error().0, status, "{input}: {answer:?}");
    }
}

#[test]
fn the_plugin_beats_the_preset_of_its_name() {
    let folder = PluginFolder::with(&["ollama", "openai"]);
    let address = nobody();
    folder.configure(&format!(
        "[providers.ollama]\nbase_url = {address:?}\noptions = {{ num_ctx = 1 }}\n"
    ));
    let said = run(&folder, &["chat", "-m", MODEL, "hi"]);
    assert!(said.stderr.contains("`ollama serve`"), "the preset takes no `num_ctx`: {said:?}");
    let said = run(&folder, &["list"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.stdout.contains("quarantined"), "{said:?}");
}
