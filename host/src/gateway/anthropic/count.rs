//! `POST /v1/messages/count_tokens`, where the vendor can count.
//! <https://docs.anthropic.com/en/api/messages-count-tokens>

use allos_plugin_api::{Dialect, ErrorKind, ProviderError, RawBody};
use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;

use super::request::read;
use crate::Target;
use crate::gateway::error::Failure;
use crate::gateway::{Shared, body, reply};

/// Counts what a prompt would be.
pub(super) async fn create(
    State(gateway): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let headers = request.headers().clone();
    let body::JsonBody { text, value } = body::read(request, gateway.max_body_bytes).await?;
    let mut chat = read(value, text, &headers)?.into_prompt();
    let Target { provider, model } = gateway.resolve(&chat.model)?;
    chat.model = model;
    let count = provider.count_tokens(chat).await.map_err(named)?;
    Ok(match count.body {
        Some(RawBody { dialect: Dialect::AnthropicMessages, json }) => reply::json(json),
        _ => reply::json(json!({ "input_tokens": count.input_tokens }).to_string()),
    })
}

/// Many providers cannot count: whoever asks learns which one it is about.
fn named(error: ProviderError) -> ProviderError {
    match error.kind() {
        ErrorKind::Unsupported => {
            let message = error.to_string();
            error.with_message(message)
        }
        _ => error,
    }
}
