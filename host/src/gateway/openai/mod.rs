//! `OpenAI`'s dialect: chat completions, embeddings, the shape of models and errors.
//! <https://platform.openai.com/docs/api-reference>

mod chat;
mod embeddings;
pub(super) mod error;
mod message;
pub(super) mod models;
mod order;
mod part;
mod reasoning;
mod request;
mod response;
mod stream;
mod tool;
mod vendor;

use axum::Router;
use axum::routing::post;

use super::Shared;

/// The paths of the dialect.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/embeddings", post(embeddings::create))
}
