//! The normalised reply → Anthropic's message, for replies that have no first lane.
//! <https://docs.anthropic.com/en/api/messages#response-content>
//!
//! Parts of other vendors are neither text nor a call that the client could run. They travel, with
//! all else that those vendors must see again, as `vendor` says. Of several answers there is only
//! the first.

use allos_plugin_api::{
    Annotation, Dialect, FinishReason, ImagePart, Part, ProviderResponse, Source, TextPart,
    ToolCall, VendorPart,
};
use serde_json::{Map, Value, json};

use super::reasoning;
use super::usage::{stop_reason, usage};
use super::vendor::{behind_call, behind_image, behind_text, container, redacted_block, seal};
use crate::gateway::request_id::random_id;

/// Members of a tool call that are Anthropic's own: whether the model or its code called.
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/programmatic-tool-calling>
const CALLER: &str = "caller";

/// Where arguments go that are no object: what Anthropic advises for them.
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming>
const INVALID_JSON: &str = "INVALID_JSON";

/// Writes a whole reply. `model` is the name that the client asked for.
pub(super) fn message(response: &ProviderResponse, model: &str) -> Value {
    let choice = response.choices.iter().min_by_key(|choice| choice.index);
    let parts = choice.map_or(&[][..], |choice| &choice.message.content);
    let content: Vec<Value> = parts.iter().flat_map(blocks).collect();
    let has_refused = parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let reason = choice.map_or(&FinishReason::STOP, |choice| &choice.finish_reason);
    let mut message = json!({
        "id": response.id.clone().unwrap_or_else(new_id),
        "type": "message",
        "role": "assistant",
        "model": response.model.as_deref().unwrap_or(model),
        "content": content,
        "stop_reason": stop_reason(reason, has_refused),
        "stop_sequence": reason.stop_sequence,
        "usage": usage(response.usage.as_ref()),
    });
    if let Some(container) = parts.iter().rev().find_map(container_of) {
        message["container"] = container.clone();
    }
    message
}

/// The container that a part was made in.
pub(super) fn container_of(part: &Part) -> Option<&Value> {
    match part {
        Part::Text(part) => container(&part.provider_data),
        Part::Reasoning(part) => container(&part.provider_data),
        Part::ToolCall(part) => container(&part.provider_data),
        Part::Vendor(part) => container(&part.provider_data),
        _ => None,
    }
}

/// An id of a message, where the vendor gave none.
pub(super) fn new_id() -> String {
    random_id("msg_")
}

/// The blocks of a part: itself, if the dialect has it, and what must be seen again.
pub(super) fn blocks(part: &Part) -> Vec<Value> {
    let (block, behind) = match part {
        Part::Text(part) => (text(part), behind_text(&part.provider_data)),
        Part::Refusal(part) => (Some(text_block(&part.text)), None),
        Part::Reasoning(part) => (reasoning::write(part), None),
        Part::ToolCall(call) => (Some(tool_use(call, &input(&call.arguments))), behind_call(call)),
        Part::Image(part) => (image(part), behind_image(part)),
        Part::Vendor(part) => (Some(vendors(part)), None),
        _ => (None, None),
    };
    block.into_iter().chain(behind).collect()
}

/// A block of this dialect as it came. Here the input of a custom tool, which is text, is that of a
/// call like any other. What other vendors ran themselves they want to see again.
/// <https://platform.openai.com/docs/guides/function-calling#custom-tools>
fn vendors(part: &VendorPart) -> Value {
    let own = |dialect: Dialect| part.format == dialect.as_str();
    if own(Dialect::AnthropicMessages) {
        return part.raw.clone();
    }
    if own(Dialect::OpenAiChat) && part.raw["type"] == "custom" {
        let word = |place: &str| {
            let word = part.raw.pointer(place).and_then(Value::as_str);
            word.unwrap_or_default().to_owned()
        };
        let (id, name) = (word("/id"), word("/custom/name"));
        let call = ToolCall { id, name, ..ToolCall::default() };
        return tool_use(&call, &input(&word("/custom/input")));
    }
    redacted_block(&seal(&Part::Vendor(part.clone())))
}

/// A block of text.
pub(super) fn text_block(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// An empty text is none: Anthropic takes no such block back.
fn text(part: &TextPart) -> Option<Value> {
    if part.text.is_empty() {
        return None;
    }
    let mut block = text_block(&part.text);
    let citations: Vec<Value> = part.annotations.iter().filter_map(citation).collect();
    if !citations.is_empty() {
        block["citations"] = citations.into();
    }
    Some(block)
}

/// A remark on the text: Anthropic's own object, or the address of a page.
pub(super) fn citation(annotation: &Annotation) -> Option<Value> {
    let is_own = |raw: &&Value| {
        let kind = raw.get("type").and_then(Value::as_str);
        kind.is_some_and(|kind| kind.ends_with("_location")) && raw.get("cited_text").is_some()
    };
    if let Some(raw) = annotation.raw.as_ref().filter(is_own) {
        return Some(raw.clone());
    }
    Some(json!({
        "type": "web_search_result_location",
        "url": annotation.url.as_deref()?,
        "title": annotation.title,
        "cited_text": "",
        "encrypted_index": "",
    }))
}

/// A call that the client is to run.
pub(super) fn tool_use(call: &ToolCall, input: &Value) -> Value {
    let mut block = json!({
        "type": "tool_use", "id": call.id, "name": call.name, "input": input,
    });
    if let Some(caller) = call.extra.get(CALLER) {
        block[CALLER] = caller.clone();
    }
    block
}

fn input(arguments: &str) -> Value {
    if arguments.trim().is_empty() {
        return json!({});
    }
    match serde_json::from_str::<Map<String, Value>>(arguments) {
        Ok(input) => Value::Object(input),
        Err(_) => json!({ INVALID_JSON: arguments }),
    }
}

/// An image that the model made, in the shape of one that a client sends.
fn image(part: &ImagePart) -> Option<Value> {
    let source = match &part.source {
        Source::Data(data) => {
            json!({ "type": "base64", "media_type": data.media_type, "data": data.base64 })
        }
        Source::Url(address) => json!({ "type": "url", "url": address.url }),
        _ => return None,
    };
    Some(json!({ "type": "image", "source": source }))
}

#[cfg(test)]
mod tests;
