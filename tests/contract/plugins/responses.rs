//! OpenAI's Responses API behind the gateway: a client of chat completions gets what the items of an
//! answer say, and by sending back the message that it got sends back all of them.
//!
//! - <https://platform.openai.com/docs/api-reference/responses>
//! - <https://platform.openai.com/docs/api-reference/responses-streaming>

use serde_json::{Value, json};

use super::{CHAT, Served};
use crate::client::{Answer, Client};
use crate::folder::PluginFolder;
use crate::process::Gateway;
use crate::upstream::{Reply, Upstream};

/// The plugin on this API, in front of an upstream that always answers the same.
async fn before(reply: Reply) -> Served {
    let table = "api_key = \"k\"\noptions = { api = \"responses\" }\n";
    Served::start("openai", Upstream::always(reply).await, "/v1", table).await
}

fn request(messages: &Value) -> Value {
    let parameters = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    json!({
        "model": "openai/gpt-5",
        "messages": messages,
        "tools": [{ "type": "function", "function": { "name": "weather", "parameters": parameters } }],
        "reasoning_effort": "low",
    })
}

fn question() -> Value {
    json!({ "role": "user", "content": "weather?" })
}

fn response(status: &str, output: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "gpt-5-script",
        "status": status, "error": null, "incomplete_details": null, "output": output,
        "usage": {
            "input_tokens": 20, "input_tokens_details": { "cached_tokens": 8 },
            "output_tokens": 9, "output_tokens_details": { "reasoning_tokens": 4 },
        },
    })
}

/// A model that searches, speaks, thinks again and calls two tools.
fn output() -> Value {
    let call = |id: &str, call: &str, city: &str| {
        json!({
            "id": id, "type": "function_call", "status": "completed", "call_id": call,
            "name": "weather", "arguments": format!("{{\"city\":\"{city}\"}}"),
        })
    };
    json!([
        {
            "id": "rs_0", "type": "reasoning", "encrypted_content": "first",
            "summary": [{ "type": "summary_text", "text": "**Search**" }],
        },
        { "id": "ws_1", "type": "web_search_call", "status": "completed", "action": { "query": "q" } },
        {
            "id": "msg_2", "type": "message", "role": "assistant", "status": "completed",
            "phase": "commentary",
            "content": [{ "type": "output_text", "text": "I ask.", "annotations": [] }],
        },
        { "id": "rs_3", "type": "reasoning", "encrypted_content": "second", "summary": [] },
        call("fc_4", "call_4", "Paris"),
        call("fc_5", "call_5", "Rome"),
    ])
}

fn event(kind: &str, members: &Value) -> Value {
    let mut event = json!({ "type": format!("response.{kind}") });
    for (name, value) in members.as_object().into_iter().flatten() {
        event[name] = value.clone();
    }
    event
}

/// The same, as a stream.
fn events() -> Vec<Value> {
    let output = output();
    let begun = json!({ "id": "resp_1", "model": "gpt-5-script", "status": "queued" });
    let mut events = vec![event("created", &json!({ "response": begun }))];
    for (at, item) in (0_u64..).zip(output.as_array().into_iter().flatten()) {
        let begins = json!({ "id": item["id"], "type": item["type"], "status": "in_progress",
            "call_id": item["call_id"], "name": item["name"], "encrypted_content": "early" });
        events.push(event("output_item.added", &json!({ "output_index": at, "item": begins })));
        let delta = |kind: &str, delta: &Value| {
            event(kind, &json!({ "output_index": at, "item_id": item["id"], "delta": delta }))
        };
        match item["type"].as_str() {
            Some("reasoning") if at == 0 => {
                events.push(delta("reasoning_summary_text.delta", &json!("**Sea")));
                events.push(delta("reasoning_summary_text.delta", &json!("rch**")));
            }
            Some("message") => events.push(delta("output_text.delta", &json!("I "))),
            Some("function_call") => {
                events.push(delta("function_call_arguments.delta", &item["arguments"]));
            }
            _ => events.push(event("web_search_call.searching", &json!({ "output_index": at }))),
        }
        events.push(event("output_item.done", &json!({ "output_index": at, "item": item })));
    }
    events.push(event("completed", &json!({ "response": response("completed", &output) })));
    events
}

