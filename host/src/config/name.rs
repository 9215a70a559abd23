//! The names that an operator writes: providers and their instances, and models by instance.
//!
//! Parsed here once, so that the rest of the host holds no unchecked name. Whether an instance of a
//! name exists is the registry's business.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use allos_plugin_api::is_provider_name;
use serde::{Deserialize, Serialize};

/// The name of a plugin's provider, of a preset or of a provider instance.
///
/// `[a-z0-9][a-z0-9_-]*`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderName(String);

impl ProviderName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProviderName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for ProviderName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        if is_provider_name(&text) { Ok(Self(text)) } else { Err(InvalidName::provider(&text)) }
    }
}

impl From<ProviderName> for String {
    fn from(name: ProviderName) -> Self {
        name.0
    }
}

impl Borrow<str> for ProviderName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ProviderName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for ProviderName {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for ProviderName {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A model as it is named outside a provider: `instance/model`, split at the first `/`.
///
/// A bare `instance` means that instance's default model.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelRef {
    /// The provider instance.
    pub instance: ProviderName,
    /// The model's id in the vendor's words, which may hold further slashes; absent where the
    /// instance's default is meant, never empty.
    pub model: Option<String>,
}

impl FromStr for ModelRef {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (instance, model) = match text.split_once('/') {
            Some((_, "")) => return Err(InvalidName::model(text)),
            Some((instance, model)) => (instance, Some(model.to_owned())),
            None => (text, None),
        };
        if !is_provider_name(instance) {
            return Err(InvalidName::model(text));
        }
        Ok(Self { instance: ProviderName(instance.to_owned()), model })
    }
}

impl TryFrom<String> for ModelRef {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ModelRef> for String {
    fn from(model: ModelRef) -> Self {
        model.to_string()
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(formatter, "{}/{model}", self.instance),
            None => write!(formatter, "{}", self.instance),
        }
    }
}

/// A text that is no such name, and what would be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    text: String,
    expected: &'static str,
    hint: &'static str,
}

impl InvalidName {
    fn provider(text: &str) -> Self {
        Self {
            text: shown(text),
            expected: "the name of a provider",
            hint: "use lower-case letters, digits, `-` and `_`, at most 64, a letter or digit first",
        }
    }

    fn model(text: &str) -> Self {
        Self {
            text: shown(text),
            expected: "a model",
            hint: "write INSTANCE/MODEL, for example openai/gpt-4o",
        }
    }

    /// What would be right.
    pub fn hint(&self) -> &str {
        self.hint
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not {} (hint: {})", self.text, self.expected, self.hint)
    }
}

impl std::error::Error for InvalidName {}

/// A text of any length and content, fit for one line.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Result<(String, Option<String>), String> {
        text.parse::<ModelRef>()
            .map(|model| (model.instance.into(), model.model))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_model_is_split_at_the_first_slash() {
        let parts = |instance: &str, model: &str| Ok((instance.into(), Some(model.into())));
        assert_eq!(model("openai/gpt-4o"), parts("openai", "gpt-4o"));
        assert_eq!(model("openrouter/meta/llama:free"), parts("openrouter", "meta/llama:free"));
        assert_eq!(model("x//y"), parts("x", "/y"));
        assert_eq!(model("echo"), Ok(("echo".into(), None)));
    }

    #[test]
    fn a_model_without_an_instance_or_with_an_empty_id_is_refused() {
        for text in ["", "/", "/gpt-4o", "openai/", "Open AI/gpt", "a\n/b"] {
            let error = model(text).unwrap_err();
            assert!(error.contains("is not a model (hint: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_long_name_is_cut_in_the_message() {
        let error = "x".repeat(1000).parse::<ProviderName>().unwrap_err().to_string();
        assert!(error.len() < 300, "{error}");
    }
}
