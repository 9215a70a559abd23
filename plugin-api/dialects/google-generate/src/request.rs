//! The normalised request → the body of `generateContent`.
//!
//! What the conversation becomes is `messages.rs`'s, what a schema becomes `schema.rs`'s.
//!
//! - <https://ai.google.dev/api/generate-content#request-body>
//! - <https://ai.google.dev/gemini-api/docs/thinking>
//! - <https://ai.google.dev/gemini-api/docs/openai> for efforts, and for `extra_body.google`

use allos_plugin_api::json::without_nulls;
use allos_plugin_api::{
    ChatRequest, Extra, FunctionTool, JsonSchema, ProviderError, Reasoning, ReasoningEffort,
    ResponseFormat, ToolChoice, ToolDefinition, Warnings,
};
use serde_json::{Map, Value, json};

use crate::generation::{self, Generation, SIGNS, THINKS};
use crate::{FORMAT, messages, schema};

/// The body of a request, and what of it is ignored.
pub fn write(request: &ChatRequest) -> Result<(Value, Warnings), ProviderError> {
    let mut warnings = Warnings::default();
    // All other parameters are Gemini's too.
    if request.parallel_tool_calls == Some(false) {
        warnings.ignore("parallel_tool_calls");
    }
    if request.user.is_some() {
        warnings.ignore("user");
    }
    let generation = generation::generation(&request.model);
    let members = messages::write(&request.messages, generation, &mut warnings)?;
    let mut body = Body { members, config: config(request), warnings, generation };
    body.tools(request)?;
    body.format(request.response_format.as_ref())?;
    if let Some(reasoning) = &request.reasoning {
        body.thinking(reasoning, &request.model);
    }
    body.members_of_google(&request.extra);
    Ok(body.finish())
}

/// The body of a request to count the tokens of a prompt.
pub fn count(request: &ChatRequest) -> Result<Value, ProviderError> {
    let (mut body, _) = write(request)?;
    body["model"] = json!(generation::resource(&request.model));
    Ok(json!({ "generateContentRequest": body }))
}

/// <https://ai.google.dev/api/generate-content#generationconfig>
fn config(request: &ChatRequest) -> Map<String, Value> {
    let config = without_nulls(json!({
        "candidateCount": request.choices,
        "stopSequences": (!request.stop.is_empty()).then_some(&request.stop),
        "maxOutputTokens": request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "seed": request.seed,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "responseLogprobs": request.logprobs,
        "logprobs": request.top_logprobs,
    }));
    if let Value::Object(members) = config { members } else { Map::new() }
}

/// A body in the making.
struct Body {
    members: Map<String, Value>,
    config: Map<String, Value>,
    warnings: Warnings,
    generation: Generation,
}

impl Body {
    fn tools(&mut self, request: &ChatRequest) -> Result<(), ProviderError> {
        let (mut functions, mut tools, mut is_strict) = (Vec::new(), Vec::new(), false);
        for (at, tool) in request.tools.iter().enumerate() {
            match tool {
                ToolDefinition::Function(tool) => {
                    is_strict |= tool.strict == Some(true);
                    functions.push(self.function(tool, at));
                }
                ToolDefinition::Vendor(tool) => {
                    tools.push(tool.in_words_of(FORMAT, "a tool")?.clone());
                }
                _ => return Err(ProviderError::unsupported("a tool of an unknown kind")),
            }
        }
        let mut config = Map::new();
        if let Some(choice) = choice(request.tool_choice.as_ref(), is_strict)? {
            config.insert("functionCallingConfig".to_owned(), choice);
        }
        if !functions.is_empty() {
            tools.insert(0, json!({ "functionDeclarations": functions }));
        }
        self.set("tools", Value::Array(tools));
        self.set("toolConfig", Value::Object(config));
        Ok(())
    }

    fn function(&mut self, tool: &FunctionTool, at: usize) -> Value {
        let place = format!("tools[{at}].");
        self.warnings.keep_known(&tool.extra, &[], &place, &mut Map::new());
        let parameters = tool.parameters.as_ref().filter(|parameters| !parameters.is_null());
        let parameters = parameters.map(|parameters| {
            schema::write(parameters, &format!("{place}parameters"), &mut self.warnings)
        });
        without_nulls(json!({
            "name": tool.name,
            "description": tool.description,
            "parametersJsonSchema": parameters,
        }))
    }

