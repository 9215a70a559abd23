//! What a provider says about its models.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A model. What the provider does not know is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// The provider's own id.
    pub id: String,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The most tokens of a prompt and its answer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<u64>,
    /// The most tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// When it appeared, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<u64>,
    /// Who owns it, in the vendor's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owned_by: Option<String>,
    /// The vendor's own object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

impl Model {
    /// A model of which only the id is known.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }
}

impl Model {
    /// Fills in what the vendor did not say from what is known of the model.
    #[must_use]
    pub fn or_limits(mut self, limits: Option<&Limits>) -> Self {
        if let Some(limits) = limits {
            self.context_window.get_or_insert(limits.context_window);
            self.max_output_tokens = self.max_output_tokens.or(limits.max_output_tokens);
        }
        self
    }
}

/// What a vendor's pages say of a family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most tokens of a prompt and its answer together.
    pub context_window: u64,
    /// The most tokens of an answer, where it is known.
    pub max_output_tokens: Option<u64>,
}

impl Limits {
    /// Both limits.
    pub const fn new(context_window: u64, max_output_tokens: u64) -> Self {
        Self { context_window, max_output_tokens: Some(max_output_tokens) }
    }

    /// A context window alone.
    pub const fn window(context_window: u64) -> Self {
        Self { context_window, max_output_tokens: None }
    }

    /// The limits of a model, from a table by the start of ids. A start ends where a word of the
    /// id ends: `gpt-5` is the start of `gpt-5-mini` and not of `gpt-5.6` or `gpt-50`. The longest
    /// that fits counts; nothing where none does, rather than a guess.
    pub fn find<'a>(model: &str, table: &'a [(&str, Self)]) -> Option<&'a Self> {
        let fits = |start: &str| {
            let rest = model.strip_prefix(start);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.'))
        };
        let fitting = table.iter().filter(|(start, _)| fits(start));
        fitting.max_by_key(|(start, _)| start.len()).map(|(_, limits)| limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_fits_whole_words_of_an_id_and_the_longest_counts() {
        let table = [("m-5", Limits::window(1)), ("m-5-mini", Limits::window(2))];
        for (model, window) in [
            ("m-5", Some(1)),
            ("m-5-2026-01-01", Some(1)),
            ("m-5:fine-tuned", Some(1)),
            ("m-5-mini-1", Some(2)),
            ("m-5.1", None),
            ("m-50", None),
            ("m", None),
        ] {
            let found = Limits::find(model, &table).map(|limits| limits.context_window);
            assert_eq!(found, window, "{model}");
        }
    }
}
