//! What a caller asks of a provider: a chat, embeddings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::ProviderError;
use crate::message::{Extra, Message};
use crate::raw::RawBody;
use crate::tagged::{read_by_tag, words};
use crate::tool::{NoFields, ToolChoice, ToolDefinition, VendorObject};
use crate::warnings::Warnings;

/// A request for a chat. Every parameter that is absent is the provider's to choose.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The model, by the provider's own id.
    pub model: String,
    /// The conversation so far, oldest first.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// The tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolDefinition>,
    /// Whether and which tool it must call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several tools at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The form of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormat>,
    /// The most tokens to generate, reasoning included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// The sampling temperature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The probability mass to sample from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// The number of tokens to sample from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    /// How much a token is held back for each time it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// How much a token is held back once it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// The texts at which the answer stops.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// The seed of the sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// How much the model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    /// How many answers to give; 1 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<u32>,
    /// Whether to give each token's log-probability.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<bool>,
    /// How many alternatives to give for each token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u32>,
    /// The end user, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the client said that is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
    /// Headers of the client that belong to its dialect (`anthropic-beta`), names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The client's body as it came; absent where the normalised form was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RawBody>,
}

impl ChatRequest {
    /// A request with these messages and nothing else.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self { model: model.into(), messages, ..Self::default() }
    }

    /// Holds the parameters that are set against those that a provider honours, by the names of
    /// the fields. One that only tunes the answer is ignored with a warning.
    ///
    /// # Errors
    ///
    /// Of kind [`Unsupported`](crate::ErrorKind::Unsupported) for one that changes what the caller
    /// gets back: tools, the form of the answer, further choices, log-probabilities, stops.
    pub fn check_parameters(
        &self,
        honoured: &[&str],
        warnings: &mut Warnings,
    ) -> Result<(), ProviderError> {
        let is_missing = |(name, is_set): &(&str, bool)| *is_set && !honoured.contains(name);
        if let Some((name, _)) = self.parameters_of_the_answer().into_iter().find(is_missing) {
            return Err(ProviderError::unsupported(format_args!("`{name}`")).with_param(name));
        }
        for (name, _) in self.tuning_parameters().into_iter().filter(is_missing) {
            warnings.ignore(name);
        }
        Ok(())
    }

    fn parameters_of_the_answer(&self) -> [(&'static str, bool); 7] {
        let is_json = !matches!(self.response_format, None | Some(ResponseFormat::Text(_)));
        let must_call = !matches!(self.tool_choice, None | Some(ToolChoice::Auto(_)));
        [
            ("tools", !self.tools.is_empty()),
            ("tool_choice", must_call),
            ("response_format", is_json),
            ("choices", self.choices.is_some_and(|choices| choices > 1)),
            ("logprobs", self.logprobs == Some(true)),
            ("top_logprobs", self.top_logprobs.is_some_and(|alternatives| alternatives > 0)),
            ("stop", !self.stop.is_empty()),
        ]
    }

    fn tuning_parameters(&self) -> [(&'static str, bool); 10] {
        [
            ("parallel_tool_calls", self.parallel_tool_calls.is_some()),
            ("max_output_tokens", self.max_output_tokens.is_some()),
            ("temperature", self.temperature.is_some()),
            ("top_p", self.top_p.is_some()),
            ("top_k", self.top_k.is_some()),
            ("frequency_penalty", self.frequency_penalty.is_some()),
            ("presence_penalty", self.presence_penalty.is_some()),
            ("seed", self.seed.is_some()),
            ("reasoning", self.reasoning.is_some()),
            ("user", self.user.is_some()),
        ]
    }
}

words! {
    /// How hard the model thinks before it answers.
    pub enum ReasoningEffort {
        /// Not at all.
        None = "none",
        /// As little as it can.
        Minimal = "minimal",
        /// A little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Much.
        High = "high",
        /// As much as it can.
        ExtraHigh = "xhigh",
    }
}

/// How much the model thinks, in whichever terms the caller has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reasoning {
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<ReasoningEffort>,
    /// In tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_tokens: Option<u64>,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// The form of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Text.
    Text(NoFields),
    /// A JSON object of any form.
    Json(NoFields),
    /// JSON that follows a schema.
    JsonSchema(JsonSchema),
    /// A format that only one vendor's vocabulary has.
    Vendor(VendorObject),
    /// A format from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(ResponseFormat {
    "text" => Text,
    "json" => Json,
    "json_schema" => JsonSchema,
    "vendor" => Vendor,
});

impl ResponseFormat {
    /// Text.
    pub const TEXT: Self = Self::Text(NoFields {});
    /// A JSON object of any form.
    pub const JSON: Self = Self::Json(NoFields {});
}

/// The schema that an answer follows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JsonSchema {
    /// Its name, for the model.
    pub name: String,
    /// What the answer is, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// Whether the answer must follow it to the letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// What is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
}

/// A request for embeddings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbedRequest {
    /// The model, by the provider's own id.
    pub model: String,
    /// What to embed, in order.
    #[serde(default)]
    pub inputs: Vec<EmbedInput>,
    /// The length of each vector; the model's own where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// The end user, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the client said that is not modelled here.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Extra,
    /// The client's body as it came; absent where the normalised form was edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<RawBody>,
}

/// One thing to embed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EmbedInput {
    /// A text.
    Text(EmbedText),
    /// A text that the caller has already cut into the model's tokens.
    Tokens(EmbedTokens),
    /// An input from a newer version of this vocabulary, as it came.
    #[serde(untagged)]
    Other(Map<String, Value>),
}

read_by_tag!(EmbedInput { "text" => Text, "tokens" => Tokens });

/// A text to embed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedText {
    /// The text.
    pub text: String,
}

/// Tokens to embed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedTokens {
    /// The tokens, by the model's own numbers.
    pub tokens: Vec<u32>,
}

impl EmbedInput {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(EmbedText { text: text.into() })
    }
}
