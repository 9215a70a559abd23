//! The body of a chat request.
//!
//! The conversation is `messages.rs`'s. How the model samples goes into `options`: first what the
//! instance configures, then the request's parameters, then `options` as a client wrote them. What
//! would change the answer and cannot be done is refused, what only tunes it is a warning.
//!
//! - <https://docs.ollama.com/api/chat>
//! - <https://docs.ollama.com/modelfile#valid-parameters-and-values>
//! - <https://docs.ollama.com/capabilities/structured-outputs>
//! - <https://docs.ollama.com/capabilities/thinking>

use allos_plugin_api::json::{object, without_nulls};
use allos_plugin_api::{
    ChatRequest, Extra, ProviderError, Reasoning, ReasoningEffort, ResponseFormat, ToolChoice,
    ToolDefinition, Warnings,
};
use serde_json::{Map, Value, json};

use crate::FORMAT;
use crate::config::Options;
use crate::messages;

/// Parameters of a request that are honoured; what is not among them is refused or a warning.
const HONOURED: [&str; 14] = [
    "tools",
    "tool_choice",
    "response_format",
    "max_output_tokens",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "reasoning",
    "logprobs",
    "top_logprobs",
];
/// Members of a request that only Ollama has, beside `options`.
const MEMBERS: [&str; 4] = ["keep_alive", "think", "truncate", "shift"];
/// What clients write beside the parameters of their dialect, and Ollama has among its `options`.
const OPTIONS: [&str; 5] = ["min_p", "num_ctx", "repeat_last_n", "repeat_penalty", "typical_p"];

/// The body of a request, and what of the request is ignored.
pub(crate) fn write(
    request: &ChatRequest,
    options: &Options,
    stream: bool,
) -> Result<(String, Warnings), ProviderError> {
    let mut warnings = Warnings::default();
    request.check_parameters(&HONOURED, &mut warnings)?;
    let mut body = object([
        ("model", json!(request.model)),
        ("messages", Value::Array(messages::write(&request.messages, &mut warnings)?)),
        ("stream", json!(stream)),
    ]);
    let tools = tools(request, &mut warnings)?;
    let reasoning = request.reasoning.as_ref().map(|it| think(it, &mut warnings));
    let format = request.response_format.as_ref().map(|it| format(it, &mut warnings));
    for (name, value) in [
        ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
        ("format", format.transpose()?.flatten()),
        ("think", reasoning.or_else(|| options.think.clone())),
        ("keep_alive", options.keep_alive.clone()),
        ("logprobs", request.logprobs.map(Value::from)),
        ("top_logprobs", request.top_logprobs.map(Value::from)),
    ] {
        body.extend(value.map(|value| (name.to_owned(), value)));
    }
    let mut model_options = options.of_the_model();
    model_options.extend(sampling(request));
    add_extra(&request.extra, &mut body, model_options, &mut warnings)?;
    Ok((Value::Object(body).to_string(), warnings))
}

/// Adds what only Ollama has, in the client's own words, and `options`.
pub(crate) fn add_extra(
    extra: &Extra,
    body: &mut Map<String, Value>,
    mut options: Map<String, Value>,
    warnings: &mut Warnings,
) -> Result<(), ProviderError> {
    let mut extra = extra.clone();
    let own = extra.remove("options").unwrap_or_default();
    for name in OPTIONS {
        options.extend(extra.remove(name).map(|value| (name.to_owned(), value)));
    }
    warnings.keep_known(&extra, &MEMBERS, "", body);
    match own {
        Value::Null => {}
        Value::Object(own) => options.extend(own),
        _ => {
            let error = ProviderError::invalid_request("`options` is not an object");
            return Err(error.with_param("options"));
        }
    }
    if !options.is_empty() {
        body.insert("options".to_owned(), Value::Object(options));
    }
    Ok(())
}

/// The parameters that Ollama has among its `options`.
fn sampling(request: &ChatRequest) -> Map<String, Value> {
    let stop = (!request.stop.is_empty()).then_some(&request.stop);
    let options = without_nulls(json!({
        "num_predict": request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "frequency_penalty": request.frequency_penalty,
        "presence_penalty": request.presence_penalty,
        "seed": request.seed,
        "stop": stop,
    }));
    match options {
        Value::Object(options) => options,
        _ => Map::new(),
    }
}

