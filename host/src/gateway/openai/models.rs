//! The models in `OpenAI`'s shape. <https://platform.openai.com/docs/api-reference/models>

use serde_json::{Value, json};

use crate::gateway::models::Listed;

/// All models.
pub(crate) fn list(models: &[Listed]) -> Value {
    let data: Vec<Value> = models.iter().map(model).collect();
    json!({ "object": "list", "data": data })
}

/// One model. What is known beyond the dialect has names of its own.
pub(crate) fn model(listed: &Listed) -> Value {
    let Listed { id, owner, model } = listed;
    let mut written = json!({
        "id": id,
        "object": "model",
        "created": model.created.unwrap_or(0),
        "owned_by": owner,
    });
    let facts =
        [("context_window", model.context_window), ("max_output_tokens", model.max_output_tokens)];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            written[name] = fact.into();
        }
    }
    written
}
