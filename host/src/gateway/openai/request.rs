//! `OpenAI`'s chat request → the normalised request.
//! <https://platform.openai.com/docs/api-reference/chat/create>
//!
//! Members that the vocabulary models are read, all others are kept by name in `extra`. The body
//! as it came goes along as the first lane. Nothing is sent from here.

use allos_plugin_api::{
    ChatRequest, Dialect, JsonSchema, RawBody, Reasoning, ReasoningEffort, ResponseFormat,
};
use serde_json::Value;

use super::message::message;
use super::tool::{tool, tool_choice};
use super::vendor::vendor;
use crate::gateway::json::{
    Invalid, Path, boolean, count, integer, items, members, model, number, small_count, text,
};

/// What a client asks of the gateway.
#[derive(Debug)]
pub(crate) struct ClientRequest {
    /// The normalised request; its model is still the name that the client used.
    pub(crate) chat: ChatRequest,
    /// Whether the answer is streamed.
    pub(crate) stream: bool,
    /// Whether a stream ends with a frame of usage.
    pub(crate) include_usage: bool,
}

/// What several members say together.
#[derive(Debug, Default)]
struct Draft {
    chat: ChatRequest,
    model: Option<String>,
    has_messages: bool,
    stream: bool,
    include_usage: bool,
    effort: Option<ReasoningEffort>,
    max_tokens: Option<u64>,
}

/// Reads a request from its JSON, which goes along as the text that it was.
pub(crate) fn read(body: Value, json: String) -> Result<ClientRequest, Invalid> {
    let mut draft = Draft::default();
    for (name, value) in members(body, Path::Body)? {
        if let Some((name, value)) = draft.conversation(name, value)? {
            draft.parameter(name, value)?;
        }
    }
    draft.finish(json)
}

impl Draft {
    /// Reads the members that make the conversation and the form of the answer; gives back others.
    fn conversation(
        &mut self,
        name: String,
        value: Value,
    ) -> Result<Option<(String, Value)>, Invalid> {
        let body = Path::Body;
        let at = body.member(&name);
        let chat = &mut self.chat;
        match name.as_str() {
            "model" => self.model = Some(model(value, at)?),
            "messages" => {
                chat.messages = items(value, at, message)?;
                self.has_messages = true;
            }
            "tools" => chat.tools = items(value, at, tool)?,
            "tool_choice" => chat.tool_choice = Some(tool_choice(value, at)?),
            "parallel_tool_calls" => chat.parallel_tool_calls = Some(boolean(&value, at)?),
            "response_format" => chat.response_format = Some(response_format(value, at)?),
            "stream" => self.stream = boolean(&value, at)?,
            "stream_options" => self.include_usage = include_usage(value, at)?,
            _ => return Ok(Some((name, value))),
        }
        Ok(None)
    }

    /// Reads a parameter of the sampling, or keeps it by name.
    fn parameter(&mut self, name: String, value: Value) -> Result<(), Invalid> {
        let body = Path::Body;
        let at = body.member(&name);
        let chat = &mut self.chat;
        match name.as_str() {
            "max_completion_tokens" => chat.max_output_tokens = Some(count(&value, at)?),
            "max_tokens" => self.max_tokens = Some(count(&value, at)?),
            "temperature" => chat.temperature = Some(number(&value, at)?),
            "top_p" => chat.top_p = Some(number(&value, at)?),
            "top_k" => chat.top_k = Some(count(&value, at)?),
            "frequency_penalty" => chat.frequency_penalty = Some(number(&value, at)?),
            "presence_penalty" => chat.presence_penalty = Some(number(&value, at)?),
            "stop" => chat.stop = stop(value, at)?,
            "seed" => chat.seed = Some(integer(&value, at)?),
            "n" => chat.choices = Some(choices(&value, at)?),
            "logprobs" => chat.logprobs = Some(boolean(&value, at)?),
            "top_logprobs" => chat.top_logprobs = Some(small_count(&value, at)?),
            "reasoning_effort" => self.effort = Some(text(value, at)?.as_str().into()),
            "reasoning" => chat.reasoning = Some(reasoning(value, at)?),
            "user" => chat.user = Some(text(value, at)?),
            _ => {
                chat.extra.insert(name, value);
            }
        }
        Ok(())
    }

