//! The normalised messages → the vendor's turns, and the system prompt beside them.
//!
//! Messages of one side that follow each other are one turn, in which results of tools come first.
//! A system message in the middle stays there where the model takes it; else it joins the others
//! at the start, with a warning. Nothing without text is sent as text: the API refuses it.
//!
//! - <https://platform.claude.com/docs/en/build-with-claude/working-with-messages>
//! - <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>
//! - <https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls>
//! - <https://platform.claude.com/docs/en/build-with-claude/extended-thinking>
//! - <https://platform.claude.com/docs/en/build-with-claude/prompt-caching>

use allos_plugin_api::{
    Extra, FilePart, ImagePart, Message, Part, ProviderError, ReasoningPart, Role, TextPart,
    ToolCall, ToolResult, VendorPart, Warnings,
};
use serde_json::{Map, Value, json};

use crate::models::version;
use crate::source::{self, refused};
use crate::{FORMAT, REASONING_FORMAT};

/// What any block may carry.
const CACHE_CONTROL: &str = "cache_control";
/// Where a client brings back what it does not understand; it has been read already.
const EXTRA_CONTENT: &str = "extra_content";
/// Members of a text block, of a document, of a call.
const TEXT_MEMBERS: [&str; 2] = [CACHE_CONTROL, "citations"];
const FILE_MEMBERS: [&str; 4] = [CACHE_CONTROL, "citations", "context", "title"];
const CALL_MEMBERS: [&str; 2] = [CACHE_CONTROL, "caller"];

/// The conversation in the vendor's form.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    pub(crate) system: Vec<Value>,
    pub(crate) messages: Vec<Value>,
}

/// Who speaks, as the vendor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    System,
    User,
    Assistant,
}

/// Writes all messages.
pub(crate) fn write(
    model: &str,
    messages: &[Message],
    warnings: &mut Warnings,
) -> Result<Conversation, ProviderError> {
    let mut writer = Writer { warnings, place: String::new() };
    let mut said = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        writer.place = format!("messages[{at}]");
        let (side, blocks) = writer.message(message)?;
        if !blocks.is_empty() {
            said.push((side, blocks));
        }
    }
    let takes_system = version(model).is_some_and(|version| version >= (4, 8));
    Ok(arranged(said, takes_system, warnings))
}

/// Puts what was said into turns.
fn arranged(
    said: Vec<(Side, Vec<Value>)>,
    takes_system: bool,
    warnings: &mut Warnings,
) -> Conversation {
    let may_stay = |at: usize| {
        let turn = |(side, _): &&(Side, Vec<Value>)| *side != Side::System;
        let before = said.iter().take(at).rfind(turn);
        let after = said.iter().skip(at).find(turn).map(|(side, _)| *side);
        takes_system && before.is_some_and(may_precede_system) && after != Some(Side::User)
    };
    let stays: Vec<bool> = (0..said.len()).map(may_stay).collect();
    let mut system = Vec::new();
    let mut turns: Vec<(Side, Vec<Value>)> = Vec::new();
    for ((side, blocks), stays) in said.into_iter().zip(stays) {
        match turns.last_mut() {
            _ if side == Side::System && !stays => {
                if !turns.is_empty() {
                    warnings.add("moved to the start: a system message in the conversation");
                }
                system.extend(blocks);
            }
            Some((last, turn)) if *last == side => turn.extend(blocks),
            _ => turns.push((side, blocks)),
        }
    }
    Conversation { system, messages: turns.into_iter().map(turn).collect() }
}

/// Whether a system message may follow: on a user's turn, or on one that ends with a tool of the
/// vendor's own.
fn may_precede_system((side, blocks): &(Side, Vec<Value>)) -> bool {
    let kind = blocks.last().and_then(|block| block["type"].as_str()).unwrap_or_default();
    *side == Side::User || kind == "server_tool_use" || kind.ends_with("_tool_result")
}

