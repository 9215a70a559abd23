//! What this dialect has and the vocabulary does not model: objects that stay as they came, and data
//! that a vendor wants to see again.

use allos_plugin_api::{Dialect, ProviderData, VendorObject, VendorPart};
use serde_json::{Value, json};

use super::reasoning::EXTRA_CONTENT;
use crate::gateway::json::{Invalid, Path, text};

/// The type of a detail that holds what another vendor's vocabulary alone has.
pub(super) const TRACE: &str = "vendor.trace";

/// An object whose `type` belongs to the client's dialect alone.
pub(super) fn vendor(value: Value, path: Path<'_>) -> Result<VendorObject, Invalid> {
    match value.get("type") {
        Some(kind) => {
            text(kind.clone(), path.member("type"))?;
            Ok(VendorObject { format: Dialect::OpenAiChat.to_string(), raw: value })
        }
        None if value.is_object() => Err(Invalid::missing(path.member("type"))),
        None => Err(Invalid::wrong_type(path, "an object", &value)),
    }
}

/// A part that only this dialect has, as it came.
pub(super) fn vendor_part(value: Value, path: Path<'_>) -> Result<VendorPart, Invalid> {
    let VendorObject { format, raw } = vendor(value, path)?;
    Ok(VendorPart { format, raw, provider_data: ProviderData::new() })
}

/// What a vendor's part is to a client of this dialect.
pub(super) enum OwnKind {
    /// Something of the reasoning that the client sends back as it came.
    Detail(Value),
    /// A call of a custom tool, which the client runs.
    /// <https://platform.openai.com/docs/guides/function-calling#custom-tools>
    CustomCall,
}

/// What a part is, at this place among the details. What other vendors ran themselves is no text
/// and no call; they want to see it again, so it travels where clients do not read.
pub(super) fn own_kind(part: &VendorPart, index: usize) -> Option<OwnKind> {
    if part.format != Dialect::OpenAiChat.as_str() {
        let VendorPart { format, raw, provider_data } = part;
        let mut detail = json!({ "type": TRACE, "format": format, "data": raw, "index": index });
        if !provider_data.is_empty() {
            detail[EXTRA_CONTENT] = json!(provider_data);
        }
        return Some(OwnKind::Detail(detail));
    }
    match part.raw.get("type")?.as_str()? {
        "custom" => Some(OwnKind::CustomCall),
        kind if kind.starts_with("reasoning.") => Some(OwnKind::Detail(part.raw.clone())),
        _ => None,
    }
}

/// The part that a detail of the type [`TRACE`] brings back.
pub(super) fn trace(mut detail: Value, path: Path<'_>) -> Result<VendorPart, Invalid> {
    let mut member = |name: &str| detail.get_mut(name).map(Value::take).unwrap_or_default();
    Ok(VendorPart {
        format: text(member("format"), path.member("format"))?,
        raw: member("data"),
        provider_data: provider_data(&member(EXTRA_CONTENT)),
    })
}

/// What vendors want to see again, by the name of the format, from where a reply put it.
pub(super) fn provider_data(extra_content: &Value) -> ProviderData {
    let formats = extra_content.as_object().into_iter().flatten();
    formats.map(|(format, value)| (format.clone(), value.clone())).collect()
}
