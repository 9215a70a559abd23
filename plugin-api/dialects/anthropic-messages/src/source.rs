//! The normalised images and files → the vendor's image and document blocks.
//!
//! What the API does not take is refused, with what it is and where.
//!
//! - <https://platform.claude.com/docs/en/build-with-claude/vision>
//! - <https://platform.claude.com/docs/en/build-with-claude/pdf-support>
//! - <https://platform.claude.com/docs/en/build-with-claude/files>
//! - <https://platform.claude.com/docs/en/build-with-claude/citations>

use allos_plugin_api::{DataSource, FilePart, ProviderError, Source};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const PDF: &str = "application/pdf";
/// Text that is not of a type `text/…`.
const TEXTS: [&str; 5] = [
    "application/json",
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/javascript",
];
/// How the base64 of a file begins, where nothing says what it is.
const BEGINNINGS: [(&str, &str); 5] = [
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi", PDF),
];

/// The source of an image. `place` says where it is.
pub(crate) fn image(source: &Source, place: &str) -> Result<Value, ProviderError> {
    match source {
        Source::Data(data) => match media_type(data) {
            Some(media_type) if IMAGES.contains(&media_type) => Ok(bytes(media_type, data)),
            Some(other) => Err(refused(&format!("an image of type {other}"), place)
                .with_hint("Anthropic takes JPEG, PNG, GIF and WebP")),
            None => Err(refused("an image without a media type", place)),
        },
        other => elsewhere(other, "an image", place),
    }
}

/// The type and the source of the block that a file becomes.
pub(crate) fn file(part: &FilePart, place: &str) -> Result<(&'static str, Value), ProviderError> {
    let data = match &part.source {
        Source::Data(data) => data,
        Source::Url(url) if url.media_type.as_deref().is_some_and(|it| IMAGES.contains(&it)) => {
            return Ok(("image", elsewhere(&part.source, "an image", place)?));
        }
        other => return Ok(("document", elsewhere(other, "a file", place)?)),
    };
    let name = part.filename.as_deref().unwrap_or_default();
    match media_type(data).or_else(|| media_type_of(name)) {
        Some(PDF) => Ok(("document", bytes(PDF, data))),
        Some(media_type) if IMAGES.contains(&media_type) => Ok(("image", bytes(media_type, data))),
        Some(media_type) if media_type.starts_with("text/") || TEXTS.contains(&media_type) => {
            Ok(("document", plain_text(data, place)?))
        }
        Some(other) => Err(refused(&format!("a file of type {other}"), place)
            .with_hint("Anthropic takes PDF, text and images")),
        None => Err(refused("a file without a media type", place)),
    }
}

fn bytes(media_type: &str, data: &DataSource) -> Value {
    json!({ "type": "base64", "media_type": media_type, "data": data.base64 })
}

fn plain_text(data: &DataSource, place: &str) -> Result<Value, ProviderError> {
    let bytes = STANDARD.decode(&data.base64).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or_else(|| refused("a text that is not UTF-8 in base64", place))?;
    Ok(json!({ "type": "text", "media_type": "text/plain", "data": text }))
}

/// A source that is not in the message itself.
fn elsewhere(source: &Source, what: &str, place: &str) -> Result<Value, ProviderError> {
    match source {
        Source::Url(source) if source.url.starts_with("http") => {
            Ok(json!({ "type": "url", "url": source.url }))
        }
        Source::Url(_) => Err(refused(&format!("{what} at an address that is not http"), place)),
        Source::Id(source) => Ok(json!({ "type": "file", "file_id": source.id })),
        _ => Err(refused(&format!("{what} from a source of an unknown kind"), place)),
    }
}

/// What the data is said to be, else what it looks like.
fn media_type(data: &DataSource) -> Option<&str> {
    let said = data.media_type.as_deref().unwrap_or_default();
    match said.split(';').next().unwrap_or_default().trim() {
        "image/jpg" => Some("image/jpeg"),
        "" | "application/octet-stream" => {
            let known = BEGINNINGS.iter().find(|(start, _)| data.base64.starts_with(start));
            known.map(|(_, media_type)| *media_type)
        }
        said => Some(said),
    }
}

fn media_type_of(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "pdf" => Some(PDF),
        "txt" | "md" | "csv" | "json" | "xml" | "html" | "yaml" | "yml" => Some("text/plain"),
        _ => None,
    }
}

pub(crate) fn refused(what: &str, place: &str) -> ProviderError {
    ProviderError::unsupported(format!("{what} in {place}"))
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::ProviderData;

    use super::*;

    fn block(source: Source, name: &str) -> Result<(&'static str, Value), ProviderError> {
        let filename = Some(name.to_owned());
        let (provider_data, extra) = (ProviderData::new(), serde_json::Map::new());
        file(&FilePart { source, filename, provider_data, extra }, "messages[0]")
    }

    #[test]
    fn a_file_is_sent_as_what_it_is() {
        let bare =
            |base64: &str| Source::Data(DataSource { media_type: None, base64: base64.to_owned() });
        for (source, name, kind, sent) in [
            (Source::data(PDF, "AA=="), "a", "document", "base64"),
            (bare("JVBERi0xLjQ="), "a", "document", "base64"),
            (bare("aGk="), "notes.MD", "document", "text"),
            (Source::data("text/csv; charset=utf-8", "aGk="), "a", "document", "text"),
            (Source::data("image/jpg", "AA=="), "a", "image", "base64"),
            (Source::url("https://example.com/a.pdf"), "a", "document", "url"),
            (Source::id("file_1"), "a", "document", "file"),
        ] {
            let (got, source) = block(source, name).unwrap();
            assert_eq!((got, source["type"].as_str()), (kind, Some(sent)), "{name}: {source}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_what_and_where() {
        for (source, word) in [
            (Source::data("application/zip", "AA=="), "application/zip"),
            (Source::data("", "AA=="), "media type"),
            (Source::data("text/plain", "/w=="), "UTF-8"),
            (Source::url("data:text/plain,hi"), "http"),
            (Source::Other(serde_json::Map::new()), "unknown"),
        ] {
            let error = block(source, "a").unwrap_err();
            assert!(error.message().contains(word), "{error}");
            assert!(error.message().contains("messages[0]"), "{error}");
        }
        assert!(image(&Source::data("image/bmp", "AA=="), "messages[0]").is_err());
    }
}