/// What a client that joins the deltas of a stream has in the end.
fn joined(answer: &Answer) -> Value {
    let mut message = json!({ "role": "assistant", "content": "", "tool_calls": [] });
    for frame in answer.frames() {
        let Some(delta) = frame.pointer("/choices/0/delta").and_then(Value::as_object) else {
            continue;
        };
        for (name, value) in delta {
            match (name.as_str(), &mut message[name]) {
                ("tool_calls", Value::Array(calls)) => join_call(calls, &value[0]),
                ("role", _) => {}
                (_, Value::String(text)) => text.push_str(value.as_str().unwrap_or_default()),
                (_, Value::Array(list)) => {
                    list.extend(value.as_array().cloned().unwrap_or_default());
                }
                (_, member) => *member = value.clone(),
            }
        }
    }
    message
}

fn join_call(calls: &mut Vec<Value>, piece: &Value) {
    let at = usize::try_from(piece["index"].as_u64().expect("an index")).expect("a small one");
    if at == calls.len() {
        calls.push(piece.clone());
        return;
    }
    if let Some(more) = piece["function"]["arguments"].as_str() {
        let text = calls[at]["function"]["arguments"].as_str().unwrap_or_default();
        calls[at]["function"]["arguments"] = json!(format!("{text}{more}"));
    }
    if piece.get("extra_content").is_some() {
        calls[at]["extra_content"] = piece["extra_content"].clone();
    }
}

/// The messages that follow on one that called both tools.
fn followed(message: &Value) -> Value {
    let result =
        |id: &str, text: &str| json!({ "role": "tool", "tool_call_id": id, "content": text });
    json!([question(), message, result("call_4", "rain"), result("call_5", "sun")])
}

fn assert_all_went_back(sent: &Value) {
    let items = sent["input"].as_array().expect("items");
    let ids: Vec<_> = items.iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(ids, ["rs_0", "ws_1", "msg_2", "rs_3", "fc_4", "fc_5"], "{sent}");
    let member = |at: usize, name: &str| items[at][name].clone();
    assert_eq!(member(1, "encrypted_content"), "first");
    assert_eq!(member(1, "summary"), output()[0]["summary"]);
    assert_eq!(member(2, "action"), output()[1]["action"]);
    assert_eq!(member(3, "phase"), "commentary");
    assert_eq!(member(3, "content")[0]["text"], "I ask.");
    assert_eq!(member(4, "encrypted_content"), "second");
    assert_eq!(member(5, "arguments"), "{\"city\":\"Paris\"}");
    let result = |id: &str, text: &str| json!({ "type": "function_call_output", "call_id": id, "output": text });
    assert_eq!(items[7..], [result("call_4", "rain"), result("call_5", "sun")]);
}

