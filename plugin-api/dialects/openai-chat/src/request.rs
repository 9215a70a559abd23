//! The body of a chat request, in both lanes.
//!
//! A request that came in this dialect keeps every member as the client wrote it, but for `model`,
//! `stream` and `stream_options`. Any other is built from the normalised form, whose messages are
//! `messages.rs`'s. What the service cannot take is refused where the answer would be another,
//! and a warning where it only tunes it.
//!
//! - <https://platform.openai.com/docs/api-reference/chat/create>

use std::collections::BTreeMap;

use allos_plugin_api::json::{object, without_nulls};
use allos_plugin_api::{
    ChatRequest, Dialect, JsonSchema, ProviderError, RawBody, Reasoning, ResponseFormat,
    ToolChoice, ToolDefinition, Warnings,
};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::FORMAT;
use crate::messages;
use crate::options::{MaxTokensField, Options, ReasoningField, SeedField};

/// Members of a request that the normalised form keeps by name, and that are sent as they came.
const MEMBERS: [&str; 54] = [
    // OpenAI
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "metadata",
    "modalities",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "verbosity",
    "web_search_options",
    // OpenRouter: https://openrouter.ai/docs/api-reference/parameters
    "image_config",
    "include_reasoning",
    "min_p",
    "models",
    "plugins",
    "preset",
    "provider",
    "repetition_penalty",
    "route",
    "session_id",
    "top_a",
    "trace",
    "transforms",
    "usage",
    // Mistral: https://docs.mistral.ai/api/
    "guardrails",
    "prompt_mode",
    "random_seed",
    "safe_prompt",
    // Groq: https://console.groq.com/docs/api-reference
    "citation_options",
    "compound_custom",
    "disable_tool_validation",
    "documents",
    "reasoning_format",
    "search_settings",
    // DeepSeek, Together, Cerebras, xAI
    "thinking",
    "chat_template_kwargs",
    "compliance",
    "context_length_exceeded_behavior",
    "safety_model",
    "clear_thinking",
    "disable_reasoning",
    "min_tokens",
    "search_parameters",
    // Perplexity: https://docs.perplexity.ai/api-reference/chat-completions-post
    "return_images",
    "return_related_questions",
    "search_domain_filter",
    "search_mode",
    "search_recency_filter",
    // vLLM: https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    "mm_processor_kwargs",
    "structured_outputs",
];

/// The body of a request for an answer in one piece.
pub fn unstreamed(
    request: &ChatRequest,
    options: &Options,
    warnings: &mut Warnings,
) -> Result<String, ProviderError> {
    let Some(body) = own_body(request) else {
        return build(request, options, warnings, false);
    };
    let mut changes = vec![("model", Some(json!(request.model)))];
    if streams(&body.json)? {
        changes.extend([("stream", Some(json!(false))), ("stream_options", None)]);
    }
    body.with_members(changes)
}

/// The body of a request for a stream.
pub fn streamed(
    request: &ChatRequest,
    options: &Options,
    warnings: &mut Warnings,
) -> Result<String, ProviderError> {
    let Some(body) = own_body(request) else {
        return build(request, options, warnings, true);
    };
    let stream_options = options.stream_options.then(|| stream_options(&body.json)).transpose()?;
    let changes = [
        ("model", Some(json!(request.model))),
        ("stream", Some(json!(true))),
        ("stream_options", stream_options),
    ];
    body.with_members(changes)
}

fn own_body(request: &ChatRequest) -> Option<&RawBody> {
    request.body.as_ref().filter(|body| body.dialect == Dialect::OpenAiChat)
}

fn streams(body: &str) -> Result<bool, ProviderError> {
    let members: BTreeMap<String, &RawValue> = parse(body)?;
    Ok(members.get("stream").is_some_and(|stream| stream.get() == "true"))
}

/// What the client says of the stream, and that its usage is told: the host meters it, and hides
/// it from a client that did not ask.
fn stream_options(body: &str) -> Result<Value, ProviderError> {
    let members: BTreeMap<String, &RawValue> = parse(body)?;
    let said = members.get("stream_options").map(|said| serde_json::from_str(said.get()));
    let mut said = match said.transpose().map_err(invalid)? {
        Some(Value::Object(said)) => said,
        _ => Map::new(),
    };
    said.insert("include_usage".to_owned(), json!(true));
    Ok(Value::Object(said))
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a str) -> Result<T, ProviderError> {
    serde_json::from_str(json).map_err(invalid)
}

#[allow(clippy::needless_pass_by_value)] // it is the shape that `map_err` wants
fn invalid(error: serde_json::Error) -> ProviderError {
    ProviderError::invalid_request(format!("the request's body is not a JSON object: {error}"))
}

