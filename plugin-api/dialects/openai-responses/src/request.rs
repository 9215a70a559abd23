//! The body of a request, built from the normalised form.
//!
//! Nothing is stored unless the client or the operator says so, and then a model that reasons is
//! asked for its reasoning in encrypted form, so that it can go back. A function is not strict
//! unless it says so, as in every other vocabulary: here it would be, and its schema be rewritten.
//!
//! - <https://platform.openai.com/docs/api-reference/responses/create>
//! - <https://platform.openai.com/docs/guides/function-calling#strict-mode>
//! - <https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items>
//! - <https://platform.openai.com/docs/api-reference/responses/input-tokens>

use allos_plugin_api::{
    ChatRequest, FunctionTool, JsonSchema, ProviderError, Reasoning, ResponseFormat, ToolChoice,
    ToolDefinition, VendorObject, Warnings, json,
};
use serde_json::{Map, Value, json};

use crate::{FORMAT, flat, items};

/// Parameters that the API takes; `seed`, `stop`, penalties and several choices it does not.
const HONOURED: [&str; 11] = [
    "logprobs",
    "max_output_tokens",
    "parallel_tool_calls",
    "reasoning",
    "response_format",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
];
/// Members that the normalised form keeps by name, and that are sent as they came. `verbosity` is
/// chat completions' word for a member of `text`.
const MEMBERS: [&str; 18] = [
    "background",
    "context_management",
    "conversation",
    "include",
    "instructions",
    "max_tool_calls",
    "metadata",
    "moderation",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "truncation",
    VERBOSITY,
];
const VERBOSITY: &str = "verbosity";
const REASONING_MEMBERS: [&str; 4] = ["context", "generate_summary", "mode", "summary"];
const TOOL_MEMBERS: [&str; 3] = ["allowed_callers", "defer_loading", "output_schema"];
/// Members of which a count of tokens takes account.
const COUNTED: [&str; 11] = [
    "conversation",
    "input",
    "instructions",
    "model",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "text",
    "tool_choice",
    "tools",
    "truncation",
];
/// The starts of the ids of models that do not reason, and refuse to be asked for it.
const WITHOUT_REASONING: [&str; 4] = ["gpt-3.5", "gpt-4", "chatgpt-4o", "gpt-5-chat"];

/// The body of a request for an answer in one piece. `store` is what the operator says of it.
pub fn unstreamed(
    request: &ChatRequest,
    store: Option<bool>,
    warnings: &mut Warnings,
) -> Result<String, ProviderError> {
    Ok(Value::Object(build(request, store, warnings)?).to_string())
}

/// The body of a request for a stream.
pub fn streamed(
    request: &ChatRequest,
    store: Option<bool>,
    warnings: &mut Warnings,
) -> Result<String, ProviderError> {
    let mut body = build(request, store, warnings)?;
    body.insert("stream".to_owned(), json!(true));
    Ok(Value::Object(body).to_string())
}

/// The body of a request to count the prompt's tokens.
pub fn counted(request: &ChatRequest, store: Option<bool>) -> Result<String, ProviderError> {
    let mut body = build(request, store, &mut Warnings::default())?;
    body.retain(|name, _| COUNTED.contains(&name.as_str()));
    Ok(Value::Object(body).to_string())
}

fn build(
    request: &ChatRequest,
    store: Option<bool>,
    warnings: &mut Warnings,
) -> Result<Map<String, Value>, ProviderError> {
    request.check_parameters(&HONOURED, warnings)?;
    let mut body = Map::new();
    warnings.keep_known(&request.extra, &MEMBERS, "", &mut body);
    let verbosity = body.remove(VERBOSITY);
    let stores = stores(&body, store);
    let input = items::write(&request.messages, stores, warnings)?;
    let tools: Vec<_> =
        request.tools.iter().map(|tool| write_tool(tool, warnings)).collect::<Result<_, _>>()?;
    let members = [
        ("model", json!(request.model)),
        ("input", Value::Array(input)),
        ("store", json!(stores)),
        ("include", json!(include(request, &body))),
        ("tools", json!(tools)),
        ("tool_choice", json!(request.tool_choice.as_ref().map(tool_choice).transpose()?)),
        ("parallel_tool_calls", json!(request.parallel_tool_calls)),
        ("text", text(request.response_format.as_ref(), verbosity.as_ref())?),
        ("reasoning", reasoning(request.reasoning.as_ref(), warnings)),
        ("max_output_tokens", json!(request.max_output_tokens)),
        ("temperature", json!(request.temperature)),
        ("top_p", json!(request.top_p)),
        ("top_logprobs", json!(request.top_logprobs)),
        ("user", json!(request.user)),
    ];
    let says_nothing = |name: &str, value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty() && name != "input",
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    let said = members.into_iter().filter(|(name, value)| !says_nothing(name, value));
    body.extend(said.map(|(name, value)| (name.to_owned(), value)));
    Ok(body)
}

