//! Tests of reading a request and everything in it.

use allos_plugin_api::{
    ImagePart, Part, ReasoningPart, Role, Source, TextPart, ToolCall, ToolChoice, ToolDefinition,
    VendorPart,
};
use axum::http::HeaderValue;
use serde_json::json;

use super::*;
use crate::gateway::anthropic::response::blocks;

fn read_members(members: Value) -> Result<ChatRequest, Invalid> {
    let mut body = json!({
        "model": "echo/echo",
        "max_tokens": 9,
        "messages": [{ "role": "user", "content": "hello" }],
    });
    if let (Some(body), Value::Object(members)) = (body.as_object_mut(), members) {
        body.extend(members);
    }
    let text = body.to_string();
    Ok(read(body, text, &HeaderMap::new())?.into_chat()?.0)
}

fn messages_of(messages: &Value) -> Result<Vec<Message>, Invalid> {
    read_members(json!({ "messages": messages })).map(|request| request.messages)
}

fn parts_of(role: &str, content: &Value) -> Result<Vec<Part>, Invalid> {
    let messages = messages_of(&json!([{ "role": role, "content": content }]))?;
    Ok(messages.into_iter().flat_map(|message| message.content).collect())
}

fn refusal(members: Value) -> Option<String> {
    read_members(members).err().map(|invalid| invalid.param)
}

#[test]
fn parameters_are_read_and_others_kept_by_name() -> Result<(), Invalid> {
    let chat = read_members(json!({
        "system": [{ "type": "text", "text": "be brief", "cache_control": { "type": "ephemeral" } }],
        "stop_sequences": ["x"],
        "top_k": 5,
        "temperature": null,
        "metadata": { "user_id": "u", "team": "t" },
        "output_config": { "effort": "max", "task_budget": { "total": 5 } },
        "service_tier": "auto",
        "cache_control": { "type": "ephemeral" },
    }))?;
    let roles: Vec<&Role> = chat.messages.iter().map(|message| &message.role).collect();
    assert_eq!(roles, [&Role::System, &Role::User]);
    let [Part::Text(system)] = chat.messages[0].content.as_slice() else { panic!("{chat:?}") };
    assert_eq!(
        Value::Object(system.extra.clone()),
        json!({ "cache_control": { "type": "ephemeral" } })
    );
    assert_eq!((chat.max_output_tokens, chat.top_k, chat.temperature), (Some(9), Some(5), None));
    assert_eq!((chat.stop, chat.user.as_deref()), (vec!["x".to_owned()], Some("u")));
    let effort = chat.reasoning.and_then(|reasoning| reasoning.effort);
    assert_eq!(effort, Some(ReasoningEffort::Other("max".to_owned())));
    let extra = json!({
        "metadata": { "team": "t" },
        "output_config": { "task_budget": { "total": 5 } },
        "service_tier": "auto",
        "cache_control": { "type": "ephemeral" },
    });
    assert_eq!(Value::Object(chat.extra), extra);
    assert_eq!(chat.body.map(|body| body.dialect), Some(Dialect::AnthropicMessages));
    Ok(())
}

#[test]
fn only_headers_of_the_dialect_go_along() -> Result<(), Invalid> {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("anthropic-beta", "a"),
        ("anthropic-beta", "b"),
        ("anthropic-version", "2023-06-01"),
        ("x-api-key", "secret"),
        ("anthropic-dangerous-direct-browser-access", "true"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "a" }] });
    let chat = read(body, String::new(), &headers)?.into_prompt();
    let sent: Vec<_> =
        chat.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(sent, ["anthropic-beta: a,b", "anthropic-version: 2023-06-01"]);
    Ok(())
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let message = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    for (members, path) in [
        (json!({ "model": null }), "model"),
        (json!({ "max_tokens": null }), "max_tokens"),
        (json!({ "messages": null }), "messages"),
        (json!({ "messages": [] }), "messages"),
        (json!({ "messages": [{ "role": "tool", "content": "a" }] }), "messages[0].role"),
        (json!({ "messages": [{ "role": "user" }] }), "messages[0].content"),
        (json!({ "tools": [{ "input_schema": {} }] }), "tools[0].name"),
        (
            json!({ "thinking": { "type": "enabled", "budget_tokens": "x" } }),
            "thinking.budget_tokens",
        ),
        (message(json!([{ "text": "a" }])), "messages[0].content[0].type"),
        (message(json!([{ "type": "text" }])), "messages[0].content[0].text"),
        (message(json!([{ "type": "image" }])), "messages[0].content[0].source"),
        (
            message(json!([{ "type": "image", "source": { "type": "base64", "data": "" } }])),
            "messages[0].content[0].source.media_type",
        ),
        (message(json!([{ "type": "tool_result" }])), "messages[0].content[0].tool_use_id"),
    ] {
        assert_eq!(refusal(members).as_deref(), Some(path));
    }
}

