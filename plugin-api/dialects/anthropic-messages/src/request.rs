//! The body of a request, in both lanes.
//!
//! A request that came in this dialect keeps every member as the client wrote it, but for `model`
//! and `stream`. Any other is built from the normalised form, whose messages are `messages.rs`'s.
//! What the API cannot do is refused where the answer would be another, and a warning where it
//! only tunes it. The API wants `max_tokens`: where the client says nothing it is the most that the
//! model can give, or 4096 where that is not known.
//!
//! - <https://platform.claude.com/docs/en/api/messages/create>
//! - <https://platform.claude.com/docs/en/api/messages/count_tokens>
//! - <https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools>
//! - <https://platform.claude.com/docs/en/build-with-claude/structured-outputs>

use allos_plugin_api::json::without_nulls;
use allos_plugin_api::{
    ChatRequest, Dialect, FunctionTool, Part, ProviderError, RawBody, ResponseFormat, ToolChoice,
    ToolDefinition, Warnings,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{FORMAT, messages, models, thinking};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An answer in one piece.
    Answer,
    /// A stream.
    Stream,
    /// A count of the prompt's tokens.
    Count,
}

/// The parameters that have a place in the API, or a rule of their own below.
const HONOURED: [&str; 11] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "reasoning",
    "user",
];
/// Members of a request that the normalised form keeps by name, and that are sent as they came.
const MEMBERS: [&str; 11] = [
    "cache_control",
    "compaction",
    "container",
    "context_management",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "output_config",
    "speed",
    "thinking",
];
/// Members that are about the answer, and that a count of the prompt does not take.
const OF_THE_ANSWER: [&str; 12] = [
    "container",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "max_tokens",
    "metadata",
    "service_tier",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
];
/// Members of a tool, beside those that the normalised form has.
const TOOL_MEMBERS: [&str; 6] = [
    "allowed_callers",
    "cache_control",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
    "type",
];
/// The most tokens of an answer where neither the client nor the table says.
const MAX_TOKENS: u64 = 4096;

/// A request's body, and what of the request is ignored.
pub fn write(request: &ChatRequest, purpose: Purpose) -> Result<(String, Warnings), ProviderError> {
    let own = |body: &&RawBody| body.dialect == Dialect::AnthropicMessages;
    match request.body.as_ref().filter(own) {
        Some(body) => Ok((as_it_came(body, &request.model, purpose)?, Warnings::default())),
        None => build(request, purpose),
    }
}

fn as_it_came(body: &RawBody, model: &str, purpose: Purpose) -> Result<String, ProviderError> {
    let model = [("model", Some(json!(model)))].into_iter();
    match purpose {
        Purpose::Answer if streams(body) => body.with_members(model.chain([("stream", None)])),
        Purpose::Answer => body.with_members(model),
        Purpose::Stream => body.with_members(model.chain([("stream", Some(json!(true)))])),
        Purpose::Count => body.with_members(model.chain(OF_THE_ANSWER.map(|name| (name, None)))),
    }
}

fn streams(body: &RawBody) -> bool {
    #[derive(Deserialize)]
    struct Said {
        stream: Option<bool>,
    }
    serde_json::from_str::<Said>(&body.json).is_ok_and(|said| said.stream == Some(true))
}

/// Builds a body from the normalised form.
fn build(request: &ChatRequest, purpose: Purpose) -> Result<(String, Warnings), ProviderError> {
    let mut body = Body::default();
    request.check_parameters(&HONOURED, &mut body.warnings)?;
    let conversation = messages::write(&request.model, &request.messages, &mut body.warnings)?;
    body.set("model", json!(request.model));
    body.list("system", conversation.system);
    body.set("messages", Value::Array(conversation.messages));
    body.tools(request)?;
    body.extra(request);
    body.form(request.response_format.as_ref())?;
    let max_tokens = max_tokens(request);
    body.set("max_tokens", json!(max_tokens));
    body.list("stop_sequences", request.stop.iter().map(|stop| json!(stop)).collect());
    thinking::write(request, max_tokens, &mut body.members, &mut body.warnings);
    match purpose {
        Purpose::Answer => {}
        Purpose::Stream => body.set("stream", json!(true)),
        Purpose::Count => body.members.retain(|name, _| !OF_THE_ANSWER.contains(&name.as_str())),
    }
    Ok((Value::Object(body.members).to_string(), body.warnings))
}

fn max_tokens(request: &ChatRequest) -> u64 {
    let known = || models::limits(&request.model)?.max_output_tokens;
    let budget = || request.reasoning.as_ref()?.budget_tokens;
    let unknown = || MAX_TOKENS.saturating_add(budget().unwrap_or(0));
    request.max_output_tokens.or_else(known).unwrap_or_else(unknown)
}

/// A body in the making.
#[derive(Default)]
struct Body {
    members: Map<String, Value>,
    warnings: Warnings,
}

impl Body {
    fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    fn list(&mut self, name: &str, items: Vec<Value>) {
        if !items.is_empty() {
            self.set(name, Value::Array(items));
        }
    }

