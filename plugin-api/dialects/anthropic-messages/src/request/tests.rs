//! Tests of the bodies of requests.

use allos_plugin_api::{FunctionTool, JsonSchema, Message, ProviderData, TextPart, VendorObject};

use super::*;

fn asked() -> ChatRequest {
    ChatRequest::new("claude-opus-4-8", vec![Message::user("hi")])
}

fn built(request: &ChatRequest, purpose: Purpose) -> (Value, Vec<String>) {
    let (body, warnings) = write(request, purpose).unwrap();
    (serde_json::from_str(&body).unwrap(), warnings.into_vec())
}

fn extra(members: &Value) -> Map<String, Value> {
    members.as_object().unwrap().clone()
}

fn tool(name: &str) -> ToolDefinition {
    ToolDefinition::Function(FunctionTool { name: name.to_owned(), ..FunctionTool::default() })
}

#[test]
fn the_clients_body_is_sent_as_it_is_written_but_for_model_and_stream() {
    let json =
        r#"{"model":"x/m","max_tokens":10176929106694746000,"new":[{"b":1.0}],"stream":false}"#;
    let body = Some(RawBody::new(Dialect::AnthropicMessages, json));
    let request = ChatRequest { body, ..asked() };
    let (sent, warnings) = write(&request, Purpose::Answer).unwrap();
    for member in [
        r#""model":"claude-opus-4-8""#,
        r#""max_tokens":10176929106694746000"#,
        r#""new":[{"b":1.0}]"#,
        r#""stream":false"#,
    ] {
        assert!(sent.contains(member), "{member} in {sent}");
    }
    assert_eq!((sent.matches(':').count(), warnings.into_vec().len()), (5, 0));
    assert_eq!(built(&request, Purpose::Stream).0["stream"], true);
    let expected = json!({ "model": "claude-opus-4-8", "new": [{ "b": 1.0 }] });
    assert_eq!(built(&request, Purpose::Count).0, expected);
}

