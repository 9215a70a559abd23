//! The list of models, and the limits of OpenAI's own.
//!
//! - <https://platform.openai.com/docs/api-reference/models/list>
//! - <https://platform.openai.com/docs/models> states the windows; OpenAI's list does not.
//! - <https://openrouter.ai/docs/api-reference/list-available-models> and others' lists do.

use allos_openai_chat::error;
use allos_plugin_api::json::{items, text, word};
use allos_plugin_api::{HttpResponse, Limits, Model, ProviderError};
use serde_json::Value;

/// The limits of OpenAI's own models, by the start of the id.
/// <https://platform.openai.com/docs/models>
const LIMITS: [(&str, Limits); 36] = [
    ("gpt-5.6", Limits::new(1_050_000, 128_000)),
    ("gpt-5.5", Limits::new(1_050_000, 128_000)),
    ("gpt-5.4", Limits::new(1_050_000, 128_000)),
    ("gpt-5.4-mini", Limits::new(400_000, 128_000)),
    ("gpt-5.4-nano", Limits::new(400_000, 128_000)),
    ("gpt-5.3-codex", Limits::new(400_000, 128_000)),
    ("gpt-5.3-chat", Limits::new(128_000, 16_384)),
    ("gpt-5.2", Limits::new(400_000, 128_000)),
    ("gpt-5.2-chat", Limits::new(128_000, 16_384)),
    ("gpt-5.1", Limits::new(400_000, 128_000)),
    ("gpt-5.1-chat", Limits::new(128_000, 16_384)),
    ("gpt-5", Limits::new(400_000, 128_000)),
    ("gpt-5-chat", Limits::new(128_000, 16_384)),
    ("gpt-4.1", Limits::new(1_047_576, 32_768)),
    ("gpt-4.5", Limits::new(128_000, 16_384)),
    ("gpt-4o", Limits::new(128_000, 16_384)),
    ("chatgpt-4o", Limits::new(128_000, 16_384)),
    ("gpt-4-turbo", Limits::new(128_000, 4_096)),
    ("gpt-4-1106", Limits::new(128_000, 4_096)),
    ("gpt-4-0125", Limits::new(128_000, 4_096)),
    ("gpt-4", Limits::new(8_192, 8_192)),
    ("gpt-4-32k", Limits::new(32_768, 32_768)),
    ("gpt-3.5-turbo", Limits::new(16_385, 4_096)),
    ("gpt-3.5-turbo-instruct", Limits::new(4_096, 4_096)),
    ("o1", Limits::new(200_000, 100_000)),
    ("o1-mini", Limits::new(128_000, 65_536)),
    ("o1-preview", Limits::new(128_000, 32_768)),
    ("o3", Limits::new(200_000, 100_000)),
    ("o3-mini", Limits::new(200_000, 100_000)),
    ("o3-pro", Limits::new(200_000, 100_000)),
    ("o4-mini", Limits::new(200_000, 100_000)),
    ("codex-mini", Limits::new(200_000, 100_000)),
    ("gpt-audio", Limits::new(128_000, 16_384)),
    ("computer-use-preview", Limits::new(8_192, 1_024)),
    ("text-embedding-3", Limits::window(8_192)),
    ("text-embedding-ada-002", Limits::window(8_192)),
];

/// The limits of one of OpenAI's models, a fine-tuned one included.
pub(crate) fn limits(model: &str) -> Option<&'static Limits> {
    let model = model.strip_prefix("ft:").unwrap_or(model);
    Limits::find(model, &LIMITS)
}

/// Reads a list of models: under `data`, or bare.
pub(crate) async fn read(mut response: HttpResponse) -> Result<Vec<Model>, ProviderError> {
    let (list, body) = response.read_json().await?;
    if let Some(error) = error::in_reply(&list, &body) {
        return Err(error);
    }
    let models = if list.is_array() { &list } else { &list["data"] };
    if !models.is_array() {
        let error = ProviderError::malformed_reply("the upstream's list of models has no `data`");
        return Err(error.with_upstream_text(&body));
    }
    Ok(items(models).iter().filter_map(read_model).collect())
}

fn read_model(raw: &Value) -> Option<Model> {
    let id = text(&raw["id"])?;
    let count = |names: &[&str]| names.iter().find_map(|name| raw.pointer(name)?.as_u64());
    let stated =
        count(&["/context_length", "/context_window", "/max_context_length", "/max_model_len"]);
    let model = Model {
        id: id.to_owned(),
        display_name: text(&raw["display_name"]).or_else(|| text(&raw["name"])).map(str::to_owned),
        context_window: stated,
        max_output_tokens: count(&[
            "/max_completion_tokens",
            "/top_provider/max_completion_tokens",
        ]),
        created: raw["created"].as_u64(),
        owned_by: word(&raw["owned_by"]),
        raw: Some(raw.clone()),
    };
    Some(model.or_limits(limits(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_window_is_known_by_the_start_of_the_id() {
        for (model, window) in [
            ("gpt-4o-mini-2024-07-18", Some(128_000)),
            ("gpt-4.1-nano", Some(1_047_576)),
            ("gpt-5.2-chat-latest", Some(128_000)),
            ("gpt-5-mini", Some(400_000)),
            ("gpt-5.6-sol", Some(1_050_000)),
            ("gpt-5.9", None),
            ("o3-pro", Some(200_000)),
            ("o1-mini", Some(128_000)),
            ("ft:gpt-4o-mini:acme::id", Some(128_000)),
            ("llama-3.3-70b-versatile", None),
        ] {
            assert_eq!(limits(model).map(|it| it.context_window), window, "{model}");
        }
    }

    #[test]
    fn a_window_that_the_service_states_beats_the_table() {
        let model = read_model(&serde_json::json!({"id": "gpt-4o", "context_length": 64_000}));
        assert_eq!(model.unwrap().context_window, Some(64_000));
    }
}
