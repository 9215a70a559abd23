//! Requests as they are written, replies and streams as they are read, and the way from a reply to
//! the next request.

use allos_plugin_api::{
    ChatRequest, Collector, ErrorKind, Event, Finish, FunctionTool, Message, Part, ProviderChunk,
    ProviderError, ProviderResponse, ReplyReader, Role, ToolDefinition, Warnings,
};
use serde_json::{Value, json};

use crate::{Reader, counted, streamed, unstreamed};

/// The body of a request, and its warnings.
fn written(request: &ChatRequest) -> (Value, Vec<String>) {
    let mut warnings = Warnings::default();
    let body = unstreamed(request, None, &mut warnings).unwrap();
    (serde_json::from_str(&body).unwrap(), warnings.into_vec())
}

fn conversation(messages: &Value) -> ChatRequest {
    ChatRequest::new("gpt-5", serde_json::from_value(messages.clone()).unwrap())
}

/// The items of a conversation, and the warnings.
fn items(messages: &Value) -> (Value, Vec<String>) {
    let (mut body, warnings) = written(&conversation(messages));
    (body["input"].take(), warnings)
}

fn refusal(request: &ChatRequest) -> String {
    let error = unstreamed(request, None, &mut Warnings::default()).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
    error.message().to_owned()
}

fn collected(chunks: Vec<ProviderChunk>) -> ProviderResponse {
    let mut collector = Collector::default();
    for chunk in chunks {
        collector.push(chunk);
    }
    collector.into_response().unwrap()
}

/// Reads a reply in one piece.
fn whole(reply: &Value) -> Result<ProviderResponse, ProviderError> {
    let (mut reader, mut chunks) = (Reader::default(), Vec::new());
    reader.whole(reply, &reply.to_string(), &mut chunks)?;
    reader.end(&mut chunks)?;
    Ok(collected(chunks))
}

/// Reads a stream.
fn stream(frames: &[Value]) -> Result<Vec<ProviderChunk>, ProviderError> {
    let (mut reader, mut chunks) = (Reader::default(), Vec::new());
    for frame in frames {
        reader.frame("", frame, &frame.to_string(), &mut chunks)?;
    }
    reader.end(&mut chunks)?;
    Ok(chunks)
}

fn reply(output: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "model": "gpt-5-x",
        "status": "completed", "error": null, "output": output,
        "usage": {
            "input_tokens": 9, "input_tokens_details": { "cached_tokens": 4 },
            "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 3 },
        },
    })
}

/// An answer with an item of every kind.
fn output() -> Value {
    json!([
        {
            "type": "reasoning", "id": "rs_0", "encrypted_content": "e0", "content": [],
            "summary": [
                { "type": "summary_text", "text": "**a**\n\nb" },
                { "type": "summary_text", "text": "c" },
            ],
        },
        { "type": "web_search_call", "id": "ws_1", "status": "completed", "action": {} },
        {
            "type": "message", "id": "msg_2", "role": "assistant", "status": "completed",
            "phase": "commentary",
            "content": [{
                "type": "output_text", "text": "I look.", "logprobs": [],
                "annotations": [{ "type": "url_citation", "url": "u", "start_index": 0, "end_index": 1 }],
            }],
        },
        { "type": "reasoning", "id": "rs_3", "encrypted_content": "e3", "summary": [] },
        {
            "type": "function_call", "id": "fc_4", "status": "completed", "call_id": "call_4",
            "name": "f", "namespace": "n", "arguments": "{\"x\":1}",
        },
        { "type": "mcp_call", "id": "mcp_5", "name": "g", "arguments": "{}", "output": "o" },
        {
            "type": "custom_tool_call", "id": "ctc_6", "call_id": "call_6", "name": "code",
            "input": "print(1)",
        },
    ])
}

fn returned(content: Vec<Part>) -> (Vec<Value>, Vec<String>) {
    let (mut body, warnings) =
        written(&ChatRequest::new("gpt-5", vec![Message::new(Role::Assistant, content)]));
    (serde_json::from_value(body["input"].take()).unwrap(), warnings)
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["id"].as_str().unwrap_or("none")).collect()
}

const IDS: [&str; 7] = ["rs_0", "ws_1", "msg_2", "rs_3", "fc_4", "mcp_5", "ctc_6"];