/// The tools that the model may call: none where it must not. Ollama cannot make it call one.
fn tools(request: &ChatRequest, warnings: &mut Warnings) -> Result<Vec<Value>, ProviderError> {
    let refused = |what: &str| Err(ProviderError::unsupported(what).with_param("tool_choice"));
    match &request.tool_choice {
        None | Some(ToolChoice::Auto(_)) => {
            request.tools.iter().map(|it| tool(it, warnings)).collect()
        }
        Some(ToolChoice::None(_)) => Ok(Vec::new()),
        Some(ToolChoice::Required(_)) => refused("a tool that must be called"),
        Some(ToolChoice::Tool(tool)) => {
            refused(&format!("a tool that must be called (`{}`)", tool.name))
        }
        Some(_) => refused("a tool choice of another kind"),
    }
}

fn tool(tool: &ToolDefinition, warnings: &mut Warnings) -> Result<Value, ProviderError> {
    let tool = match tool {
        ToolDefinition::Function(tool) => tool,
        ToolDefinition::Vendor(tool) => return tool.in_words_of(FORMAT, "a tool").cloned(),
        _ => return Err(ProviderError::unsupported("a tool of an unknown kind")),
    };
    let place = format!("tools.{}.", tool.name);
    if tool.strict == Some(true) {
        warnings.ignore(format_args!("{place}strict"));
    }
    warnings.keep_known(&tool.extra, &[], &place, &mut Map::new());
    let no_parameters = || json!({ "type": "object", "properties": {} });
    let function = without_nulls(json!({
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters.clone().unwrap_or_else(no_parameters),
    }));
    Ok(json!({ "type": "function", "function": function }))
}

/// The word `json`, or a schema; nothing where the answer is text.
fn format(
    format: &ResponseFormat,
    warnings: &mut Warnings,
) -> Result<Option<Value>, ProviderError> {
    match format {
        ResponseFormat::Text(_) => Ok(None),
        ResponseFormat::Json(_) => Ok(Some(json!("json"))),
        ResponseFormat::JsonSchema(schema) => {
            let place = "response_format.json_schema.";
            warnings.keep_known(&schema.extra, &[], place, &mut Map::new());
            Ok(Some(schema.schema.clone().unwrap_or_else(|| json!("json"))))
        }
        ResponseFormat::Vendor(format) => {
            format.in_words_of(FORMAT, "a response format").cloned().map(Some)
        }
        _ => Err(ProviderError::unsupported("a response format of an unknown kind")),
    }
}

