//! The chunks of an answer → the events of an Anthropic stream.
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>

mod blocks;
mod built;

use allos_plugin_api::{Dialect, ProviderChunk};
use axum::body::Bytes;
use serde::Deserialize;

use super::error;
use crate::gateway::answer::Frames;
use crate::gateway::error::Failure;
use crate::gateway::sse;
use built::BuiltFrames;

/// What a stream writes.
pub(super) struct MessageFrames {
    request_id: String,
    built: BuiltFrames,
}

impl MessageFrames {
    /// Frames for a client that asked for this model.
    pub(super) fn new(model: String, request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), built: BuiltFrames::new(model) }
    }
}

/// What names the event of a frame.
#[derive(Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
}

impl Frames for MessageFrames {
    const DIALECT: Dialect = Dialect::AnthropicMessages;

    fn as_it_came(&mut self, json: String) -> Bytes {
        match serde_json::from_str::<Named>(&json) {
            Ok(Named { kind }) => sse::event(&kind, &json),
            Err(_) => sse::data(&json),
        }
    }

    fn built(&mut self, chunk: &ProviderChunk) -> Vec<u8> {
        self.built.chunk(chunk)
    }

    fn complete(&mut self) -> Vec<u8> {
        self.built.complete()
    }

    fn last(&self) -> Bytes {
        Bytes::new()
    }

    fn sign_of_life(&self) -> Bytes {
        sse::event("ping", r#"{"type": "ping"}"#)
    }

    fn failure(&self, failure: &Failure) -> Bytes {
        sse::event("error", &error::json(failure, &self.request_id))
    }
}

#[cfg(test)]
mod tests;