#[test]
fn an_answer_goes_back_as_the_items_that_it_was() {
    let response = whole(&reply(&output())).unwrap();
    let choice = &response.choices[0];
    assert_eq!(choice.finish_reason.unified, Finish::ToolCalls);
    assert_eq!((response.first_text().as_str(), response.tool_calls().count()), ("I look.", 1));
    let (items, warnings) = returned(choice.message.content.clone());
    assert_eq!((ids(&items), warnings.len()), (IDS.to_vec(), 0));
    for (sent, came) in items.iter().zip(output().as_array().unwrap()) {
        for name in ["type", "encrypted_content", "summary", "call_id", "name", "input", "phase"] {
            assert_eq!(sent[name], came[name], "{name} of {sent}");
        }
    }
    assert_eq!(items[2]["content"][0]["annotations"][0]["url"], "u");
    assert_eq!(
        (&items[4]["namespace"], &items[4]["arguments"]),
        (&json!("n"), &json!("{\"x\":1}"))
    );
}

#[test]
fn an_answer_goes_back_in_the_vendors_order_whatever_order_a_client_brings_it_in() {
    let response = whole(&reply(&output())).unwrap();
    let mut content = response.choices[0].message.content.clone();
    content.sort_by_key(|part| match part {
        Part::Reasoning(_) | Part::Vendor(_) => 0,
        Part::Text(_) => 1,
        _ => 2,
    });
    let (items, warnings) = returned(content);
    assert_eq!((ids(&items), warnings.len()), (IDS.to_vec(), 0));
}

#[test]
fn an_answer_of_which_a_part_was_lost_goes_back_without_ids() {
    let response = whole(&reply(&output())).unwrap();
    let mut content = response.choices[0].message.content.clone();
    content.retain(|part| !matches!(part, Part::Reasoning(part) if part.text.is_empty()));
    let (items, warnings) = returned(content);
    let kept = ["none", "ws_1", "none", "none", "mcp_5", "none"];
    assert_eq!((ids(&items), warnings.len()), (kept.to_vec(), 1));
    assert_eq!(items[0]["encrypted_content"], "e0");
}

