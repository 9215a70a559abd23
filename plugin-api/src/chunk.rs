//! What a provider answers piece by piece.
//!
//! A stream is a sequence of chunks: a [`Start`], then parts as start, deltas and end, each with
//! the index of the part in its answer's content, then one [`Finish`](Event::Finish) per choice,
//! and nothing but usage after the last. A provider need not send the starts and ends of text and
//! reasoning: the host adds those that are missing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::{Annotation, Extra, Part, ProviderData};
use crate::raw::RawBody;
use crate::response::{FinishReason, Logprobs, Usage};
use crate::tagged::read_by_tag;
use crate::tool::NoFields;

/// One item of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProviderChunk {
    /// Which answer it belongs to, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub choice: u32,
    /// What happened.
    pub event: Event,
    /// The upstream's JSON as it came. Where one upstream frame makes several chunks, the first
    /// carries it; a frame that makes none is carried by a heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RawBody>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde gives a reference
fn is_first(choice: &u32) -> bool {
    *choice == 0
}

/// What happened in a stream.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The answer begins.
    Start(Start),
    /// A text part begins.
    TextStart(PartStart),
    /// More of a text part.
    TextDelta(TextDelta),
    /// A text part is complete.
    TextEnd(PartEnd),
    /// A reasoning part begins.
    ReasoningStart(ReasoningStart),
    /// More of a reasoning part.
    ReasoningDelta(TextDelta),
    /// A reasoning part is complete.
    ReasoningEnd(PartEnd),
    /// A tool call begins.
    ToolCallStart(ToolCallStart),
    /// More of a tool call's arguments.
    ToolCallDelta(ToolCallDelta),
    /// A tool call is complete.
    ToolCallEnd(PartEnd),
    /// More of a refusal.
    RefusalDelta(TextDelta),
    /// A remark on a text part.
    Annotation(AnnotationAdded),
    /// The log-probabilities of the tokens since the last such chunk.
    Logprobs(Logprobs),
    /// The signature of a reasoning part or a tool call.
    Signature(Signature),
    /// A whole part at once: an image, a sound, a vendor's own.
    Part(WholePart),
    /// Nothing but a sign of life.
    Heartbeat(NoFields),
    /// What the call has cost so far; the last one counts.
    Usage(Usage),
    /// The answer is complete.
    Finish(FinishReason),
    /// A kind of chunk from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(Event {
    "start" => Start,
    "text_start" => TextStart,
    "text_delta" => TextDelta,
    "text_end" => TextEnd,
    "reasoning_start" => ReasoningStart,
    "reasoning_delta" => ReasoningDelta,
    "reasoning_end" => ReasoningEnd,
    "tool_call_start" => ToolCallStart,
    "tool_call_delta" => ToolCallDelta,
    "tool_call_end" => ToolCallEnd,
    "refusal_delta" => RefusalDelta,
    "annotation" => Annotation,
    "logprobs" => Logprobs,
    "signature" => Signature,
    "part" => Part,
    "heartbeat" => Heartbeat,
    "usage" => Usage,
    "finish" => Finish,
});

impl From<Event> for ProviderChunk {
    fn from(event: Event) -> Self {
        Self { choice: 0, event, body: None }
    }
}

impl ProviderChunk {
    /// More text of the first answer's first part.
    pub fn text(text: impl Into<String>) -> Self {
        Event::TextDelta(TextDelta { index: 0, text: text.into() }).into()
    }

    /// The first answer is complete.
    pub fn finish(reason: FinishReason) -> Self {
        Event::Finish(reason).into()
    }

    /// A sign of life.
    pub fn heartbeat() -> Self {
        Event::Heartbeat(NoFields {}).into()
    }

    /// The same event, for another answer.
    #[must_use]
    pub fn for_choice(mut self, choice: u32) -> Self {
        self.choice = choice;
        self
    }

    /// The same event, with the upstream's JSON.
    #[must_use]
    pub fn with_body(mut self, body: RawBody) -> Self {
        self.body = Some(body);
        self
    }
}

/// How an answer begins. See [`ProviderResponse`](crate::ProviderResponse) for the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The vendor's id of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The vendor's id of the message in it, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The vendor's id of the HTTP request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// The model that answers, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When the vendor made it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// What was asked and will not be done, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Headers of the upstream that the caller should see (rate limits), names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// A part begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartStart {
    /// The part's place in the answer's content.
    pub index: u32,
}

/// A part is complete.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PartEnd {
    /// The part's place in the answer's content.
    pub index: u32,
    /// Reasoning in redacted or encrypted form, where the vendor gives it only at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// What the provider must see again with the part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub provider_data: ProviderData,
}

impl PartEnd {
    /// The end of a part, with nothing to be seen again.
    pub fn new(index: u32) -> Self {
        Self { index, ..Self::default() }
    }
}

/// More text of a part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextDelta {
    /// The part's place in the answer's content.
    pub index: u32,
    /// What to append.
    pub text: String,
}

/// A reasoning part begins. See [`ReasoningPart`](crate::ReasoningPart) for the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReasoningStart {
    /// The part's place in the answer's content.
    pub index: u32,
    /// Whether the text is a summary that the vendor made of the reasoning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub summary: bool,
    /// The reasoning in redacted or encrypted form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<String>,
    /// The vendor's id of the reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose signature or redacted form it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// A tool call begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallStart {
    /// The part's place in the answer's content.
    pub index: u32,
    /// The id by which the result refers to the call.
    pub id: String,
    /// The name of the tool.
    pub name: String,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// More of a tool call's arguments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// The part's place in the answer's content.
    pub index: u32,
    /// JSON text to append.
    pub arguments: String,
}

/// A remark on a text part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnnotationAdded {
    /// The part's place in the answer's content.
    pub index: u32,
    /// The remark.
    pub annotation: Annotation,
}

/// The signature of a reasoning part or a tool call; where several come, they are joined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// The part's place in the answer's content.
    pub index: u32,
    /// What to append to the signature.
    pub signature: String,
}

/// A whole part at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WholePart {
    /// The part's place in the answer's content.
    pub index: u32,
    /// The part.
    pub part: Part,
}
