//! What this dialect has and the vocabulary does not model: objects that stay as they came, and data
//! that a vendor wants to see again.

use allos_plugin_api::{Dialect, ProviderData, VendorObject, VendorPart};
use serde_json::Value;

use crate::gateway::json::{Invalid, Path, text};

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

/// What a vendor's part is to a client of this dialect, if anything.
pub(super) enum OwnKind {
    /// A detail of reasoning that the vocabulary does not model.
    Detail,
    /// A call of a custom tool, which the client runs.
    /// <https://platform.openai.com/docs/guides/function-calling#custom-tools>
    CustomCall,
}

/// What a part of this dialect's own vocabulary is; nothing where it is the trace of what a vendor
/// ran itself.
pub(super) fn own_kind(part: &VendorPart) -> Option<OwnKind> {
    if part.format != Dialect::OpenAiChat.as_str() {
        return None;
    }
    match part.raw.get("type")?.as_str()? {
        "custom" => Some(OwnKind::CustomCall),
        kind if kind.starts_with("reasoning.") => Some(OwnKind::Detail),
        _ => None,
    }
}

/// What vendors want to see again, by the name of the format, from where a reply put it.
pub(super) fn provider_data(extra_content: &Value) -> ProviderData {
    let formats = extra_content.as_object().into_iter().flatten();
    formats.map(|(format, value)| (format.clone(), value.clone())).collect()
}