#[test]
fn an_empty_text_that_only_a_client_says_is_no_part_of_an_answer() {
    let thought =
        json!({ "type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "e0" });
    let mut content = whole(&reply(&json!([thought]))).unwrap().choices.remove(0).message.content;
    content.push(Part::text(""));
    assert_eq!(returned(content), (vec![thought], vec![]));
}

#[test]
fn reasoning_that_the_vendor_cannot_read_again_is_left_out_with_a_warning() {
    for part in [
        json!({ "type": "reasoning", "text": "t", "signature": "s", "format": "anthropic-claude-v1" }),
        json!({ "type": "reasoning", "text": "t" }),
        json!({ "type": "reasoning", "text": "t", "id": "rs_0", "format": "openai-responses-v1" }),
    ] {
        let part = serde_json::from_value(part).unwrap();
        let (items, warnings) = returned(vec![part, Part::text("a")]);
        assert_eq!((items.len(), warnings.len()), (1, 1), "{warnings:?}");
        assert_eq!(items[0]["content"][0]["text"], "a");
    }
    let mut request = conversation(&json!([{ "role": "assistant", "content": [
        { "type": "reasoning", "text": "", "id": "rs_0", "format": "openai-responses-v1" },
    ]}]));
    request.extra.insert("store".to_owned(), json!(true));
    assert_eq!(written(&request).0["input"][0]["type"], "reasoning");
}

#[test]
fn messages_of_every_role_are_items_in_their_order() {
    let image = |source: Value| json!({ "type": "image", "source": source, "detail": "low" });
    let file = |source: Value| json!({ "type": "file", "source": source });
    let (items, warnings) = items(&json!([
        { "role": "system", "content": [{ "type": "text", "text": "s" }] },
        { "role": "user", "content": [
            { "type": "text", "text": "q" },
            image(json!({ "type": "url", "url": "https://i" })),
            image(json!({ "type": "data", "media_type": "image/png", "base64": "AA==" })),
            image(json!({ "type": "id", "id": "file_1" })),
            file(json!({ "type": "data", "media_type": "application/pdf", "base64": "AA==" })),
            file(json!({ "type": "url", "url": "https://f" })),
            file(json!({ "type": "id", "id": "file_2" })),
        ]},
        { "role": "developer", "content": [{ "type": "text", "text": "d" }] },
    ]));
    assert_eq!(warnings.len(), 0);
    assert_eq!(items[0], json!({ "role": "system", "content": "s" }));
    assert_eq!(items[2], json!({ "role": "developer", "content": "d" }));
    let image =
        |name: &str, value: &str| json!({ "type": "input_image", name: value, "detail": "low" });
    assert_eq!(
        items[1]["content"],
        json!([
            { "type": "input_text", "text": "q" },
            image("image_url", "https://i"),
            image("image_url", "data:image/png;base64,AA=="),
            image("file_id", "file_1"),
            {
                "type": "input_file", "filename": "file.pdf",
                "file_data": "data:application/pdf;base64,AA==",
            },
            { "type": "input_file", "file_url": "https://f" },
            { "type": "input_file", "file_id": "file_2" },
        ])
    );
}

#[test]
fn results_of_tools_go_back_by_the_id_of_their_call() {
    let result = |id: &str, content: Value| {
        json!({
            "role": "tool", "content": [{ "type": "tool_result", "tool_call_id": id, "content": content }],
        })
    };
    let custom = json!({ "id": "b", "type": "custom", "custom": { "name": "code", "input": "1" } });
    let (items, _) = items(&json!([
        { "role": "assistant", "content": [
            { "type": "tool_call", "id": "a", "name": "f", "arguments": "" },
            { "type": "vendor", "format": "openai-chat", "raw": custom },
        ]},
        result("a", json!([{ "type": "text", "text": "r" }])),
        result("b", json!([
            { "type": "text", "text": "s" },
            { "type": "image", "source": { "type": "url", "url": "https://i" } },
        ])),
    ]));
    let call = json!({ "type": "function_call", "call_id": "a", "name": "f", "arguments": "{}" });
    assert_eq!(items[0], call);
    assert_eq!(items[1]["input"], "1");
    let output = json!({ "type": "function_call_output", "call_id": "a", "output": "r" });
    assert_eq!(items[2], output);
    assert_eq!(items[3]["type"], "custom_tool_call_output");
    assert_eq!(items[3]["output"][1]["image_url"], "https://i");
}

#[test]
fn nothing_is_stored_and_reasoning_comes_encrypted_unless_the_client_says_otherwise() {
    let mut request = conversation(&json!([]));
    let (body, _) = written(&request);
    assert_eq!(body["store"], false);
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
    request.extra.insert("store".to_owned(), json!(true));
    request.extra.insert("include".to_owned(), json!([]));
    request.logprobs = Some(true);
    let (body, _) = written(&request);
    assert_eq!(body["store"], true);
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
    let plain = ChatRequest::new("gpt-4o-mini", Vec::new());
    assert_eq!(written(&plain).0["include"], Value::Null);
    let stored = unstreamed(&plain, Some(true), &mut Warnings::default()).unwrap();
    assert!(stored.contains("\"store\":true"));
    assert!(streamed(&plain, None, &mut Warnings::default()).unwrap().contains("\"stream\":true"));
}

#[test]
fn tools_and_formats_are_written_flat_and_functions_are_not_strict_by_themselves() {
    let mut request = conversation(&json!([]));
    let vendor = |raw: Value| json!({ "type": "vendor", "format": "openai-chat", "raw": raw });
    let grammar = json!({ "type": "grammar", "grammar": { "syntax": "lark", "definition": "d" } });
    let custom = json!({ "type": "custom", "custom": { "name": "code", "format": grammar } });
    request.tools = vec![
        ToolDefinition::Function(FunctionTool { name: "f".to_owned(), ..FunctionTool::default() }),
        serde_json::from_value(vendor(custom)).unwrap(),
        serde_json::from_value(vendor(json!({ "type": "web_search" }))).unwrap(),
    ];
    let allowed = json!({ "type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{ "type": "function", "function": { "name": "f" } }],
    }});
    request.tool_choice = serde_json::from_value(vendor(allowed)).unwrap();
    request.response_format = serde_json::from_value(json!({
        "type": "json_schema", "name": "n", "schema": {}, "strict": true,
    }))
    .unwrap();
    request.extra.insert("verbosity".to_owned(), json!("low"));
    let (body, warnings) = written(&request);
    assert_eq!(warnings.len(), 0);
    assert_eq!(
        (&body["tools"][0]["name"], &body["tools"][0]["strict"]),
        (&json!("f"), &json!(false))
    );
    assert_eq!(
        body["tools"][1],
        json!({ "type": "custom", "name": "code", "format": {
            "type": "grammar", "syntax": "lark", "definition": "d",
        }})
    );
    assert_eq!(body["tools"][2], json!({ "type": "web_search" }));
    assert_eq!(body["tool_choice"]["tools"], json!([{ "type": "function", "name": "f" }]));
    let format = json!({ "type": "json_schema", "name": "n", "schema": {}, "strict": true });
    assert_eq!(body["text"], json!({ "format": format, "verbosity": "low" }));
}

#[test]
fn what_the_api_cannot_do_is_refused_or_a_warning() {
    let stop = ChatRequest { stop: vec!["x".to_owned()], ..conversation(&json!([])) };
    assert!(refusal(&stop).contains("`stop`"));
    let several = ChatRequest { choices: Some(2), ..conversation(&json!([])) };
    assert!(refusal(&several).contains("`choices`"));
    let sound = json!({ "type": "audio", "source": { "type": "data", "base64": "AA==" } });
    let sound = conversation(&json!([{ "role": "user", "content": [sound] }]));
    assert!(refusal(&sound).contains("sound in messages[0]"));
    let foreign = json!({ "type": "vendor", "format": "anthropic-messages", "raw": {} });
    let asked = conversation(&json!([{ "role": "user", "content": [foreign] }]));
    assert!(refusal(&asked).contains("anthropic-messages"));
    let (items, warnings) = items(&json!([{ "role": "assistant", "content": [foreign] }]));
    assert_eq!((items, warnings.len()), (json!([]), 1));
    let seeded = ChatRequest { seed: Some(1), ..conversation(&json!([])) };
    assert_eq!(written(&seeded).1, ["ignored: seed"]);
}

#[test]
fn a_count_is_asked_for_what_the_model_would_read() {
    let messages = json!([{ "role": "user", "content": [{ "type": "text", "text": "q" }] }]);
    let request = ChatRequest { temperature: Some(0.5), ..conversation(&messages) };
    let body: Value = serde_json::from_str(&counted(&request, None).unwrap()).unwrap();
    assert_eq!(body, json!({ "model": "gpt-5", "input": [{ "role": "user", "content": "q" }] }));
}

fn added(at: u64, item: &Value) -> Value {
    json!({ "type": "response.output_item.added", "output_index": at, "item": item })
}

fn done(at: u64, item: &Value) -> Value {
    json!({ "type": "response.output_item.done", "output_index": at, "item": item })
}

fn piece(kind: &str, at: u64, more: &Value) -> Value {
    let mut frame = json!({ "type": format!("response.{kind}"), "output_index": at });
    for (name, value) in more.as_object().unwrap() {
        frame[name] = value.clone();
    }
    frame
}

fn last(kind: &str, response: &Value) -> Value {
    json!({ "type": format!("response.{kind}"), "response": response })
}

#[test]
fn a_stream_says_the_same_as_the_reply_in_one_piece() {
    let output = output();
    let item = |at: usize| output[at].clone();
    let text =
        |delta: &str| piece("output_text.delta", 2, &json!({ "content_index": 0, "delta": delta }));
    let thought = |index: u64, delta: &str| {
        let more = json!({ "summary_index": index, "delta": delta, "item_id": "rs_0" });
        piece("reasoning_summary_text.delta", 0, &more)
    };
    let arguments =
        |delta: &str| piece("function_call_arguments.delta", 4, &json!({ "delta": delta }));
    let begun = json!({ "id": "resp_1", "created_at": 1_700_000_000, "model": "gpt-5-x" });
    let frames = [
        last("created", &begun),
        last("in_progress", &begun),
        added(0, &json!({ "type": "reasoning", "id": "rs_0", "encrypted_content": "early" })),
        thought(0, "**a**"),
        thought(0, "\n\nb"),
        thought(1, "c"),
        done(0, &item(0)),
        added(1, &json!({ "type": "web_search_call", "id": "ws_1", "status": "in_progress" })),
        json!({ "type": "response.web_search_call.searching", "output_index": 1 }),
        done(1, &item(1)),
        json!({ "type": "keepalive", "sequence_number": 3 }),
        text("I "),
        piece(
            "output_text.annotation.added",
            2,
            &json!({
                "content_index": 0, "annotation_index": 0,
                "annotation": output[2]["content"][0]["annotations"][0],
            }),
        ),
        done(2, &item(2)),
        done(3, &item(3)),
        added(
            4,
            &json!({ "type": "function_call", "call_id": "call_4", "name": "f", "id": "fc_4" }),
        ),
        arguments("{\"x\""),
        arguments(":1}"),
        done(4, &item(4)),
        json!({ "type": "response.of_tomorrow", "output_index": 5 }),
        last("completed", &reply(&output)),
    ];
    let chunks = stream(&frames).unwrap();
    let deltas = |chunks: &[ProviderChunk]| -> String {
        let texts = chunks.iter().filter_map(|chunk| match &chunk.event {
            Event::TextDelta(delta) => Some(format!("[{}]", delta.text)),
            _ => None,
        });
        texts.collect()
    };
    assert_eq!(deltas(&chunks), "[I ][look.]", "what no delta said comes with the whole");
    assert_eq!(collected(chunks), whole(&reply(&output)).unwrap());
}

#[test]
fn an_answer_that_is_not_whole_says_why() {
    let message = json!({ "type": "message", "id": "msg_0", "content": [
        { "type": "output_text", "text": "a" }, { "type": "refusal", "refusal": "no" },
    ]});
    for (reason, finish) in [
        ("max_output_tokens", Finish::Length),
        ("content_filter", Finish::ContentFilter),
        ("of_tomorrow", Finish::Other("of_tomorrow".to_owned())),
    ] {
        let mut incomplete = reply(&json!([message]));
        incomplete["status"] = json!("incomplete");
        incomplete["incomplete_details"] = json!({ "reason": reason });
        let response = whole(&incomplete).unwrap();
        assert_eq!(response.choices[0].finish_reason.unified, finish);
        assert_eq!(collected(stream(&[last("incomplete", &incomplete)]).unwrap()), response);
        let Part::Refusal(refusal) = &response.choices[0].message.content[1] else { panic!() };
        assert_eq!(refusal.text, "no");
    }
}

#[test]
fn an_answer_that_is_not_there_is_an_error() {
    for (status, output) in [
        ("queued", json!([])),
        ("in_progress", json!([])),
        ("cancelled", json!([])),
        ("completed", json!([])),
        ("completed", Value::Null),
    ] {
        let mut absent = reply(&output);
        absent["status"] = json!(status);
        assert_eq!(whole(&absent).unwrap_err().kind(), &ErrorKind::MalformedReply, "{status}");
    }
    assert_eq!(whole(&json!("text")).unwrap_err().kind(), &ErrorKind::MalformedReply);
    let begun = last("in_progress", &reply(&json!([])));
    assert_eq!(stream(&[begun]).unwrap_err(), ProviderError::truncated());
}

#[test]
fn a_failure_is_read_wherever_it_is_said() {
    let error = json!({ "code": "rate_limit_exceeded", "message": "slow down" });
    let mut failed = reply(&json!([]));
    failed["status"] = json!("failed");
    failed["error"] = error.clone();
    let flat = json!({ "type": "error", "code": error["code"], "message": error["message"] });
    for error in [
        whole(&failed).unwrap_err(),
        stream(&[last("failed", &failed)]).unwrap_err(),
        stream(&[flat]).unwrap_err(),
        stream(&[json!({ "type": "error", "error": error })]).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.message()), (&ErrorKind::RateLimit, "slow down"));
        assert_eq!(error.body(), None);
    }
    failed["error"] = json!({ "code": "invalid_image_url", "message": "m" });
    assert_eq!(whole(&failed).unwrap_err().kind(), &ErrorKind::InvalidRequest);
}

#[test]
fn a_tool_of_the_vendors_that_the_client_must_run_finishes_so() {
    let search = |execution: &str| json!([{ "type": "tool_search_call", "id": "tsc_0", "execution": execution }]);
    for (output, finish) in [
        (search("client"), Finish::ToolCalls),
        (search("server"), Finish::Stop),
        (json!([{ "type": "computer_call", "id": "cu_0" }]), Finish::ToolCalls),
        (json!([{ "type": "file_search_call", "id": "fs_0" }]), Finish::Stop),
    ] {
        let response = whole(&reply(&output)).unwrap();
        assert_eq!(response.choices[0].finish_reason.unified, finish, "{output}");
        assert_eq!(response.tool_calls().count(), 0);
    }
}

#[test]
fn no_place_of_a_remark_is_too_far_away() {
    let remark = json!({
        "type": "response.output_text.annotation.added", "annotation_index": u64::MAX,
        "annotation": { "type": "url_citation" },
    });
    let (mut reader, mut chunks) = (Reader::default(), Vec::new());
    reader.frame("", &remark, "", &mut chunks).unwrap();
    assert!(matches!(chunks.last().unwrap().event, Event::Annotation(_)));
}
