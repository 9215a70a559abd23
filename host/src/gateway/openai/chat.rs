//! `POST /v1/chat/completions`, in one piece or as a stream.

use allos_plugin_api::Dialect;
use axum::extract::{Request, State};
use axum::response::Response;

use super::request::read;
use super::response::completion;
use super::stream::ChatFrames;
use crate::Target;
use crate::gateway::error::Failure;
use crate::gateway::{Shared, answer, body};

/// Answers a chat request.
pub(super) async fn create(
    State(gateway): State<Shared>,
    request: Request,
) -> Result<Response, Failure> {
    let body::JsonBody { text, value } = body::read(request, gateway.max_body_bytes).await?;
    let mut client = read(value, text)?;
    let Target { provider, model } = gateway.resolve(&client.chat.model)?;
    let name = std::mem::replace(&mut client.chat.model, model);
    if client.stream {
        let frames = ChatFrames::new(name, client.include_usage);
        answer::streamed(&gateway, &provider, client.chat, frames).await
    } else {
        let written = |reply: &_| completion(reply, &name);
        answer::whole(&provider, client.chat, Dialect::OpenAiChat, written).await
    }
}
