//! The conversation in Ollama's form: text, images and calls beside each other in a message, a
//! message for each result of a tool.
//!
//! What it cannot say is refused by the place where it stands; what a model that reads on can do
//! without is a warning.
//!
//! - <https://docs.ollama.com/api/chat>
//! - <https://docs.ollama.com/capabilities/tool-calling>
//! - <https://docs.ollama.com/capabilities/thinking>
//! - <https://docs.ollama.com/capabilities/vision>

use allos_plugin_api::json::object;
use allos_plugin_api::{
    Extra, ImagePart, Message, Part, ProviderError, ReasoningPart, Role, Source, ToolCall,
    ToolResult, Warnings,
};
use serde_json::{Map, Value, json};

/// Writes a conversation.
pub(crate) fn write(
    messages: &[Message],
    warnings: &mut Warnings,
) -> Result<Vec<Value>, ProviderError> {
    let mut writer = Writer { written: Vec::new(), warnings, place: String::new() };
    for (index, message) in messages.iter().enumerate() {
        writer.place = format!("messages[{index}]");
        writer.message(message)?;
    }
    Ok(writer.written)
}

struct Writer<'a> {
    written: Vec<Value>,
    warnings: &'a mut Warnings,
    /// Where the message that is being written stands.
    place: String,
}

/// The members of a message, as its parts fill them.
#[derive(Default)]
struct Draft {
    content: String,
    thinking: String,
    images: Vec<Value>,
    calls: Vec<Value>,
}

impl Writer<'_> {
    fn message(&mut self, message: &Message) -> Result<(), ProviderError> {
        let role = match &message.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
            other => return Err(self.refused(&format!("the role `{other}`"))),
        };
        let mut draft = Draft::default();
        let mut has_own_content = message.content.is_empty();
        for part in &message.content {
            match part {
                Part::ToolResult(result) => self.tool_result(result)?,
                part => {
                    has_own_content = true;
                    self.part(part, &message.role, &mut draft)?;
                }
            }
        }
        self.forget(&message.extra, "");
        if has_own_content {
            if message.name.is_some() {
                self.warnings.ignore("the names of participants");
            }
            self.written.push(draft.finish(role));
        }
        Ok(())
    }

    fn part(&mut self, part: &Part, role: &Role, draft: &mut Draft) -> Result<(), ProviderError> {
        let is_models = *role == Role::Assistant;
        match part {
            Part::Text(part) => {
                draft.content.push_str(&part.text);
                if !part.annotations.is_empty() {
                    self.warnings.ignore("annotations");
                }
                self.forget(&part.extra, "");
            }
            Part::Image(part) => draft.images.push(self.image(part)?),
            Part::Refusal(part) if is_models => draft.content.push_str(&part.text),
            Part::Reasoning(part) if is_models => self.reasoning(part, draft),
            Part::ToolCall(call) if is_models => {
                draft.calls.push(self.call(call, draft.calls.len())?);
            }
            Part::Vendor(part) if is_models => {
                self.warnings.ignore(format_args!("content in the words of {}", part.format));
            }
            Part::Vendor(part) => {
                return Err(self.refused(&format!("content in the words of {}", part.format)));
            }
            Part::Audio(_) => return Err(self.refused("sound")),
            Part::File(_) => return Err(self.refused("a file")),
            Part::Refusal(_) => return Err(self.refused("a refusal that is not the model's")),
            Part::Reasoning(_) => return Err(self.refused("reasoning that is not the model's")),
            Part::ToolCall(_) => return Err(self.refused("a tool call that is not the model's")),
            _ => return Err(self.refused("content of an unknown kind")),
        }
        Ok(())
    }

    /// Ollama's reasoning is text. What another vendor signed or encrypted says nothing here.
    fn reasoning(&mut self, part: &ReasoningPart, draft: &mut Draft) {
        if part.format.is_some() || part.signature.is_some() || part.redacted.is_some() {
            self.warnings.ignore("reasoning of another vendor's model");
        } else {
            draft.thinking.push_str(&part.text);
        }
    }

    fn call(&mut self, call: &ToolCall, index: usize) -> Result<Value, ProviderError> {
        if call.signature.is_some() {
            self.warnings.ignore("signatures of tool calls");
        }
        self.forget(&call.extra, &format!("tool_calls.{}.", call.id));
        let arguments = call.arguments_object()?;
        let function = json!({ "index": index, "name": call.name, "arguments": arguments });
        Ok(json!({ "id": call.id, "type": "function", "function": function }))
    }

    fn tool_result(&mut self, result: &ToolResult) -> Result<(), ProviderError> {
        if result.is_error {
            self.warnings.ignore("the mark of a tool result as an error");
        }
        self.forget(&result.extra, "");
        let mut draft = Draft::default();
        for part in &result.content {
            self.part(part, &Role::Tool, &mut draft)?;
        }
        let mut message = draft.finish("tool");
        message["tool_call_id"] = json!(result.tool_call_id);
        if let Some(name) = &result.tool_name {
            message["tool_name"] = json!(name);
        }
        self.written.push(message);
        Ok(())
    }

    fn image(&mut self, part: &ImagePart) -> Result<Value, ProviderError> {
        let Source::Data(data) = &part.source else {
            let error = self.refused("an image that is not in the message itself");
            return Err(error.with_hint("the server fetches nothing: send a data: address"));
        };
        if part.detail.as_ref().is_some_and(|detail| detail != "auto") {
            self.warnings.ignore("the detail of images");
        }
        self.forget(&part.extra, "");
        Ok(json!(data.base64))
    }

    /// Warns of what a client said beyond what is written.
    fn forget(&mut self, extra: &Extra, within: &str) {
        let place = format!("{}.{within}", self.place);
        self.warnings.keep_known(extra, &[], &place, &mut Map::new());
    }

    fn refused(&self, what: &str) -> ProviderError {
        ProviderError::unsupported(format!("{what} in {}", self.place))
    }
}

