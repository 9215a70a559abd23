//! Tests of writing a whole reply.

use allos_plugin_api::{Finish, RefusalPart, VendorPart};

use super::*;
use crate::gateway::json::Path;

#[test]
fn a_plain_answer_has_the_shape_that_clients_expect() {
    let mut response = ProviderResponse::text("hello");
    response.id = Some("c1".to_owned());
    response.created = Some(7);
    let usage = Usage { input_tokens: Some(1), output_tokens: Some(1), ..Usage::default() };
    response.usage = Some(usage);
    let expected = json!({
        "id": "c1",
        "object": "chat.completion",
        "created": 7,
        "model": "echo/echo",
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": "hello", "refusal": null },
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": { "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 },
    });
    assert_eq!(completion(&response, "echo/echo"), expected);
}

#[test]
fn a_call_carries_its_signature_where_clients_keep_it() {
    let signature = Some("s".to_owned());
    let (id, name, arguments) = ("c1".to_owned(), "f".to_owned(), "{}".to_owned());
    let call = ToolCall { id, name, arguments, signature, ..ToolCall::default() };
    let message = message(&[Part::ToolCall(call)]);
    assert_eq!(message["content"], Value::Null);
    let signature = message.pointer("/tool_calls/0/extra_content/google/thought_signature");
    assert_eq!(signature, Some(&json!("s")));
}

#[test]
fn what_a_vendor_ran_itself_is_neither_text_nor_a_call() {
    let raw = json!({ "type": "server_tool_use", "name": "web_search" });
    let format = "anthropic-messages".to_owned();
    let provider_data = ProviderData::from([(format.clone(), json!({ "container": "c" }))]);
    let vendor = Part::Vendor(VendorPart { format, raw, provider_data });
    let detail = json!({
        "type": "vendor.trace",
        "format": "anthropic-messages",
        "data": { "type": "server_tool_use", "name": "web_search" },
        "extra_content": { "anthropic-messages": { "container": "c" } },
        "index": 0,
    });
    let expected = json!({
        "role": "assistant", "content": "a", "refusal": null, "reasoning_details": [detail],
    });
    assert_eq!(message(&[vendor.clone(), Part::text("a")]), expected);
    let chat = crate::gateway::openai::message::message(expected, Path::Body).unwrap();
    assert_eq!(chat.content, [vendor, Part::text("a")]);
}

#[test]
fn plain_reasoning_is_text_and_has_no_details() {
    let part = ReasoningPart { text: "hm".to_owned(), ..ReasoningPart::default() };
    let message = message(&[Part::Reasoning(part), Part::text("a")]);
    assert_eq!(message["reasoning_content"], "hm");
    assert_eq!(message.get("reasoning_details"), None);
}

#[test]
fn a_refusal_is_not_text() {
    let refusal = RefusalPart { text: "no".to_owned(), ..RefusalPart::default() };
    let message = message(&[Part::Refusal(refusal)]);
    assert_eq!((&message["content"], &message["refusal"]), (&Value::Null, &json!("no")));
}

#[test]
fn a_citation_is_written_in_this_dialects_shape() {
    let remark = Annotation {
        kind: "url_citation".to_owned(),
        url: Some("https://example.com".to_owned()),
        start_index: Some(1),
        ..Annotation::default()
    };
    let expected = json!({
        "type": "url_citation",
        "url_citation": { "url": "https://example.com", "start_index": 1 },
    });
    assert_eq!(annotation(&remark), expected);
}

#[test]
fn tokens_that_were_not_reported_are_absent() {
    let reported = Usage { reasoning_tokens: Some(0), input_tokens: Some(3), ..Usage::default() };
    let expected = json!({
        "prompt_tokens": 3,
        "completion_tokens_details": { "reasoning_tokens": 0 },
    });
    assert_eq!(usage(&reported), expected);
}

#[test]
fn a_finish_that_nobody_knows_keeps_its_word() {
    let reason = FinishReason::of(Finish::Other("paused".to_owned()), None);
    assert_eq!(finish_reason(&reason), "paused");
}
