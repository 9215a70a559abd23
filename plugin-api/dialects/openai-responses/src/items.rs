//! The normalised messages → the items of the input.
//!
//! Messages of the system and of developers are items too, not `instructions`: they keep their
//! order. An answer goes back as the items that it was, in their order. They name one another by
//! their ids at the vendor, who refuses an answer of which some are missing: then it goes back
//! without ids, which the vendor takes.
//!
//! - <https://platform.openai.com/docs/api-reference/responses/create#responses-create-input>
//! - <https://platform.openai.com/docs/guides/conversation-state#manually-manage-conversation-state>
//! - <https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items>

use std::collections::{BTreeMap, BTreeSet};

use allos_plugin_api::{
    Annotation, Extra, FilePart, ImagePart, Message, Part, ProviderError, ReasoningPart, Role,
    Source, ToolCall, ToolResult, VendorPart, Warnings, json,
};
use serde_json::{Map, Value, json};

use crate::{FORMAT, PLACE, REASONING_FORMAT, flat};

/// Members of a part that are sent as they came.
/// <https://platform.openai.com/docs/guides/prompt-caching>
const PART_MEMBERS: [&str; 1] = ["prompt_cache_breakpoint"];
/// Members of an item by which the vendor knows it again.
const KNOWN_AGAIN: [&str; 2] = ["id", "status"];

/// Writes all messages. `stores` says whether the vendor stores answers, and so knows them by ids.
pub(crate) fn write(
    messages: &[Message],
    stores: bool,
    warnings: &mut Warnings,
) -> Result<Vec<Value>, ProviderError> {
    let (place, items) = (String::new(), Vec::new());
    let (custom, callers) = (BTreeSet::new(), BTreeMap::new());
    let mut writer = Writer { stores, warnings, place, items, custom, callers };
    for (at, message) in messages.iter().enumerate() {
        writer.place = format!("messages[{at}]");
        writer.message(message)?;
    }
    Ok(writer.items)
}

struct Writer<'a> {
    stores: bool,
    warnings: &'a mut Warnings,
    /// Where the writer is, for warnings and errors.
    place: String,
    items: Vec<Value>,
    /// The ids of calls whose input is text.
    custom: BTreeSet<String>,
    /// The programs that called functions, by the ids of the calls.
    callers: BTreeMap<String, Value>,
}

/// An item of an answer that goes back.
struct Returned {
    item: Value,
    /// Its place in the answer, where that is known.
    at: Option<u64>,
    /// Whether it is as it came, and stays so.
    is_raw: bool,
}

