//! Thinking, in both directions.
//! <https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking>
//!
//! Anthropic's own thinking has its signature or its redacted form. Reasoning of another vendor is a
//! thinking block too, or a redacted one where it has no text; what that vendor must see again of it
//! is sealed into the signature or the data.

use allos_plugin_api::{Extra, Part, ReasoningPart};
use serde_json::{Value, json};

use super::vendor::{of_others, redacted_block, seal, unseal};
use crate::gateway::json::{Invalid, Path, members, text};

/// Whose signatures and redacted forms are Anthropic's.
const FORMAT: &str = "anthropic-claude-v1";

/// Reads a thinking block.
pub(super) fn thinking(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (mut thought, mut signature) = (None, None);
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "type" => {}
            "thinking" => thought = Some(text(value, at)?),
            "signature" => signature = Some(text(value, at)?).filter(|text| !text.is_empty()),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let thought = thought.ok_or_else(|| Invalid::missing(path.member("thinking")))?;
    if let Some(Part::Reasoning(part)) = signature.as_deref().and_then(unseal) {
        return Ok(Part::Reasoning(ReasoningPart { text: thought, ..part }));
    }
    let format = signature.is_some().then(|| FORMAT.to_owned());
    let part = ReasoningPart { text: thought, signature, format, extra, ..Default::default() };
    Ok(Part::Reasoning(part))
}

/// Reads a redacted block, which may hold any part that was sealed.
pub(super) fn redacted(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let mut data = None;
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        match name.as_str() {
            "type" => {}
            "data" => data = Some(text(value, path.member(&name))?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let data = data.ok_or_else(|| Invalid::missing(path.member("data")))?;
    Ok(unseal(&data).unwrap_or_else(|| {
        let format = Some(FORMAT.to_owned());
        Part::Reasoning(ReasoningPart { redacted: Some(data), format, extra, ..Default::default() })
    }))
}

/// Writes reasoning as a block; nothing where it says nothing.
pub(super) fn write(part: &ReasoningPart) -> Option<Value> {
    match &part.redacted {
        Some(data) if part.text.is_empty() && is_own(part) => Some(redacted_block(data)),
        _ if !part.text.is_empty() || (is_own(part) && part.signature.is_some()) => Some(json!({
            "type": "thinking", "thinking": part.text, "signature": signature(part),
        })),
        _ if says_nothing(part) => None,
        _ => Some(redacted_block(&seal(&Part::Reasoning(part.clone())))),
    }
}

/// The signature of a thinking block: Anthropic's own, else what is sealed. What has nothing to be
/// seen again is marked too, so that nobody takes it for Anthropic's.
pub(super) fn signature(part: &ReasoningPart) -> String {
    match &part.signature {
        Some(signature) if is_own(part) && part.redacted.is_none() => signature.clone(),
        _ => {
            let part = ReasoningPart { text: String::new(), ..part.clone() };
            seal(&Part::Reasoning(part))
        }
    }
}

fn says_nothing(part: &ReasoningPart) -> bool {
    let kind = ReasoningPart {
        format: part.format.clone(),
        summary: part.summary,
        ..ReasoningPart::default()
    };
    *part == kind
}

/// Whether Anthropic's two kinds of blocks hold all of it.
fn is_own(part: &ReasoningPart) -> bool {
    part.format.as_deref() == Some(FORMAT)
        && !part.summary
        && part.id.is_none()
        && of_others(&part.provider_data).is_empty()
        && part.extra.is_empty()
}
