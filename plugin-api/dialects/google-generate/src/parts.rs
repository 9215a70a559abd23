//! Images, sound and files → Gemini's parts.
//!
//! - <https://ai.google.dev/api/caching#Part>
//! - <https://ai.google.dev/gemini-api/docs/file-input-methods>
//! - <https://ai.google.dev/gemini-api/docs/document-processing>

use allos_plugin_api::json::{text, without_nulls};
use allos_plugin_api::{Extra, Part, ProviderData, ProviderError, Source, Warnings};
use serde_json::{Map, Value, json};

use crate::DATA;

/// Media types by the end of a file's name, for clients that do not say them.
const MEDIA_TYPES: [(&str, &str); 12] = [
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("webm", "video/webm"),
];
/// Where the files are that Google holds. <https://ai.google.dev/api/files>
const FILES: &str = "https://generativelanguage.googleapis.com/v1beta";
/// What the gateway has read before.
const READ: [&str; 1] = ["extra_content"];

/// Writes a part of bytes: here, at an address, or with Google.
pub(crate) fn media(
    part: &Part,
    place: &str,
    warnings: &mut Warnings,
) -> Result<Value, ProviderError> {
    let (source, name, extra) = match part {
        Part::Image(part) => {
            if part.detail.as_deref().is_some_and(|detail| detail != "auto") {
                warnings.ignore(format_args!("{place}.content.detail"));
            }
            (&part.source, None, &part.extra)
        }
        Part::Audio(part) => (&part.source, part.format.as_deref(), &part.extra),
        Part::File(part) => (&part.source, part.filename.as_deref(), &part.extra),
        _ => return Err(refused("content of this kind", place)),
    };
    warnings.keep_known(extra, &READ, &format!("{place}.content."), &mut Map::new());
    match source {
        Source::Data(data) => {
            let media_type = data.media_type.as_deref().or_else(|| media_type(name?));
            let Some(media_type) = media_type else {
                let error = refused("content whose media type is not known", place);
                return Err(error.with_hint("send it as a `data:` address, which names its type"));
            };
            Ok(json!({ "inlineData": { "mimeType": media_type, "data": data.base64 } }))
        }
        Source::Url(source) => {
            let path = source.url.split(['?', '#']).next().unwrap_or_default();
            let known = source.media_type.as_deref().or_else(|| media_type(path));
            Ok(file(&source.url, known.or_else(|| media_type(name?))))
        }
        Source::Id(source) if source.id.contains("://") => Ok(file(&source.id, None)),
        Source::Id(source) if source.id.starts_with("files/") => {
            Ok(file(&format!("{FILES}/{}", source.id), name.and_then(media_type)))
        }
        Source::Id(_) => Err(refused("a file of another vendor, by its id,", place)),
        _ => Err(refused("content from a source of this kind", place)),
    }
}

/// The signature of an image, sound or file that the model made.
pub(crate) fn signature(part: &Part) -> Option<&str> {
    let (data, extra): (&ProviderData, &Extra) = match part {
        Part::Image(part) => (&part.provider_data, &part.extra),
        Part::Audio(part) => (&part.provider_data, &part.extra),
        Part::File(part) => (&part.provider_data, &part.extra),
        _ => return None,
    };
    let in_extra = || extra.get("extra_content")?.pointer("/google/thought_signature")?.as_str();
    signature_in(data).or_else(in_extra)
}

fn file(uri: &str, media_type: Option<&str>) -> Value {
    json!({ "fileData": without_nulls(json!({ "mimeType": media_type, "fileUri": uri })) })
}

/// The media type that a file's name, or the name of a format, stands for.
fn media_type(name: &str) -> Option<&'static str> {
    let ending = name.rsplit('.').next()?.to_ascii_lowercase();
    MEDIA_TYPES.iter().find(|(known, _)| *known == ending).map(|(_, media_type)| *media_type)
}

fn refused(what: &str, place: &str) -> ProviderError {
    ProviderError::unsupported(format_args!("{what} in {place}"))
}

/// The signature that a part brings back.
pub(crate) fn signature_in(data: &ProviderData) -> Option<&str> {
    text(data.get(DATA)?.get("thought_signature")?)
}