impl Writer<'_> {
    fn message(&mut self, message: &Message) -> Result<(), ProviderError> {
        if message.name.is_some() && message.role != Role::Tool {
            self.warnings.ignore(format_args!("{}.name", self.place));
        }
        match &message.role {
            Role::Assistant => {
                self.keep(&message.extra, &["extra_content"], &mut Map::new());
                self.answer(&message.content)
            }
            Role::Other(role) => Err(self.refused(&format!("the role `{role}`"))),
            role => {
                self.keep(&message.extra, &[], &mut Map::new());
                self.plain(role, &message.content)
            }
        }
    }

    /// A message that is not the model's: its content, between the items that are none.
    fn plain(&mut self, role: &Role, parts: &[Part]) -> Result<(), ProviderError> {
        let mut content = Vec::new();
        for part in parts {
            let item = match part {
                Part::ToolResult(result) => self.result(result)?,
                Part::Vendor(part) if part.format == FORMAT && !is_content(&part.raw) => {
                    part.raw.clone()
                }
                _ if *role == Role::Tool => {
                    return Err(self.refused("a tool message that is no tool result"));
                }
                part => {
                    content.push(self.part(part)?);
                    continue;
                }
            };
            self.say(role, &mut content);
            self.items.push(item);
        }
        self.say(role, &mut content);
        Ok(())
    }

    fn say(&mut self, role: &Role, content: &mut Vec<Value>) {
        if !content.is_empty() {
            let content = joined(std::mem::take(content));
            self.items.push(json!({ "role": role, "content": content }));
        }
    }

    /// An answer of the model.
    fn answer(&mut self, parts: &[Part]) -> Result<(), ProviderError> {
        let mut returned = Vec::new();
        for part in parts {
            self.give_back(part, &mut returned)?;
        }
        let items = self.whole(returned);
        self.items.extend(items);
        Ok(())
    }

    /// The items of an answer, in their order where it is known, and with their ids where none is
    /// missing.
    fn whole(&mut self, returned: Vec<Returned>) -> Vec<Value> {
        let had_ids = returned.iter().any(|it| !it.is_raw && it.item["id"].is_string());
        let places: BTreeSet<u64> = returned.iter().filter_map(|it| it.at).collect();
        let has_order = places.len() == returned.len();
        let is_whole = has_order && places.iter().copied().eq((0..).take(places.len()));
        if had_ids && !is_whole {
            self.warnings.add("an earlier answer is not whole any more: it is sent without ids");
        }
        let mut items = BTreeMap::new();
        for (number, Returned { mut item, at, is_raw }) in (0..).zip(returned) {
            if let (false, false, Value::Object(item)) = (is_whole, is_raw, &mut item) {
                item.retain(|name, _| !KNOWN_AGAIN.contains(&name.as_str()));
            }
            items.insert(at.filter(|_| has_order).unwrap_or(number), item);
        }
        items.into_values().collect()
    }

    fn give_back(&mut self, part: &Part, items: &mut Vec<Returned>) -> Result<(), ProviderError> {
        let data = seen_again(part);
        let (item, is_raw) = match part {
            Part::Text(text) => {
                self.keep(&text.extra, &[], &mut Map::new());
                if text.text.is_empty() && data.is_null() {
                    // A client of chat completions says so that there was no text.
                    return Ok(());
                }
                let annotations: Vec<_> = text.annotations.iter().map(write_annotation).collect();
                let content = json!({
                    "type": "output_text", "text": text.text, "annotations": annotations,
                });
                say_again(content, data, items);
                return Ok(());
            }
            Part::Refusal(part) => {
                let content = json!({ "type": "refusal", "refusal": part.text });
                say_again(content, data, items);
                return Ok(());
            }
            Part::Reasoning(part) => match self.reasoning(part) {
                Some(item) => (with_data(item, data), false),
                None => return Ok(()),
            },
            Part::ToolCall(call) => {
                let program = Some(&data["caller"]).filter(|it| it["type"] == "program");
                self.callers.extend(program.map(|it| (call.id.clone(), it.clone())));
                (with_data(self.call(call), data), false)
            }
            Part::ToolResult(result) => (self.result(result)?, true),
            Part::Vendor(part) if part.format == FORMAT => (part.raw.clone(), true),
            Part::Vendor(part) if is_custom_call(part) => {
                (with_data(self.custom_call(&part.raw), data), false)
            }
            Part::Vendor(VendorPart { format, .. }) => {
                self.warnings.ignore(format_args!("what {format} alone has in earlier answers"));
                return Ok(());
            }
            Part::Image(_) => {
                self.warnings.ignore("images in earlier answers");
                return Ok(());
            }
            _ => return Err(self.refused("sound, a file or content of an unknown kind")),
        };
        items.push(Returned { item, at: data[PLACE].as_u64(), is_raw });
        Ok(())
    }

    /// Reasoning that the vendor can read again: encrypted, or in words of its own, or known to it
    /// by id.
    fn reasoning(&mut self, part: &ReasoningPart) -> Option<Value> {
        let is_own = part.format.as_deref() == Some(REASONING_FORMAT);
        let content = part.provider_data.get(FORMAT).map(|data| &data["content"]);
        let has_content = content.is_some_and(|content| !json::items(content).is_empty());
        let is_known = self.stores && part.id.is_some();
        if !is_own || !(part.redacted.is_some() || has_content || is_known) {
            let what = if is_own { "that is not encrypted" } else { "of another vendor" };
            self.warnings.ignore(format_args!("reasoning {what} in earlier answers"));
            return None;
        }
        let summary = json!({ "type": "summary_text", "text": part.text });
        let summary = if part.text.is_empty() { json!([]) } else { json!([summary]) };
        Some(json::without_nulls(json!({
            "type": "reasoning",
            "id": part.id,
            "summary": summary,
            "encrypted_content": part.redacted,
        })))
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let place = format!("{}.tool_calls.{}.", self.place, call.id);
        self.warnings.keep_known(&call.extra, &["extra_content"], &place, &mut Map::new());
        let arguments = if call.arguments.is_empty() { "{}" } else { &call.arguments };
        json!({
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments,
        })
    }

    /// <https://platform.openai.com/docs/guides/function-calling#custom-tools>
    fn custom_call(&mut self, raw: &Value) -> Value {
        self.custom.extend(json::word(&raw["id"]));
        let call = flat(raw);
        json!({
            "type": "custom_tool_call",
            "call_id": raw["id"],
            "name": call["name"],
            "input": call["input"],
        })
    }

    fn result(&mut self, result: &ToolResult) -> Result<Value, ProviderError> {
        if result.is_error {
            self.warnings.ignore("the mark of a tool result as an error");
        }
        self.keep(&result.extra, &[], &mut Map::new());
        let content =
            result.content.iter().map(|part| self.part(part)).collect::<Result<_, _>>()?;
        let is_custom = self.custom.contains(&result.tool_call_id);
        let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
        Ok(json::without_nulls(json!({
            "type": kind,
            "call_id": result.tool_call_id,
            "output": joined(content),
            "caller": self.callers.get(&result.tool_call_id),
        })))
    }

    /// A part of a message that is not the model's.
    fn part(&mut self, part: &Part) -> Result<Value, ProviderError> {
        let (members, extra) = match part {
            Part::Text(part) => (json!({ "type": "input_text", "text": part.text }), &part.extra),
            Part::Image(part) => (self.image(part)?, &part.extra),
            Part::File(part) => (self.file(part)?, &part.extra),
            Part::Audio(_) => return Err(self.refused("sound")),
            Part::Vendor(part) if part.format == FORMAT => return Ok(part.raw.clone()),
            Part::Vendor(part) => {
                return Err(self.refused(&format!("content in the words of {}", part.format)));
            }
            _ => return Err(self.refused("content that is the model's, or of an unknown kind,")),
        };
        let Value::Object(mut members) = members else { return Ok(members) };
        self.keep(extra, &PART_MEMBERS, &mut members);
        Ok(Value::Object(members))
    }

    fn image(&self, part: &ImagePart) -> Result<Value, ProviderError> {
        let (name, value) = match &part.source {
            Source::Data(data) => ("image_url", data.to_url()),
            Source::Url(source) => ("image_url", source.url.clone()),
            Source::Id(source) => ("file_id", source.id.clone()),
            _ => return Err(self.refused("an image from an unknown source")),
        };
        let detail = part.detail.as_deref().unwrap_or("auto");
        Ok(json!({ "type": "input_image", name: value, "detail": detail }))
    }

    /// A file. Its bytes need a name, from which the vendor tells what it is.
    fn file(&self, part: &FilePart) -> Result<Value, ProviderError> {
        let (name, value) = match &part.source {
            Source::Data(data) if data.media_type.is_some() => ("file_data", data.to_url()),
            Source::Data(data) => ("file_data", data.base64.clone()),
            Source::Url(source) => ("file_url", source.url.clone()),
            Source::Id(source) => ("file_id", source.id.clone()),
            _ => return Err(self.refused("a file from an unknown source")),
        };
        let filename = part.filename.clone().or_else(|| match &part.source {
            Source::Data(data) => {
                let (_, kind) = data.media_type.as_deref()?.split_once('/')?;
                Some(format!("file.{}", if kind == "plain" { "txt" } else { kind }))
            }
            _ => None,
        });
        let file = json!({ "type": "input_file", name: value, "filename": filename });
        Ok(json::without_nulls(file))
    }

    fn keep(&mut self, extra: &Extra, known: &[&str], members: &mut Map<String, Value>) {
        self.warnings.keep_known(extra, known, &format!("{}.", self.place), members);
    }

    fn refused(&self, what: &str) -> ProviderError {
        ProviderError::unsupported(format!("{what} in {}", self.place))
    }
}

