//! The normalised messages → `systemInstruction` and `contents`.
//!
//! Messages of one role that follow each other become one content, so that all results of a turn
//! stand together, in the order of their calls. Thought signatures go back to where they were.
//! It decides nothing about the rest of the request; what a single part becomes is `parts.rs`'s.
//!
//! - <https://ai.google.dev/api/caching#Content>
//! - <https://ai.google.dev/gemini-api/docs/function-calling>
//! - <https://ai.google.dev/gemini-api/docs/thought-signatures>

use allos_plugin_api::json::object;
use allos_plugin_api::{
    Extra, Message, Part, ProviderError, ReasoningPart, Role, TextPart, ToolCall, ToolResult,
    Warnings,
};
use serde_json::{Map, Value, json};

use crate::generation::{Generation, SIGNS};
use crate::response::MADE_ID;
use crate::{FORMAT, REASONING_FORMAT, parts};

/// What Google's page on thought signatures has for calls whose signature is lost.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";
/// What the gateway has read before.
const READ: [&str; 1] = ["extra_content"];

/// Writes all messages.
pub(crate) fn write(
    messages: &[Message],
    generation: Generation,
    warnings: &mut Warnings,
) -> Result<Map<String, Value>, ProviderError> {
    let mut writer = Writer {
        generation,
        warnings,
        place: String::new(),
        system: Vec::new(),
        contents: Vec::new(),
        calls: Vec::new(),
    };
    for (at, message) in messages.iter().enumerate() {
        writer.place = format!("messages[{at}]");
        writer.message(message)?;
    }
    writer.finish()
}

struct Writer<'a> {
    generation: Generation,
    warnings: &'a mut Warnings,
    /// Where the writer is, for warnings and errors.
    place: String,
    system: Vec<Value>,
    contents: Vec<Content>,
    /// The ids of all calls so far.
    calls: Vec<String>,
}

struct Content {
    role: &'static str,
    parts: Vec<Ordered>,
}

/// A part, and how many calls come before the call whose result it is.
struct Ordered(usize, Value);

impl Ordered {
    /// A part that comes after all results.
    fn after_results(part: Value) -> Self {
        Self(usize::MAX, part)
    }
}

