//! The chunks of an answer → the frames of an `OpenAI` stream.
//! <https://platform.openai.com/docs/api-reference/chat-streaming>
//!
//! The first chunk with content decides the lane for the whole stream. Chunks that carry the
//! upstream's JSON are handed on as it came, and chunks without add nothing; otherwise frames are
//! built from the normalised form.

mod built;
mod lane;

use allos_plugin_api::{Dialect, Event, ProviderChunk, RawBody};
use axum::body::Bytes;

use crate::gateway::sse;
use built::BuiltFrames;

/// What a stream writes.
pub(super) struct Frames {
    lane: Lane,
    include_usage: bool,
    built: BuiltFrames,
}

enum Lane {
    /// Nothing but starts so far; they are kept in case they have to be built.
    Undecided(Vec<ProviderChunk>),
    AsItCame,
    Built,
}

impl Frames {
    /// Frames for a client that asked for this model.
    pub(super) fn new(model: String, include_usage: bool) -> Self {
        let lane = Lane::Undecided(Vec::new());
        Self { lane, include_usage, built: BuiltFrames::new(model, include_usage) }
    }

    /// What a chunk becomes; it may be nothing.
    pub(super) fn chunk(&mut self, mut chunk: ProviderChunk) -> Bytes {
        let body = chunk.body.take().filter(|body| body.dialect == Dialect::OpenAiChat);
        match (&mut self.lane, body) {
            (Lane::Undecided(_) | Lane::AsItCame, Some(body)) => {
                self.lane = Lane::AsItCame;
                self.as_it_came(body)
            }
            (_, None) if matches!(chunk.event, Event::Heartbeat(_)) => sse::comment(),
            (Lane::AsItCame, None) => Bytes::new(),
            (Lane::Undecided(starts), None) if is_start(&chunk.event) => {
                starts.push(chunk);
                Bytes::new()
            }
            (Lane::Undecided(starts), None) => {
                let mut chunks = std::mem::take(starts);
                chunks.push(chunk);
                self.lane = Lane::Built;
                chunks.iter().flat_map(|chunk| self.built.chunk(chunk)).collect::<Vec<u8>>().into()
            }
            (Lane::Built, _) => self.built.chunk(&chunk).into(),
        }
    }

    /// What a complete answer ends with.
    pub(super) fn end(self: &mut Frames) -> Bytes {
        let mut bytes = match &self.lane {
            Lane::AsItCame => Vec::new(),
            Lane::Undecided(starts) => {
                starts.iter().flat_map(|chunk| self.built.chunk(chunk)).collect()
            }
            Lane::Built => self.built.end(),
        };
        bytes.extend_from_slice(&sse::data("[DONE]"));
        bytes.into()
    }

    fn as_it_came(&self, body: RawBody) -> Bytes {
        let json =
            if self.include_usage { Some(body.json) } else { lane::without_usage(body.json) };
        json.map_or_else(Bytes::new, |json| sse::data(&json))
    }
}

/// Whether the host may have put this in front of the first chunk that the provider sent.
fn is_start(event: &Event) -> bool {
    matches!(event, Event::Start(_) | Event::TextStart(_) | Event::ReasoningStart(_))
}

#[cfg(test)]
mod tests;
