//! The second lane: bodies as they came, beside the normalised form.
//!
//! A request carries the client's body and the dialect it was written in; a reply, a chunk and an
//! error carry the upstream's JSON. A provider that speaks the client's dialect starts from the
//! body and changes only what it must, so that a field nobody here has heard of still arrives.
//! Whoever edits the normalised form drops the body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::error::ProviderError;
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

    /// The body with members that are set, or that are left out; all others stay as they are
    /// written, to the digit.
    ///
    /// # Errors
    ///
    /// Where the body is not a JSON object.
    pub fn with_members<'a>(
        &self,
        changes: impl IntoIterator<Item = (&'a str, Option<Value>)>,
    ) -> Result<String, ProviderError> {
        let mut members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&self.json).map_err(not_an_object)?;
        for (name, value) in changes {
            match value {
                Some(value) => {
                    members.insert(name.to_owned(), to_raw_value(&value).map_err(not_an_object)?);
                }
                None => drop(members.remove(name)),
            }
        }
        serde_json::to_string(&members).map_err(not_an_object)
    }

    /// The body as a JSON value.
    pub fn value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.json)
    }
}

#[allow(clippy::needless_pass_by_value)] // it is the shape that `map_err` wants
fn not_an_object(error: serde_json::Error) -> ProviderError {
    ProviderError::invalid_request(format!("the request's body is not a JSON object: {error}"))
}
