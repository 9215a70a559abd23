//! Removes an instance's secrets from what a plugin or an upstream says.
//!
//! A vendor may repeat a wrong key in its error, and a plugin may log what it should not.

use std::borrow::Cow;
use std::sync::Arc;

use allos_plugin_api::{ProviderConfig, ProviderError, Secret};

const INSTEAD: &str = "[redacted]";

/// Shorter texts stand in too many words to be taken out of them, and protect nothing.
const SHORTEST: usize = 6;

/// The secrets of one instance.
#[derive(Clone, Default)]
pub(crate) struct Redaction(Arc<[Secret]>);

impl Redaction {
    /// The key and the header values of a configuration.
    pub(crate) fn new(config: &ProviderConfig) -> Self {
        let secrets = config.api_key.iter().chain(config.headers.values());
        Self(secrets.filter(|secret| secret.expose().len() >= SHORTEST).cloned().collect())
    }

    /// A text without the secrets.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut redacted = Cow::Borrowed(text);
        for secret in self.0.iter().filter(|secret| text.contains(secret.expose())) {
            redacted = redacted.replace(secret.expose(), INSTEAD).into();
        }
        redacted
    }

    /// An error without the secrets.
    pub(crate) fn error(&self, error: ProviderError) -> ProviderError {
        error.map_text(|text| {
            if let Cow::Owned(redacted) = self.text(text) {
                *text = redacted;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_repeats_the_key_is_shown_without_it() {
        let config =
            ProviderConfig { api_key: Some(Secret::new("sk-123456")), ..ProviderConfig::default() };
        let error = ProviderError::invalid_request("wrong key sk-123456, really")
            .with_hint("not sk-123456")
            .with_upstream_text("{\"key\":\"sk-123456\"}");
        let error = Redaction::new(&config).error(error);
        assert_eq!(error.message(), "wrong key [redacted], really");
        assert_eq!(error.hint(), Some("not [redacted]"));
        assert_eq!(error.upstream_text(), Some("{\"key\":\"[redacted]\"}"));
    }
}
