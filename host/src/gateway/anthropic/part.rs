//! A content block in Anthropic's shape → the normalised part.
//! <https://docs.anthropic.com/en/api/messages#body-messages-content>
//!
//! Blocks that the vocabulary does not have stay as they came, as a vendor's part: the traces of
//! server tools, uploads to a container, search results, and kinds that nobody here has heard of.

use allos_plugin_api::{
    DataSource, Extra, FilePart, ImagePart, Part, ProviderData, Source, TextPart, UrlSource,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::reasoning::{redacted, thinking};
use super::tool::{tool_result, tool_use};
use super::vendor::{push, vendor_part};
use crate::gateway::json::{Invalid, Path, items, members, text};

/// The content of a message or a tool's result: one text, or a list of blocks.
pub(super) fn content(value: Value, path: Path<'_>) -> Result<Vec<Part>, Invalid> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(_) => {
            let mut parts = Vec::new();
            for part in items(value, path, block)? {
                push(&mut parts, part);
            }
            Ok(parts)
        }
        other => Err(Invalid::wrong_type(path, "a string or a list of blocks", &other)),
    }
}

/// Reads a block by its type.
fn block(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    match value.get("type").and_then(Value::as_str) {
        Some("text") => text_block(value, path),
        Some("image") if is_modelled(&value) => image(value, path),
        Some("document") if is_modelled(&value) => document(value, path),
        Some("tool_use") => tool_use(value, path),
        Some("tool_result") => tool_result(value, path),
        Some("thinking") => thinking(value, path),
        Some("redacted_thinking") => redacted(value, path),
        _ => vendor_part(value, path),
    }
}

fn text_block(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let mut said = None;
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        match name.as_str() {
            "type" => {}
            "text" => said = Some(text(value, path.member(&name))?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let text = said.ok_or_else(|| Invalid::missing(path.member("text")))?;
    Ok(Part::Text(TextPart { text, extra, ..TextPart::default() }))
}

/// Whether the vocabulary has the kind of source; a block without one is read to be refused.
fn is_modelled(block: &Value) -> bool {
    let kind = block.pointer("/source/type");
    kind.is_none_or(|kind| ["base64", "url", "file", "text"].iter().any(|known| kind == known))
}

fn image(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (source, extra) = with_source(value, path)?;
    let provider_data = ProviderData::new();
    Ok(Part::Image(ImagePart { source, detail: None, provider_data, extra }))
}

fn document(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (source, mut extra) = with_source(value, path)?;
    let filename = extra.remove("title");
    let filename = filename.map(|title| text(title, path.member("title"))).transpose()?;
    Ok(Part::File(FilePart { source, filename, provider_data: ProviderData::new(), extra }))
}

fn with_source(value: Value, path: Path<'_>) -> Result<(Source, Extra), Invalid> {
    let mut found = None;
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        match name.as_str() {
            "type" => {}
            "source" => found = Some(source(value, path.member(&name))?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    Ok((found.ok_or_else(|| Invalid::missing(path.member("source")))?, extra))
}

fn source(value: Value, path: Path<'_>) -> Result<Source, Invalid> {
    let mut said: Map<String, Value> = members(value, path)?.collect();
    let mut member = |name: &str| {
        let value = said.remove(name).ok_or_else(|| Invalid::missing(path.member(name)))?;
        text(value, path.member(name))
    };
    let kind = member("type")?;
    Ok(match kind.as_str() {
        "url" => Source::Url(UrlSource { url: member("url")?, media_type: None }),
        "file" => Source::id(member("file_id")?),
        "text" => Source::data(member("media_type")?, STANDARD.encode(member("data")?)),
        _ => Source::Data(DataSource {
            media_type: Some(member("media_type")?),
            base64: member("data")?,
        }),
    })
}