impl Draft {
    fn finish(self, role: &str) -> Value {
        let mut message = object([("role", json!(role)), ("content", json!(self.content))]);
        if !self.thinking.is_empty() {
            message.insert("thinking".to_owned(), json!(self.thinking));
        }
        for (name, list) in [("images", self.images), ("tool_calls", self.calls)] {
            if !list.is_empty() {
                message.insert(name.to_owned(), Value::Array(list));
            }
        }
        Value::Object(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(messages: &Value) -> Result<(Value, Vec<String>), ProviderError> {
        let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
        let mut warnings = Warnings::default();
        let written = write(&messages, &mut warnings)?;
        Ok((json!(written), warnings.into_vec()))
    }

    #[test]
    fn a_conversation_with_thinking_and_tools_goes_back_as_it_was() {
        let arguments = r#"{"zone":"UTC"}"#;
        let call = |id: &str| json!({ "type": "tool_call", "id": id, "name": "now", "arguments": arguments });
        let result = json!({ "type": "tool_result", "tool_call_id": "a", "tool_name": "now",
            "content": [{ "type": "text", "text": "12:00" }] });
        let (messages, warnings) = written(&json!([
            { "role": "developer", "content": [{ "type": "text", "text": "be brief" }] },
            { "role": "assistant", "content": [
                { "type": "reasoning", "text": "hm" }, { "type": "text", "text": "wait" },
                call("a"), call("b"),
            ]},
            { "role": "user", "content": [result, { "type": "text", "text": "go on" }] },
        ]))
        .unwrap();
        let sent = |id: &str, index: u32| {
            json!({ "id": id, "type": "function", "function":
                { "index": index, "name": "now", "arguments": { "zone": "UTC" } } })
        };
        assert_eq!(
            messages,
            json!([
                { "role": "system", "content": "be brief" },
                { "role": "assistant", "content": "wait", "thinking": "hm",
                  "tool_calls": [sent("a", 0), sent("b", 1)] },
                { "role": "tool", "content": "12:00", "tool_call_id": "a", "tool_name": "now" },
                { "role": "user", "content": "go on" },
            ])
        );
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn an_image_is_its_base64_and_nothing_else_will_do() {
        let image = |source: &Value| {
            let part = json!({ "type": "image", "source": source });
            json!([{ "role": "user", "content": [part] }])
        };
        let data = json!({ "type": "data", "media_type": "image/png", "base64": "aGk=" });
        assert_eq!(written(&image(&data)).unwrap().0[0]["images"], json!(["aGk="]));
        let address = json!({ "type": "url", "url": "https://example.com/a.png" });
        let error = written(&image(&address)).unwrap_err();
        assert!(error.message().contains("messages[0]"), "{error}");
        assert!(error.hint().unwrap().contains("data:"));
    }

    #[test]
    fn what_cannot_be_said_is_refused_or_a_warning() {
        let vendor = json!({ "type": "vendor", "format": "anthropic-messages", "raw": {} });
        let signed = json!({ "type": "reasoning", "text": "t", "signature": "s" });
        let (messages, warnings) =
            written(&json!([{ "role": "assistant", "content": [vendor, signed] }])).unwrap();
        assert_eq!(messages, json!([{ "role": "assistant", "content": "" }]));
        assert_eq!(
            warnings,
            [
                "ignored: content in the words of anthropic-messages",
                "ignored: reasoning of another vendor's model"
            ]
        );
        let broken = json!({ "type": "tool_call", "id": "a", "name": "f", "arguments": "[1]" });
        for (role, part) in [("user", vendor), ("user", signed), ("assistant", broken)] {
            written(&json!([{ "role": role, "content": [part] }])).unwrap_err();
        }
    }
}
