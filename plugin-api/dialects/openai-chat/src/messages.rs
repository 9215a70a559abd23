//! The normalised messages → the vendor's.
//!
//! Results of tools become messages of their own; reasoning goes back in the form in which the
//! service gave it. It decides nothing about the rest of the request.
//!
//! - <https://platform.openai.com/docs/api-reference/chat/create#chat-create-messages>
//! - <https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks>
//! - <https://docs.mistral.ai/capabilities/reasoning/>

use allos_plugin_api::json::{object, text, without_nulls};
use allos_plugin_api::{
    AudioPart, Extra, FilePart, ImagePart, Message, Part, ProviderError, ReasoningPart, Role,
    Source, TextPart, ToolCall, ToolResult, VendorPart, Warnings,
};
use serde_json::{Map, Value, json};

use crate::FORMAT;
use crate::options::{FilePartKind, Options, ReasoningField};

/// Members of a message that the normalised form keeps by name, and that are sent as they came:
/// `prefix` of Mistral and its kin, OpenRouter's `annotations`, Google's `extra_content`.
const MEMBERS: [&str; 6] =
    ["annotations", "audio", "extra_content", "function_call", "partial", "prefix"];
/// Members of a part. <https://openrouter.ai/docs/features/prompt-caching>
const PART_MEMBERS: [&str; 2] = ["document_name", "prompt_cache_breakpoint"];
/// Members of a tool call: Google's place for signatures, and Mistral's number of the call.
const CALL_MEMBERS: [&str; 2] = ["extra_content", "index"];

/// Writes all messages.
pub(crate) fn write(
    messages: &[Message],
    options: &Options,
    warnings: &mut Warnings,
) -> Result<Vec<Value>, ProviderError> {
    let (place, written, shown) = (String::new(), Vec::new(), Vec::new());
    let mut writer = Writer { options, warnings, place, written, shown };
    for (at, message) in messages.iter().enumerate() {
        writer.place = format!("messages[{at}]");
        writer.message(message)?;
    }
    writer.show();
    Ok(writer.written)
}

struct Writer<'a> {
    options: &'a Options,
    warnings: &'a mut Warnings,
    /// Where the writer is, for warnings and errors.
    place: String,
    written: Vec<Value>,
    /// What tools answered that is not text. Messages of tools hold text alone, and nothing may
    /// stand between them, so it follows the last of them as the user's.
    shown: Vec<Value>,
}

/// The parts of an assistant's message, sorted by the members that they go into.
#[derive(Default)]
struct Sorted {
    content: Vec<Value>,
    thought: Option<String>,
    details: Vec<Value>,
    refusal: String,
    calls: Vec<Value>,
    images: Vec<Value>,
    audio: Option<Value>,
    annotations: Vec<Value>,
}

