//! What an operator configures, and what tells one service of this dialect from another.
//!
//! It makes every request's address and headers. It sends nothing.
//!
//! - <https://platform.openai.com/docs/api-reference/authentication>
//! - <https://platform.openai.com/docs/api-reference/debugging-requests>

use allos_plugin_api::{ErrorKind, HttpRequest, ProviderConfig, ProviderError, Secret};
use serde::Deserialize;

/// OpenAI's own address, as its SDK takes it.
pub(crate) const BASE_URL: &str = "https://api.openai.com/v1";
/// The variable that holds a key for [`BASE_URL`].
const KEY_VARIABLE: &str = "OPENAI_API_KEY";

/// The plugin's own options, as the descriptor declares them. The defaults are OpenAI's.
#[allow(clippy::struct_field_names)] // they are the names that an operator writes
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) organization: Option<String>,
    pub(crate) project: Option<String>,
    pub(crate) stream_options: bool,
    pub(crate) top_k: bool,
    pub(crate) max_tokens_field: MaxTokensField,
    pub(crate) seed_field: SeedField,
    pub(crate) reasoning_field: ReasoningField,
    pub(crate) file_part: FilePartKind,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            organization: None,
            project: None,
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
pub(crate) enum MaxTokensField {
    MaxTokens,
    MaxCompletionTokens,
}

/// The member that seeds the sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SeedField {
    Seed,
    RandomSeed,
}

/// How the service takes back the reasoning of earlier answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReasoningField {
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
pub(crate) enum FilePartKind {
    /// As a part of type `file`.
    File,
    /// As a part of type `document_url`.
    DocumentUrl,
}

/// Where and how to ask one service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) options: Options,
    instance: String,
    base_url: String,
    headers: Vec<(String, Secret)>,
}

impl Service {
    pub(crate) fn new(config: ProviderConfig) -> Result<Self, ProviderError> {
        let options: Options = config.options()?;
        let base_url = config.base_url_or(BASE_URL);
        let mut headers = Vec::new();
        if let Some(key) = config.api_key {
            let value = format!("Bearer {}", key.expose());
            headers.push(("authorization".to_owned(), Secret::new(value)));
        }
        for (name, value) in
            [("openai-organization", &options.organization), ("openai-project", &options.project)]
        {
            headers.extend(value.as_ref().map(|value| (name.to_owned(), Secret::new(value))));
        }
        headers.extend(config.headers);
        Ok(Self { options, instance: config.instance, base_url, headers })
    }

    /// A GET request to a path below the base address.
    pub(crate) fn get(&self, path: &str) -> Result<HttpRequest, ProviderError> {
        self.authorised(HttpRequest::get(format!("{}{path}", self.base_url)))
    }

    /// A POST request of JSON to a path below the base address.
    pub(crate) fn post(&self, path: &str, body: String) -> Result<HttpRequest, ProviderError> {
        self.authorised(HttpRequest::post(format!("{}{path}", self.base_url)).json(body))
    }

    /// What the reader can do where the key is missing or wrong.
    pub(crate) fn key_hint(&self) -> String {
        let table = format!("`api_key` in [providers.{}]", self.instance);
        if self.base_url == BASE_URL {
            format!("set {KEY_VARIABLE}, or {table}")
        } else {
            format!("set {table}")
        }
    }

    fn authorised(&self, request: HttpRequest) -> Result<HttpRequest, ProviderError> {
        let has_key =
            self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if self.base_url == BASE_URL && !has_key {
            let message = format!("there is no API key: {KEY_VARIABLE} is not set");
            let error = ProviderError::new(ErrorKind::Authentication, message);
            return Err(error.with_hint(self.key_hint()));
        }
        Ok(self
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value.expose())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_an_authentication_error_that_names_the_variable() {
        let service = Service::new(ProviderConfig::default()).unwrap();
        let error = service.get("/models").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Authentication);
        assert!(error.message().contains("OPENAI_API_KEY"));
    }

    #[test]
    fn a_service_elsewhere_may_need_no_key() {
        let base_url = Some("http://localhost:11434/v1/".to_owned());
        let config = ProviderConfig { base_url, ..ProviderConfig::default() };
        let request = Service::new(config).unwrap().get("/models").unwrap();
        assert!(format!("{request:?}").contains("\"http://localhost:11434/v1/models\""));
    }

    #[test]
    fn an_unknown_option_is_named() {
        let mut config = ProviderConfig::default();
        config.options.insert("max_token_field".to_owned(), "max_tokens".into());
        let error = Service::new(config).unwrap_err();
        assert!(error.message().contains("`max_token_field`"), "{error}");
    }

    #[test]
    fn the_key_is_never_shown() {
        let api_key = Some(Secret::new("sk-123"));
        let service =
            Service::new(ProviderConfig { api_key, ..ProviderConfig::default() }).unwrap();
        let request = service.get("/models").unwrap();
        assert!(!format!("{service:?}{request:?}").contains("sk-123"));
    }
}
