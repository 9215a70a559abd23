//! What an operator configures: where the server is, and what goes with every request.
//!
//! - <https://docs.ollama.com/api/introduction>
//! - <https://docs.ollama.com/api/authentication>

use allos_plugin_api::{Host, HttpResponse, ProviderConfig, ProviderError, Upstream};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error;

/// Where a server of one's own is.
const BASE_URL: &str = "http://localhost:11434";
/// The one server that needs a key, and the variable that usually holds it.
const CLOUD: &str = "https://ollama.com";
const KEY_VARIABLE: &str = "OLLAMA_API_KEY";

/// The plugin's own options, as the descriptor declares them.
#[allow(clippy::struct_field_names)] // they are the names that an operator writes
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Options {
    pub(crate) keep_alive: Option<Value>,
    pub(crate) num_ctx: Option<u64>,
    pub(crate) think: Option<Value>,
    pub(crate) model_options: Map<String, Value>,
}

impl Options {
    fn read(config: &ProviderConfig) -> Result<Self, ProviderError> {
        let options: Self = config.options()?;
        let wrong = |name: &str, what: &str| {
            ProviderError::configuration(format!("options: `{name}` is neither {what}"))
        };
        if options.keep_alive.as_ref().is_some_and(|it| !it.is_string() && !it.is_number()) {
            return Err(wrong("keep_alive", "a duration such as \"10m\" nor a number of seconds"));
        }
        if options.think.as_ref().is_some_and(|it| !it.is_boolean() && !it.is_string()) {
            return Err(wrong("think", "true or false nor a level such as \"high\""));
        }
        Ok(options)
    }

    /// Ollama's `options` before the request has its say.
    pub(crate) fn of_the_model(&self) -> Map<String, Value> {
        let mut options = self.model_options.clone();
        options.extend(self.num_ctx.map(|tokens| ("num_ctx".to_owned(), json!(tokens))));
        options
    }
}

/// Where and how to ask one server.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) options: Options,
    instance: String,
    upstream: Upstream,
}

impl Service {
    pub(crate) fn new(mut config: ProviderConfig, host: Host) -> Result<Self, ProviderError> {
        let options = Options::read(&config)?;
        config.base_url = Some(server(&config.base_url_or(BASE_URL)).to_owned());
        let upstream = Upstream::new(&config, host, CLOUD).with_optional_key(
            &config,
            "authorization",
            "Bearer ",
            KEY_VARIABLE,
        );
        Ok(Self { options, instance: config.instance, upstream })
    }

    /// Asks what needs no body.
    pub(crate) async fn get(&self, path: &str) -> Result<HttpResponse, ProviderError> {
        let response = self.upstream.send(self.upstream.get(path)).await;
        response.map_err(|error| error::refine(error, &self.instance, ""))
    }

    /// Asks something of a model.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: String,
        model: &str,
    ) -> Result<HttpResponse, ProviderError> {
        let response = self.upstream.send(self.upstream.post(path, body)).await;
        response.map_err(|error| error::refine(error, &self.instance, model))
    }
}

/// The server's own address, without the path of a dialect: `/v1` is where its `OpenAI` dialect
/// starts, and where the preset of the plugin `openai` points; `/api` is where its own does.
fn server(base_url: &str) -> &str {
    ["/v1", "/api"].iter().find_map(|path| base_url.strip_suffix(path)).unwrap_or(base_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_dialect_is_that_of_its_server() {
        for address in ["http://box:11434", "http://box:11434/v1", "http://box:11434/api"] {
            assert_eq!(server(address), "http://box:11434");
        }
        assert_eq!(server("https://proxy/ollama"), "https://proxy/ollama");
    }

    #[test]
    fn an_option_of_another_type_or_name_is_named() {
        for (name, value) in [
            ("keep_alive", json!(true)),
            ("think", json!(3)),
            ("num_ctx", json!(-1)),
            ("num_contexts", json!(1)),
        ] {
            let mut config = ProviderConfig::default();
            config.options.insert(name.to_owned(), value);
            let error = Options::read(&config).unwrap_err();
            let is_named = name == "num_ctx" || error.message().contains(&format!("`{name}`"));
            assert!(is_named, "{error}");
        }
    }

    #[test]
    fn num_ctx_goes_with_the_models_options() {
        let options = json!({ "num_ctx": 8192, "model_options": { "num_gpu": 1 } });
        let options: Options = serde_json::from_value(options).unwrap();
        assert_eq!(json!(options.of_the_model()), json!({ "num_gpu": 1, "num_ctx": 8192 }));
    }
}