impl Writer<'_> {
    fn message(&mut self, message: &Message) -> Result<(), ProviderError> {
        let (results, others): (Vec<_>, Vec<_>) =
            message.content.iter().partition(|part| matches!(part, Part::ToolResult(_)));
        for part in &results {
            if let Part::ToolResult(result) = part {
                let members = if others.is_empty() { &message.extra } else { &Extra::new() };
                self.tool_result(result, message.name.as_deref(), members)?;
            }
        }
        if results.is_empty() || !others.is_empty() {
            self.show();
        }
        match (&message.role, results.is_empty(), others.is_empty()) {
            (_, false, true) => Ok(()),
            (Role::Tool, ..) => Err(self.refused("a tool message that is no tool result")),
            (Role::Assistant, ..) => self.assistant(message, &others),
            _ => self.plain(message, &others),
        }
    }

    fn plain(&mut self, message: &Message, parts: &[&Part]) -> Result<(), ProviderError> {
        let content = parts.iter().map(|part| self.part(part)).collect::<Result<_, _>>()?;
        self.push(message, joined(content), Map::new());
        Ok(())
    }

    fn assistant(&mut self, message: &Message, parts: &[&Part]) -> Result<(), ProviderError> {
        let mut sorted = Sorted::default();
        for part in parts {
            self.sort(part, &mut sorted)?;
        }
        let empty = sorted.content.is_empty();
        let has_more =
            !sorted.calls.is_empty() || !sorted.refusal.is_empty() || sorted.audio.is_some();
        let content = if empty && has_more { Value::Null } else { joined(sorted.content) };
        let mut members = Map::new();
        // DeepSeek wants to see its member again even where it is empty.
        let (reasoning, even_empty) = match self.options.reasoning_field {
            ReasoningField::ReasoningContent => ("reasoning_content", true),
            _ => ("reasoning", false),
        };
        let thought = sorted.thought.filter(|thought| even_empty || !thought.is_empty());
        members.extend(thought.map(|thought| (reasoning.to_owned(), json!(thought))));
        let refusal = (!sorted.refusal.is_empty()).then(|| json!(sorted.refusal));
        members.extend(refusal.map(|refusal| ("refusal".to_owned(), refusal)));
        members.extend(sorted.audio.map(|audio| ("audio".to_owned(), audio)));
        for (name, list) in [
            ("reasoning_details", sorted.details),
            ("images", sorted.images),
            ("annotations", sorted.annotations),
            ("tool_calls", sorted.calls),
        ] {
            if !list.is_empty() {
                members.insert(name.to_owned(), Value::Array(list));
            }
        }
        self.push(message, content, members);
        Ok(())
    }

    /// Puts a part of an assistant's message where it belongs.
    fn sort(&mut self, part: &Part, sorted: &mut Sorted) -> Result<(), ProviderError> {
        match part {
            Part::Reasoning(part) => self.reasoning(part, sorted),
            Part::Refusal(part) => sorted.refusal.push_str(&part.text),
            Part::ToolCall(call) => sorted.calls.push(self.call(call)),
            Part::Image(_) => sorted.images.push(self.part(part)?),
            Part::Audio(part) => sorted.audio = Some(self.spoken(part)?),
            Part::Vendor(VendorPart { format, raw, .. }) if format == FORMAT => {
                let list = match raw["type"].as_str() {
                    Some("custom") => &mut sorted.calls,
                    Some(kind) if kind.starts_with("reasoning.") => &mut sorted.details,
                    _ => &mut sorted.content,
                };
                list.push(raw.clone());
            }
            // The trace of what another vendor ran is nothing to this one.
            Part::Vendor(VendorPart { format, .. }) => {
                self.warnings.ignore(format_args!("content in the words of {format}"));
            }
            Part::Text(text) => {
                self.annotations(text, sorted);
                sorted.content.push(self.part(part)?);
            }
            _ => sorted.content.push(self.part(part)?),
        }
        Ok(())
    }

    /// Reasoning in the service's form; a warning of what has none.
    fn reasoning(&mut self, part: &ReasoningPart, sorted: &mut Sorted) {
        let is_opaque = part.signature.is_some() || part.redacted.is_some();
        match self.options.reasoning_field {
            ReasoningField::None => return self.warnings.ignore("reasoning of earlier answers"),
            ReasoningField::ReasoningDetails => {
                let is_named = part.summary || part.id.is_some() || part.format.is_some();
                if is_opaque || is_named || !part.extra.is_empty() {
                    sorted.details.push(detail(part));
                }
                sorted.thought.get_or_insert_default().push_str(&part.text);
            }
            ReasoningField::Thinking if !part.text.is_empty() || !is_opaque => {
                let mut chunk = part.extra.clone();
                chunk.insert("type".to_owned(), json!("thinking"));
                let thinking = chunk.entry("thinking");
                thinking.or_insert_with(|| json!([{ "type": "text", "text": part.text }]));
                sorted.content.push(Value::Object(chunk));
            }
            _ => sorted.thought.get_or_insert_default().push_str(&part.text),
        }
        if is_opaque && self.options.reasoning_field != ReasoningField::ReasoningDetails {
            self.warnings.ignore("the signed or encrypted form of reasoning");
        }
    }

    fn call(&mut self, call: &ToolCall) -> Value {
        let function = json!({ "name": call.name, "arguments": call.arguments });
        let mut members =
            object([("id", json!(call.id)), ("type", json!("function")), ("function", function)]);
        if let Some(signature) = &call.signature {
            let extra_content = json!({ "google": { "thought_signature": signature } });
            members.insert("extra_content".to_owned(), extra_content);
        }
        let place = format!("{}.tool_calls.{}.", self.place, call.id);
        self.warnings.keep_known(&call.extra, &CALL_MEMBERS, &place, &mut members);
        Value::Object(members)
    }

    /// What is known of the sources of an answer, where it was said in this vocabulary.
    fn annotations(&mut self, part: &TextPart, sorted: &mut Sorted) {
        for annotation in &part.annotations {
            match &annotation.raw {
                Some(raw) if raw[&annotation.kind].is_object() => {
                    sorted.annotations.push(raw.clone());
                }
                _ => self.warnings.ignore("annotations"),
            }
        }
    }

    fn tool_result(
        &mut self,
        result: &ToolResult,
        name: Option<&str>,
        extra: &Extra,
    ) -> Result<(), ProviderError> {
        if result.is_error {
            self.warnings.ignore("the mark of a tool result as an error");
        }
        let mut content = Vec::new();
        for part in &result.content {
            let written = self.part(part)?;
            match part {
                Part::Image(_) | Part::Audio(_) | Part::File(_) => self.shown.push(written),
                _ => content.push(written),
            }
        }
        let mut message = object([
            ("role", json!("tool")),
            ("tool_call_id", json!(result.tool_call_id)),
            ("content", joined(content)),
        ]);
        message.extend(name.map(|name| ("name".to_owned(), json!(name))));
        self.keep(extra, &MEMBERS, &mut message);
        self.keep(&result.extra, &MEMBERS, &mut message);
        self.written.push(Value::Object(message));
        Ok(())
    }

    fn part(&mut self, part: &Part) -> Result<Value, ProviderError> {
        let none = Extra::new();
        let (members, extra) = match part {
            Part::Text(part) => (json!({ "type": "text", "text": part.text }), &part.extra),
            Part::Image(part) => (self.image(part)?, &part.extra),
            Part::Audio(part) => (self.heard(part)?, &part.extra),
            Part::File(part) => (self.file(part)?, &part.extra),
            Part::Refusal(part) => {
                (json!({ "type": "refusal", "refusal": part.text }), &part.extra)
            }
            Part::Vendor(VendorPart { format, raw, .. }) => {
                if format != FORMAT {
                    return Err(self.refused(&format!("content in the words of {format}")));
                }
                (raw.clone(), &none)
            }
            Part::Reasoning(_) => return Err(self.refused("reasoning that is not the model's")),
            Part::ToolCall(_) => return Err(self.refused("a tool call that is not the model's")),
            _ => return Err(self.refused("content of an unknown kind")),
        };
        let Value::Object(mut members) = members else { return Ok(members) };
        self.keep(extra, &PART_MEMBERS, &mut members);
        Ok(Value::Object(members))
    }

    fn image(&self, part: &ImagePart) -> Result<Value, ProviderError> {
        let url = self.address(&part.source, "an image")?;
        let image_url = without_nulls(json!({ "url": url, "detail": part.detail }));
        Ok(json!({ "type": "image_url", "image_url": image_url }))
    }

    fn file(&self, part: &FilePart) -> Result<Value, ProviderError> {
        if self.options.file_part == FilePartKind::DocumentUrl {
            let url = self.address(&part.source, "a document")?;
            return Ok(without_nulls(json!({
                "type": "document_url", "document_url": url, "document_name": part.filename,
            })));
        }
        let mut file = Map::new();
        file.extend(part.filename.as_ref().map(|name| ("filename".to_owned(), json!(name))));
        match &part.source {
            Source::Id(source) => file.insert("file_id".to_owned(), json!(source.id)),
            source => file.insert("file_data".to_owned(), json!(self.address(source, "a file")?)),
        };
        Ok(json!({ "type": "file", "file": file }))
    }

    /// Sound that a person sends.
    fn heard(&self, part: &AudioPart) -> Result<Value, ProviderError> {
        let Source::Data(source) = &part.source else {
            return Err(self.refused("sound that is not in the message itself"));
        };
        let media_type = source.media_type.as_deref().unwrap_or_default();
        let format =
            part.format.as_deref().or_else(|| match media_type.strip_prefix("audio/")? {
                "mpeg" => Some("mp3"),
                "x-wav" | "wave" => Some("wav"),
                other => Some(other),
            });
        let audio = without_nulls(json!({ "data": source.base64, "format": format }));
        Ok(json!({ "type": "input_audio", "input_audio": audio }))
    }

    /// Sound that the model made earlier: by its id.
    fn spoken(&self, part: &AudioPart) -> Result<Value, ProviderError> {
        let id = match &part.source {
            Source::Id(source) => Some(source.id.as_str()),
            _ => part.provider_data.get(FORMAT).and_then(|data| text(&data["audio"]["id"])),
        };
        id.map(|id| json!({ "id": id }))
            .ok_or_else(|| self.refused("the model's sound without its id"))
    }

    fn address(&self, source: &Source, what: &str) -> Result<String, ProviderError> {
        match source {
            Source::Data(data) if data.media_type.is_some() => Ok(data.to_url()),
            Source::Data(data) => Ok(data.base64.clone()),
            Source::Url(source) => Ok(source.url.clone()),
            _ => Err(self.refused(&format!("{what} that is neither an address nor data"))),
        }
    }

    fn show(&mut self) {
        if !self.shown.is_empty() {
            let content = Value::Array(std::mem::take(&mut self.shown));
            self.written.push(json!({ "role": "user", "content": content }));
        }
    }

    fn push(&mut self, message: &Message, content: Value, more: Map<String, Value>) {
        let mut members = object([("role", json!(message.role)), ("content", content)]);
        members.extend(more);
        members.extend(message.name.as_ref().map(|name| ("name".to_owned(), json!(name))));
        self.keep(&message.extra, &MEMBERS, &mut members);
        self.written.push(Value::Object(members));
    }

    fn keep(&mut self, extra: &Extra, known: &[&str], members: &mut Map<String, Value>) {
        let place = format!("{}.", self.place);
        self.options.keep(extra, known, &place, members, self.warnings);
    }

    fn refused(&self, what: &str) -> ProviderError {
        ProviderError::unsupported(format!("{what} in {}", self.place))
    }
}

