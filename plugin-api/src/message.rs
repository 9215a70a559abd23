//! A message of a conversation, and the parts of which its content is made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::tagged::{read_by_tag, words};
use crate::tool::{ToolCall, ToolResult};

/// What a provider must see again, unread by anyone else: its value by the name of its format.
///
/// A reply's parts carry it (encrypted reasoning, item ids, thought signatures on text), the
/// history brings it back, and only a provider that knows the format uses it.
pub type ProviderData = BTreeMap<String, Value>;

/// What the client's dialect said and this vocabulary does not model, by name.
///
/// Nothing in it is sent upstream by itself: a provider reads the fields that it documents.
pub type Extra = Map<String, Value>;

words! {
    /// Who speaks in a [`Message`].
    pub enum Role {
        /// Instructions of the application.
        System = "system",
        /// Instructions of the application, to models that tell them from the platform's.
        Developer = "developer",
        /// The person, or whoever asks.
        User = "user",
        /// The model.
        Assistant = "assistant",
        /// The result of a tool that the model called.
        Tool = "tool",
    }
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    #[serde(default)]
    pub content: Vec<Part>,
    /// A name that tells participants of the same role apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the client said about the message that is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

impl Message {
    /// A message with content of any kind.
    pub fn new(role: Role, content: Vec<Part>) -> Self {
        Self { role, content, name: None, extra: Extra::new() }
    }

    /// A message from the system.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, vec![Part::text(text)])
    }

    /// A message from the user.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, vec![Part::text(text)])
    }

    /// A message from the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, vec![Part::text(text)])
    }

    /// The text parts, joined without a separator.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(Part::as_text).collect()
    }

    /// The tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

/// A piece of a message's content.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Text.
    Text(TextPart),
    /// An image.
    Image(ImagePart),
    /// Sound.
    Audio(AudioPart),
    /// A document or another file.
    File(FilePart),
    /// What the model thought before it answered.
    Reasoning(ReasoningPart),
    /// The model's refusal to answer, in its words.
    Refusal(RefusalPart),
    /// A tool that the model asks the client to run.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult(ToolResult),
    /// A part that belongs to one vendor, such as the trace of a tool that the vendor ran itself.
    Vendor(VendorPart),
    /// A part from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(Part {
    "text" => Text,
    "image" => Image,
    "audio" => Audio,
    "file" => File,
    "reasoning" => Reasoning,
    "refusal" => Refusal,
    "tool_call" => ToolCall,
    "tool_result" => ToolResult,
    "vendor" => Vendor,
});

impl Part {
    /// A text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextPart { text: text.into(), ..TextPart::default() })
    }

    /// The text, where it is a text part.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(part) => Some(&part.text),
            _ => None,
        }
    }
}

/// Text, with what the vendor says about it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextPart {
    /// The text, never edited.
    pub text: String,
    /// Sources and other remarks on stretches of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// A source or another remark on a stretch of text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Annotation {
    /// What it is, in the vendor's word (`url_citation`, `file_citation`, …).
    pub kind: String,
    /// The address of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The title of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where the stretch starts, as the vendor counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_index: Option<u64>,
    /// Where the stretch ends, as the vendor counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_index: Option<u64>,
    /// The vendor's own object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// Where the bytes of an image, a sound or a file are.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// Here.
    Data(DataSource),
    /// At an address that the vendor fetches.
    Url(UrlSource),
    /// With the vendor, under an id.
    Id(IdSource),
    /// A source from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(Source { "data" => Data, "url" => Url, "id" => Id });

/// Bytes in the message itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// The media type (`image/png`), where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The bytes, as base64 with padding.
    pub base64: String,
}

/// Bytes at an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlSource {
    /// The address.
    pub url: String,
    /// The media type, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// Bytes that the vendor holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdSource {
    /// The vendor's id.
    pub id: String,
}

impl Source {
    /// Bytes given as base64.
    pub fn data(media_type: impl Into<String>, base64: impl Into<String>) -> Self {
        Self::Data(DataSource { media_type: Some(media_type.into()), base64: base64.into() })
    }

    /// Bytes at an address; a base64 `data:` address becomes the bytes themselves.
    pub fn url(url: impl Into<String>) -> Self {
        let url = url.into();
        match parse_data_url(&url) {
            Some(data) => Self::Data(data),
            None => Self::Url(UrlSource { url, media_type: None }),
        }
    }

    /// Bytes that the vendor holds.
    pub fn id(id: impl Into<String>) -> Self {
        Self::Id(IdSource { id: id.into() })
    }
}

impl DataSource {
    /// The bytes as a `data:` address.
    pub fn to_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type.as_deref().unwrap_or_default(), self.base64)
    }
}

/// Reads `data:image/png;base64,…`; any other form of a `data:` address stays an address.
fn parse_data_url(url: &str) -> Option<DataSource> {
    let (media_type, base64) = url.strip_prefix("data:")?.split_once(";base64,")?;
    let media_type = (!media_type.is_empty()).then(|| media_type.to_owned());
    Some(DataSource { media_type, base64: base64.to_owned() })
}

/// An image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImagePart {
    /// Where its bytes are.
    pub source: Source,
    /// How closely the model should look (`low`, `high`, `auto`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// Sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioPart {
    /// Where its bytes are.
    pub source: Source,
    /// The container or encoding, in the field's word (`wav`, `mp3`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What is said in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// A document or another file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilePart {
    /// Where its bytes are.
    pub source: Source,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filename: Option<String>,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// What the model thought. All of it may be opaque.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReasoningPart {
    /// The text that may be shown; empty where it is redacted or encrypted.
    #[serde(default)]
    pub text: String,
    /// Whether the text is a summary that the vendor made of the reasoning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub summary: bool,
    /// Proof that the text is the model's own; the vendor wants it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// The reasoning in redacted or encrypted form; the vendor wants it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// The vendor's id of the reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose signature or redacted form it is (`anthropic-claude-v1`, `google-gemini-v1`, …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// The model's refusal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RefusalPart {
    /// Its words.
    pub text: String,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// A part that only one vendor's vocabulary has: neither text nor a call for the client to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VendorPart {
    /// Whose vocabulary it is (`openai-chat`, `anthropic-messages`, …).
    pub format: String,
    /// The part, in that vocabulary.
    pub raw: Value,
    /// What the provider must see again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
}