    fn format(&mut self, format: Option<&ResponseFormat>) -> Result<(), ProviderError> {
        let schema = match format {
            None | Some(ResponseFormat::Text(_)) => return Ok(()),
            Some(ResponseFormat::Json(_)) => None,
            Some(ResponseFormat::JsonSchema(schema)) => self.schema(schema),
            Some(ResponseFormat::Vendor(format)) => {
                let format = format.in_words_of(FORMAT, "a response format")?;
                self.config.extend(format.as_object().cloned().unwrap_or_default());
                return Ok(());
            }
            _ => return Err(ProviderError::unsupported("a response format of an unknown kind")),
        };
        self.config.insert("responseMimeType".to_owned(), json!("application/json"));
        self.config.extend(schema.map(|schema| ("responseJsonSchema".to_owned(), schema)));
        Ok(())
    }

    fn schema(&mut self, format: &JsonSchema) -> Option<Value> {
        self.warnings.keep_known(&format.extra, &[], "response_format.", &mut Map::new());
        let place = "response_format.schema";
        let mut written = schema::write(format.schema.as_ref()?, place, &mut self.warnings);
        if let (Some(members), Some(description)) = (written.as_object_mut(), &format.description) {
            members.entry("description").or_insert_with(|| json!(description));
        }
        Some(written)
    }

    /// How much the model thinks: in tokens, or in the terms that its generation has.
    fn thinking(&mut self, reasoning: &Reasoning, model: &str) {
        if self.generation < THINKS {
            return self.warnings.ignore("reasoning");
        }
        let mut said = Map::new();
        let known = ["enabled", "exclude"];
        self.warnings.keep_known(&reasoning.extra, &known, "reasoning.", &mut said);
        let is_disabled = said.get("enabled") == Some(&json!(false));
        let effort = match &reasoning.effort {
            _ if is_disabled || reasoning.budget_tokens == Some(0) => Some(&ReasoningEffort::None),
            effort => effort.as_ref(),
        };
        let is_off = effort == Some(&ReasoningEffort::None);
        let mut config = match (reasoning.budget_tokens, effort) {
            (Some(tokens), _) if !is_off => json!({ "thinkingBudget": tokens }),
            (_, Some(effort)) if self.generation >= SIGNS => {
                json!({ "thinkingLevel": self.level(effort, model) })
            }
            (_, Some(effort)) => {
                without_nulls(json!({ "thinkingBudget": self.budget(effort, model) }))
            }
            _ => json!({}),
        };
        if !is_off && said.get("exclude") != Some(&json!(true)) {
            config["includeThoughts"] = json!(true);
        }
        self.config.insert("thinkingConfig".to_owned(), config);
    }

    fn level(&mut self, effort: &ReasoningEffort, model: &str) -> String {
        let is_pro = model.contains("-pro");
        let level = match effort {
            ReasoningEffort::None | ReasoningEffort::Minimal if is_pro => "low",
            ReasoningEffort::None => "minimal",
            ReasoningEffort::Medium if model.contains("gemini-3-pro") => "high",
            ReasoningEffort::ExtraHigh => "high",
            other => other.as_str(),
        };
        self.warn_of_other(effort, level);
        level.to_owned()
    }

    fn budget(&mut self, effort: &ReasoningEffort, model: &str) -> Option<u32> {
        Some(match effort {
            ReasoningEffort::None if model.contains("-pro") => {
                self.warn_of_other(effort, "a budget of 128 tokens");
                128
            }
            ReasoningEffort::None => 0,
            ReasoningEffort::Minimal | ReasoningEffort::Low => 1_024,
            ReasoningEffort::Medium => 8_192,
            ReasoningEffort::High | ReasoningEffort::ExtraHigh => 24_576,
            other => {
                self.warnings.ignore(format_args!("the reasoning effort {other}"));
                return None;
            }
        })
    }

    fn warn_of_other(&mut self, effort: &ReasoningEffort, taken: &str) {
        if effort.as_str() != taken {
            let warning = format!("the reasoning effort {effort} is not to be had: it is {taken}");
            self.warnings.add(warning);
        }
    }