/// Whether the model thinks, or how hard. A level that no model has becomes the nearest that some
/// have; a number of tokens only says that it does.
fn think(reasoning: &Reasoning, warnings: &mut Warnings) -> Value {
    let mut extra = reasoning.extra.clone();
    let enabled = extra.remove("enabled").and_then(|enabled| enabled.as_bool());
    warnings.keep_known(&extra, &[], "reasoning.", &mut Map::new());
    if reasoning.budget_tokens.is_some_and(|tokens| tokens > 0) {
        warnings.ignore("reasoning.max_tokens");
    }
    let mut nearest = |level: &str, asked: &ReasoningEffort| {
        warnings.add(format!("the reasoning effort `{asked}` is sent as `{level}`"));
        json!(level)
    };
    match &reasoning.effort {
        Some(ReasoningEffort::None) => json!(false),
        Some(effort @ ReasoningEffort::Minimal) => nearest("low", effort),
        Some(effort @ ReasoningEffort::ExtraHigh) => nearest("high", effort),
        Some(effort) => json!(effort),
        None => json!(enabled.unwrap_or(reasoning.budget_tokens != Some(0))),
    }
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{ErrorKind, Message};

    use super::*;

    fn asked(members: &Value) -> ChatRequest {
        let mut all = json!(ChatRequest::new("m", vec![Message::user("hi")]));
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn written(members: &Value, options: &Value) -> Result<(Value, Vec<String>), ProviderError> {
        let options = serde_json::from_value(options.clone()).unwrap();
        let (body, warnings) = write(&asked(members), &options, false)?;
        Ok((serde_json::from_str(&body).unwrap(), warnings.into_vec()))
    }

    #[test]
    fn a_plain_request_says_that_it_is_not_streamed() {
        let (body, warnings) = written(&json!({}), &json!({})).unwrap();
        let messages = json!([{ "role": "user", "content": "hi" }]);
        assert_eq!(body, json!({ "model": "m", "messages": messages, "stream": false }));
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn the_request_beats_the_instance_and_its_own_options_beat_all() {
        let request = json!({
            "temperature": 0.5, "max_output_tokens": 9, "stop": ["x"], "seed": 3, "top_k": 2,
            "extra": { "options": { "top_k": 7 }, "min_p": 0.1, "keep_alive": 0, "store": true },
        });
        let instance = json!({
            "keep_alive": "10m", "num_ctx": 4096, "think": true,
            "model_options": { "temperature": 1.0, "num_gpu": 1 },
        });
        let (body, warnings) = written(&request, &instance).unwrap();
        assert_eq!(
            body["options"],
            json!({ "temperature": 0.5, "num_gpu": 1, "num_ctx": 4096, "num_predict": 9,
                "top_k": 7, "seed": 3, "stop": ["x"], "min_p": 0.1 })
        );
        assert_eq!((&body["keep_alive"], &body["think"]), (&json!(0), &json!(true)));
        assert_eq!(warnings, ["ignored: store"]);
    }

    #[test]
    fn reasoning_is_a_switch_or_a_level() {
        for (reasoning, think, warnings) in [
            (json!({ "effort": "none" }), json!(false), 0),
            (json!({ "effort": "low" }), json!("low"), 0),
            (json!({ "effort": "max" }), json!("max"), 0),
            (json!({ "effort": "xhigh" }), json!("high"), 1),
            (json!({ "budget_tokens": 1024 }), json!(true), 1),
            (json!({ "budget_tokens": 0 }), json!(false), 0),
            (json!({ "extra": { "enabled": false } }), json!(false), 0),
            (json!({}), json!(true), 0),
        ] {
            let (body, said) = written(&json!({ "reasoning": reasoning }), &json!({})).unwrap();
            assert_eq!((&body["think"], said.len()), (&think, warnings), "{reasoning}");
        }
    }

    #[test]
    fn a_format_is_a_word_or_a_schema() {
        let schema = json!({ "type": "object" });
        for (format, sent) in [
            (json!({ "type": "text" }), Value::Null),
            (json!({ "type": "json" }), json!("json")),
            (json!({ "type": "json_schema", "name": "n", "schema": schema }), schema.clone()),
        ] {
            let (body, _) = written(&json!({ "response_format": format }), &json!({})).unwrap();
            assert_eq!(body["format"], sent, "{format}");
        }
    }

    #[test]
    fn tools_may_be_called_or_left_out_but_not_made_to_be_called() {
        let tools = json!([{ "type": "function", "name": "now" }]);
        let with = |choice: &Value| json!({ "tools": tools, "tool_choice": choice });
        let (body, _) = written(&with(&json!({ "type": "auto" })), &json!({})).unwrap();
        assert_eq!(body["tools"][0]["function"]["parameters"]["type"], "object");
        let (body, _) = written(&with(&json!({ "type": "none" })), &json!({})).unwrap();
        assert_eq!(body.get("tools"), None);
        for choice in [json!({ "type": "required" }), json!({ "type": "tool", "name": "now" })] {
            let error = written(&with(&choice), &json!({})).unwrap_err();
            assert_eq!(
                (error.kind(), error.param()),
                (&ErrorKind::Unsupported, Some("tool_choice"))
            );
        }
    }

    #[test]
    fn what_would_change_the_answer_is_refused() {
        let foreign = json!([{ "type": "vendor", "format": "anthropic-messages", "raw": {} }]);
        for members in [
            json!({ "choices": 2 }),
            json!({ "tools": foreign }),
            json!({ "extra": { "options": [] } }),
        ] {
            written(&members, &json!({})).unwrap_err();
        }
    }
}
