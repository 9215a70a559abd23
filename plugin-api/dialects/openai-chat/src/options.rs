//! In what the services of this dialect differ from one another.
//!
//! - <https://platform.openai.com/docs/api-reference/chat/create>
//! - <https://docs.mistral.ai/api/>, <https://openrouter.ai/docs/use-cases/reasoning-tokens>

use allos_plugin_api::{Extra, Warnings};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Members of Anthropic's that services hand on which serve its models.
/// <https://openrouter.ai/docs/features/prompt-caching>
const ANTHROPIC_MEMBERS: [&str; 2] = ["cache_control", "eager_input_streaming"];

/// In what a service differs. The defaults are `OpenAI`'s own; an operator writes the same names.
#[allow(clippy::struct_field_names)] // they are the names that an operator writes
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Whether it takes `stream_options`.
    pub stream_options: bool,
    /// Whether it takes `top_k`.
    pub top_k: bool,
    /// Whether it takes Anthropic's members on messages, parts and tools, such as `cache_control`.
    pub anthropic_members: bool,
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
            anthropic_members: false,
            max_tokens_field: MaxTokensField::MaxCompletionTokens,
            seed_field: SeedField::Seed,
            reasoning_field: ReasoningField::None,
            file_part: FilePartKind::File,
        }
    }
}

impl Options {
    /// Keeps the members that the service takes, of which some are known by name, and says which
    /// have no effect. A client that speaks to Anthropic sends its members with every request, so
    /// they are said once.
    pub(crate) fn keep(
        &self,
        extra: &Extra,
        known: &[&str],
        place: &str,
        members: &mut Map<String, Value>,
        warnings: &mut Warnings,
    ) {
        let mut extra = extra.clone();
        for name in ANTHROPIC_MEMBERS {
            match extra.shift_remove(name) {
                Some(value) if self.anthropic_members => drop(members.insert(name.into(), value)),
                Some(_) => warnings.ignore(name),
                None => {}
            }
        }
        warnings.keep_known(&extra, known, place, members);
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
