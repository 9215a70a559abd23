//! The second lane: bodies as they came, beside the normalised form.
//!
//! A request carries the client's body and the dialect it was written in; a reply, a chunk and an
//! error carry the upstream's JSON. A provider that speaks the client's dialect starts from the
//! body and changes only what it must, so that a field nobody here has heard of still arrives.
//! Whoever edits the normalised form drops the body.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tagged::words;

words! {
    /// The vocabulary in which a body is written.
    pub enum Dialect {
        /// OpenAI's chat completions, and its embeddings.
        /// <https://platform.openai.com/docs/api-reference/chat>
        OpenAiChat = "openai-chat",
        /// OpenAI's responses. <https://platform.openai.com/docs/api-reference/responses>
        OpenAiResponses = "openai-responses",
        /// Anthropic's messages. <https://docs.anthropic.com/en/api/messages>
        AnthropicMessages = "anthropic-messages",
    }
}

/// A JSON body as it came, with the dialect in which it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawBody {
    /// The vocabulary of the body.
    pub dialect: Dialect,
    /// The body, as JSON text.
    pub json: String,
}

impl RawBody {
    /// A body from its JSON text.
    pub fn new(dialect: Dialect, json: impl Into<String>) -> Self {
        Self { dialect, json: json.into() }
    }

    /// The body as a JSON value.
    pub fn value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.json)
    }
}