fn turn((side, blocks): (Side, Vec<Value>)) -> Value {
    let role = match side {
        Side::System => "system",
        Side::User => "user",
        Side::Assistant => "assistant",
    };
    let is_result = |block: &Value| block["type"] == "tool_result";
    let (mut content, rest): (Vec<_>, Vec<_>) = blocks.into_iter().partition(is_result);
    content.extend(rest);
    json!({ "role": role, "content": content })
}

struct Writer<'a> {
    warnings: &'a mut Warnings,
    /// Where the writer is, for warnings and errors.
    place: String,
}

impl Writer<'_> {
    fn message(&mut self, message: &Message) -> Result<(Side, Vec<Value>), ProviderError> {
        let side = match &message.role {
            Role::System | Role::Developer => Side::System,
            Role::User | Role::Tool => Side::User,
            Role::Assistant => Side::Assistant,
            role => return Err(self.refused(&format!("the role `{role}`"))),
        };
        let is_result = |part: &Part| matches!(part, Part::ToolResult(_));
        if message.role == Role::Tool && !message.content.iter().all(is_result) {
            return Err(self.refused("a tool message that is no tool result"));
        }
        if message.name.is_some() && message.role != Role::Tool {
            self.warnings.ignore(format_args!("{}.name", self.place));
        }
        let mut blocks = Vec::new();
        for part in &message.content {
            blocks.extend(self.part(part, side)?);
        }
        let mut members = Map::new();
        self.keep(&message.extra, &[CACHE_CONTROL], &mut members);
        let last = blocks.iter_mut().rev().filter_map(Value::as_object_mut).find(|block| {
            !matches!(block["type"].as_str(), Some("thinking" | "redacted_thinking"))
        });
        if let Some(block) = last {
            block.extend(members);
        }
        Ok((side, blocks))
    }

    fn part(&mut self, part: &Part, side: Side) -> Result<Option<Value>, ProviderError> {
        match (part, side) {
            (Part::Text(part), _) => Ok(self.text(part, side)),
            (Part::Vendor(part), _) => self.vendors(part, side),
            (Part::Image(part), Side::User) => self.image(part).map(Some),
            (Part::File(part), Side::User) => self.file(part).map(Some),
            (Part::ToolResult(result), Side::User) => self.tool_result(result).map(Some),
            (Part::ToolCall(call), Side::Assistant) => self.call(call).map(Some),
            (Part::Reasoning(part), Side::Assistant) => Ok(self.reasoning(part)),
            (Part::Refusal(part), Side::Assistant) => Ok(text_block(&part.text).map(Value::Object)),
            (Part::Image(_), _) => Err(self.refused("an image that is not the user's")),
            (Part::File(_), _) => Err(self.refused("a file that is not the user's")),
            (Part::Audio(_), _) => Err(self.refused("sound")),
            (Part::ToolResult(_), _) => Err(self.refused("a tool result that is not the user's")),
            (Part::ToolCall(_), _) => Err(self.refused("a tool call that is not the model's")),
            (Part::Reasoning(_), _) => Err(self.refused("reasoning that is not the model's")),
            (Part::Refusal(_), _) => Err(self.refused("a refusal that is not the model's")),
            _ => Err(self.refused("content of an unknown kind")),
        }
    }

    fn text(&mut self, part: &TextPart, side: Side) -> Option<Value> {
        let mut block = text_block(&part.text)?;
        let raw = part.annotations.iter().filter_map(|it| it.raw.as_ref());
        let own: Vec<_> = raw.filter(|raw| is_citation(raw)).collect();
        if own.len() < part.annotations.len() {
            self.warnings.ignore("annotations in the words of another vendor");
        }
        if side == Side::Assistant && !own.is_empty() {
            block.insert("citations".to_owned(), json!(own));
        }
        self.keep(&part.extra, &TEXT_MEMBERS, &mut block);
        Some(Value::Object(block))
    }

    /// A part in this vocabulary goes back as it came. The trace of another vendor's tools means
    /// nothing here.
    fn vendors(&mut self, part: &VendorPart, side: Side) -> Result<Option<Value>, ProviderError> {
        if part.format == FORMAT {
            return Ok(Some(part.raw.clone()));
        }
        let what = format!("content in the words of {}", part.format);
        if side != Side::Assistant {
            return Err(self.refused(&what));
        }
        self.warnings.ignore(what);
        Ok(None)
    }

    fn image(&mut self, part: &ImagePart) -> Result<Value, ProviderError> {
        if part.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.warnings.ignore("the detail of images");
        }
        let source = source::image(&part.source, &self.place)?;
        Ok(self.block("image", ("source", source), &part.extra, &[CACHE_CONTROL]))
    }

    fn file(&mut self, part: &FilePart) -> Result<Value, ProviderError> {
        let (kind, source) = source::file(part, &self.place)?;
        let mut block = self.block(kind, ("source", source), &part.extra, &FILE_MEMBERS);
        if let (Some(name), None, "document") = (&part.filename, block.get("title"), kind) {
            block["title"] = json!(name);
        }
        Ok(block)
    }

    fn call(&mut self, call: &ToolCall) -> Result<Value, ProviderError> {
        let input = ("input", Value::Object(call.arguments_object()?));
        let mut block = self.block("tool_use", input, &call.extra, &CALL_MEMBERS);
        block["id"] = json!(call.id);
        block["name"] = json!(call.name);
        let seen_again = call.provider_data.get(FORMAT);
        if let Some(caller) = seen_again.and_then(|data| data.get("caller")) {
            block["caller"] = caller.clone();
        }
        Ok(block)
    }

    fn tool_result(&mut self, result: &ToolResult) -> Result<Value, ProviderError> {
        let mut content = Vec::new();
        for part in &result.content {
            if matches!(part, Part::ToolResult(_)) {
                return Err(self.refused("a tool result in a tool result"));
            }
            content.extend(self.part(part, Side::User)?);
        }
        let id = ("tool_use_id", json!(result.tool_call_id));
        let mut block = self.block("tool_result", id, &result.extra, &[CACHE_CONTROL]);
        if !content.is_empty() {
            block["content"] = Value::Array(content);
        }
        if result.is_error {
            block["is_error"] = json!(true);
        }
        Ok(block)
    }

    /// Thoughts with Anthropic's proof that they are the model's own. Without it, or with another
    /// vendor's, the API wants them left out.
    fn reasoning(&mut self, part: &ReasoningPart) -> Option<Value> {
        let is_own = part.format.as_deref().is_none_or(|format| format == REASONING_FORMAT);
        match (&part.signature, &part.redacted) {
            (_, Some(data)) if is_own => Some(json!({ "type": "redacted_thinking", "data": data })),
            (Some(signature), _) if is_own => Some(json!({
                "type": "thinking", "thinking": part.text, "signature": signature,
            })),
            (None, None) if part.text.is_empty() => None,
            _ => {
                self.warnings.ignore("reasoning without a signature of Anthropic's");
                None
            }
        }
    }

    fn block(
        &mut self,
        kind: &str,
        (name, value): (&str, Value),
        extra: &Extra,
        known: &[&str],
    ) -> Value {
        let mut block = Map::from_iter([("type".to_owned(), json!(kind))]);
        block.insert(name.to_owned(), value);
        self.keep(extra, known, &mut block);
        Value::Object(block)
    }

    fn keep(&mut self, extra: &Extra, known: &[&str], members: &mut Map<String, Value>) {
        let mut extra = extra.clone();
        extra.remove(EXTRA_CONTENT);
        self.warnings.keep_known(&extra, known, &format!("{}.", self.place), members);
    }

    fn refused(&self, what: &str) -> ProviderError {
        refused(what, &self.place)
    }
}

/// A block of text; nothing where there is nothing to read.
fn text_block(text: &str) -> Option<Map<String, Value>> {
    let block = [("type".to_owned(), json!("text")), ("text".to_owned(), json!(text))];
    (!text.trim().is_empty()).then(|| Map::from_iter(block))
}

/// Whether an annotation is a citation as Anthropic writes them (`char_location`, …).
fn is_citation(raw: &Value) -> bool {
    raw["type"].as_str().is_some_and(|kind| kind.ends_with("_location"))
}

#[cfg(test)]
mod tests;
