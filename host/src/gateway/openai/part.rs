//! A content part in `OpenAI`'s shape → the normalised part.
//!
//! It also accepts the parts that Mistral adds to the dialect (`thinking`, `document_url`). Kinds
//! that the vocabulary does not have stay as they came, as a vendor's part.

use allos_plugin_api::{
    AudioPart, DataSource, Dialect, Extra, FilePart, ImagePart, Part, ProviderData, RefusalPart,
    Source, TextPart,
};
use serde_json::{Value, json};

use super::reasoning::thinking;
use super::vendor::vendor_part;
use crate::gateway::json::{Invalid, Path, items, members, text};

/// The content of a message: one text, or a list of parts.
pub(super) fn content(value: Value, path: Path<'_>) -> Result<Vec<Part>, Invalid> {
    match value {
        Value::String(text) => Ok(vec![Part::text(text)]),
        Value::Array(_) => items(value, path, part),
        other => Err(Invalid::wrong_type(path, "a string or a list of parts", &other)),
    }
}

/// Reads a part by its type.
pub(super) fn part(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    match value.get("type").and_then(Value::as_str) {
        Some("text") => text_part(value, path),
        Some("image_url") => image(value, path),
        Some("input_audio") => audio(value, path),
        Some("file") if value.get("file").is_some() => file(value, path),
        Some("refusal") => refusal(value, path),
        Some("thinking") => thinking(value, path).map(Part::Reasoning),
        Some("document_url") => document(value, path),
        _ => Ok(Part::Vendor(vendor_part(value, path)?)),
    }
}

/// Takes the member that gives a part its meaning; the others but the type are kept by name.
fn split(value: Value, path: Path<'_>, member: &str) -> Result<(Value, Extra), Invalid> {
    let mut found = None;
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        if name == member {
            found = Some(value);
        } else if name != "type" {
            extra.insert(name, value);
        }
    }
    Ok((found.ok_or_else(|| Invalid::missing(path.member(member)))?, extra))
}

fn text_part(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (value, extra) = split(value, path, "text")?;
    let text = text(value, path.member("text"))?;
    Ok(Part::Text(TextPart { text, extra, ..TextPart::default() }))
}

fn refusal(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (value, extra) = split(value, path, "refusal")?;
    let text = text(value, path.member("refusal"))?;
    Ok(Part::Refusal(RefusalPart { text, extra, ..RefusalPart::default() }))
}

/// An image, by an object with its address or, as some services take it, by the bare address.
fn image(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (value, mut extra) = split(value, path, "image_url")?;
    let at = path.member("image_url");
    let mut url = None;
    let mut detail = None;
    if value.is_string() {
        url = Some(text(value, at)?);
    } else {
        for (name, value) in members(value, at)? {
            let at = at.member(&name);
            match name.as_str() {
                "url" => url = Some(text(value, at)?),
                "detail" => detail = Some(text(value, at)?),
                _ => {
                    extra.insert(name, value);
                }
            }
        }
    }
    let source = Source::url(url.ok_or_else(|| Invalid::missing(at.member("url")))?);
    Ok(Part::Image(ImagePart { source, detail, provider_data: ProviderData::new(), extra }))
}

fn audio(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (value, mut extra) = split(value, path, "input_audio")?;
    let at = path.member("input_audio");
    let mut data = None;
    let mut format = None;
    for (name, value) in members(value, at)? {
        let at = at.member(&name);
        match name.as_str() {
            "data" => data = Some(text(value, at)?),
            "format" => format = Some(text(value, at)?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let base64 = data.ok_or_else(|| Invalid::missing(at.member("data")))?;
    let media_type = format.as_deref().map(audio_media_type);
    let source = Source::Data(DataSource { media_type, base64 });
    let provider_data = ProviderData::new();
    Ok(Part::Audio(AudioPart { source, format, transcript: None, provider_data, extra }))
}

fn audio_media_type(format: &str) -> String {
    match format {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    }
}

/// Sound that the model made: a reply holds its bytes, a later request names it by its id alone.
/// <https://platform.openai.com/docs/guides/audio>
pub(super) fn spoken(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (mut id, mut data, mut transcript) = (None, None, None);
    let mut extra = Extra::new();
    for (name, value) in members(value, path)? {
        let at = path.member(&name);
        match name.as_str() {
            "id" => id = Some(text(value, at)?),
            "data" => data = Some(text(value, at)?),
            "transcript" => transcript = Some(text(value, at)?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let mut provider_data = ProviderData::new();
    let source = match (id, data) {
        (Some(id), None) => Source::id(id),
        (None, None) => return Err(Invalid::missing(path.member("id"))),
        (id, Some(base64)) => {
            let seen_again = id.map(|id| json!({ "audio": { "id": id } }));
            provider_data.extend(seen_again.map(|seen| (Dialect::OpenAiChat.to_string(), seen)));
            Source::Data(DataSource { media_type: None, base64 })
        }
    };
    Ok(Part::Audio(AudioPart { source, format: None, transcript, provider_data, extra }))
}

fn file(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (value, mut extra) = split(value, path, "file")?;
    let at = path.member("file");
    let (mut source, mut filename) = (None, None);
    for (name, value) in members(value, at)? {
        let at = at.member(&name);
        match name.as_str() {
            "file_data" => source = Some(file_source(text(value, at)?)),
            "file_id" => source = Some(Source::id(text(value, at)?)),
            "filename" => filename = Some(text(value, at)?),
            _ => {
                extra.insert(name, value);
            }
        }
    }
    let source = source.ok_or_else(|| Invalid::missing(at.member("file_data")))?;
    Ok(Part::File(FilePart { source, filename, provider_data: ProviderData::new(), extra }))
}

/// `file_data` is a `data:` address; some services also take another address, or bare base64.
fn file_source(data: String) -> Source {
    if data.starts_with("data:") || data.contains("://") {
        Source::url(data)
    } else {
        Source::Data(DataSource { media_type: None, base64: data })
    }
}

/// Mistral's document. <https://docs.mistral.ai/capabilities/document_ai/document_qna>
fn document(value: Value, path: Path<'_>) -> Result<Part, Invalid> {
    let (value, mut extra) = split(value, path, "document_url")?;
    let source = Source::url(text(value, path.member("document_url"))?);
    let filename = extra.remove("document_name");
    let filename = filename.map(|name| text(name, path.member("document_name"))).transpose()?;
    Ok(Part::File(FilePart { source, filename, provider_data: ProviderData::new(), extra }))
}