    fn finish(self, json: String) -> Result<ClientRequest, Invalid> {
        let mut chat = self.chat;
        chat.model = self.model.ok_or_else(|| Invalid::missing(Path::Body.member("model")))?;
        if !self.has_messages {
            return Err(Invalid::missing(Path::Body.member("messages")));
        }
        if chat.messages.is_empty() {
            let path = Path::Body;
            return Err(Invalid::value(path.member("messages"), "must not be empty"));
        }
        chat.max_output_tokens = chat.max_output_tokens.or(self.max_tokens);
        if let Some(effort) = self.effort {
            chat.reasoning.get_or_insert_default().effort.get_or_insert(effort);
        }
        chat.body = Some(RawBody::new(Dialect::OpenAiChat, json));
        Ok(ClientRequest { chat, stream: self.stream, include_usage: self.include_usage })
    }
}

/// `stop` is one text or a list of texts.
fn stop(value: Value, path: Path<'_>) -> Result<Vec<String>, Invalid> {
    match value {
        Value::String(text) => Ok(vec![text]),
        list => items(list, path, text),
    }
}

fn choices(value: &Value, path: Path<'_>) -> Result<u32, Invalid> {
    match small_count(value, path)? {
        0 => Err(Invalid::value(path, "must be at least 1")),
        choices => Ok(choices),
    }
}

/// `OpenRouter`'s object. <https://openrouter.ai/docs/use-cases/reasoning-tokens>
fn reasoning(value: Value, path: Path<'_>) -> Result<Reasoning, Invalid> {
    let mut reasoning = Reasoning::default();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "effort" => reasoning.effort = Some(text(value, at)?.as_str().into()),
            "max_tokens" => reasoning.budget_tokens = Some(count(&value, at)?),
            _ => {
                reasoning.extra.insert(name, value);
            }
        }
    }
    Ok(reasoning)
}

fn include_usage(value: Value, path: Path<'_>) -> Result<bool, Invalid> {
    let mut include_usage = false;
    for (name, value) in members(value, path)? {
        if name == "include_usage" {
            include_usage = boolean(&value, path.member(&name))?;
        }
    }
    Ok(include_usage)
}

fn response_format(value: Value, path: Path<'_>) -> Result<ResponseFormat, Invalid> {
    let Value::Object(mut object) = value else {
        return Ok(ResponseFormat::Vendor(vendor(value, path)?));
    };
    match object.get("type").and_then(Value::as_str) {
        Some("text") => Ok(ResponseFormat::TEXT),
        Some("json_object") => Ok(ResponseFormat::JSON),
        Some("json_schema") => {
            let at = path.member("json_schema");
            let schema = object.remove("json_schema").ok_or_else(|| Invalid::missing(at))?;
            Ok(ResponseFormat::JsonSchema(json_schema(schema, at)?))
        }
        _ => Ok(ResponseFormat::Vendor(vendor(Value::Object(object), path)?)),
    }
}

fn json_schema(value: Value, path: Path<'_>) -> Result<JsonSchema, Invalid> {
    let mut schema = JsonSchema::default();
    let mut has_name = false;
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "name" => {
                schema.name = text(value, at)?;
                has_name = true;
            }
            "description" => schema.description = Some(text(value, at)?),
            "schema" => schema.schema = Some(value),
            "strict" => schema.strict = Some(boolean(&value, at)?),
            _ => {
                schema.extra.insert(name, value);
            }
        }
    }
    if has_name { Ok(schema) } else { Err(Invalid::missing(path.member("name"))) }
}

#[cfg(test)]
mod tests;
