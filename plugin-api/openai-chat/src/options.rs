//! In what the services of this dialect differ from one another.
//!
//! - <https://platform.openai.com/docs/api-reference/chat/create>
//! - <https://docs.mistral.ai/api/>, <https://openrouter.ai/docs/use-cases/reasoning-tokens>

use serde::Deserialize;

/// In what a service differs. The defaults are `OpenAI`'s own; an operator writes the same names.
#[allow(clippy::struct_field_names)] // they are the names that an operator writes
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Whether it takes `stream_options`.
    pub stream_options: bool,
    /// Whether it takes `top_k`.
    pub top_k: bool,
    /// The member that limits the answer's tokens.
    pub max_tokens_field: MaxTokensField,
    /// The member that seeds the sampling.
    pub seed_field: SeedField,
    /// How it takes back the reasoning of earlier answers.
    pub reasoning_field: ReasoningField,
    /// How it takes a document.
    pub file_part: FilePartKind,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            stream_options: true,
            top_k: false,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            seed_field: SeedField::Seed,
            reasoning_field: ReasoningField::None,
            file_part: FilePartKind::File,
        }
    }
}

/// The member that limits the answer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// `max_tokens`.
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// The member that seeds the sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedField {
    /// `seed`.
    Seed,
    /// `random_seed`.
    RandomSeed,
}

/// How the service takes back the reasoning of earlier answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningField {
    /// Not at all.
    None,
    /// As text in `reasoning_content`.
    ReasoningContent,
    /// As text in `reasoning`.
    Reasoning,
    /// As text in `reasoning`; what is signed or encrypted in `reasoning_details`.
    ReasoningDetails,
    /// As chunks of type `thinking` in the content.
    Thinking,
}

/// How the service takes a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilePartKind {
    /// As a part of type `file`.
    File,
    /// As a part of type `document_url`.
    DocumentUrl,
}