#[tokio::test]
async fn a_message_that_is_sent_back_as_it_was_received_sends_back_every_item() {
    let served = before(Reply::json(200, &response("completed", &output()))).await;
    let answer = served.post(CHAT, &request(&json!([question()]))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("x-allos-warning"), "");
    let body = answer.json();
    assert_eq!((&body["id"], &body["model"]), (&json!("resp_1"), &json!("gpt-5-script")));
    let choice = &body["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let message = &choice["message"];
    assert_eq!(message["content"], "I ask.");
    assert_eq!(message["reasoning_content"], "**Search**");
    let calls = message["tool_calls"].as_array().expect("calls");
    let ids: Vec<_> = calls.iter().map(|call| &call["id"]).collect();
    assert_eq!(ids, ["call_4", "call_5"], "the vendor's own tools are not the client's to run");
    assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 8);
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
    let asked = served.upstream.last();
    assert_eq!((asked.path.as_str(), asked.header("authorization")), ("/v1/responses", "Bearer k"));
    let sent = asked.json();
    assert_eq!((&sent["store"], &sent["tools"][0]["strict"]), (&json!(false), &json!(false)));
    assert_eq!(sent["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(sent["reasoning"], json!({ "effort": "low" }));

    let answer = served.post(CHAT, &request(&followed(message))).await;
    assert_eq!((answer.status, answer.header("x-allos-warning")), (200, ""), "{answer:?}");
    assert_all_went_back(&served.asked());
}

#[tokio::test]
async fn the_same_holds_for_a_stream_in_pieces_of_any_size() {
    for size in [1, 7, 37, 4096] {
        let served = before(Reply::events(events()).in_pieces_of(size)).await;
        let mut asked = request(&json!([question()]));
        asked["stream"] = json!(true);
        let answer = served.post(CHAT, &asked).await;
        assert_eq!(answer.streamed_text(), "I ask.", "{answer:?}");
        let message = joined(&answer);
        assert_eq!(message["reasoning_content"], "**Search**");
        let frames = answer.frames();
        assert_eq!(frames.last().expect("frames")["choices"][0]["finish_reason"], "tool_calls");
        asked["messages"] = followed(&message);
        served.post(CHAT, &asked).await;
        assert_all_went_back(&served.asked());
    }
}

/// A program of the model's that calls a function waits for the result under its own name.
#[tokio::test]
async fn the_result_of_a_call_that_a_program_made_names_the_program() {
    let caller = json!({ "type": "program", "caller_id": "call_0" });
    let program = json!({
        "id": "cm_0", "type": "program", "call_id": "call_0", "code": "f()", "fingerprint": "f",
    });
    let call = json!({
        "id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}",
        "status": "in_progress", "caller": caller,
    });
    let output = json!([program, call]);
    let served = before(Reply::json(200, &response("completed", &output))).await;
    let answer = served.post(CHAT, &request(&json!([question()]))).await;
    let message = answer.json()["choices"][0]["message"].clone();
    let result = json!({ "role": "tool", "tool_call_id": "call_1", "content": "7" });
    served.post(CHAT, &request(&json!([question(), message, result]))).await;
    let sent = served.asked()["input"].clone();
    assert_eq!((&sent[1], &sent[2]["caller"], &sent[3]["caller"]), (&program, &caller, &caller));
}

#[tokio::test]
async fn a_call_of_a_custom_tool_goes_there_and_back() {
    let output = json!([{ "type": "custom_tool_call", "id": "ctc_0", "call_id": "call_0",
        "name": "code", "input": "print(1)" }]);
    let served = before(Reply::json(200, &response("completed", &output))).await;
    let body = served.post(CHAT, &request(&json!([question()]))).await.json();
    let message = &body["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["custom"], json!({ "name": "code", "input": "print(1)" }));
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
    let result = json!({ "role": "tool", "tool_call_id": "call_0", "content": "1" });
    served.post(CHAT, &request(&json!([question(), message, result]))).await;
    let sent = served.asked();
    assert_eq!(sent["input"][1], output[0]);
    assert_eq!(sent["input"][2]["type"], "custom_tool_call_output");
}

#[tokio::test]
async fn an_answer_that_is_still_queued_is_an_error_and_never_an_empty_success() {
    let served = before(Reply::json(200, &response("queued", &json!([])))).await;
    let mut asked = request(&json!([question()]));
    asked["background"] = json!(true);
    let (status, _, code, message) = served.post(CHAT, &asked).await.error();
    assert_eq!((status, code), (502, json!("queued")), "{message}");
    assert!(message.contains("`queued`"), "{message}");
    assert_eq!(served.asked()["store"], true, "what is made elsewhere must be stored");
}

#[tokio::test]
async fn refusals_and_answers_cut_short_are_told_in_the_clients_words() {
    let content = json!([{ "type": "refusal", "refusal": "I can't." }]);
    let mut cut = response("incomplete", &json!([{ "type": "message", "content": content }]));
    cut["incomplete_details"] = json!({ "reason": "max_output_tokens" });
    let served = before(Reply::json(200, &cut)).await;
    let body = served.post(CHAT, &request(&json!([question()]))).await.json();
    assert_eq!(body["choices"][0]["message"]["refusal"], "I can't.");
    assert_eq!(body["choices"][0]["finish_reason"], "length");
}

#[tokio::test]
async fn failures_keep_what_the_vendor_said() {
    let error = json!({ "error": { "message": "no such model", "type": "invalid_request_error",
        "param": "model", "code": "model_not_found" } });
    let served = before(Reply::json(400, &error)).await;
    let answer = served.post(CHAT, &request(&json!([question()]))).await;
    assert_eq!((answer.status, answer.json()), (400, error));

    let mut failed = response("failed", &json!([]));
    failed["error"] = json!({ "code": "rate_limit_exceeded", "message": "slow down" });
    let served = before(Reply::json(200, &failed)).await;
    let (status, _, code, message) =
        served.post(CHAT, &request(&json!([question()]))).await.error();
    assert_eq!(
        (status, code, message.contains("slow down")),
        (429, json!("rate_limit_exceeded"), true)
    );
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_an_error_in_the_stream() {
    let served = before(Reply::events(&events()[..5])).await;
    let mut asked = request(&json!([question()]));
    asked["stream"] = json!(true);
    let answer = served.post(CHAT, &asked).await;
    let said = answer.frames().iter().any(|frame| frame["error"]["message"].is_string());
    assert!(said, "{answer:?}");
}

#[tokio::test]
async fn tokens_are_counted_by_this_api_alone() {
    let count = json!({ "object": "response.input_tokens", "input_tokens": 11 });
    let asked = json!({ "model": "openai/gpt-5", "messages": [question()] });
    let path = "/v1/messages/count_tokens";
    let served = before(Reply::json(200, &count)).await;
    assert_eq!(served.post(path, &asked).await.json(), json!({ "input_tokens": 11 }));
    assert_eq!(served.upstream.last().path, "/v1/responses/input_tokens");
    assert_eq!(served.asked()["input"], json!([question()]));

    let upstream = Upstream::always(Reply::json(200, &count)).await;
    let served = Served::start("openai", upstream, "/v1", "api_key = \"k\"\n").await;
    let answer = served.post(path, &asked).await;
    assert!(answer.status >= 400 && answer.text.contains("api = "), "{answer:?}");
    assert_eq!(served.upstream.received().len(), 0);
}

#[tokio::test]
async fn a_client_of_anthropics_dialect_sends_every_item_back_too() {
    let served = before(Reply::json(200, &response("completed", &output()))).await;
    let asked = |messages: Value| json!({ "model": "openai/gpt-5", "max_tokens": 99, "messages": messages });
    let answer = served.post("/v1/messages", &asked(json!([question()]))).await.json();
    assert_eq!(answer["stop_reason"], "tool_use", "{answer}");
    let result =
        |id: &str, text: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": text });
    let results = json!([result("call_4", "rain"), result("call_5", "sun")]);
    let message = json!({ "role": "assistant", "content": answer["content"] });
    let messages = json!([question(), message, { "role": "user", "content": results }]);
    let answer = served.post("/v1/messages", &asked(messages)).await;
    assert_eq!((answer.status, answer.header("x-allos-warning")), (200, ""), "{answer:?}");
    assert_all_went_back(&served.asked());
}

#[tokio::test]
async fn a_wrong_word_for_the_api_is_named_with_the_right_ones() {
    let upstream = Upstream::always(Reply::json(200, &json!({}))).await;
    let table = "api_key = \"k\"\noptions = { api = \"assistants\" }\n";
    let served = Served::start("openai", upstream, "/v1", table).await;
    let answer = served.post(CHAT, &request(&json!([question()]))).await;
    assert!(answer.status >= 400, "{answer:?}");
    for word in ["assistants", "`chat`", "`responses`"] {
        assert!(answer.text.contains(word), "{word}: {answer:?}");
    }
    assert_eq!(served.upstream.received().len(), 0);
}

#[tokio::test]
async fn a_missing_key_is_named_before_anything_is_sent() {
    let folder = PluginFolder::with(&["openai"]);
    let toml = "[providers.openai]\noptions = { api = \"responses\" }\n";
    let gateway = Gateway::start(&folder, toml).await;
    let answer = Client::new().post(&gateway.url(CHAT), &request(&json!([question()]))).await;
    assert!(answer.status >= 400 && answer.text.contains("OPENAI_API_KEY"), "{answer:?}");
}
