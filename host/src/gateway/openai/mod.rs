//! `OpenAI`'s dialect: chat completions, embeddings, models.
//! <https://platform.openai.com/docs/api-reference>

mod chat;
mod embeddings;
pub(super) mod error;
mod message;
mod models;
mod part;
mod reasoning;
mod request;
mod response;
mod stream;
mod tool;
mod vendor;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::Shared;

/// The paths of the dialect.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::retrieve))
}

/// JSON text as a response.
fn json_response(json: String) -> Response {
    let json_type = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json_type)], json).into_response()
}
