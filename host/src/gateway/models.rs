//! `GET /v1/models`: what a client may write as `model`: every model of every ready instance, as
//! `instance/id`, and the routes. Each dialect's `models.rs` writes the list in its shape.

use std::time::Duration;

use allos_plugin_api::{ErrorKind, Model};
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use futures_util::future::join_all;

use super::error::Failure;
use super::shape::Spoken;
use super::{Gateway, Shared, anthropic, openai, reply};
use crate::{InstanceState, ProviderHandle, Target};

/// How long one instance may take to list its models before it is left out.
const PATIENCE: Duration = Duration::from_secs(5);

/// A name that a client may write, and what is known of the model behind it.
pub(crate) struct Listed {
    /// The name.
    pub(crate) id: String,
    /// Who owns it.
    pub(crate) owner: String,
    /// The model; of a route nothing is known.
    pub(crate) model: Model,
}

/// The paths that both dialects have.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/v1/models", get(list)).route("/v1/models/{*id}", get(retrieve))
}

/// Lists all models. An instance that fails is left out.
async fn list(State(gateway): State<Shared>, uri: Uri, headers: HeaderMap) -> Response {
    let registry = gateway.host.registry();
    let ready = registry.instances().filter(|instance| instance.state() == InstanceState::Ready);
    let listed = join_all(ready.map(list_of)).await;
    let all: Vec<Listed> =
        routed(&gateway).into_iter().chain(listed.into_iter().flatten()).collect();
    let list = match Spoken::by(uri.path(), &headers) {
        Spoken::OpenAi => openai::models::list(&all),
        Spoken::Anthropic => anthropic::models::list(&all),
    };
    reply::json(list.to_string())
}

/// One model. A name that resolves is found even where its provider cannot list models.
async fn retrieve(
    State(gateway): State<Shared>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path(id) = path.map_err(|_| not_found("the model's name in the path is not UTF-8"))?;
    let found = match routed(&gateway).into_iter().find(|route| route.id == id) {
        Some(route) => route,
        None => find(&gateway, &id).await?,
    };
    let model = match Spoken::by(uri.path(), &headers) {
        Spoken::OpenAi => openai::models::model(&found),
        Spoken::Anthropic => anthropic::models::model(&found),
    };
    Ok(reply::json(model.to_string()))
}

async fn find(gateway: &Gateway, id: &str) -> Result<Listed, Failure> {
    let Target { provider, model } = gateway.host.resolve(id)?;
    let found = match models_of(&provider).await {
        Some(models) => models.into_iter().find(|known| known.id == model),
        None => Some(Model::new(model)),
    };
    let found = found.ok_or_else(|| {
        not_found(format!("{} lists no model of the name in `{id}`", provider.name()))
    })?;
    Ok(listed(&provider, found))
}

fn not_found(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::NOT_FOUND, ErrorKind::ModelNotFound, message)
}

/// The operator's own names, the shortest that a client can use.
fn routed(gateway: &Gateway) -> Vec<Listed> {
    let registry = gateway.host.registry();
    let routes = registry.routes().map(|(name, _)| Listed {
        id: name.to_owned(),
        owner: "allos".to_owned(),
        model: Model::new(name),
    });
    routes.collect()
}

async fn list_of(provider: &ProviderHandle) -> Vec<Listed> {
    let models = models_of(provider)
        .await
        .unwrap_or_else(|| provider.default_model().map(Model::new).into_iter().collect());
    models.into_iter().map(|model| listed(provider, model)).collect()
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

fn listed(provider: &ProviderHandle, model: Model) -> Listed {
    Listed {
        id: format!("{}/{}", provider.name(), model.id),
        owner: model.owned_by.clone().unwrap_or_else(|| provider.name().to_owned()),
        model,
    }
}
