//! What an operator configures, beside the options in which services of the dialect differ.
//!
//! - <https://platform.openai.com/docs/api-reference/authentication>

use allos_openai_chat::Options;
use allos_plugin_api::{Host, ProviderConfig, ProviderError, Upstream};
use serde::Deserialize;

/// The plugin's own options, as the descriptor declares them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    organization: Option<String>,
    project: Option<String>,
    pub(crate) api: Api,
    /// Whether the Responses API stores answers.
    pub(crate) store: Option<bool>,
    #[serde(flatten)]
    pub(crate) chat: Options,
}

/// The API that answers chats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Api {
    #[default]
    Chat,
    Responses,
}

impl Config {
    pub(crate) fn read(config: &ProviderConfig) -> Result<Self, ProviderError> {
        config.options()
    }

    /// The service that is configured. Elsewhere than at OpenAI's own address it may need no key.
    pub(crate) fn upstream(&self, config: &ProviderConfig, host: Host) -> Upstream {
        let mut upstream = Upstream::new(config, host, "https://api.openai.com/v1")
            .with_optional_key(config, "authorization", "Bearer ", "OPENAI_API_KEY");
        for (name, value) in
            [("openai-organization", &self.organization), ("openai-project", &self.project)]
        {
            if let Some(value) = value {
                upstream = upstream.with_header(name, value);
            }
        }
        upstream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_that_there_is_not_is_named_with_those_that_there_are() {
        let mut config = ProviderConfig::default();
        config.options.insert("api".to_owned(), "assistants".into());
        let error = Config::read(&config).unwrap_err();
        assert_eq!(error.kind(), &allos_plugin_api::ErrorKind::Configuration);
        for word in ["`assistants`", "`chat`", "`responses`"] {
            assert!(error.message().contains(word), "{error}");
        }
    }

    #[test]
    fn a_word_that_is_no_choice_is_named_with_those_that_are() {
        let mut config = ProviderConfig::default();
        config.options.insert("max_tokens_field".to_owned(), "tokens".into());
        let error = Config::read(&config).unwrap_err();
        assert!(error.message().contains("`tokens`") && error.message().contains("`max_tokens`"));
    }
}