impl Writer<'_> {
    fn message(&mut self, message: &Message) -> Result<(), ProviderError> {
        self.warn_of(&message.extra, "");
        if message.name.is_some() && message.role != Role::Tool {
            self.warnings.ignore(format_args!("{}.name", self.place));
        }
        let role = match &message.role {
            Role::System | Role::Developer => return self.instructions(message),
            Role::Assistant => "model",
            Role::User | Role::Tool => "user",
            other => return Err(self.refused(&format!("a message of the role `{other}`"))),
        };
        let mut written = Vec::new();
        for part in &message.content {
            match (part, role) {
                (Part::ToolResult(result), "user") => self.result(result, &mut written)?,
                _ if message.role == Role::Tool => {
                    return Err(self.refused("what is no result, in a message of a tool"));
                }
                (_, "model") => written.extend(self.said(part)?.map(Ordered::after_results)),
                _ => written.push(Ordered::after_results(self.asked(part)?)),
            }
        }
        if written.is_empty() {
            return Ok(());
        }
        match self.contents.last_mut().filter(|last| last.role == role) {
            Some(last) => last.parts.extend(written),
            None => self.contents.push(Content { role, parts: written }),
        }
        Ok(())
    }

    /// Gemini has one system instruction, for the whole conversation.
    fn instructions(&mut self, message: &Message) -> Result<(), ProviderError> {
        if !self.contents.is_empty() {
            let place = &self.place;
            self.warnings.add(format!("moved: {place} to the start, as the system instruction"));
        }
        for part in &message.content {
            let Part::Text(part) = part else {
                return Err(self.refused("what is not text, as an instruction,"));
            };
            self.warn_of(&part.extra, "content.");
            self.system.push(json!({ "text": part.text }));
        }
        Ok(())
    }

    /// A part of the user's.
    fn asked(&mut self, part: &Part) -> Result<Value, ProviderError> {
        match part {
            Part::Text(part) => Ok(Value::Object(self.text(part))),
            Part::Vendor(part) if part.format == FORMAT => Ok(part.raw.clone()),
            Part::Vendor(part) => {
                Err(self.refused(&format!("content in the words of {}", part.format)))
            }
            _ => self.media(part),
        }
    }

    /// A part of the model's; nothing of what only another vendor knows.
    fn said(&mut self, part: &Part) -> Result<Option<Value>, ProviderError> {
        let members = match part {
            Part::Text(part) => {
                let members = signed(self.text(part), parts::signature_in(&part.provider_data));
                if part.text.is_empty() && members.len() == 1 {
                    return Ok(None);
                }
                members
            }
            Part::Refusal(part) => object([("text", json!(part.text))]),
            Part::Reasoning(part) => return Ok(self.thought(part)),
            Part::ToolCall(call) => self.call(call)?,
            Part::Vendor(part) if part.format == FORMAT => return Ok(Some(part.raw.clone())),
            Part::Vendor(part) => {
                self.warnings.ignore(format_args!("parts in the words of {}", part.format));
                return Ok(None);
            }
            _ => {
                let Ok(Value::Object(members)) = self.media(part) else {
                    self.warnings.ignore("what a model made in earlier answers, of no known type");
                    return Ok(None);
                };
                signed(members, parts::signature(part))
            }
        };
        Ok(Some(Value::Object(members)))
    }

    fn text(&mut self, part: &TextPart) -> Map<String, Value> {
        self.warn_of(&part.extra, "content.");
        object([("text", json!(part.text))])
    }

    fn media(&mut self, part: &Part) -> Result<Value, ProviderError> {
        parts::media(part, &self.place, self.warnings)
    }

    /// Gemini's own thoughts. Those of others, and those of which only the words came back, would
    /// not be its thoughts.
    fn thought(&mut self, part: &ReasoningPart) -> Option<Value> {
        if part.format.as_deref() != Some(REASONING_FORMAT) {
            self.warnings.ignore("reasoning of earlier answers that is not signed by Gemini");
            return None;
        }
        let members = object([("text", json!(part.text)), ("thought", json!(true))]);
        Some(Value::Object(signed(members, part.signature.as_deref())))
    }

    fn call(&mut self, call: &ToolCall) -> Result<Map<String, Value>, ProviderError> {
        self.warn_of(&call.extra, "tool_calls.");
        self.calls.push(call.id.clone());
        let arguments = call.arguments_object().map_err(|error| error.with_param(&self.place))?;
        let mut written = object([("name", json!(call.name)), ("args", Value::Object(arguments))]);
        keep_id(&call.id, &mut written);
        let signature =
            call.signature.as_deref().or_else(|| parts::signature_in(&call.provider_data));
        Ok(signed(object([("functionCall", Value::Object(written))]), signature))
    }

    /// A result, and behind it what it holds beside text where Gemini does not take that in it.
    fn result(
        &mut self,
        result: &ToolResult,
        written: &mut Vec<Ordered>,
    ) -> Result<(), ProviderError> {
        self.warn_of(&result.extra, "");
        let Some(name) = &result.tool_name else {
            let what = format!("the result of the unknown call `{}`", result.tool_call_id);
            return Err(self.refused(&what));
        };
        let mut response = object([
            ("name", json!(name)),
            ("response", answered(&result.text(), result.is_error)),
        ]);
        keep_id(&result.tool_call_id, &mut response);
        let others = result.content.iter().filter(|part| !matches!(part, Part::Text(_)));
        let others: Vec<_> = others.map(|part| self.asked(part)).collect::<Result<_, _>>()?;
        let takes = |part: &Value| self.generation >= SIGNS && part["inlineData"].is_object();
        let (inside, beside): (Vec<_>, Vec<_>) = others.into_iter().partition(takes);
        if !inside.is_empty() {
            response.insert("parts".to_owned(), Value::Array(inside));
        }
        let known = self.calls.iter().rposition(|id| *id == result.tool_call_id);
        let order = known.unwrap_or(usize::MAX - 1);
        written.push(Ordered(order, json!({ "functionResponse": response })));
        written.extend(beside.into_iter().map(Ordered::after_results));
        Ok(())
    }

    fn finish(mut self) -> Result<Map<String, Value>, ProviderError> {
        if self.contents.is_empty() {
            let error =
                ProviderError::invalid_request("there is nothing that the model can answer");
            return Err(error.with_hint("add a message of the user"));
        }
        self.sign();
        let mut members = Map::new();
        if !self.system.is_empty() {
            members.insert("systemInstruction".to_owned(), json!({ "parts": self.system }));
        }
        let contents = self.contents.into_iter().map(|mut content| {
            content.parts.sort_by_key(|Ordered(order, _)| *order);
            let parts: Vec<_> = content.parts.into_iter().map(|Ordered(_, part)| part).collect();
            json!({ "role": content.role, "parts": parts })
        });
        members.insert("contents".to_owned(), contents.collect());
        Ok(members)
    }

    /// Signs the steps of the current turn whose calls have lost their signature: from the third
    /// generation on Gemini refuses a step whose first call has none.
    fn sign(&mut self) {
        if self.generation < SIGNS {
            return;
        }
        let starts_turn = |content: &Content| {
            let is_result = |Ordered(_, part): &Ordered| part["functionResponse"].is_object();
            content.role == "user" && !content.parts.iter().any(is_result)
        };
        let start = self.contents.iter().rposition(starts_turn).unwrap_or_default();
        for content in self.contents[start..].iter_mut().filter(|content| content.role == "model") {
            let mut calls = content.parts.iter_mut().map(|Ordered(_, part)| part);
            let first = calls.find(|part| part["functionCall"].is_object());
            if let Some(part) = first.filter(|part| part["thoughtSignature"].is_null()) {
                let name = part["functionCall"]["name"].as_str().unwrap_or_default();
                self.warnings.add(format!(
                    "the thought signature of the call of `{name}` is lost: \
                     Gemini reasons better where the client sends it back"
                ));
                part["thoughtSignature"] = json!(NO_SIGNATURE);
            }
        }
    }

    fn warn_of(&mut self, extra: &Extra, below: &str) {
        let place = format!("{}.{below}", self.place);
        self.warnings.keep_known(extra, &READ, &place, &mut Map::new());
    }

    fn refused(&self, what: &str) -> ProviderError {
        ProviderError::unsupported(format_args!("{what} in {}", self.place))
    }
}

/// What a tool answered, as an object.
fn answered(text: &str, is_error: bool) -> Value {
    let value = match serde_json::from_str(text) {
        Ok(Value::Object(members)) => Value::Object(members),
        _ => json!(text),
    };
    match value {
        value if is_error => json!({ "error": value }),
        Value::Object(members) => Value::Object(members),
        value => json!({ "result": value }),
    }
}

fn signed(mut members: Map<String, Value>, signature: Option<&str>) -> Map<String, Value> {
    let signature = signature.map(|signature| ("thoughtSignature".to_owned(), json!(signature)));
    members.extend(signature);
    members
}

fn keep_id(id: &str, members: &mut Map<String, Value>) {
    if !id.is_empty() && !id.starts_with(MADE_ID) {
        members.insert("id".to_owned(), json!(id));
    }
}

#[cfg(test)]
mod tests;
