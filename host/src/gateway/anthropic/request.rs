//! Anthropic's request for a message → the normalised request.
//! <https://docs.anthropic.com/en/api/messages>
//!
//! Members that the vocabulary models are read, all others are kept by name in `extra`. The body as
//! it came goes along as the first lane, and the headers that belong to the dialect. Nothing is sent
//! from here.

use std::collections::BTreeMap;

use allos_plugin_api::{
    ChatRequest, Dialect, Extra, JsonSchema, Message, RawBody, Reasoning, ReasoningEffort,
    ResponseFormat, VendorObject,
};
use axum::http::HeaderMap;
use serde_json::Value;

use super::message::{messages, system};
use super::tool::{tool, tool_choice};
use super::vendor::MARK;
use crate::gateway::json::{Invalid, Path, boolean, count, items, members, model, number, text};

/// The headers of a client that belong to this dialect.
const HEADERS: [&str; 2] = ["anthropic-beta", "anthropic-version"];

/// What an answer's schema is called, where vendors want a name and this dialect has none.
const SCHEMA_NAME: &str = "answer";

/// What a client asks of the gateway; its model is still the name that the client used.
#[derive(Debug)]
pub(super) struct ClientRequest {
    chat: ChatRequest,
    stream: bool,
}

impl ClientRequest {
    /// A request to be answered, and whether as a stream. It must say how long the answer may be.
    pub(super) fn into_chat(self) -> Result<(ChatRequest, bool), Invalid> {
        match self.chat.max_output_tokens {
            Some(_) => Ok((self.chat, self.stream)),
            None => Err(Invalid::missing(Path::Body.member("max_tokens"))),
        }
    }

    /// A request whose prompt is to be counted.
    pub(super) fn into_prompt(self) -> ChatRequest {
        self.chat
    }
}

/// What several members say together.
#[derive(Debug, Default)]
struct Draft {
    chat: ChatRequest,
    model: Option<String>,
    system: Option<Message>,
    messages: Option<Vec<Message>>,
    thinking: Option<Reasoning>,
    is_disabled: bool,
    effort: Option<ReasoningEffort>,
    stream: bool,
}

/// Reads a request from its JSON, which goes along as the text that it was.
pub(super) fn read(
    body: Value,
    json: String,
    headers: &HeaderMap,
) -> Result<ClientRequest, Invalid> {
    let mut draft = Draft::default();
    for (name, value) in members(body, Path::Body)? {
        draft.member(name, value)?;
    }
    draft.chat.headers = of_dialect(headers);
    draft.finish(json)
}

impl Draft {
    fn member(&mut self, name: String, value: Value) -> Result<(), Invalid> {
        let body = Path::Body;
        let at = body.member(&name);
        let chat = &mut self.chat;
        match name.as_str() {
            "model" => self.model = Some(model(value, at)?),
            "messages" => self.messages = Some(messages(value, at)?),
            "system" => self.system = system(value, at)?,
            "tools" => chat.tools = items(value, at, tool)?,
            "tool_choice" => {
                let (choice, parallel) = tool_choice(value, at)?;
                chat.tool_choice = Some(choice);
                chat.parallel_tool_calls = parallel;
            }
            "thinking" => self.thinking(value, at)?,
            "output_config" => self.output_config(value, at)?,
            "metadata" => self.metadata(value, at)?,
            "stream" => self.stream = boolean(&value, at)?,
            "max_tokens" => chat.max_output_tokens = Some(count(&value, at)?),
            "temperature" => chat.temperature = Some(number(&value, at)?),
            "top_p" => chat.top_p = Some(number(&value, at)?),
            "top_k" => chat.top_k = Some(count(&value, at)?),
            "stop_sequences" => chat.stop = items(value, at, text)?,
            _ => {
                chat.extra.insert(name, value);
            }
        }
        Ok(())
    }

