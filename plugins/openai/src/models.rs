//! The list of models, and the context windows of OpenAI's own.
//!
//! - <https://platform.openai.com/docs/api-reference/models/list>
//! - <https://platform.openai.com/docs/models> states the windows; OpenAI's list does not.
//! - <https://openrouter.ai/docs/api-reference/list-available-models> and others' lists do.

use allos_plugin_api::{HttpResponse, Model, ProviderError};
use serde_json::Value;

use crate::error;
use crate::response::{items, text};

/// Context windows by the start of a model's id, the longest first where one starts another.
const CONTEXT_WINDOWS: [(&str, u64); 18] = [
    ("gpt-5-chat", 128_000),
    ("gpt-5.1-chat", 128_000),
    ("gpt-5.2-chat", 128_000),
    ("gpt-5", 400_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4.5", 128_000),
    ("gpt-4o", 128_000),
    ("chatgpt-4o", 128_000),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-1106", 128_000),
    ("gpt-4-0125", 128_000),
    ("gpt-4", 8_192),
    ("gpt-3.5-turbo-instruct", 4_096),
    ("gpt-3.5-turbo", 16_385),
    ("o1-mini", 128_000),
    ("o1-preview", 128_000),
    ("codex-mini", 200_000),
    ("gpt-audio", 128_000),
];
/// The reasoning models whose ids are a letter and a digit.
const REASONING_WINDOW: u64 = 200_000;

/// The context window of one of OpenAI's models, a fine-tuned one included.
pub(crate) fn context_window(model: &str) -> Option<u64> {
    let model = model.strip_prefix("ft:").unwrap_or(model);
    let known = CONTEXT_WINDOWS.iter().find(|(start, _)| model.starts_with(start));
    let reasons = || {
        ["o1", "o3", "o4-mini"].iter().any(|id| {
            model
                .strip_prefix(id)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':']))
        })
    };
    known.map(|(_, window)| *window).or_else(|| reasons().then_some(REASONING_WINDOW))
}

/// Reads a list of models: under `data`, or bare.
pub(crate) async fn read(mut response: HttpResponse) -> Result<Vec<Model>, ProviderError> {
    let body = response.text().await?;
    let list: Value = response.parse(&body)?;
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
    Some(Model {
        id: id.to_owned(),
        display_name: text(&raw["display_name"]).or_else(|| text(&raw["name"])).map(str::to_owned),
        context_window: stated.or_else(|| context_window(id)),
        max_output_tokens: count(&[
            "/max_completion_tokens",
            "/top_provider/max_completion_tokens",
        ]),
        created: raw["created"].as_u64(),
        owned_by: text(&raw["owned_by"]).map(str::to_owned),
        raw: Some(raw.clone()),
    })
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
            ("o3-pro", Some(200_000)),
            ("o1-mini", Some(128_000)),
            ("ft:gpt-4o-mini:acme::id", Some(128_000)),
            ("o365", None),
            ("llama-3.3-70b-versatile", None),
        ] {
            assert_eq!(context_window(model), window, "{model}");
        }
    }

    #[test]
    fn a_window_that_the_service_states_beats_the_table() {
        let model = read_model(&serde_json::json!({"id": "gpt-4o", "context_length": 64_000}));
        assert_eq!(model.unwrap().context_window, Some(64_000));
    }
}
