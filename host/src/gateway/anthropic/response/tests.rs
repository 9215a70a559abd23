//! Tests of writing a whole reply.

use allos_plugin_api::{
    Choice, Finish, ProviderData, ReasoningPart, RefusalPart, Usage, VendorPart,
};

use super::*;
use crate::gateway::anthropic::vendor::unseal;

fn reply(parts: Vec<Part>, finish: FinishReason) -> Value {
    let choices = vec![Choice::new(parts, finish)];
    message(&ProviderResponse { choices, ..ProviderResponse::default() }, "echo/echo")
}

#[test]
fn a_plain_answer_has_the_shape_that_clients_expect() {
    let mut response = ProviderResponse::text("hello");
    response.id = Some("msg_1".to_owned());
    let usage = Usage { input_tokens: Some(1), output_tokens: Some(2), ..Usage::default() };
    response.usage = Some(usage);
    let expected = json!({
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "echo/echo",
        "content": [{ "type": "text", "text": "hello" }],
        "stop_reason": "end_turn",
        "stop_sequence": null,
        "usage": { "input_tokens": 1, "output_tokens": 2 },
    });
    assert_eq!(message(&response, "echo/echo"), expected);
}

#[test]
fn a_message_without_an_id_gets_one() {
    let message = reply(vec![], FinishReason::STOP);
    assert!(message["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{message}");
    assert_eq!(message["content"], json!([]));
    assert_eq!(message["usage"], json!({ "input_tokens": 0, "output_tokens": 0 }));
}

#[test]
fn a_call_has_its_input_as_an_object() {
    let call = |arguments: &str| {
        let (id, name, arguments) = ("c".to_owned(), "f".to_owned(), arguments.to_owned());
        Part::ToolCall(ToolCall { id, name, arguments, ..ToolCall::default() })
    };
    let calls = vec![call(r#"{"a":1}"#), call(""), call("[half")];
    let message = reply(calls, FinishReason::new(Finish::ToolCalls, "tool_calls"));
    assert_eq!(message["stop_reason"], "tool_use");
    let inputs: Vec<&Value> = message["content"].as_array().into_iter().flatten().collect();
    let inputs: Vec<&Value> = inputs.into_iter().map(|block| &block["input"]).collect();
    assert_eq!(inputs, [&json!({ "a": 1 }), &json!({}), &json!({ "INVALID_JSON": "[half" })]);
}

#[test]
fn a_refusal_is_text_and_the_reason_of_the_end() {
    let refusal = RefusalPart { text: "no".to_owned(), ..RefusalPart::default() };
    let message = reply(vec![Part::Refusal(refusal)], FinishReason::STOP);
    assert_eq!(message["content"], json!([{ "type": "text", "text": "no" }]));
    assert_eq!(message["stop_reason"], "refusal");
}

#[test]
fn the_vendors_word_stays_where_it_is_anthropics_and_means_the_same() {
    for (unified, raw, expected) in [
        (Finish::Stop, "stop_sequence", "stop_sequence"),
        (Finish::Stop, "pause_turn", "pause_turn"),
        (Finish::Stop, "stop", "end_turn"),
        (Finish::Length, "model_context_window_exceeded", "model_context_window_exceeded"),
        (Finish::Length, "length", "max_tokens"),
        (Finish::ToolCalls, "end_turn", "tool_use"),
        (Finish::ContentFilter, "SAFETY", "refusal"),
        (Finish::Error, "error", "error"),
    ] {
        assert_eq!(stop_reason(&FinishReason::new(unified, raw), false), expected, "{raw}");
    }
}

#[test]
fn blocks_of_anthropics_own_are_there_and_those_of_others_are_sealed() {
    let raw = json!({ "type": "server_tool_use", "name": "web_search" });
    let part = |format: &str| {
        let format = format.to_owned();
        let data = json!({ "container": { "id": "container_1" } });
        let provider_data = ProviderData::from([("anthropic-messages".to_owned(), data)]);
        Part::Vendor(VendorPart { format, raw: raw.clone(), provider_data })
    };
    let message =
        reply(vec![part("anthropic-messages"), part("google-generate")], FinishReason::STOP);
    assert_eq!(message["content"][0], raw);
    let sealed = message["content"][1]["data"].as_str().unwrap();
    assert_eq!(unseal(sealed), Some(part("google-generate")));
    assert_eq!(message["container"], json!({ "id": "container_1" }));
}

#[test]
fn the_input_of_a_custom_tool_is_that_of_a_call() {
    let custom = json!({ "name": "sql", "input": "SELECT 1" });
    let raw = json!({ "id": "call_1", "type": "custom", "custom": custom });
    let (format, provider_data) = ("openai-chat".to_owned(), ProviderData::new());
    let part = Part::Vendor(VendorPart { format, raw, provider_data });
    let call = json!({
        "type": "tool_use", "id": "call_1", "name": "sql", "input": { "INVALID_JSON": "SELECT 1" },
    });
    assert_eq!(reply(vec![part], FinishReason::STOP)["content"], json!([call]));
}

#[test]
fn a_source_is_a_citation() {
    let own = json!({ "type": "char_location", "cited_text": "x", "document_index": 0 });
    let kept = Annotation { raw: Some(own.clone()), ..Annotation::default() };
    assert_eq!(citation(&kept), Some(own));
    let url = Some("https://example.com".to_owned());
    let address = Annotation { kind: "url_citation".to_owned(), url, ..Annotation::default() };
    let built = citation(&address).unwrap_or_default();
    assert_eq!(
        (&built["type"], &built["url"]),
        (&json!("web_search_result_location"), &json!("https://example.com"))
    );
    assert_eq!(citation(&Annotation::default()), None);
}

#[test]
fn what_was_cached_is_counted_beside_the_input() {
    let reported = Usage {
        input_tokens: Some(100),
        output_tokens: Some(9),
        cache_read_tokens: Some(60),
        cache_write_tokens: Some(30),
        reasoning_tokens: Some(4),
        raw: Some(json!({ "prompt_tokens": 100 })),
        ..Usage::default()
    };
    let expected = json!({
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 9,
        "output_tokens_details": { "thinking_tokens": 4 },
    });
    assert_eq!(usage(Some(&reported)), expected);
    let twice = Usage { cache_write_tokens: Some(60), ..reported.clone() };
    let expected = json!({
        "input_tokens": 0,
        "cache_creation_input_tokens": 40,
        "cache_read_input_tokens": 60,
        "output_tokens": 9,
        "output_tokens_details": { "thinking_tokens": 4 },
    });
    assert_eq!(usage(Some(&twice)), expected, "the counts add up to what was read");
    let raw = json!({
        "input_tokens": 10, "output_tokens": 9, "service_tier": "standard",
        "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30,
    });
    let own = Usage { raw: Some(raw.clone()), reasoning_tokens: None, ..reported };
    assert_eq!(usage(Some(&own)), raw);
}

#[test]
fn reasoning_that_says_nothing_is_no_block() {
    let format = Some("openai-responses-v1".to_owned());
    let part = ReasoningPart { format, ..ReasoningPart::default() };
    assert_eq!(blocks(&Part::Reasoning(part)), Vec::<Value>::new());
}