/// Builds a body from the normalised form.
fn build(
    request: &ChatRequest,
    options: &Options,
    warnings: &mut Warnings,
    stream: bool,
) -> Result<String, ProviderError> {
    let mut body = Body { members: Map::new(), warnings };
    body.set("model", Some(&request.model))?;
    let messages = messages::write(&request.messages, options, body.warnings)?;
    body.set("messages", Some(messages))?;
    body.answer(request, options)?;
    body.sampling(request, options)?;
    body.reasoning(request.reasoning.as_ref(), options)?;
    if stream {
        body.set("stream", Some(true))?;
        let asked = options.stream_options.then(|| json!({ "include_usage": true }));
        body.set("stream_options", asked)?;
    }
    body.warnings.keep_known(&request.extra, &MEMBERS, "", &mut body.members);
    Ok(Value::Object(body.members).to_string())
}

/// A body in the making.
struct Body<'a> {
    members: Map<String, Value>,
    warnings: &'a mut Warnings,
}

impl Body<'_> {
    fn set(&mut self, name: &str, value: Option<impl Serialize>) -> Result<(), ProviderError> {
        if let Some(value) = value {
            self.members.insert(name.to_owned(), serde_json::to_value(value).map_err(invalid)?);
        }
        Ok(())
    }

    /// What changes the form of the answer.
    fn answer(&mut self, request: &ChatRequest, options: &Options) -> Result<(), ProviderError> {
        let tools = request
            .tools
            .iter()
            .map(|tool| self.tool(tool, options))
            .collect::<Result<Vec<_>, _>>()?;
        self.set("tools", (!tools.is_empty()).then_some(tools))?;
        self.set("tool_choice", request.tool_choice.as_ref().map(tool_choice).transpose()?)?;
        self.set("parallel_tool_calls", request.parallel_tool_calls)?;
        let format = request.response_format.as_ref();
        self.set("response_format", format.map(response_format).transpose()?)?;
        self.set("n", request.choices)?;
        self.set("logprobs", request.logprobs)?;
        self.set("top_logprobs", request.top_logprobs)?;
        self.set("stop", (!request.stop.is_empty()).then_some(&request.stop))?;
        self.set("user", request.user.as_ref())
    }

    fn sampling(&mut self, request: &ChatRequest, options: &Options) -> Result<(), ProviderError> {
        let max_tokens = match options.max_tokens_field {
            MaxTokensField::MaxTokens => "max_tokens",
            MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
        };
        let seed = match options.seed_field {
            SeedField::Seed => "seed",
            SeedField::RandomSeed => "random_seed",
        };
        self.set(max_tokens, request.max_output_tokens)?;
        self.set(seed, request.seed)?;
        self.set("temperature", request.temperature)?;
        self.set("top_p", request.top_p)?;
        self.set("frequency_penalty", request.frequency_penalty)?;
        self.set("presence_penalty", request.presence_penalty)?;
        if !options.top_k && request.top_k.is_some() {
            self.warnings.ignore("top_k");
            return Ok(());
        }
        self.set("top_k", request.top_k)
    }

    /// `reasoning_effort`, or OpenRouter's `reasoning` where more is said.
    fn reasoning(
        &mut self,
        reasoning: Option<&Reasoning>,
        options: &Options,
    ) -> Result<(), ProviderError> {
        let Some(reasoning) = reasoning else { return Ok(()) };
        let says_more = reasoning.budget_tokens.is_some() || !reasoning.extra.is_empty();
        if !says_more {
            return self.set("reasoning_effort", reasoning.effort.as_ref());
        }
        if options.reasoning_field == ReasoningField::ReasoningDetails {
            let mut object = reasoning.extra.clone();
            object.extend(
                reasoning.effort.as_ref().map(|effort| ("effort".to_owned(), json!(effort))),
            );
            object.extend(
                reasoning.budget_tokens.map(|tokens| ("max_tokens".to_owned(), json!(tokens))),
            );
            return self.set("reasoning", Some(object));
        }
        if reasoning.budget_tokens.is_some() {
            self.warnings.ignore("reasoning.max_tokens");
        }
        let mut none = Map::new();
        self.warnings.keep_known(&reasoning.extra, &[], "reasoning.", &mut none);
        self.set("reasoning_effort", reasoning.effort.as_ref())
    }

    fn tool(&mut self, tool: &ToolDefinition, options: &Options) -> Result<Value, ProviderError> {
        let tool = match tool {
            ToolDefinition::Function(tool) => tool,
            ToolDefinition::Vendor(tool) => {
                return tool.in_words_of(FORMAT, "a tool").cloned();
            }
            _ => return Err(ProviderError::unsupported("a tool of an unknown kind")),
        };
        let function = without_nulls(json!({
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": tool.strict,
        }));
        let mut members = object([("type", json!("function")), ("function", function)]);
        let place = format!("tools.{}.", tool.name);
        options.keep(&tool.extra, &[], &place, &mut members, self.warnings);
        Ok(Value::Object(members))
    }
}

fn tool_choice(choice: &ToolChoice) -> Result<Value, ProviderError> {
    Ok(match choice {
        ToolChoice::Auto(_) => json!("auto"),
        ToolChoice::None(_) => json!("none"),
        ToolChoice::Required(_) => json!("required"),
        ToolChoice::Tool(tool) => json!({ "type": "function", "function": { "name": tool.name } }),
        ToolChoice::Vendor(choice) => choice.in_words_of(FORMAT, "a tool choice")?.clone(),
        _ => return Err(ProviderError::unsupported("a tool choice of an unknown kind")),
    })
}

