//! What this dialect has and the vocabulary does not model: it stays as it came. And what other
//! vendors want to see again, on its way through a client of this dialect.
//!
//! A client of this dialect sends back every block that it received, and reads neither the signature
//! of a thinking block nor the data of a redacted one. So what another vendor must see again travels
//! there, marked, as a part of the normalised form: reasoning as itself, and what belongs to a text,
//! an image or a tool call in a redacted block behind it.

use allos_plugin_api::{
    DataSource, Dialect, Extra, ImagePart, Part, ProviderData, Source, TextPart, ToolCall,
    VendorObject, VendorPart,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::gateway::json::{Invalid, Path, text};

/// How opaque data begins that the gateway wrote itself.
pub(super) const MARK: &str = "allos-seen-again:";

/// The source of an image that only says what belongs to the one before it.
const NO_BYTES: DataSource = DataSource { media_type: None, base64: String::new() };

/// An object whose `type` belongs to this dialect alone.
pub(super) fn vendor(value: Value, path: Path<'_>) -> Result<VendorObject, Invalid> {
    match value.get("type") {
        Some(kind) => {
            text(kind.clone(), path.member("type"))?;
            Ok(VendorObject { format: Dialect::AnthropicMessages.to_string(), raw: value })
        }
        None if value.is_object() => Err(Invalid::missing(path.member("type"))),
        None => Err(Invalid::wrong_type(path, "an object", &value)),
    }
}

/// A block that only this dialect has, as it came.
pub(super) fn vendor_part(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let VendorObject { format, raw } = vendor(value, path)?;
    Ok(Part::Vendor(VendorPart { format, raw, provider_data: ProviderData::new() }))
}

/// A part as opaque data.
pub(super) fn seal(part: &Part) -> String {
    let json = serde_json::to_vec(part).unwrap_or_default();
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(json))
}

/// The part that opaque data holds, where the gateway wrote it.
pub(super) fn unseal(data: &str) -> Option<Part> {
    let json = URL_SAFE_NO_PAD.decode(data.strip_prefix(MARK)?).ok()?;
    serde_json::from_slice(&json).ok()
}

/// A block that no client reads and every client sends back.
pub(super) fn redacted_block(data: &str) -> Value {
    json!({ "type": "redacted_thinking", "data": data })
}

/// The block that brings back what belongs to a text.
pub(super) fn behind_text(provider_data: &ProviderData) -> Option<Value> {
    let provider_data = of_others(provider_data);
    if provider_data.is_empty() {
        return None;
    }
    let part = Part::Text(TextPart { provider_data, ..TextPart::default() });
    Some(redacted_block(&seal(&part)))
}

/// The block that brings back what belongs to an image.
pub(super) fn behind_image(image: &ImagePart) -> Option<Value> {
    let provider_data = of_others(&image.provider_data);
    if provider_data.is_empty() {
        return None;
    }
    let source = Source::Data(NO_BYTES);
    let (detail, extra) = (None, Extra::new());
    let part = Part::Image(ImagePart { source, detail, provider_data, extra });
    Some(redacted_block(&seal(&part)))
}

/// The block that brings back what belongs to a tool call.
pub(super) fn behind_call(call: &ToolCall) -> Option<Value> {
    let provider_data = of_others(&call.provider_data);
    if call.signature.is_none() && provider_data.is_empty() {
        return None;
    }
    let part = Part::ToolCall(ToolCall {
        id: call.id.clone(),
        signature: call.signature.clone(),
        provider_data,
        ..ToolCall::default()
    });
    Some(redacted_block(&seal(&part)))
}

/// Anthropic's own data has places of its own in this dialect.
pub(super) fn of_others(provider_data: &ProviderData) -> ProviderData {
    let mut data = provider_data.clone();
    data.remove(Dialect::AnthropicMessages.as_str());
    data
}

/// The container in which Anthropic ran code for an answer.
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/code-execution-tool>
pub(super) fn container(provider_data: &ProviderData) -> Option<&Value> {
    provider_data.get(Dialect::AnthropicMessages.as_str())?.get("container")
}

/// Adds a part; what a sealed one says of an earlier part is given to that one.
pub(super) fn push(parts: &mut Vec<Part>, part: Part) {
    match &part {
        Part::Text(seen) if seen.text.is_empty() && !seen.provider_data.is_empty() => {
            let text = last(parts, |part| match part {
                Part::Text(text) => Some(&mut text.provider_data),
                _ => None,
            });
            match text {
                Some(data) => data.extend(seen.provider_data.clone()),
                None => parts.push(part),
            }
        }
        Part::Image(seen) if seen.source == Source::Data(NO_BYTES) => {
            let image = last(parts, |part| match part {
                Part::Image(image) => Some(&mut image.provider_data),
                _ => None,
            });
            if let Some(data) = image {
                data.extend(seen.provider_data.clone());
            }
        }
        Part::ToolCall(seen) if seen.name.is_empty() => {
            let call = last(parts, |part| match part {
                Part::ToolCall(call) if call.id == seen.id => Some(call),
                _ => None,
            });
            if let Some(call) = call {
                call.signature.clone_from(&seen.signature);
                call.provider_data.extend(seen.provider_data.clone());
            }
        }
        _ => parts.push(part),
    }
}

/// What the last of such parts holds.
fn last<'a, T>(
    parts: &'a mut [Part],
    of: impl FnMut(&'a mut Part) -> Option<&'a mut T>,
) -> Option<&'a mut T> {
    parts.iter_mut().rev().find_map(of)
}
