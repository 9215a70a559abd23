//! Tests of reading a chat request and everything in it.

use allos_plugin_api::{Part, ReasoningPart, Role, Source, ToolChoice, ToolDefinition};
use serde_json::json;

use super::*;

fn read_members(members: Value) -> Result<ClientRequest, Invalid> {
    let mut body = json!({
        "model": "echo/echo",
        "messages": [{ "role": "user", "content": "hello" }],
    });
    if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
        body.extend(members);
    }
    let text = body.to_string();
    read(body, text)
}

fn parts_of(message: &Value) -> Result<Vec<Part>, Invalid> {
    let request = read_members(json!({ "messages": [message] }))?;
    Ok(request.chat.messages.into_iter().flat_map(|message| message.content).collect())
}

fn refusal(members: Value) -> Option<(String, &'static str)> {
    read_members(members).err().map(|invalid| (invalid.param, invalid.code))
}

#[test]
fn parameters_are_read_and_others_kept_by_name() -> Result<(), Invalid> {
    let request = read_members(json!({
        "max_tokens": 9,
        "max_completion_tokens": 10,
        "stop": "x",
        "n": 2,
        "reasoning_effort": "low",
        "reasoning": { "max_tokens": 5, "exclude": true },
        "stream": true,
        "stream_options": { "include_usage": true },
        "temperature": null,
        "service_tier": "flex",
    }))?;
    assert!(request.stream && request.include_usage);
    let chat = request.chat;
    assert_eq!((chat.max_output_tokens, chat.choices, chat.temperature), (Some(10), Some(2), None));
    assert_eq!(chat.stop, ["x"]);
    let reasoning = chat.reasoning.unwrap_or_default();
    assert_eq!(reasoning.effort, Some(ReasoningEffort::Low));
    assert_eq!(reasoning.budget_tokens, Some(5));
    assert_eq!(Value::Object(reasoning.extra), json!({ "exclude": true }));
    assert_eq!(Value::Object(chat.extra), json!({ "service_tier": "flex" }));
    assert_eq!(chat.body.map(|body| body.dialect), Some(Dialect::OpenAiChat));
    Ok(())
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let image = json!({ "type": "image_url", "image_url": { "url": 5 } });
    let messages = json!([{ "role": "user", "content": [image] }]);
    let path = "messages[0].content[0].image_url.url".to_owned();
    assert_eq!(refusal(json!({ "messages": messages })), Some((path, "invalid_type")));
    let path = "messages[0].role".to_owned();
    let messages = json!([{ "role": "oracle", "content": "x" }]);
    assert_eq!(refusal(json!({ "messages": messages })), Some((path, "invalid_value")));
    let tools = json!([{ "type": "function", "function": {} }]);
    let missing = "missing_required_parameter";
    let path = "tools[0].function.name".to_owned();
    assert_eq!(refusal(json!({ "tools": tools })), Some((path, missing)));
    assert_eq!(refusal(json!({ "model": null })), Some(("model".to_owned(), missing)));
    assert_eq!(
        refusal(json!({ "temperature": "1" })).map(|(path, _)| path),
        Some("temperature".into())
    );
    assert_eq!(refusal(json!({ "n": 0 })).map(|(path, _)| path), Some("n".into()));
}

