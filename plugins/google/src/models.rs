//! Models: their names in addresses, and what Google says of them.
//!
//! Google tells the limits of each model. The table here is for when it cannot be asked.
//!
//! - <https://ai.google.dev/api/models>
//! - <https://ai.google.dev/api/tokens>
//! - <https://ai.google.dev/gemini-api/docs/models>

use allos_google_generate::{error, resource};
use allos_plugin_api::json::{items, text, word};
use allos_plugin_api::{HttpResponse, Limits, Model, ProviderError, TokenCount, escaped};
use serde_json::Value;

/// Limits by the start of a model's id. <https://ai.google.dev/gemini-api/docs/models>
const LIMITS: [(&str, Limits); 13] = [
    ("gemini-3-pro-preview", Limits::new(1_048_576, 65_536)),
    ("gemini-3-flash", Limits::new(1_048_576, 65_536)),
    ("gemini-3.1-pro", Limits::new(1_048_576, 65_536)),
    ("gemini-3.1-flash-lite", Limits::new(1_048_576, 65_536)),
    ("gemini-3.5-flash", Limits::new(1_048_576, 65_536)),
    ("gemini-2.5-pro", Limits::new(1_048_576, 65_536)),
    ("gemini-2.5-flash", Limits::new(1_048_576, 65_536)),
    ("gemini-2.5-flash-image", Limits::new(32_768, 32_768)),
    ("gemini-2.0-flash", Limits::new(1_048_576, 8_192)),
    ("gemini-1.5-pro", Limits::new(2_097_152, 8_192)),
    ("gemini-1.5-flash", Limits::new(1_048_576, 8_192)),
    ("gemini-embedding-001", Limits::window(2_048)),
    ("text-embedding-004", Limits::window(2_048)),
];

/// What is known of a model without asking.
pub(crate) fn limits(model: &str) -> Option<&'static Limits> {
    Limits::find(model.strip_prefix("models/").unwrap_or(model), &LIMITS)
}

/// The path of an operation of a model.
pub(crate) fn path(model: &str, operation: &str) -> String {
    let resource = resource(model);
    let (collection, name) = resource.split_once('/').unwrap_or(("models", model));
    format!("/v1beta/{collection}/{}{operation}", escaped(name))
}

/// Reads a page, and gives the token of the next.
pub(crate) async fn read_page(
    mut response: HttpResponse,
    models: &mut Vec<Model>,
) -> Result<Option<String>, ProviderError> {
    let (page, body) = read(&mut response).await?;
    if !page.is_object() {
        let error = ProviderError::malformed_reply("the upstream's list of models has no `models`");
        return Err(error.with_upstream_text(&body));
    }
    models
        .extend(items(&page["models"]).iter().filter(|raw| can_serve(raw)).filter_map(read_model));
    Ok(word(&page["nextPageToken"]))
}

/// Whether a model does what this plugin offers; others make videos, or speak live.
fn can_serve(raw: &Value) -> bool {
    let methods = items(&raw["supportedGenerationMethods"]);
    methods.is_empty() || methods.iter().any(|it| it == "generateContent" || it == "embedContent")
}

fn read_model(raw: &Value) -> Option<Model> {
    let name = text(&raw["name"])?;
    let id = name.strip_prefix("models/").unwrap_or(name);
    let model = Model {
        display_name: word(&raw["displayName"]),
        context_window: raw["inputTokenLimit"].as_u64(),
        max_output_tokens: raw["outputTokenLimit"].as_u64(),
        raw: Some(raw.clone()),
        ..Model::new(id)
    };
    Some(model.or_limits(limits(id)))
}

/// Reads a single model's context window.
pub(crate) async fn read_window(mut response: HttpResponse) -> Result<Option<u64>, ProviderError> {
    Ok(read(&mut response).await?.0["inputTokenLimit"].as_u64())
}

/// Reads a token count.
pub(crate) async fn read_count(mut response: HttpResponse) -> Result<TokenCount, ProviderError> {
    let (reply, body) = read(&mut response).await?;
    let Some(input_tokens) = reply["totalTokens"].as_u64() else {
        let error = ProviderError::malformed_reply("the upstream's reply has no `totalTokens`");
        return Err(error.with_upstream_text(&body));
    };
    Ok(TokenCount { input_tokens, body: None })
}

/// A reply of JSON that is no error.
pub(crate) async fn read(response: &mut HttpResponse) -> Result<(Value, String), ProviderError> {
    let (reply, body) = response.read_json().await?;
    match error::in_reply(&reply, &body) {
        Some(error) => Err(error),
        None => Ok((reply, body)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_may_be_given_by_its_whole_name() {
        for (model, expected) in [
            ("gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:x"),
            ("models/gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:x"),
            ("tunedModels/mine", "/v1beta/tunedModels/mine:x"),
            ("a/b c?d", "/v1beta/models/a%2Fb%20c%3Fd:x"),
            ("models/../é", "/v1beta/models/..%2F%C3%A9:x"),
        ] {
            assert_eq!(path(model, ":x"), expected);
        }
    }

    #[test]
    fn only_models_that_generate_or_embed_are_listed() {
        let of = |methods: Value| can_serve(&json!({ "supportedGenerationMethods": methods }));
        assert!(of(json!(["countTokens", "generateContent"])) && of(json!(["embedContent"])));
        assert!(!of(json!(["predict"])) && can_serve(&json!({})));
    }
}