/// A text alone is written as text, anything else as a list.
fn joined(mut content: Vec<Value>) -> Value {
    let is_text = |part: &Value| {
        part["type"] == "text" && part.as_object().is_some_and(|part| part.len() == 2)
    };
    match content.as_mut_slice() {
        [] => json!(""),
        [part] if is_text(part) => part["text"].take(),
        _ => Value::Array(content),
    }
}

/// A reasoning part as the item of `reasoning_details` that it was.
fn detail(part: &ReasoningPart) -> Value {
    let mut members = part.extra.clone();
    let (kind, name) = match (&part.redacted, part.summary) {
        (Some(_), _) => ("reasoning.encrypted", "data"),
        (None, true) => ("reasoning.summary", "summary"),
        (None, false) => ("reasoning.text", "text"),
    };
    let said = part.redacted.as_ref().unwrap_or(&part.text);
    members.insert("type".to_owned(), json!(kind));
    if !said.is_empty() {
        members.insert(name.to_owned(), json!(said));
    }
    for (name, value) in
        [("signature", &part.signature), ("id", &part.id), ("format", &part.format)]
    {
        members.insert(name.to_owned(), json!(value));
    }
    without_nulls(Value::Object(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(field: &str, parts: &Value) -> (Value, Vec<String>) {
        let options = serde_json::from_value(json!({ "reasoning_field": field })).unwrap();
        let message = serde_json::from_value(json!({ "role": "assistant", "content": parts }));
        let mut warnings = Warnings::default();
        let mut messages = write(&[message.unwrap()], &options, &mut warnings).unwrap();
        (messages.remove(0), warnings.into_vec())
    }

    #[test]
    fn reasoning_goes_back_in_the_form_that_each_service_takes() {
        let parts = json!([
            { "type": "reasoning", "text": "hm", "signature": "s", "extra": { "index": 0 } },
            { "type": "text", "text": "hi" },
        ]);
        let detail =
            json!({ "type": "reasoning.text", "text": "hm", "signature": "s", "index": 0 });
        for (field, rest) in [
            ("none", json!({ "content": "hi" })),
            ("reasoning", json!({ "content": "hi", "reasoning": "hm" })),
            ("reasoning_content", json!({ "content": "hi", "reasoning_content": "hm" })),
            (
                "reasoning_details",
                json!({ "content": "hi", "reasoning": "hm", "reasoning_details": [detail] }),
            ),
        ] {
            let (mut message, warnings) = written(field, &parts);
            message.as_object_mut().unwrap().remove("role");
            assert_eq!(message, rest, "{field}");
            assert_eq!(warnings.is_empty(), field == "reasoning_details", "{field}");
        }
    }

    #[test]
    fn a_signature_of_a_call_goes_back_where_it_came_from() {
        let call = json!({ "type": "tool_call", "id": "a", "name": "f", "arguments": "{}", "signature": "s" });
        let (message, _) = written("none", &json!([call]));
        assert_eq!(message["content"], Value::Null);
        let place = "/tool_calls/0/extra_content/google/thought_signature";
        assert_eq!(message.pointer(place), Some(&json!("s")));
    }

    #[test]
    fn content_in_the_words_of_another_vendor_is_refused() {
        let part = json!([{ "type": "vendor", "format": "anthropic-messages", "raw": {} }]);
        let message = serde_json::from_value(json!({ "role": "user", "content": part })).unwrap();
        let error = write(&[message], &Options::default(), &mut Warnings::default()).unwrap_err();
        assert!(error.message().contains("anthropic-messages"), "{error}");
    }

    #[test]
    fn each_result_of_a_tool_is_a_message() {
        let result = |id: &str| {
            let content = [json!({ "type": "text", "text": id })];
            json!({ "type": "tool_result", "tool_call_id": id, "content": content })
        };
        let content = json!([result("a"), result("b"), { "type": "text", "text": "go on" }]);
        let message = serde_json::from_value(json!({ "role": "user", "content": content }));
        let messages =
            write(&[message.unwrap()], &Options::default(), &mut Warnings::default()).unwrap();
        let roles: Vec<_> = messages.iter().map(|message| &message["role"]).collect();
        assert_eq!(roles, ["tool", "tool", "user"]);
        assert_eq!(messages[1]["content"], "b");
    }

    #[test]
    fn an_image_that_a_tool_answers_follows_the_messages_of_the_tools() {
        let image = json!({ "type": "image", "source": { "type": "url", "url": "https://e.x/a" } });
        let result = |id: &str| {
            let content = [json!({ "type": "text", "text": id }), image.clone()];
            let result = json!({ "type": "tool_result", "tool_call_id": id, "content": content });
            json!({ "role": "tool", "content": [result] })
        };
        let messages = json!([result("a"), result("b"), { "role": "assistant", "content": [] }]);
        let messages: Vec<Message> = serde_json::from_value(messages).unwrap();
        let written = write(&messages, &Options::default(), &mut Warnings::default()).unwrap();
        let roles: Vec<_> = written.iter().map(|message| &message["role"]).collect();
        assert_eq!(roles, ["tool", "tool", "user", "assistant"]);
        assert_eq!(written[1]["content"], "b");
        assert_eq!(written[2]["content"][1]["image_url"]["url"], "https://e.x/a");
    }
}
