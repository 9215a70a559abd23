//! The frames of a stream, and a reply in one piece, as chunks.
//!
//! A stream is complete when `message_stop` has come and a reason to stop before it; one that ends
//! otherwise was cut off. Kinds of frames that are not known are signs of life. What is inside the
//! content is `response.rs`'s.
//!
//! - <https://platform.claude.com/docs/en/build-with-claude/streaming>
//! - <https://platform.claude.com/docs/en/api/messages/create>

use allos_plugin_api::json::{items, rest, text, word};
use allos_plugin_api::{
    Dialect, Event, FinishReason, ProviderChunk, ProviderError, ReplyReader, Start,
};
use serde_json::{Map, Value};

use crate::error;
use crate::response::{Content, finish_reason, usage};

/// Reads what is around the content.
#[derive(Debug, Default)]
pub struct Reader {
    content: Content,
    has_started: bool,
    /// What was said last of each count.
    usage: Map<String, Value>,
    finish: Option<FinishReason>,
    container: Option<Value>,
    has_stopped: bool,
}

impl ReplyReader for Reader {
    const DIALECT: Option<Dialect> = Some(Dialect::AnthropicMessages);

    fn whole(
        &mut self,
        reply: &Value,
        body: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        if let Some(error) = error::in_reply(reply, body) {
            return Err(error);
        }
        let Some(content) = reply["content"].as_array() else {
            return Err(ProviderError::malformed_reply("the upstream's reply has no `content`"));
        };
        self.start(reply, chunks);
        self.content(content, chunks);
        if self.finish.is_none() {
            return Err(ProviderError::malformed_reply(
                "the upstream's reply has no `stop_reason`",
            ));
        }
        self.stop(chunks)
    }

    fn frame(
        &mut self,
        event: &str,
        frame: &Value,
        body: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        let index = || frame["index"].as_u64().unwrap_or_default();
        match frame["type"].as_str().unwrap_or(event) {
            // What the vendor has run before may be there already.
            "message_start" => {
                let is_first = !self.has_started;
                self.start(&frame["message"], chunks);
                if is_first {
                    self.content(items(&frame["message"]["content"]), chunks);
                }
            }
            "content_block_start" => {
                self.content.start(index(), &frame["content_block"], chunks);
            }
            "content_block_delta" => return self.content.delta(index(), &frame["delta"], chunks),
            "content_block_stop" => self.content.stop(index(), chunks),
            "message_delta" => {
                self.note(&frame["delta"]);
                self.count(&frame["usage"], chunks);
            }
            "message_stop" => return self.stop(chunks),
            _ => return error::in_reply(frame, body).map_or(Ok(()), Err),
        }
        Ok(())
    }

    fn end(self, _chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError> {
        if self.has_stopped { Ok(()) } else { Err(ProviderError::truncated()) }
    }
}

impl Reader {
    fn start(&mut self, message: &Value, chunks: &mut Vec<ProviderChunk>) {
        if !self.has_started {
            self.has_started = true;
            let word = |name: &str| word(&message[name]);
            let start = Start { id: word("id"), model: word("model"), ..Start::default() };
            chunks.push(Event::Start(start).into());
        }
        self.note(message);
        self.count(&message["usage"], chunks);
    }

    /// Reads whole blocks.
    fn content(&mut self, blocks: &[Value], chunks: &mut Vec<ProviderChunk>) {
        for (at, block) in (0..).zip(blocks) {
            self.content.start(at, block, chunks);
            self.content.stop(at, chunks);
        }
    }

    /// Notes what a message or its delta says of its end.
    fn note(&mut self, said: &Value) {
        if let Some(reason) = text(&said["stop_reason"]) {
            let stop_sequence = word(&said["stop_sequence"]);
            self.finish = Some(FinishReason { stop_sequence, ..finish_reason(reason) });
        }
        if said["container"].is_object() {
            self.container = Some(said["container"].clone());
        }
    }

    /// Adds counts; those of a later frame are of all that came so far.
    fn count(&mut self, counts: &Value, chunks: &mut Vec<ProviderChunk>) {
        let counts = rest(counts, &[]);
        if !counts.is_empty() {
            self.usage.extend(counts);
            chunks.extend(usage(&self.usage).map(|it| ProviderChunk::from(Event::Usage(it))));
        }
    }

    fn stop(&mut self, chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError> {
        let Some(reason) = self.finish.take() else {
            return Err(ProviderError::truncated());
        };
        self.content.finish(self.container.as_ref(), chunks);
        chunks.push(ProviderChunk::finish(reason));
        self.has_stopped = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