    fn tools(&mut self, request: &ChatRequest) -> Result<(), ProviderError> {
        let mut tools = Vec::new();
        for tool in &request.tools {
            tools.push(match tool {
                ToolDefinition::Function(tool) => self.tool(tool),
                ToolDefinition::Vendor(tool) => tool.in_words_of(FORMAT, "a tool")?.clone(),
                _ => return Err(ProviderError::unsupported("a tool of an unknown kind")),
            });
        }
        let has_tools = !tools.is_empty();
        let one_at_a_time = has_tools && request.parallel_tool_calls == Some(false);
        self.list("tools", tools);
        // Without tools the API takes no choice, and there is none.
        let says_nothing = |choice: &ToolChoice| {
            !has_tools && matches!(choice, ToolChoice::Auto(_) | ToolChoice::None(_))
        };
        let choice = request.tool_choice.as_ref().filter(|choice| !says_nothing(choice));
        let choice = choice.map(tool_choice).transpose()?;
        let choice = choice.or_else(|| one_at_a_time.then(|| json!({ "type": "auto" })));
        if let Some(mut choice) = choice {
            let can_call = choice["type"] != "none";
            if let (true, Value::Object(choice)) = (one_at_a_time && can_call, &mut choice) {
                choice.insert("disable_parallel_tool_use".to_owned(), json!(true));
            }
            self.set("tool_choice", choice);
        }
        Ok(())
    }

    fn tool(&mut self, tool: &FunctionTool) -> Value {
        let mut schema = tool.parameters.clone().unwrap_or_else(|| json!({}));
        if let Value::Object(schema) = &mut schema {
            schema.entry("type").or_insert_with(|| json!("object"));
        }
        let mut written = without_nulls(json!({
            "name": tool.name,
            "description": tool.description,
            "input_schema": schema,
            "strict": tool.strict,
        }));
        if let Value::Object(members) = &mut written {
            let place = format!("tools.{}.", tool.name);
            self.warnings.keep_known(&tool.extra, &TOOL_MEMBERS, &place, members);
        }
        written
    }

    /// What the client said that only this API has. Two members are other vendors' too, and have
    /// other values there.
    fn extra(&mut self, request: &ChatRequest) {
        let mut extra = request.extra.clone();
        let metadata = extra.remove("metadata").unwrap_or_default();
        let tier = extra.remove("service_tier").unwrap_or_default();
        self.warnings.keep_known(&extra, &MEMBERS, "", &mut self.members);
        match tier.as_str() {
            Some("auto" | "standard_only") => self.set("service_tier", tier),
            _ if tier.is_null() => {}
            _ => self.warnings.ignore("service_tier"),
        }
        let mut known = Map::new();
        known.extend(request.user.as_ref().map(|user| ("user_id".to_owned(), json!(user))));
        if let Value::Object(said) = &metadata {
            self.warnings.keep_known(said, &["user_id"], "metadata.", &mut known);
        }
        if !known.is_empty() {
            self.set("metadata", Value::Object(known));
        }
        if let Some(container) = container(request)
            && !self.members.contains_key("container")
        {
            self.set("container", container);
        }
    }

    fn form(&mut self, format: Option<&ResponseFormat>) -> Result<(), ProviderError> {
        let format = match format {
            None | Some(ResponseFormat::Text(_)) => return Ok(()),
            Some(ResponseFormat::JsonSchema(form)) => match &form.schema {
                Some(schema) => json!({ "type": "json_schema", "schema": schema }),
                None => return Err(without_schema()),
            },
            Some(ResponseFormat::Json(_)) => return Err(without_schema()),
            Some(ResponseFormat::Vendor(format)) => {
                format.in_words_of(FORMAT, "a response format")?.clone()
            }
            _ => return Err(ProviderError::unsupported("a response format of an unknown kind")),
        };
        let config = self.members.entry("output_config").or_insert_with(|| json!({}));
        if let Value::Object(config) = config {
            config.insert("format".to_owned(), format);
        }
        Ok(())
    }
}

fn without_schema() -> ProviderError {
    ProviderError::unsupported("`response_format` of JSON without a schema")
        .with_param("response_format")
        .with_hint("give a `json_schema`")
}

fn tool_choice(choice: &ToolChoice) -> Result<Value, ProviderError> {
    Ok(match choice {
        ToolChoice::Auto(_) => json!({ "type": "auto" }),
        ToolChoice::None(_) => json!({ "type": "none" }),
        ToolChoice::Required(_) => json!({ "type": "any" }),
        ToolChoice::Tool(tool) => json!({ "type": "tool", "name": tool.name }),
        ToolChoice::Vendor(choice) => choice.in_words_of(FORMAT, "a tool choice")?.clone(),
        _ => return Err(ProviderError::unsupported("a tool choice of an unknown kind")),
    })
}

/// The container of the last answer, where code may run in it again.
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool>
fn container(request: &ChatRequest) -> Option<Value> {
    let runs_code = |tool: &ToolDefinition| match tool {
        ToolDefinition::Vendor(tool) => {
            tool.raw["type"].as_str().is_some_and(|kind| kind.starts_with("code_execution"))
        }
        _ => false,
    };
    let parts = request.messages.iter().rev().flat_map(|message| message.content.iter().rev());
    let mut seen_again = parts.filter_map(|part| match part {
        Part::Text(part) => part.provider_data.get(FORMAT),
        Part::ToolCall(part) => part.provider_data.get(FORMAT),
        Part::Reasoning(part) => part.provider_data.get(FORMAT),
        Part::Vendor(part) => part.provider_data.get(FORMAT),
        _ => None,
    });
    let id = seen_again.find_map(|data| data.pointer("/container/id"))?;
    request.tools.iter().any(runs_code).then(|| id.clone())
}

#[cfg(test)]
mod tests;
