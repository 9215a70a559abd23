//! What a provider answers in one piece.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json;
use crate::message::{Message, Part, Role};
use crate::raw::RawBody;
use crate::tagged::words;
use crate::tool::ToolCall;

/// The answer to a chat request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProviderResponse {
    /// The vendor's id of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The vendor's id of the message in it, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The vendor's id of the HTTP request, which its support asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// The model that answered, in the vendor's words; it may differ from the one that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When the vendor made it, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// The answers: one, unless the caller asked for more.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What was asked and not done, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Headers of the upstream that the caller should see (rate limits), names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The upstream's JSON as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RawBody>,
}

impl ProviderResponse {
    /// A plain answer that is complete.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            choices: vec![Choice::new(vec![Part::text(text)], FinishReason::STOP)],
            ..Self::default()
        }
    }

    /// The first answer's text.
    pub fn first_text(&self) -> String {
        self.choices.first().map(|choice| choice.message.text()).unwrap_or_default()
    }

    /// The first answer's tool calls.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.choices.first().into_iter().flat_map(|choice| choice.message.tool_calls())
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Which answer, from 0.
    #[serde(default)]
    pub index: u32,
    /// The answer.
    pub message: Message,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// The log-probability of each token, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<Logprobs>,
}

impl Choice {
    /// The first answer.
    pub fn new(content: Vec<Part>, finish_reason: FinishReason) -> Self {
        let message = Message::new(Role::Assistant, content);
        Self { index: 0, message, finish_reason, logprobs: None }
    }
}

words! {
    /// Why an answer ended, in one vocabulary for all vendors.
    pub enum Finish {
        /// It is complete, or a stop sequence was met.
        Stop = "stop",
        /// It reached the limit of tokens.
        Length = "length",
        /// The client must run a tool.
        ToolCalls = "tool_calls",
        /// The vendor withheld it.
        ContentFilter = "content_filter",
        /// The vendor failed after it had begun.
        Error = "error",
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishReason {
    /// In the common vocabulary.
    pub unified: Finish,
    /// In the vendor's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// The stop sequence that was met, where the vendor tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_sequence: Option<String>,
}

impl FinishReason {
    /// Complete.
    pub const STOP: Self = Self { unified: Finish::Stop, raw: None, stop_sequence: None };

    /// A reason, and the vendor's word for it where there is one.
    pub const fn of(unified: Finish, raw: Option<String>) -> Self {
        Self { unified, raw, stop_sequence: None }
    }

    /// A reason with the vendor's word for it.
    pub fn new(unified: Finish, raw: impl Into<String>) -> Self {
        Self::of(unified, Some(raw.into()))
    }
}

/// What a call cost, in tokens. Absent is not 0: what the vendor did not report is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// All that the vendor read: uncached, cached, written to the cache, prompts of tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All that the model generated, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Of the input: read from the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Of the input: written to the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Of the output: reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Of the input: sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input_tokens: Option<u64>,
    /// Of the output: sound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output_tokens: Option<u64>,
    /// The vendor's own object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// The log-probabilities of an answer's tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Logprobs {
    /// Of the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<TokenLogprob>,
    /// Of the refusal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusal: Vec<TokenLogprob>,
}

/// The log-probability of one token.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token, as text.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f64,
    /// The token's bytes, where they are not a character of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Vec<u8>>,
    /// The likeliest alternatives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}

impl TokenLogprob {
    /// Reads `{"token", "logprob", "bytes", "top_logprobs"}`, the form that most vendors have taken
    /// from OpenAI's chat completions.
    pub fn from_json(value: &Value) -> Option<Self> {
        Some(Self {
            token: value["token"].as_str()?.to_owned(),
            logprob: value["logprob"].as_f64()?,
            bytes: serde_json::from_value(value["bytes"].clone()).unwrap_or_default(),
            top: json::items(&value["top_logprobs"]).iter().filter_map(Self::from_json).collect(),
        })
    }
}

/// The answer to a request for embeddings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbedResponse {
    /// The model that answered, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// One vector for each input, in its order.
    #[serde(default)]
    pub embeddings: Vec<Vec<f64>>,
    /// What it cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What was asked and not done, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The vendor's id of the HTTP request, which its support asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_request_id: Option<String>,
    /// Headers of the upstream that the caller should see (rate limits), names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The upstream's JSON as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RawBody>,
}

/// The answer to a request to count a prompt's tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenCount {
    /// The tokens that the model would read.
    pub input_tokens: u64,
    /// The upstream's JSON as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RawBody>,
}