#[test]
fn a_data_address_becomes_the_bytes_themselves() -> Result<(), Invalid> {
    let url = "data:image/png;base64,AAAA";
    let image = json!({ "type": "image_url", "image_url": { "url": url, "detail": "low" } });
    let parts = parts_of(&json!({ "role": "user", "content": [image] }))?;
    let [Part::Image(image)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!(image.source, Source::data("image/png", "AAAA"));
    assert_eq!(image.detail.as_deref(), Some("low"));
    Ok(())
}

#[test]
fn a_part_of_an_unknown_type_stays_as_it_came() -> Result<(), Invalid> {
    let video = json!({ "type": "video_url", "video_url": { "url": "https://example.com/v" } });
    let parts = parts_of(&json!({ "role": "user", "content": [video] }))?;
    let [Part::Vendor(vendor)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((vendor.format.as_str(), &vendor.raw), ("openai-chat", &video));
    Ok(())
}

#[test]
fn a_tool_message_becomes_a_result() -> Result<(), Invalid> {
    let parts = parts_of(&json!({ "role": "tool", "tool_call_id": "c1", "content": "4" }))?;
    let [Part::ToolResult(result)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((result.tool_call_id.as_str(), result.text().as_str()), ("c1", "4"));
    Ok(())
}

#[test]
fn a_call_keeps_its_signature_and_where_it_stood() -> Result<(), Invalid> {
    let extra = json!({ "google": { "thought_signature": "s" } });
    let function = json!({ "name": "f", "arguments": "{\"a\":1}" });
    let call =
        json!({ "id": "c1", "type": "function", "function": function, "extra_content": extra });
    let parts = parts_of(&json!({ "role": "assistant", "content": null, "tool_calls": [call] }))?;
    let [Part::ToolCall(call)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("f", "{\"a\":1}"));
    assert_eq!(call.signature.as_deref(), Some("s"));
    assert_eq!(call.extra.get("extra_content"), Some(&extra));
    Ok(())
}

fn reasoning_of(message: &Value) -> Result<Vec<ReasoningPart>, Invalid> {
    let reasoning = |part| match part {
        Part::Reasoning(part) => Some(part),
        _ => None,
    };
    Ok(parts_of(message)?.into_iter().filter_map(reasoning).collect())
}

#[test]
fn reasoning_is_read_once_where_text_and_details_say_the_same() -> Result<(), Invalid> {
    let parts = reasoning_of(&json!({
        "role": "assistant",
        "content": "4",
        "reasoning": "two and two",
        "reasoning_details": [
            { "type": "reasoning.summary", "summary": "two and two", "index": 0 },
            { "type": "reasoning.encrypted", "data": "xyz", "id": "rs_1", "index": 0 },
        ],
    }))?;
    let [summary, encrypted] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!((summary.text.as_str(), summary.summary), ("two and two", true));
    assert_eq!(encrypted.redacted.as_deref(), Some("xyz"));
    assert_eq!(encrypted.id.as_deref(), Some("rs_1"));
    assert_eq!(encrypted.extra.get("index"), Some(&json!(0)));
    Ok(())
}

#[test]
fn a_thinking_part_is_reasoning() -> Result<(), Invalid> {
    let thinking = json!([{ "type": "text", "text": "a" }, { "type": "text", "text": "b" }]);
    let part = json!({ "type": "thinking", "thinking": thinking });
    let parts = reasoning_of(&json!({ "role": "assistant", "content": [part] }))?;
    assert_eq!(parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>(), ["ab"]);
    Ok(())
}

#[test]
fn tools_of_other_kinds_and_choices_stay_as_they_came() -> Result<(), Invalid> {
    let search = json!({ "type": "openrouter:web_search", "parameters": { "max_uses": 1 } });
    let untyped = json!({ "function": { "name": "f", "strict": true } });
    let choice = json!({ "type": "function", "function": { "name": "f" } });
    let request = read_members(json!({ "tools": [search, untyped], "tool_choice": choice }))?;
    let [ToolDefinition::Vendor(vendor), ToolDefinition::Function(function)] =
        request.chat.tools.as_slice()
    else {
        panic!("{:?}", request.chat.tools)
    };
    assert_eq!(vendor.raw, search);
    assert_eq!((function.name.as_str(), function.strict), ("f", Some(true)));
    assert_eq!(request.chat.tool_choice, Some(ToolChoice::tool("f")));
    let allowed = json!({ "type": "allowed_tools", "allowed_tools": { "mode": "auto" } });
    let request = read_members(json!({ "tool_choice": allowed }))?;
    assert!(matches!(request.chat.tool_choice, Some(ToolChoice::Vendor(_))));
    Ok(())
}

#[test]
fn an_answer_that_is_sent_back_is_what_was_given() -> Result<(), Invalid> {
    let parts = vec![
        Part::Reasoning(ReasoningPart {
            text: "hm".to_owned(),
            signature: Some("s".to_owned()),
            format: Some("anthropic-claude-v1".to_owned()),
            extra: json!({ "index": 0 }).as_object().cloned().unwrap_or_default(),
            ..ReasoningPart::default()
        }),
        Part::text("4"),
    ];
    let choice = allos_plugin_api::Choice::new(parts.clone(), allos_plugin_api::FinishReason::STOP);
    let response =
        allos_plugin_api::ProviderResponse { choices: vec![choice], ..Default::default() };
    let written = super::super::response::completion(&response, "m");
    assert_eq!(parts_of(&written["choices"][0]["message"])?, parts);
    Ok(())
}

#[test]
fn a_role_must_be_there_and_content_too_but_for_the_assistant() {
    let role = json!({ "messages": [{ "content": "x" }] });
    assert_eq!(refusal(role).map(|(path, _)| path), Some("messages[0].role".into()));
    let content = json!({ "messages": [{ "role": "user", "content": null }] });
    assert_eq!(refusal(content).map(|(path, _)| path), Some("messages[0].content".into()));
    let developer = read_members(json!({ "messages": [{ "role": "developer", "content": [] }] }));
    let role = developer.map(|request| request.chat.messages[0].role.clone());
    assert_eq!(role, Ok(Role::Developer));
}
