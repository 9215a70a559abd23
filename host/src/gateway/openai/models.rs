//! `GET /v1/models`: what a client may write as `model`: every model of every ready instance, as
//! `instance/id`, and the routes. <https://platform.openai.com/docs/api-reference/models>

use std::time::Duration;

use allos_plugin_api::{ErrorKind, Model};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::error::OpenAiError;
use super::json_response;
use crate::gateway::error::Failure;
use crate::gateway::{Gateway, Shared};
use crate::{InstanceState, ProviderHandle, Target};

/// How long one instance may take to list its models before it is left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lists all models. An instance that fails is left out.
pub(super) async fn list(State(gateway): State<Shared>) -> Response {
    let instances = gateway.host.registry().instances();
    let ready = instances.filter(|instance| *instance.state() == InstanceState::Ready);
    let listed = join_all(ready.map(list_of)).await;
    let data: Vec<Value> = routes(&gateway).chain(listed.into_iter().flatten()).collect();
    json_response(json!({ "object": "list", "data": data }).to_string())
}

/// One model. A name that resolves is found even where its provider cannot list models.
pub(super) async fn retrieve(
    State(gateway): State<Shared>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, OpenAiError> {
    let Path(id) = path.map_err(|_| {
        let message = "the model's name in the path is not UTF-8";
        Failure::new(StatusCode::NOT_FOUND, ErrorKind::ModelNotFound, message)
    })?;
    if let Some(route) = routes(&gateway).find(|route| route["id"] == id.as_str()) {
        return Ok(json_response(route.to_string()));
    }
    let Target { provider, model } = gateway.host.resolve(&id)?;
    let found = match models_of(&provider).await {
        Some(models) => models.into_iter().find(|known| known.id == model),
        None => Some(Model::new(model)),
    };
    let Some(found) = found else {
        let message = format!("{} lists no model of the name in `{id}`", provider.name());
        let failure = Failure::new(StatusCode::NOT_FOUND, ErrorKind::ModelNotFound, message);
        return Err(failure.into());
    };
    Ok(json_response(written(&provider, &found).to_string()))
}

/// The operator's own names, the shortest that a client can use.
fn routes(gateway: &Gateway) -> impl Iterator<Item = Value> {
    gateway.host.registry().routes().map(
        |(name, _)| json!({ "id": name, "object": "model", "created": 0, "owned_by": "allos" }),
    )
}

async fn list_of(provider: &ProviderHandle) -> Vec<Value> {
    let models = models_of(provider)
        .await
        .unwrap_or_else(|| provider.default_model().map(Model::new).into_iter().collect());
    models.iter().map(|model| written(provider, model)).collect()
}

/// The models of an instance; `None` where it cannot tell them in time.
async fn models_of(provider: &ProviderHandle) -> Option<Vec<Model>> {
    match tokio::time::timeout(PATIENCE, provider.models()).await {
        Ok(Ok(models)) => Some(models),
        Ok(Err(error)) => {
            tracing::debug!("models are left out: {error}");
            None
        }
        Err(_) => {
            tracing::info!("{}: its models did not come in time and are left out", provider.name());
            None
        }
    }
}

fn written(provider: &ProviderHandle, model: &Model) -> Value {
    let mut written = json!({
        "id": format!("{}/{}", provider.name(), model.id),
        "object": "model",
        "created": model.created.unwrap_or(0),
        "owned_by": model.owned_by.as_deref().unwrap_or(provider.name()),
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
