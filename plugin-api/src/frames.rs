//! The body of a stream as frames: bytes in pieces of any size → one text of JSON after the other.
//!
//! Server-sent events and lines of JSON have decoders here. A vendor with a framing of its own, such
//! as Amazon's binary event streams, needs one more [`FrameDecoder`] and nothing else.

use crate::error::ProviderError;
use crate::host::HttpBody;
use crate::ndjson::NdjsonDecoder;
use crate::sse::SseDecoder;

/// One frame of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// What the framing says that it is; empty where it says nothing.
    pub event: String,
    /// Its text.
    pub text: String,
}

/// Cuts a stream of bytes into frames.
pub trait FrameDecoder: Send {
    /// Appends bytes as they arrived.
    fn push(&mut self, bytes: &[u8]);

    /// Says that no more bytes come.
    fn end(&mut self) {}

    /// The next frame that is complete, if there is one.
    ///
    /// # Errors
    ///
    /// Where the bytes are not of this framing, or a frame is too long.
    fn next_frame(&mut self) -> Result<Option<Frame>, ProviderError>;
}

impl FrameDecoder for SseDecoder {
    fn push(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, ProviderError> {
        Ok(self.next()?.map(|event| Frame { event: event.event, text: event.data }))
    }
}

impl FrameDecoder for NdjsonDecoder {
    fn push(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn end(&mut self) {
        self.end();
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, ProviderError> {
        Ok(self.next()?.map(|text| Frame { event: String::new(), text }))
    }
}

/// A body in frames, as they arrive.
#[derive(Debug)]
pub struct Frames<D> {
    body: HttpBody,
    decoder: D,
    has_ended: bool,
}

impl<D: FrameDecoder> Frames<D> {
    pub(crate) fn new(body: HttpBody, decoder: D) -> Self {
        Self { body, decoder, has_ended: false }
    }

    /// The next frame; `None` at the end of the body. A server-sent event that the end cuts off is
    /// dropped, as the standard says.
    ///
    /// # Errors
    ///
    /// The decoder's, and where the connection ends early.
    pub async fn next(&mut self) -> Result<Option<Frame>, ProviderError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Some(frame));
            }
            if self.has_ended {
                return Ok(None);
            }
            if let Some(piece) = self.body.next().await? {
                self.decoder.push(&piece);
            } else {
                self.has_ended = true;
                self.decoder.end();
            }
        }
    }
}
