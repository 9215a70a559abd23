//! The list of models.
//!
//! - <https://platform.claude.com/docs/en/api/models/list>

use allos_anthropic_messages::limits;
use allos_plugin_api::json::{items, text, unix_seconds, word};
use allos_plugin_api::{Model, ProviderError};
use serde_json::Value;

use crate::config::Service;

/// The most pages of a list that are read.
const MAX_PAGES: usize = 100;

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
