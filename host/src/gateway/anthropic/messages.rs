//! `POST /v1/messages`, in one piece or as a stream.

use allos_plugin_api::Dialect;
use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;

use super::request::read;
use super::response::message;
use super::stream::MessageFrames;
use crate::Target;
use crate::gateway::error::Failure;
use crate::gateway::request_id::RequestId;
use crate::gateway::{Shared, answer, body};

/// Answers a request for a message.
pub(super) async fn create(
    State(gateway): State<Shared>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Failure> {
    let headers = request.headers().clone();
    let body::JsonBody { text, value } = body::read(request, gateway.max_body_bytes).await?;
    let client = read(value, text, &headers)?;
    let (mut chat, stream) = client.into_chat()?;
    let Target { provider, model } = gateway.resolve(&chat.model)?;
    let name = std::mem::replace(&mut chat.model, model);
    if stream {
        let frames = MessageFrames::new(name, id.as_str());
        answer::streamed(&gateway, &provider, chat, frames).await
    } else {
        let written = |reply: &_| message(reply, &name);
        answer::whole(&provider, chat, Dialect::AnthropicMessages, written).await
    }
}
