//! Tools, formats, reasoning and Google's own members of a request.

use allos_plugin_api::{Message, VendorObject};

use super::*;

fn asked(model: &str) -> ChatRequest {
    ChatRequest::new(model, vec![Message::user("hi")])
}

fn written(request: &ChatRequest) -> (Value, Vec<String>) {
    let (body, warnings) = write(request).unwrap();
    (body, warnings.into_vec())
}

fn function(name: &str, strict: Option<bool>) -> ToolDefinition {
    let parameters = Some(json!({ "type": "object", "properties": { "a": { "pattern": "x" } } }));
    ToolDefinition::Function(FunctionTool {
        name: name.to_owned(),
        parameters,
        strict,
        ..FunctionTool::default()
    })
}

fn vendor(format: &str) -> ToolDefinition {
    let raw = json!({ "googleSearch": {} });
    ToolDefinition::Vendor(VendorObject { format: format.to_owned(), raw })
}

#[test]
fn functions_are_declared_together_beside_googles_own_tools() {
    let tools = vec![function("f", None), vendor(FORMAT), function("g", None)];
    let request =
        ChatRequest { tools, tool_choice: Some(ToolChoice::tool("g")), ..asked("gemini-3-flash") };
    let (body, warnings) = written(&request);
    let parameters = json!({ "type": "object", "properties": { "a": {} } });
    let declared = |name| json!({ "name": name, "parametersJsonSchema": parameters });
    let expected = json!([
        { "functionDeclarations": [declared("f"), declared("g")] }, { "googleSearch": {} },
    ]);
    assert_eq!(body["tools"], expected);
    let expected = json!({
        "functionCallingConfig": { "mode": "ANY", "allowedFunctionNames": ["g"] },
        "includeServerSideToolInvocations": true,
    });
    assert_eq!(body["toolConfig"], expected);
    let auto = ChatRequest { tool_choice: Some(ToolChoice::AUTO), ..request.clone() };
    let (body, _) = written(&auto);
    assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "VALIDATED");
    let old = ChatRequest { model: "gemini-2.5-flash".to_owned(), ..auto };
    let expected = json!({ "functionCallingConfig": { "mode": "AUTO" } });
    assert_eq!(written(&old).0["toolConfig"], expected);
    let place = "parameters.properties.a.pattern";
    assert_eq!(
        warnings,
        [format!("ignored: tools[0].{place}"), format!("ignored: tools[2].{place}")]
    );
    let foreign = ChatRequest { tools: vec![vendor("openai-chat")], ..asked("gemini-3-flash") };
    assert!(write(&foreign).unwrap_err().message().contains("openai-chat"));
}

#[test]
fn each_choice_of_tools_has_a_mode() {
    let mode = |tool_choice, strict| {
        let tools = vec![function("f", strict)];
        let (body, _) = written(&ChatRequest { tools, tool_choice, ..asked("gemini-2.5-flash") });
        body["toolConfig"]["functionCallingConfig"]["mode"].clone()
    };
    assert_eq!(mode(None, None), Value::Null);
    assert_eq!(mode(Some(ToolChoice::AUTO), None), "AUTO");
    assert_eq!(mode(None, Some(true)), "VALIDATED");
    assert_eq!(mode(Some(ToolChoice::NONE), Some(true)), "NONE");
    assert_eq!(mode(Some(ToolChoice::REQUIRED), None), "ANY");
}

#[test]
fn json_is_asked_for_with_its_schema() {
    let schema = JsonSchema {
        name: "n".to_owned(),
        description: Some("d".to_owned()),
        schema: Some(json!({ "type": "object", "minProperties": 1 })),
        ..JsonSchema::default()
    };
    let response_format = Some(ResponseFormat::JsonSchema(schema));
    let (body, warnings) = written(&ChatRequest { response_format, ..asked("gemini-3-flash") });
    let expected = json!({
        "responseMimeType": "application/json",
        "responseJsonSchema": { "type": "object", "description": "d" },
    });
    assert_eq!(body["generationConfig"], expected);
    assert_eq!(warnings, ["ignored: response_format.schema.minProperties"]);
}

#[test]
fn reasoning_is_asked_for_in_the_terms_of_the_generation() {
    let thinking = |model: &str, effort: Option<&str>, budget_tokens| {
        let effort = effort.map(ReasoningEffort::from);
        let reasoning = Some(Reasoning { effort, budget_tokens, ..Reasoning::default() });
        let (body, warnings) = written(&ChatRequest { reasoning, ..asked(model) });
        (body["generationConfig"]["thinkingConfig"].clone(), warnings.len())
    };
    let budget = |tokens| json!({ "thinkingBudget": tokens, "includeThoughts": true });
    let level = |level| json!({ "thinkingLevel": level, "includeThoughts": true });
    let (flash, pro) = ("gemini-2.5-flash", "gemini-2.5-pro");
    assert_eq!(thinking(flash, None, Some(99)), (budget(99), 0));
    assert_eq!(thinking(flash, Some("medium"), None), (budget(8_192), 0));
    assert_eq!(thinking(flash, Some("none"), None), (json!({ "thinkingBudget": 0 }), 0));
    assert_eq!(thinking(flash, None, Some(0)), (json!({ "thinkingBudget": 0 }), 0));
    assert_eq!(thinking(pro, Some("none"), None), (json!({ "thinkingBudget": 128 }), 1));
    let (flash, pro) = ("gemini-3-flash-preview", "gemini-3.1-pro-preview");
    assert_eq!(thinking(flash, Some("minimal"), None), (level("minimal"), 0));
    assert_eq!(thinking(pro, Some("minimal"), None), (level("low"), 1));
    assert_eq!(thinking(flash, Some("xhigh"), None), (level("high"), 1));
    assert_eq!(thinking(flash, Some("none"), None), (json!({ "thinkingLevel": "minimal" }), 1));
    assert_eq!(thinking("gemini-2.0-flash", Some("low"), None), (Value::Null, 1));
}

#[test]
fn members_in_googles_words_are_sent_and_others_are_warnings() {
    let mut request = ChatRequest { user: Some("u".to_owned()), ..asked("gemini-2.5-flash") };
    let extra = json!({
        "safety_settings": [{ "category": "C" }],
        "generationConfig": { "mediaResolution": "M" },
        "modalities": ["text", "image"],
        "service_tier": "auto",
        "metadata": {},
        "extra_body": { "google": {
            "cached_content": "cachedContents/1",
            "thinking_config": { "include_thoughts": true },
            "tools": [{ "googleSearch": {} }],
            "new": 1,
        } },
    });
    request.extra = extra.as_object().cloned().unwrap();
    let (body, warnings) = written(&request);
    let expected = json!({
        "contents": [{ "role": "user", "parts": [{ "text": "hi" }] }],
        "safetySettings": [{ "category": "C" }],
        "cachedContent": "cachedContents/1",
        "tools": [{ "googleSearch": {} }],
        "generationConfig": {
            "mediaResolution": "M",
            "responseModalities": ["TEXT", "IMAGE"],
            "thinkingConfig": { "include_thoughts": true },
        },
    });
    assert_eq!(body, expected);
    assert_eq!(warnings, ["ignored: user", "ignored: metadata", "ignored: extra_body.google.new"]);
}

#[test]
fn a_count_asks_for_the_whole_request_by_its_model() {
    let body = count(&asked("gemini-2.5-flash")).unwrap();
    let asked = &body["generateContentRequest"];
    assert_eq!(asked["model"], "models/gemini-2.5-flash");
    assert_eq!(asked["contents"][0]["role"], "user");
}