#[test]
fn a_body_in_another_dialect_is_not_sent() {
    let body = Some(RawBody::new(Dialect::OpenAiChat, r#"{"frequency_penalty":1}"#));
    let (sent, _) = built(&ChatRequest { body, ..asked() }, Purpose::Answer);
    assert_eq!(sent["max_tokens"], 128_000);
    assert!(sent.get("frequency_penalty").is_none());
}

#[test]
fn max_tokens_is_the_clients_or_the_models_or_4096() {
    let most = |model: &str, said: Option<u64>| {
        let request = ChatRequest { max_output_tokens: said, ..asked() };
        let request = ChatRequest { model: model.to_owned(), ..request };
        built(&request, Purpose::Answer).0["max_tokens"].as_u64()
    };
    assert_eq!(most("claude-haiku-4-5", Some(7)), Some(7));
    assert_eq!(most("claude-haiku-4-5", None), Some(64_000));
    assert_eq!(most("claude-tomorrow", None), Some(4_096));
}

#[test]
fn tools_and_the_choice_among_them_are_said_in_the_vendors_words() {
    let cached = extra(&json!({ "cache_control": { "type": "ephemeral" }, "colour": 1 }));
    let raw = json!({ "type": "web_search_20250305", "name": "web_search" });
    let tools = vec![
        ToolDefinition::Function(FunctionTool {
            name: "f".to_owned(),
            description: Some("d".to_owned()),
            parameters: Some(json!({ "properties": {} })),
            strict: Some(true),
            extra: cached,
        }),
        tool("g"),
        ToolDefinition::Vendor(VendorObject { format: FORMAT.to_owned(), raw: raw.clone() }),
    ];
    let (sent, warnings) = built(&ChatRequest { tools, ..asked() }, Purpose::Answer);
    let expected = json!([
        {
            "name": "f", "description": "d", "strict": true,
            "input_schema": { "properties": {}, "type": "object" },
            "cache_control": { "type": "ephemeral" },
        },
        { "name": "g", "input_schema": { "type": "object" } },
        raw,
    ]);
    assert_eq!((&sent["tools"], &sent["tool_choice"]), (&expected, &Value::Null));
    assert_eq!(warnings, ["ignored: tools.f.colour"]);
    for (choice, parallel, expected) in [
        (Some(ToolChoice::REQUIRED), None, json!({ "type": "any" })),
        (Some(ToolChoice::NONE), Some(false), json!({ "type": "none" })),
        (None, Some(false), json!({ "type": "auto", "disable_parallel_tool_use": true })),
        (None, Some(true), Value::Null),
        (
            Some(ToolChoice::tool("g")),
            Some(false),
            json!({ "type": "tool", "name": "g", "disable_parallel_tool_use": true }),
        ),
    ] {
        let request = ChatRequest { tools: vec![tool("g")], tool_choice: choice, ..asked() };
        let request = ChatRequest { parallel_tool_calls: parallel, ..request };
        assert_eq!(built(&request, Purpose::Answer).0["tool_choice"], expected);
    }
}

#[test]
fn a_schema_is_a_format_and_json_without_one_is_refused() {
    let schema = json!({ "type": "object" });
    let form = JsonSchema { schema: Some(schema.clone()), ..JsonSchema::default() };
    let response_format = Some(ResponseFormat::JsonSchema(form));
    let said = extra(&json!({ "output_config": { "effort": "low" } }));
    let (sent, _) =
        built(&ChatRequest { response_format, extra: said, ..asked() }, Purpose::Answer);
    let format = json!({ "type": "json_schema", "schema": schema });
    assert_eq!(sent["output_config"], json!({ "effort": "low", "format": format }));
    for form in [ResponseFormat::JSON, ResponseFormat::JsonSchema(JsonSchema::default())] {
        let error = write(&ChatRequest { response_format: Some(form), ..asked() }, Purpose::Answer);
        assert_eq!(error.unwrap_err().param(), Some("response_format"));
    }
}

#[test]
fn members_that_only_this_api_has_are_sent_and_others_are_warnings() {
    let said = json!({
        "container": "c", "mcp_servers": [{}], "speed": "fast",
        "cache_control": { "type": "ephemeral" },
        "metadata": { "user_id": "u", "session": "s" }, "service_tier": "flex", "logit_bias": {},
    });
    let request = ChatRequest { extra: extra(&said), seed: Some(1), ..asked() };
    let (sent, warnings) = built(&request, Purpose::Answer);
    for name in ["container", "mcp_servers", "speed", "cache_control"] {
        assert_eq!(sent[name], said[name], "{name}");
    }
    assert_eq!(sent["metadata"], json!({ "user_id": "u" }));
    let ignored = ["seed", "logit_bias", "service_tier", "metadata.session"];
    assert_eq!(warnings, ignored.map(|name| format!("ignored: {name}")));
}

#[test]
fn a_count_takes_the_prompt_alone() {
    let request = ChatRequest {
        tools: vec![tool("g")],
        stop: vec!["x".to_owned()],
        user: Some("u".to_owned()),
        extra: extra(&json!({ "thinking": { "type": "adaptive" }, "service_tier": "auto" })),
        ..asked()
    };
    let (sent, _) = built(&request, Purpose::Count);
    let names: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["model", "messages", "tools", "thinking"]);
    assert_eq!(built(&request, Purpose::Answer).0["stop_sequences"], json!(["x"]));
}

#[test]
fn code_runs_again_in_the_container_of_the_last_answer() {
    let seen_again = json!({ "container": { "id": "c", "expires_at": "soon" } });
    let provider_data = ProviderData::from([(FORMAT.to_owned(), seen_again)]);
    let part = Part::Text(TextPart { provider_data, ..TextPart::default() });
    let mut request = asked();
    request.messages.push(Message::new(allos_plugin_api::Role::Assistant, vec![part]));
    assert!(built(&request, Purpose::Answer).0.get("container").is_none());
    let raw = json!({ "type": "code_execution_20260120", "name": "code_execution" });
    request.tools = vec![ToolDefinition::Vendor(VendorObject { format: FORMAT.to_owned(), raw })];
    assert_eq!(built(&request, Purpose::Answer).0["container"], "c");
}