/// A piece of what the model said, in the message that it was a piece of.
fn say_again(content: Value, data: &Value, items: &mut Vec<Returned>) {
    let at = data[PLACE].as_u64();
    if let Some(last) = items.last_mut().filter(|last| last.at == at)
        && last.item["type"] == "message"
        && let Value::Array(pieces) = &mut last.item["content"]
    {
        pieces.push(content);
        return;
    }
    let mut message = json!({ "type": "message", "role": "assistant", "content": [content] });
    if data["id"].is_string() {
        message["status"] = "completed".into();
    }
    items.push(Returned { item: with_data(message, data), at, is_raw: false });
}

/// What the vendor wants to see again with a part; null where there is nothing.
fn seen_again(part: &Part) -> &Value {
    let data = match part {
        Part::Text(part) => &part.provider_data,
        Part::Reasoning(part) => &part.provider_data,
        Part::ToolCall(part) => &part.provider_data,
        Part::Vendor(part) if is_custom_call(part) => return &part.raw["extra_content"][FORMAT],
        Part::Vendor(part) => &part.provider_data,
        _ => return &Value::Null,
    };
    data.get(FORMAT).unwrap_or(&Value::Null)
}

/// An item with what its part alone does not say.
fn with_data(mut item: Value, data: &Value) -> Value {
    for (name, value) in json::rest(data, &[PLACE, "type"]) {
        item[name] = value;
    }
    item
}

fn is_custom_call(part: &VendorPart) -> bool {
    part.format == allos_openai_chat::FORMAT && part.raw["type"] == "custom"
}

/// Whether something of the vendor's own is content of a message, and not an item.
fn is_content(raw: &Value) -> bool {
    json::text(&raw["type"]).is_some_and(|kind| kind.starts_with("input_"))
}

/// A remark in this API's words.
fn write_annotation(annotation: &Annotation) -> Value {
    match &annotation.raw {
        Some(raw) if raw["type"].is_string() => flat(raw),
        _ => json::without_nulls(json!({
            "type": annotation.kind,
            "url": annotation.url,
            "title": annotation.title,
            "start_index": annotation.start_index,
            "end_index": annotation.end_index,
        })),
    }
}

/// A text alone is written as text, anything else as a list.
fn joined(mut content: Vec<Value>) -> Value {
    match content.as_mut_slice() {
        [] => json!(""),
        [part] if part["type"] == "input_text" && part.as_object().map(Map::len) == Some(2) => {
            part["text"].take()
        }
        _ => Value::Array(content),
    }
}
