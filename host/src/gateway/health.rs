//! Whether the process is alive, and whether it has a provider that can answer. No key is needed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::Shared;
use crate::InstanceState;

/// The paths that a supervisor asks.
pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

async fn alive() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// Ready from the first instance that can answer.
async fn ready(State(gateway): State<Shared>) -> Response {
    let report = gateway.host.report();
    let registry = gateway.host.registry();
    let ready =
        registry.instances().filter(|instance| instance.state() == InstanceState::Ready).count();
    let (status, word) = match ready {
        0 => (StatusCode::SERVICE_UNAVAILABLE, "no provider is ready"),
        _ => (StatusCode::OK, "ok"),
    };
    let facts = json!({
        "status": word,
        "instances_ready": ready,
        "plugins_loaded": report.loaded().count(),
        "plugins_quarantined": report.quarantined().count(),
    });
    (status, Json(facts)).into_response()
}
