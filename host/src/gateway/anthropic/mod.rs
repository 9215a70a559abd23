//! Anthropic's dialect: messages, counting of tokens, the shape of models and errors.
//! <https://docs.anthropic.com/en/api/messages>

mod count;
pub(super) mod error;
mod message;
mod messages;
pub(super) mod models;
mod part;
mod reasoning;
mod request;
mod response;
mod stream;
mod tool;
mod usage;
mod vendor;

use axum::Router;
use axum::routing::post;

use super::Shared;

/// The paths of the dialect.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(count::create))
}