#[test]
fn a_prompt_that_is_counted_needs_no_limit() -> Result<(), Invalid> {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "a" }] });
    let chat = read(body, String::new(), &HeaderMap::new())?.into_prompt();
    assert_eq!(chat.max_output_tokens, None);
    Ok(())
}

#[test]
fn thinking_and_effort_are_kept_apart() -> Result<(), Invalid> {
    let enabled = json!({ "type": "enabled", "budget_tokens": 1024 });
    let adaptive = json!({ "type": "adaptive", "display": "omitted" });
    let disabled = json!({ "type": "disabled" });
    let effort = json!({ "effort": "low" });
    for (thinking, config, expected) in [
        (&enabled, None, json!({ "budget_tokens": 1024 })),
        (&adaptive, Some(&effort), json!({ "effort": "low", "extra": adaptive })),
        (&disabled, None, json!({ "effort": "none" })),
        (&disabled, Some(&effort), json!({ "effort": "low", "extra": disabled })),
    ] {
        let chat = read_members(json!({ "thinking": thinking, "output_config": config }))?;
        assert_eq!(json!(chat.reasoning), expected);
    }
    Ok(())
}

#[test]
fn a_schema_is_read_and_another_format_stays_as_it_came() -> Result<(), Invalid> {
    let of = |format: Value| read_members(json!({ "output_config": { "format": format } }));
    let chat = of(json!({ "type": "json_schema", "schema": { "type": "object" } }))?;
    let Some(ResponseFormat::JsonSchema(schema)) = chat.response_format else { panic!("a schema") };
    assert_eq!(schema.schema, Some(json!({ "type": "object" })));
    let grammar = of(json!({ "type": "grammar" }))?;
    assert!(matches!(grammar.response_format, Some(ResponseFormat::Vendor(_))));
    Ok(())
}

#[test]
fn sources_are_read_and_unknown_ones_stay_as_they_came() -> Result<(), Invalid> {
    let image = |source: Value| json!({ "type": "image", "source": source });
    let document = |source: Value| json!({ "type": "document", "source": source, "title": "T" });
    let content = json!([
        image(json!({ "type": "base64", "media_type": "image/png", "data": "AAAA" })),
        image(json!({ "type": "url", "url": "https://example.com/a.png" })),
        document(json!({ "type": "file", "file_id": "file_1" })),
        document(json!({ "type": "text", "media_type": "text/plain", "data": "hi" })),
        document(json!({ "type": "content", "content": "hi" })),
    ]);
    let parts = parts_of("user", &content)?;
    let [
        Part::Image(data),
        Part::Image(url),
        Part::File(id),
        Part::File(text),
        Part::Vendor(vendor),
    ] = parts.as_slice()
    else {
        panic!("{parts:?}")
    };
    assert_eq!(data.source, Source::data("image/png", "AAAA"));
    assert_eq!(url.source, Source::url("https://example.com/a.png"));
    assert_eq!((&id.source, id.filename.as_deref()), (&Source::id("file_1"), Some("T")));
    assert_eq!(text.source, Source::data("text/plain", "aGk="));
    assert_eq!(vendor.raw, content[4]);
    Ok(())
}

#[test]
fn a_users_turn_is_split_by_who_speaks() -> Result<(), Invalid> {
    let result = |id: &str| json!({ "type": "tool_result", "tool_use_id": id, "content": id });
    let cached = json!({ "type": "text", "text": "go on" });
    let failed = json!({
        "type": "tool_result", "tool_use_id": "c", "is_error": true, "cache_control": {},
        "content": [{ "type": "tool_reference", "tool_name": "f" }],
    });
    let content = json!([result("a"), result("b"), cached, failed]);
    let messages = messages_of(&json!([{ "role": "user", "content": content }]))?;
    let roles: Vec<&str> = messages.iter().map(|message| message.role.as_str()).collect();
    assert_eq!(roles, ["tool", "tool", "user", "tool"]);
    let Part::ToolResult(last) = &messages[3].content[0] else { panic!("{messages:?}") };
    assert!(last.is_error && last.extra.contains_key("cache_control"));
    assert!(matches!(last.content.as_slice(), [Part::Vendor(_)]));
    Ok(())
}

