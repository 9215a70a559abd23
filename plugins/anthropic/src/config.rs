//! What an operator configures, and the headers of a request.
//!
//! The client's version of the API and its beta features are sent; the operator's beta features are
//! joined with them.
//!
//! - <https://platform.claude.com/docs/en/api/overview#authentication>
//! - <https://platform.claude.com/docs/en/api/versioning>
//! - <https://platform.claude.com/docs/en/api/beta-headers>

use std::collections::BTreeMap;

use allos_anthropic_messages::error;
use allos_plugin_api::{
    ChatRequest, Host, HttpRequest, HttpResponse, ProviderConfig, ProviderError, Upstream,
};
use serde::Deserialize;

/// Anthropic's own address, as its SDK takes it.
const BASE_URL: &str = "https://api.anthropic.com";
/// The variable that holds a key for [`BASE_URL`].
const KEY_VARIABLE: &str = "ANTHROPIC_API_KEY";
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
const BETA: &str = "anthropic-beta";

/// The plugin's own options, as the descriptor declares them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Options {
    beta: String,
}

/// The API, with what the operator wants of every request.
#[derive(Debug)]
pub(crate) struct Service {
    upstream: Upstream,
    /// The operator's beta features, from the option and from the header.
    betas: Vec<String>,
}

impl Service {
    pub(crate) fn new(config: &ProviderConfig, host: Host) -> Result<Self, ProviderError> {
        let options: Options = config.options()?;
        let header = config.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(BETA));
        let header = header.map(|(_, value)| value.expose().to_owned()).unwrap_or_default();
        let (version, default) = VERSION;
        let upstream = Upstream::new(config, host, BASE_URL)
            .with_key(config, "x-api-key", "", KEY_VARIABLE)
            .with_header(version, default);
        Ok(Self { upstream, betas: vec![options.beta, header] })
    }

    /// Posts a body, with the headers of the client that belong to this dialect.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: String,
        client: &ChatRequest,
    ) -> Result<HttpResponse, ProviderError> {
        self.send(self.upstream.post(path, body), &client.headers).await
    }

    /// Gets a page of the models: the first, or that after a model.
    pub(crate) async fn models(&self, last: Option<&str>) -> Result<HttpResponse, ProviderError> {
        let page = self.upstream.get("/v1/models").query("limit", "1000");
        let page = last.into_iter().fold(page, |page, last| page.query("after_id", last));
        self.send(page, &BTreeMap::new()).await
    }

    async fn send(
        &self,
        mut request: HttpRequest,
        client: &BTreeMap<String, String>,
    ) -> Result<HttpResponse, ProviderError> {
        if let Some(version) = client.get(VERSION.0) {
            request = request.header(VERSION.0, version);
        }
        let asked = self.betas.iter().chain(client.get(BETA)).map(String::as_str);
        if let Some(betas) = joined(asked) {
            request = request.header(BETA, betas);
        }
        self.upstream.send(request).await.map_err(error::refine)
    }
}

/// One list of several, each feature once.
fn joined<'a>(lists: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut features = Vec::new();
    for feature in lists.flat_map(|list| list.split(',')).map(str::trim) {
        if !feature.is_empty() && !features.contains(&feature) {
            features.push(feature);
        }
    }
    (!features.is_empty()).then(|| features.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_features_are_joined_and_each_is_asked_for_once() {
        let lists = ["a, b", "", "b,c,"];
        assert_eq!(joined(lists.into_iter()).as_deref(), Some("a,b,c"));
        assert_eq!(joined(["", " , "].into_iter()), None);
    }
}
