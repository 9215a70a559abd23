//! The list of models, and what Anthropic's pages say of each family.
//!
//! - <https://platform.claude.com/docs/en/api/models/list>
//! - <https://platform.claude.com/docs/en/about-claude/models/overview>
//! - <https://platform.claude.com/docs/en/models/opus-4-8/overview>, and the like for each model
//! - <https://platform.claude.com/docs/en/about-claude/models/model-ids-and-versions>

use allos_plugin_api::json::{items, text, unix_seconds, word};
use allos_plugin_api::{Limits, Model, ProviderError};
use serde_json::Value;

use crate::config::Service;

/// The most pages of a list that are read.
const MAX_PAGES: usize = 100;

const LARGE: Limits = Limits::new(1_000_000, 128_000);
const MEDIUM: Limits = Limits::new(200_000, 64_000);
const OPUS_4: Limits = Limits::new(200_000, 32_000);
const CLAUDE_3_5: Limits = Limits::new(200_000, 8_192);
const CLAUDE_3: Limits = Limits::new(200_000, 4_096);

/// Limits by the start of a model's id. Of the first Claude 4 the whole id is here, lest a model
/// that is not known is taken for it.
const LIMITS: [(&str, Limits); 23] = [
    ("claude-fable-5", LARGE),
    ("claude-mythos-5", LARGE),
    ("claude-opus-5", LARGE),
    ("claude-sonnet-5", LARGE),
    ("claude-haiku-5-5", LARGE),
    ("claude-opus-4-8", LARGE),
    ("claude-opus-4-7", LARGE),
    ("claude-opus-4-6", LARGE),
    ("claude-sonnet-4-6", Limits::new(1_000_000, 64_000)),
    ("claude-opus-4-5", MEDIUM),
    ("claude-sonnet-4-5", MEDIUM),
    ("claude-haiku-4-5", MEDIUM),
    ("claude-opus-4-1", OPUS_4),
    ("claude-opus-4-0", OPUS_4),
    ("claude-opus-4-20250514", OPUS_4),
    ("claude-sonnet-4-0", MEDIUM),
    ("claude-sonnet-4-20250514", MEDIUM),
    ("claude-3-7-sonnet", MEDIUM),
    ("claude-3-5-sonnet", CLAUDE_3_5),
    ("claude-3-5-haiku", CLAUDE_3_5),
    ("claude-3-opus", CLAUDE_3),
    ("claude-3-sonnet", CLAUDE_3),
    ("claude-3-haiku", CLAUDE_3),
];

/// What is known of a model's limits.
pub(crate) fn limits(model: &str) -> Option<&'static Limits> {
    Limits::find(model, &LIMITS)
}

/// The version in a model's id: 4 and 8 in `claude-opus-4-8`, 3 and 7 in `claude-3-7-sonnet-…`.
pub(crate) fn version(model: &str) -> Option<(u8, u8)> {
    let mut words = model.strip_prefix("claude-")?.split('-').map(|word| word.parse().ok());
    let major = words.by_ref().flatten().next()?;
    Some((major, words.next().flatten().unwrap_or(0)))
}

/// Asks for all pages of the list.
pub(crate) async fn list(service: &Service) -> Result<Vec<Model>, ProviderError> {
    let mut models = Vec::new();
    let mut last = None;
    for _ in 0..MAX_PAGES {
        let (page, body) = service.models(last.as_deref()).await?.read_json().await?;
        if !page["data"].is_array() {
            let error =
                ProviderError::malformed_reply("the upstream's list of models has no `data`");
            return Err(error.with_upstream_text(&body));
        }
        models.extend(items(&page["data"]).iter().filter_map(read));
        last = word(&page["last_id"]).filter(|_| page["has_more"] == true);
        if last.is_none() {
            break;
        }
    }
    Ok(models)
}

fn read(raw: &Value) -> Option<Model> {
    let id = text(&raw["id"])?;
    let count = |name: &str| raw[name].as_u64().filter(|count| *count > 0);
    let model = Model {
        display_name: word(&raw["display_name"]),
        context_window: count("max_input_tokens"),
        max_output_tokens: count("max_tokens"),
        // Where it is not known, the vendor says 1970.
        created: unix_seconds(&raw["created_at"]).filter(|seconds| *seconds > 0),
        raw: Some(raw.clone()),
        ..Model::new(id)
    };
    Some(model.or_limits(limits(id)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_known_by_the_start_of_the_id_and_never_guessed() {
        for (model, expected) in [
            ("claude-opus-5-5", Some((1_000_000, 128_000))),
            ("claude-sonnet-5", Some((1_000_000, 128_000))),
            ("claude-opus-4-8", Some((1_000_000, 128_000))),
            ("claude-sonnet-4-6", Some((1_000_000, 64_000))),
            ("claude-sonnet-4-5-20250929", Some((200_000, 64_000))),
            ("claude-opus-4-20250514", Some((200_000, 32_000))),
            ("claude-3-5-haiku-latest", Some((200_000, 8_192))),
            ("claude-opus-4-9", None),
            ("claude-haiku-5", None),
            ("claude-opus-6", None),
            ("glm-4.6", None),
        ] {
            let limits = limits(model);
            let got = limits.and_then(|it| Some((it.context_window, it.max_output_tokens?)));
            assert_eq!(got, expected, "{model}");
        }
    }

    #[test]
    fn a_version_is_read_from_ids_old_and_new() {
        for (model, expected) in [
            ("claude-opus-4-8", Some((4, 8))),
            ("claude-sonnet-5", Some((5, 0))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-3-haiku-20240307", Some((3, 0))),
            ("claude-mythos-preview", None),
            ("glm-4.6", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
    }

    #[test]
    fn what_the_vendor_states_beats_the_table() {
        let stated = json!({
            "id": "claude-opus-4-5", "max_input_tokens": 300_000, "created_at": "2025-11-24T00:00:00Z",
        });
        let model = read(&stated).unwrap();
        assert_eq!(model.created, Some(1_763_942_400));
        assert_eq!(model.context_window, Some(300_000));
        assert_eq!(model.max_output_tokens, Some(64_000));
        assert!(read(&json!({ "type": "model" })).is_none());
    }
}