#[test]
fn a_call_keeps_the_order_of_its_input_and_who_made_it() -> Result<(), Invalid> {
    let caller = json!({ "type": "direct" });
    let call = json!({
        "type": "tool_use", "id": "c", "name": "f", "input": { "b": 1, "a": 2 }, "caller": caller,
    });
    let parts = parts_of("assistant", &json!([call]))?;
    let [Part::ToolCall(call)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!(
        (call.arguments.as_str(), call.extra.get("caller")),
        (r#"{"b":1,"a":2}"#, Some(&caller))
    );
    Ok(())
}

#[test]
fn what_anthropic_runs_itself_stays_as_it_came() -> Result<(), Invalid> {
    for kind in ["server_tool_use", "web_search_tool_result", "container_upload", "of_tomorrow"] {
        let block = json!({ "type": kind, "id": "srvtoolu_1", "input": { "query": "x" } });
        let parts = parts_of("assistant", &json!([block]))?;
        let [Part::Vendor(VendorPart { format, raw, .. })] = parts.as_slice() else {
            panic!("{parts:?}")
        };
        assert_eq!((format.as_str(), raw), ("anthropic-messages", &block));
    }
    Ok(())
}

#[test]
fn tools_and_choices_are_read_and_others_stay_as_they_came() -> Result<(), Invalid> {
    let search = json!({ "type": "web_search_20250305", "name": "web_search", "max_uses": 1 });
    let mine = json!({
        "type": "custom", "name": "f", "input_schema": {}, "strict": true, "defer_loading": true,
    });
    let choice = json!({ "type": "tool", "name": "f", "disable_parallel_tool_use": true });
    let chat = read_members(json!({ "tools": [search, mine], "tool_choice": choice }))?;
    let [ToolDefinition::Vendor(vendor), ToolDefinition::Function(function)] =
        chat.tools.as_slice()
    else {
        panic!("{:?}", chat.tools)
    };
    assert_eq!(vendor.raw, search);
    assert_eq!((function.name.as_str(), function.strict), ("f", Some(true)));
    assert_eq!(Value::Object(function.extra.clone()), json!({ "defer_loading": true }));
    assert_eq!(chat.tool_choice, Some(ToolChoice::tool("f")));
    assert_eq!(chat.parallel_tool_calls, Some(false));
    Ok(())
}

#[test]
fn an_answer_that_is_sent_back_is_what_was_given() -> Result<(), Invalid> {
    let own = |signature: Option<&str>, redacted: Option<&str>| ReasoningPart {
        text: if redacted.is_none() { "hm".to_owned() } else { String::new() },
        signature: signature.map(str::to_owned),
        redacted: redacted.map(str::to_owned),
        format: Some("anthropic-claude-v1".to_owned()),
        ..ReasoningPart::default()
    };
    let item = ReasoningPart {
        text: "a summary".to_owned(),
        summary: true,
        redacted: Some("encrypted".to_owned()),
        id: Some("rs_1".to_owned()),
        format: Some("openai-responses-v1".to_owned()),
        ..ReasoningPart::default()
    };
    let silent = ReasoningPart { text: String::new(), ..item.clone() };
    let plain = ReasoningPart { text: "plain".to_owned(), ..ReasoningPart::default() };
    let google = json!({ "thought_signature": "s" });
    let text = TextPart {
        text: "4".to_owned(),
        provider_data: [("google".to_owned(), google.clone())].into(),
        ..TextPart::default()
    };
    let call = ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: "{}".to_owned(),
        signature: Some("s".to_owned()),
        provider_data: [("google".to_owned(), google)].into(),
        ..ToolCall::default()
    };
    let parts = vec![
        Part::Reasoning(own(Some("s"), None)),
        Part::Reasoning(own(None, Some("opaque"))),
        Part::Reasoning(item),
        Part::Reasoning(silent),
        Part::Reasoning(plain),
        Part::Text(text),
        Part::ToolCall(call.clone()),
        Part::ToolCall(ToolCall { id: "d".to_owned(), ..call }),
    ];
    let written: Vec<Value> = parts.iter().flat_map(blocks).collect();
    assert_eq!(written[0], json!({ "type": "thinking", "thinking": "hm", "signature": "s" }));
    assert_eq!(written[1], json!({ "type": "redacted_thinking", "data": "opaque" }));
    let kinds: Vec<_> = written.iter().filter_map(|block| block["type"].as_str()).collect();
    let redacted = "redacted_thinking";
    let expected =
        ["thinking", redacted, "text", redacted, "tool_use", redacted, "tool_use", redacted];
    assert_eq!(kinds[2..], [&["thinking", redacted][..], &expected[..1], &expected[2..]].concat());
    assert_eq!(parts_of("assistant", &json!(written))?, parts);
    Ok(())
}

#[test]
fn an_image_that_is_sent_back_is_what_was_given() -> Result<(), Invalid> {
    let signed = json!({ "thought_signature": "s" });
    let parts = vec![Part::Image(ImagePart {
        source: Source::data("image/png", "AAAA"),
        detail: None,
        provider_data: [("google".to_owned(), signed)].into(),
        extra: Extra::new(),
    })];
    let written: Vec<Value> = parts.iter().flat_map(blocks).collect();
    assert_eq!(parts_of("assistant", &json!(written))?, parts);
    Ok(())
}

#[test]
fn a_body_that_brings_back_what_is_anothers_is_not_sent_as_it_came() -> Result<(), Invalid> {
    let part = ReasoningPart { text: "plain".to_owned(), ..ReasoningPart::default() };
    let written = blocks(&Part::Reasoning(part));
    let messages = json!([{ "role": "assistant", "content": written }]);
    assert_eq!(read_members(json!({ "messages": messages }))?.body, None);
    Ok(())
}
