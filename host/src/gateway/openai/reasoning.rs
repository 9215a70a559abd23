//! Reasoning in the shapes that services give it in `OpenAI`'s dialect, in both directions.
//!
//! Plain text is `reasoning_content` (or `reasoning`). What a vendor must see again travels as
//! `reasoning_details`, in `OpenRouter`'s shapes, so that a client that sends back the message it
//! received sends back all of it.
//! <https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks>

use allos_plugin_api::{Part, ReasoningPart};
use serde_json::{Map, Value, json};

use super::order::Place;
use super::vendor::{TRACE, provider_data, trace, vendor_part};
use crate::gateway::json::{Invalid, Path, items, members, text};

/// Where a detail carries what clients do not read.
pub(super) const EXTRA_CONTENT: &str = "extra_content";

/// Reads `reasoning_details`, and where they stood. A detail of another type than these stays as it
/// came.
pub(super) fn details(value: Value, path: Path<'_>) -> Result<Vec<(Part, Place)>, Invalid> {
    items(value, path, |mut detail, at| {
        let place = Place::take(&mut detail);
        let part = match detail.get("type").and_then(Value::as_str) {
            Some("reasoning.text" | "reasoning.summary" | "reasoning.encrypted") => {
                Part::Reasoning(read_detail(detail, at)?)
            }
            Some(TRACE) => Part::Vendor(trace(detail, at)?),
            _ => Part::Vendor(vendor_part(detail, at)?),
        };
        Ok((part, place))
    })
}

fn read_detail(value: Value, path: Path<'_>) -> Result<ReasoningPart, Invalid> {
    let mut part = ReasoningPart::default();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "type" => part.summary |= value == "reasoning.summary",
            "text" => part.text = text(value, at)?,
            "summary" => {
                part.text = text(value, at)?;
                part.summary = true;
            }
            "data" => part.redacted = Some(text(value, at)?),
            "signature" => part.signature = Some(text(value, at)?),
            "id" => part.id = Some(text(value, at)?),
            "format" => part.format = Some(text(value, at)?),
            EXTRA_CONTENT => part.provider_data = provider_data(&value),
            _ => {
                part.extra.insert(name, value);
            }
        }
    }
    Ok(part)
}

/// Joins the plain text with the details. Where the details have text, the plain text is a
/// rendering of it and says nothing new. An empty one alone is kept: there are services that want
/// the member back even where the model did not think.
pub(super) fn merge(text: Option<String>, details: Vec<(Part, Place)>) -> Vec<(Part, Place)> {
    let has_text =
        |(part, _): &(Part, Place)| matches!(part, Part::Reasoning(part) if !part.text.is_empty());
    let says_more = |text: &String| details.is_empty() || !text.is_empty();
    let plain = text.filter(says_more).filter(|_| !details.iter().any(has_text));
    let plain =
        plain.map(|text| Part::Reasoning(ReasoningPart { text, ..ReasoningPart::default() }));
    plain.map(|part| (part, Place::default())).into_iter().chain(details).collect()
}

/// Mistral's thinking part: a list, kept whole unless it holds one text and nothing else.
/// <https://docs.mistral.ai/capabilities/reasoning>
pub(super) fn thinking(value: Value, path: Path<'_>) -> Result<ReasoningPart, Invalid> {
    let mut part = ReasoningPart::default();
    for (name, value) in members(value, path)? {
        match name.as_str() {
            "type" => {}
            "thinking" => {
                part.text = thought(&value, path.member(&name))?;
                if !is_one_text(&value) {
                    part.extra.insert(name, value);
                }
            }
            _ => {
                part.extra.insert(name, value);
            }
        }
    }
    Ok(part)
}

fn thought(thinking: &Value, path: Path<'_>) -> Result<String, Invalid> {
    match thinking {
        Value::String(text) => Ok(text.clone()),
        Value::Array(pieces) => {
            Ok(pieces.iter().filter_map(|piece| piece.get("text")?.as_str()).collect())
        }
        other => Err(Invalid::wrong_type(path, "a list", other)),
    }
}

fn is_one_text(thinking: &Value) -> bool {
    let [piece] = thinking.as_array().map(Vec::as_slice).unwrap_or_default() else { return false };
    let members = piece.as_object().map(Map::len);
    members == Some(2) && piece["type"] == "text" && piece["text"].is_string()
}

/// Whether a vendor must see more of a reasoning part again than its text.
pub(super) fn is_opaque(part: &ReasoningPart) -> bool {
    part.signature.is_some()
        || part.redacted.is_some()
        || part.id.is_some()
        || part.format.is_some()
        || part.summary
        || part.extra.contains_key("index")
        || !part.provider_data.is_empty()
}

/// Writes a reasoning part as an item of `reasoning_details`.
pub(super) fn write_detail(part: &ReasoningPart, index: usize) -> Value {
    let mut detail = part.extra.clone();
    let kind = match (&part.redacted, part.summary) {
        (Some(_), _) => "reasoning.encrypted",
        (None, true) => "reasoning.summary",
        (None, false) => "reasoning.text",
    };
    detail.entry("type").or_insert_with(|| kind.into());
    if !part.text.is_empty() {
        let name = if part.summary { "summary" } else { "text" };
        detail.insert(name.to_owned(), part.text.as_str().into());
    }
    let fields = [
        ("data", &part.redacted),
        ("signature", &part.signature),
        ("id", &part.id),
        ("format", &part.format),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            detail.insert(name.to_owned(), value.as_str().into());
        }
    }
    if !part.provider_data.is_empty() {
        detail.insert(EXTRA_CONTENT.to_owned(), json!(part.provider_data));
    }
    detail.entry("index").or_insert_with(|| index.into());
    Value::Object(detail)
}