    /// A budget is modelled; what else says how to think is kept by name.
    /// <https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking>
    fn thinking(&mut self, value: Value, path: Path<'_>) -> Result<(), Invalid> {
        let mut reasoning = Reasoning::default();
        for (name, value) in members(value, path)? {
            match name.as_str() {
                "type" if value == "enabled" => {}
                "type" if value == "disabled" => self.is_disabled = true,
                "budget_tokens" => {
                    reasoning.budget_tokens = Some(count(&value, path.member(&name))?);
                }
                _ => {
                    reasoning.extra.insert(name, value);
                }
            }
        }
        self.thinking = Some(reasoning);
        Ok(())
    }

    /// <https://docs.anthropic.com/en/docs/build-with-claude/effort>
    fn output_config(&mut self, value: Value, path: Path<'_>) -> Result<(), Invalid> {
        let mut rest = Extra::new();
        for (name, value) in members(value, path)? {
            let at = path.member(&name);
            match name.as_str() {
                "effort" => self.effort = Some(text(value, at)?.as_str().into()),
                "format" => self.chat.response_format = Some(response_format(value, at)?),
                _ => {
                    rest.insert(name, value);
                }
            }
        }
        self.keep_rest("output_config", rest);
        Ok(())
    }

    fn metadata(&mut self, value: Value, path: Path<'_>) -> Result<(), Invalid> {
        let mut rest = Extra::new();
        for (name, value) in members(value, path)? {
            if name == "user_id" {
                self.chat.user = Some(text(value, path.member(&name))?);
            } else {
                rest.insert(name, value);
            }
        }
        self.keep_rest("metadata", rest);
        Ok(())
    }

    fn keep_rest(&mut self, name: &str, rest: Extra) {
        if !rest.is_empty() {
            self.chat.extra.insert(name.to_owned(), Value::Object(rest));
        }
    }

    fn finish(mut self, json: String) -> Result<ClientRequest, Invalid> {
        let body = Path::Body;
        self.chat.reasoning = self.reasoning();
        let mut chat = self.chat;
        chat.model = self.model.ok_or_else(|| Invalid::missing(body.member("model")))?;
        let messages = self.messages.ok_or_else(|| Invalid::missing(body.member("messages")))?;
        if messages.is_empty() {
            return Err(Invalid::value(body.member("messages"), "must not be empty"));
        }
        chat.messages = self.system.into_iter().chain(messages).collect();
        // What was sealed for another vendor is nothing to Anthropic, so such a body cannot go there
        // as it came.
        if !json.contains(MARK) {
            chat.body = Some(RawBody::new(Dialect::AnthropicMessages, json));
        }
        Ok(ClientRequest { chat, stream: self.stream })
    }

    /// Thinking and effort say two things: a model that does not think may still make an effort.
    fn reasoning(&mut self) -> Option<Reasoning> {
        let mut reasoning = self.thinking.take();
        if self.is_disabled {
            let reasoning = reasoning.get_or_insert_default();
            match self.effort {
                Some(_) => drop(reasoning.extra.insert("type".to_owned(), "disabled".into())),
                None => reasoning.effort = Some(ReasoningEffort::None),
            }
        }
        if let Some(effort) = self.effort.take() {
            reasoning.get_or_insert_default().effort = Some(effort);
        }
        reasoning
    }
}

fn response_format(value: Value, path: Path<'_>) -> Result<ResponseFormat, Invalid> {
    if value.get("type").and_then(Value::as_str) != Some("json_schema") {
        let VendorObject { format, raw } = super::vendor::vendor(value, path)?;
        return Ok(ResponseFormat::Vendor(VendorObject { format, raw }));
    }
    let mut schema = JsonSchema { name: SCHEMA_NAME.to_owned(), ..JsonSchema::default() };
    for (name, value) in members(value, path)? {
        match name.as_str() {
            "type" => {}
            "schema" => schema.schema = Some(value),
            _ => {
                schema.extra.insert(name, value);
            }
        }
    }
    Ok(ResponseFormat::JsonSchema(schema))
}

/// The headers of the dialect; one that comes several times is a list.
fn of_dialect(headers: &HeaderMap) -> BTreeMap<String, String> {
    let all = |name: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.collect::<Vec<_>>().join(",")
    };
    let found = HEADERS.into_iter().map(|name| (name.to_owned(), all(name)));
    found.filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests;