fn response_format(format: &ResponseFormat) -> Result<Value, ProviderError> {
    Ok(match format {
        ResponseFormat::Text(_) => json!({ "type": "text" }),
        ResponseFormat::Json(_) => json!({ "type": "json_object" }),
        ResponseFormat::JsonSchema(schema) => {
            json!({ "type": "json_schema", "json_schema": json_schema(schema) })
        }
        ResponseFormat::Vendor(format) => format.in_words_of(FORMAT, "a response format")?.clone(),
        _ => return Err(ProviderError::unsupported("a response format of an unknown kind")),
    })
}

fn json_schema(schema: &JsonSchema) -> Value {
    let mut members = schema.extra.clone();
    members.insert("name".to_owned(), json!(schema.name));
    members.insert("description".to_owned(), json!(schema.description));
    members.insert("schema".to_owned(), json!(schema.schema));
    members.insert("strict".to_owned(), json!(schema.strict));
    without_nulls(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> ChatRequest {
        let body = Some(RawBody::new(Dialect::OpenAiChat, body));
        ChatRequest { body, ..ChatRequest::new("m", Vec::new()) }
    }

    fn write(request: &ChatRequest, options: &Options) -> (String, Vec<String>) {
        let mut warnings = Warnings::default();
        let sent = unstreamed(request, options, &mut warnings).unwrap();
        (sent, warnings.into_vec())
    }

    #[test]
    fn every_member_of_the_clients_body_is_sent_as_it_is_written() {
        let body = r#"{"model":"x/m","seed":10176929106694746000,"top_p":1.0,"t":0.1,"new":[{"b":1e400}]}"#;
        let (sent, warnings) = write(&asked(body), &Options::default());
        for member in [
            r#""model":"m""#,
            r#""seed":10176929106694746000"#,
            r#""top_p":1.0"#,
            r#""t":0.1"#,
            r#""new":[{"b":1e400}]"#,
        ] {
            assert!(sent.contains(member), "{member} in {sent}");
        }
        assert_eq!((sent.matches(':').count(), warnings.len()), (6, 0));
    }

    #[test]
    fn a_stream_asks_for_its_usage_where_the_service_takes_that() {
        let asked = asked(r#"{"model":"m","stream_options":{"include_obfuscation":false}}"#);
        let mut none = Warnings::default();
        let sent = streamed(&asked, &Options::default(), &mut none).unwrap();
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(
            sent["stream_options"],
            json!({ "include_obfuscation": false, "include_usage": true })
        );
        let options = Options { stream_options: false, ..Options::default() };
        let sent = streamed(&asked, &options, &mut none).unwrap();
        assert!(!sent.contains("stream_options"));
    }

    #[test]
    fn an_answer_in_one_piece_is_not_asked_for_as_a_stream() {
        let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
        let (sent, _) = write(&asked(body), &Options::default());
        assert_eq!(sent, r#"{"model":"m","stream":false}"#);
    }

    #[test]
    fn what_a_service_names_otherwise_is_named_so() {
        let options = serde_json::from_value(json!({
            "max_tokens_field": "max_tokens", "seed_field": "random_seed",
        }));
        let request = ChatRequest {
            max_output_tokens: Some(5),
            seed: Some(7),
            top_k: Some(3),
            ..ChatRequest::new("m", Vec::new())
        };
        let (sent, warnings) = write(&request, &options.unwrap());
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(
            sent,
            json!({ "model": "m", "messages": [], "max_tokens": 5, "random_seed": 7 })
        );
        assert_eq!(warnings, ["ignored: top_k"]);
    }

    #[test]
    fn anthropics_members_are_sent_only_where_the_service_takes_them() {
        let cached = json!({ "type": "text", "text": "a", "extra": { "cache_control": {} } });
        let message = json!({ "role": "user", "content": [cached] });
        let tool = json!({ "type": "function", "name": "f", "extra": { "cache_control": {} } });
        let request: ChatRequest =
            serde_json::from_value(json!({ "model": "m", "messages": [message], "tools": [tool] }))
                .unwrap();
        let (sent, warnings) = write(&request, &Options::default());
        assert!(!sent.contains("cache_control"), "{sent}");
        assert_eq!(warnings, ["ignored: cache_control"]);
        let options = Options { anthropic_members: true, ..Options::default() };
        let (sent, warnings) = write(&request, &options);
        assert_eq!((sent.matches("cache_control").count(), warnings.len()), (2, 0));
    }

    #[test]
    fn what_is_not_modelled_is_sent_by_name_or_a_warning() {
        let mut request = ChatRequest::new("m", Vec::new());
        request.extra.insert("service_tier".to_owned(), json!("flex"));
        request.extra.insert("container".to_owned(), json!("c"));
        let (sent, warnings) = write(&request, &Options::default());
        assert!(sent.contains(r#""service_tier":"flex""#) && !sent.contains("container"));
        assert_eq!(warnings, ["ignored: container"]);
    }
}
