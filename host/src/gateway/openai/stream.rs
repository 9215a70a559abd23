//! The chunks of an answer → the frames of an `OpenAI` stream.
//! <https://platform.openai.com/docs/api-reference/chat-streaming>

mod built;
mod lane;

use allos_plugin_api::{Dialect, ProviderChunk};
use axum::body::Bytes;

use super::error;
use crate::gateway::answer::Frames;
use crate::gateway::error::Failure;
use crate::gateway::sse;
use built::BuiltFrames;

/// What a stream writes.
pub(super) struct ChatFrames {
    include_usage: bool,
    built: BuiltFrames,
}

impl ChatFrames {
    /// Frames for a client that asked for this model.
    pub(super) fn new(model: String, include_usage: bool) -> Self {
        Self { include_usage, built: BuiltFrames::new(model, include_usage) }
    }
}

impl Frames for ChatFrames {
    const DIALECT: Dialect = Dialect::OpenAiChat;

    fn as_it_came(&mut self, json: String) -> Bytes {
        let json = if self.include_usage { Some(json) } else { lane::without_usage(json) };
        json.map_or_else(Bytes::new, |json| sse::data(&json))
    }

    fn built(&mut self, chunk: &ProviderChunk) -> Vec<u8> {
        self.built.chunk(chunk)
    }

    fn complete(&mut self) -> Vec<u8> {
        self.built.end()
    }

    fn last(&self) -> Bytes {
        sse::data("[DONE]")
    }

    fn sign_of_life(&self) -> Bytes {
        sse::comment()
    }

    fn failure(&self, failure: &Failure) -> Bytes {
        sse::data(&error::json(failure))
    }
}

#[cfg(test)]
mod tests;