    /// Members in Google's own words: at the top, or where Google's dialect of OpenAI's API has
    /// them. Names are taken in both of the forms in which Google takes them.
    fn members_of_google(&mut self, extra: &Extra) {
        let nested = extra.get("extra_body").and_then(|body| body.get("google"));
        let nested = nested.and_then(Value::as_object);
        for (name, value) in extra.iter().filter(|(_, value)| !value.is_null()) {
            let is_read = name == "extra_body" && nested.is_some();
            if !is_read && !self.member_of_google(&camel_case(name), value) {
                self.warnings.ignore(name);
            }
        }
        for (name, value) in nested.into_iter().flatten() {
            if !self.member_of_google(&camel_case(name), value) {
                self.warnings.ignore(format_args!("extra_body.google.{name}"));
            }
        }
    }

    fn member_of_google(&mut self, name: &str, value: &Value) -> bool {
        match (name, value) {
            ("serviceTier", Value::String(tier)) if tier == "auto" || tier == "default" => {}
            ("cachedContent" | "safetySettings" | "serviceTier", _) => {
                self.members.insert(name.to_owned(), value.clone());
            }
            ("thinkingConfig" | "responseModalities" | "speechConfig" | "imageConfig", _) => {
                self.config.insert(name.to_owned(), value.clone());
            }
            ("modalities", Value::Array(modalities)) => {
                let modalities = modalities.iter().filter_map(Value::as_str);
                let modalities: Vec<_> = modalities.map(str::to_ascii_uppercase).collect();
                self.config.insert("responseModalities".to_owned(), json!(modalities));
            }
            ("generationConfig", Value::Object(members)) => self.config.extend(members.clone()),
            ("tools", Value::Array(more)) => {
                let tools = self.members.entry(name).or_insert_with(|| json!([]));
                if let Value::Array(tools) = tools {
                    tools.extend(more.iter().cloned());
                }
            }
            ("toolConfig", Value::Object(members)) => {
                let config = self.members.entry(name).or_insert_with(|| json!({}));
                if let Value::Object(config) = config {
                    config.extend(members.clone());
                }
            }
            _ => return false,
        }
        true
    }

    fn set(&mut self, name: &str, value: Value) {
        let is_empty = value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        if !is_empty {
            self.members.insert(name.to_owned(), value);
        }
    }

    /// What Gemini wants to be told where it runs tools of its own beside the client's functions; it
    /// then decides in its stricter mode only.
    /// <https://ai.google.dev/gemini-api/docs/tool-combination>
    fn combine_tools(&mut self) {
        let tools = self.members.get("tools").and_then(Value::as_array);
        let are_functions = |tool: &Value| tool["functionDeclarations"].is_array();
        let functions = tools.into_iter().flatten().filter(|tool| are_functions(tool)).count();
        if self.generation < SIGNS || functions == 0 || Some(functions) == tools.map(Vec::len) {
            return;
        }
        let config = self.members.entry("toolConfig").or_insert_with(|| json!({}));
        config["includeServerSideToolInvocations"] = json!(true);
        if config["functionCallingConfig"]["mode"] == "AUTO" {
            config["functionCallingConfig"]["mode"] = json!("VALIDATED");
        }
    }

    fn finish(mut self) -> (Value, Warnings) {
        self.combine_tools();
        let config = std::mem::take(&mut self.config);
        self.set("generationConfig", Value::Object(config));
        (Value::Object(self.members), self.warnings)
    }
}

/// <https://ai.google.dev/gemini-api/docs/function-calling#function_calling_modes>. Calls that must
/// follow their schema to the letter are what `VALIDATED` is for.
fn choice(choice: Option<&ToolChoice>, is_strict: bool) -> Result<Option<Value>, ProviderError> {
    Ok(Some(match choice {
        None | Some(ToolChoice::Auto(_)) if is_strict => json!({ "mode": "VALIDATED" }),
        None => return Ok(None),
        Some(ToolChoice::Auto(_)) => json!({ "mode": "AUTO" }),
        Some(ToolChoice::None(_)) => json!({ "mode": "NONE" }),
        Some(ToolChoice::Required(_)) => json!({ "mode": "ANY" }),
        Some(ToolChoice::Tool(tool)) => {
            json!({ "mode": "ANY", "allowedFunctionNames": [tool.name] })
        }
        Some(ToolChoice::Vendor(choice)) => choice.in_words_of(FORMAT, "a tool choice")?.clone(),
        _ => return Err(ProviderError::unsupported("a tool choice of an unknown kind")),
    }))
}

/// `safety_settings` → `safetySettings`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        let capital = letters.next().map(|letter| letter.to_ascii_uppercase());
        name + &capital.into_iter().chain(letters).collect::<String>()
    })
}

#[cfg(test)]
mod tests;