/// Whether the vendor is to store the answer: as the client says, else as the operator does. What
/// is made in the background can only be had where it is stored.
fn stores(body: &Map<String, Value>, store: Option<bool>) -> bool {
    let said = body.get("store").and_then(Value::as_bool).or(store);
    said.unwrap_or_else(|| body.get("background") == Some(&Value::Bool(true)))
}

/// What the answer is to include beside the usual: as the client says, else encrypted reasoning.
fn include(request: &ChatRequest, body: &Map<String, Value>) -> Vec<Value> {
    let mut include = match body.get("include") {
        Some(said) => json::items(said).to_vec(),
        None if reasons(&request.model) => vec![json!("reasoning.encrypted_content")],
        None => Vec::new(),
    };
    let logprobs = json!("message.output_text.logprobs");
    if request.logprobs == Some(true) && !include.contains(&logprobs) {
        include.push(logprobs);
    }
    include
}

fn reasons(model: &str) -> bool {
    let model = model.strip_prefix("ft:").unwrap_or(model);
    !WITHOUT_REASONING.iter().any(|start| model.starts_with(start))
}

fn write_tool(tool: &ToolDefinition, warnings: &mut Warnings) -> Result<Value, ProviderError> {
    match tool {
        ToolDefinition::Function(tool) => Ok(function(tool, warnings)),
        ToolDefinition::Vendor(tool) => vendor(tool, "a tool"),
        _ => Err(ProviderError::unsupported("a tool of an unknown kind")),
    }
}

fn function(tool: &FunctionTool, warnings: &mut Warnings) -> Value {
    let nothing = || json!({ "type": "object", "properties": {} });
    let mut members = json::object([
        ("type", json!("function")),
        ("name", json!(tool.name)),
        ("parameters", tool.parameters.clone().unwrap_or_else(nothing)),
        ("strict", json!(tool.strict.unwrap_or(false))),
    ]);
    members.extend(tool.description.as_ref().map(|about| ("description".to_owned(), json!(about))));
    let place = format!("tools.{}.", tool.name);
    warnings.keep_known(&tool.extra, &TOOL_MEMBERS, &place, &mut members);
    Value::Object(members)
}

/// An object in this API's words. A client of chat completions has those of this API too.
fn vendor(object: &VendorObject, what: &str) -> Result<Value, ProviderError> {
    match object.format.as_str() {
        allos_openai_chat::FORMAT => Ok(flat(&object.raw)),
        _ => object.in_words_of(FORMAT, what).cloned(),
    }
}

fn tool_choice(choice: &ToolChoice) -> Result<Value, ProviderError> {
    Ok(match choice {
        ToolChoice::Auto(_) => json!("auto"),
        ToolChoice::None(_) => json!("none"),
        ToolChoice::Required(_) => json!("required"),
        ToolChoice::Tool(tool) => json!({ "type": "function", "name": tool.name }),
        ToolChoice::Vendor(choice) => vendor(choice, "a tool choice")?,
        _ => return Err(ProviderError::unsupported("a tool choice of an unknown kind")),
    })
}

fn text(
    format: Option<&ResponseFormat>,
    verbosity: Option<&Value>,
) -> Result<Value, ProviderError> {
    let format = match format {
        None => Value::Null,
        Some(ResponseFormat::Text(_)) => json!({ "type": "text" }),
        Some(ResponseFormat::Json(_)) => json!({ "type": "json_object" }),
        Some(ResponseFormat::JsonSchema(schema)) => json_schema(schema),
        Some(ResponseFormat::Vendor(format)) => {
            format.in_words_of(FORMAT, "a response format")?.clone()
        }
        _ => return Err(ProviderError::unsupported("a response format of an unknown kind")),
    };
    Ok(json::without_nulls(json!({ "format": format, "verbosity": verbosity })))
}

fn json_schema(schema: &JsonSchema) -> Value {
    let mut members = schema.extra.clone();
    members.extend(json::object([
        ("type", json!("json_schema")),
        ("name", json!(schema.name)),
        ("description", json!(schema.description)),
        ("schema", json!(schema.schema)),
        ("strict", json!(schema.strict)),
    ]));
    json::without_nulls(Value::Object(members))
}

fn reasoning(reasoning: Option<&Reasoning>, warnings: &mut Warnings) -> Value {
    let Some(reasoning) = reasoning else { return Value::Null };
    if reasoning.budget_tokens.is_some() {
        warnings.ignore("reasoning.max_tokens");
    }
    let mut members = Map::new();
    warnings.keep_known(&reasoning.extra, &REASONING_MEMBERS, "reasoning.", &mut members);
    members.extend(reasoning.effort.as_ref().map(|effort| ("effort".to_owned(), json!(effort))));
    Value::Object(members)
}
