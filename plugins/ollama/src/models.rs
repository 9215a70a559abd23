//! The models that a server has, and their context windows.
//!
//! The list does not state the windows: each model is asked for its own. One that does not tell is
//! listed without.
//!
//! - <https://docs.ollama.com/api/tags>
//! - <https://docs.ollama.com/api-reference/show-model-details>
//! - <https://docs.ollama.com/context-length>

use allos_plugin_api::json::{items, text, unix_seconds};
use allos_plugin_api::{Model, ProviderError};
use serde_json::{Value, json};

use crate::config::Service;

/// Lists the models.
pub(crate) async fn list(service: &Service) -> Result<Vec<Model>, ProviderError> {
    let (list, body) = service.get("/api/tags").await?.read_json().await?;
    if !list["models"].is_array() {
        let error = ProviderError::malformed_reply("the upstream's list has no `models`");
        return Err(error.with_upstream_text(&body));
    }
    let mut models: Vec<_> = items(&list["models"]).iter().filter_map(read_model).collect();
    for model in &mut models {
        model.context_window = context_window(service, &model.id).await.unwrap_or_default();
    }
    Ok(models)
}

/// The context window with which a model is loaded, as far as is known.
pub(crate) async fn context_window(
    service: &Service,
    model: &str,
) -> Result<Option<u64>, ProviderError> {
    if let Some(configured) = service.options.num_ctx {
        return Ok(Some(configured));
    }
    let body = json!({ "model": model }).to_string();
    let (shown, _) = service.post("/api/show", body, model).await?.read_json().await?;
    Ok(read_window(&shown))
}

fn read_model(raw: &Value) -> Option<Model> {
    let id = text(&raw["model"]).or_else(|| text(&raw["name"]))?;
    Some(Model {
        created: unix_seconds(&raw["modified_at"]),
        raw: Some(raw.clone()),
        ..Model::new(id)
    })
}

/// The window that the model's file sets, else the one that it was trained with.
fn read_window(shown: &Value) -> Option<u64> {
    let parameters = text(&shown["parameters"]).unwrap_or_default();
    let set = parameters.lines().find_map(|line| line.strip_prefix("num_ctx")?.trim().parse().ok());
    set.or_else(|| {
        let architecture = text(&shown["model_info"]["general.architecture"])?;
        shown["model_info"][format!("{architecture}.context_length")].as_u64()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_the_files_else_the_architectures_else_unknown() {
        let info = json!({ "general.architecture": "gemma3", "gemma3.context_length": 131_072 });
        for (shown, window) in [
            (json!({ "model_info": info }), Some(131_072)),
            (
                json!({ "model_info": info, "parameters": "stop \"a\"\nnum_ctx    4096" }),
                Some(4096),
            ),
            (json!({ "model_info": { "general.architecture": "bert" } }), None),
            (json!({ "model_info": null }), None),
            (json!([]), None),
        ] {
            assert_eq!(read_window(&shown), window, "{shown}");
        }
    }

    #[test]
    fn a_model_has_the_name_by_which_it_is_asked() {
        let raw = json!({ "name": "gemma3", "model": "gemma3:4b",
            "modified_at": "2025-10-03T23:34:03.409490317-07:00" });
        let model = read_model(&raw).unwrap();
        assert_eq!((model.id.as_str(), model.created), ("gemma3:4b", Some(1_759_559_643)));
        assert_eq!(read_model(&json!({ "size": 1 })), None);
    }
}
