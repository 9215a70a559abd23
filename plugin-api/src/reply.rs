//! A vendor's reply, in one piece or as a stream, as chunks.
//!
//! What is the same for every vendor is here: reading JSON out of the response, the vendor's
//! request id and rate limits on answers and errors, the upstream's JSON on the first chunk that it
//! makes, the start of the body on errors about it. What the JSON means is the [`ReplyReader`]'s.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chunk::{Event, ProviderChunk, Start};
use crate::collect::Collector;
use crate::error::{ErrorKind, ProviderError};
use crate::frames::{Frame, FrameDecoder, Frames};
use crate::host::HttpResponse;
use crate::ndjson::NdjsonDecoder;
use crate::provider::ChunkSink;
use crate::raw::{Dialect, RawBody};
use crate::response::ProviderResponse;
use crate::sse::SseDecoder;
use crate::warnings::Warnings;

/// Reads the replies of one vendor. One reader reads one reply.
///
/// It puts an [`Event::Start`] first, with what the reply says of itself; the rest of the start is
/// filled in.
pub trait ReplyReader: Sized + Send {
    /// The dialect in which the vendor's JSON may travel on to a client as it came.
    const DIALECT: Option<Dialect> = None;

    /// Reads a reply in one piece. `text` is its JSON text.
    ///
    /// # Errors
    ///
    /// Where it says that the vendor failed, or is no answer.
    fn whole(
        &mut self,
        reply: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError>;

    /// Reads one frame of a stream: an event, whose type is empty where it has none, or a line.
    ///
    /// # Errors
    ///
    /// Where it says that the vendor failed. The chunks that were made before still count.
    fn frame(
        &mut self,
        event: &str,
        frame: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError>;

    /// Completes the answer once everything has come.
    ///
    /// # Errors
    ///
    /// [`ProviderError::truncated`] where it is not complete.
    fn end(self, chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError>;
}

impl HttpResponse {
    /// The whole body as JSON and as its text, for what is no chat.
    ///
    /// # Errors
    ///
    /// As [`json`](Self::json).
    pub async fn read_json(&mut self) -> Result<(Value, String), ProviderError> {
        let text = self.text().await?;
        Ok((self.parse(&text)?, text))
    }

    /// Reads an answer in one piece.
    ///
    /// # Errors
    ///
    /// The reader's, and those of a reply that cannot be read.
    pub async fn read_whole<R: ReplyReader>(
        mut self,
        mut reader: R,
        warnings: Warnings,
    ) -> Result<ProviderResponse, ProviderError> {
        let (reply, text) = self.read_json().await?;
        let head = Head::of(&self, warnings);
        let mut chunks = Vec::new();
        let read = match reader.whole(&reply, &text, &mut chunks) {
            Ok(()) => reader.end(&mut chunks),
            Err(error) => Err(error),
        };
        read.map_err(|error| head.complete_error(error, &text))?;
        let mut collector = Collector::default();
        for chunk in chunks {
            collector.push(head.complete(chunk));
        }
        let collected = collector.into_response();
        let mut response = collected.map_err(|error| head.complete_error(error, &text))?;
        response.body = R::DIALECT.map(|dialect| RawBody::new(dialect, text));
        Ok(response)
    }

    /// Reads a stream of server-sent events, and hands on what each becomes.
    ///
    /// # Errors
    ///
    /// The reader's, and those of a stream that cannot be read.
    pub async fn read_events<R: ReplyReader>(
        self,
        reader: R,
        warnings: Warnings,
        sink: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        self.read_frames(SseDecoder::new(), reader, warnings, sink).await
    }

    /// Reads a stream of lines of JSON, and hands on what each becomes.
    ///
    /// # Errors
    ///
    /// The reader's, and those of a stream that cannot be read.
    pub async fn read_lines<R: ReplyReader>(
        self,
        reader: R,
        warnings: Warnings,
        sink: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        self.read_frames(NdjsonDecoder::new(), reader, warnings, sink).await
    }

    /// Reads a stream in any framing, and hands on what each frame becomes.
    ///
    /// # Errors
    ///
    /// The decoder's, the reader's, and those of a stream that cannot be read.
    pub async fn read_frames<R: ReplyReader>(
        self,
        decoder: impl FrameDecoder,
        reader: R,
        warnings: Warnings,
        sink: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let head = Head::of(&self, warnings);
        if !may_stream(&self) {
            return Err(not_a_stream(self, reader, &head).await);
        }
        forward(self.into_frames(decoder), reader, &head, sink).await
    }
}

/// Whether the body can be a stream: vendors that are not exact give other types than the
/// standards', but none calls a stream one document.
fn may_stream(response: &HttpResponse) -> bool {
    let media_type = response.header("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    !["application/json", "text/html"].iter().any(|whole| media_type.eq_ignore_ascii_case(whole))
}

/// The error of a reply that was to be a stream and is none: the one that it holds, if it does.
async fn not_a_stream<R: ReplyReader>(
    mut response: HttpResponse,
    mut reader: R,
    head: &Head,
) -> ProviderError {
    let text = match response.text().await {
        Ok(text) => text,
        Err(error) => return head.complete_error(error, ""),
    };
    let reply: Value = serde_json::from_str(&text).unwrap_or_default();
    let error = match reader.whole(&reply, &text, &mut Vec::new()) {
        Err(error) if *error.kind() != ErrorKind::MalformedReply => error,
        _ => ProviderError::malformed_reply("the upstream did not answer with a stream"),
    };
    head.complete_error(error, &text)
}

/// What some vendors send after the last frame.
const DONE: &str = "[DONE]";

async fn forward<R: ReplyReader>(
    mut frames: Frames<impl FrameDecoder>,
    mut reader: R,
    head: &Head,
    sink: &mut ChunkSink,
) -> Result<(), ProviderError> {
    let mut chunks = Vec::new();
    while let Some(Frame { event, text }) =
        frames.next().await.map_err(|error| head.complete_error(error, ""))?
    {
        if text.trim() == DONE {
            break;
        }
        let read = parse(&text).and_then(|frame| reader.frame(&event, &frame, &text, &mut chunks));
        let read = read.map_err(|error| head.complete_error(error, &text));
        if let (Some(dialect), Ok(())) = (R::DIALECT, &read) {
            if chunks.is_empty() {
                chunks.push(ProviderChunk::heartbeat());
            }
            chunks[0].body = Some(RawBody::new(dialect, text));
        }
        for chunk in chunks.drain(..) {
            sink.send(head.complete(chunk)).await;
        }
        read?;
    }
    reader.end(&mut chunks).map_err(|error| head.complete_error(error, ""))?;
    for chunk in chunks {
        sink.send(head.complete(chunk)).await;
    }
    Ok(())
}

fn parse(text: &str) -> Result<Value, ProviderError> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("a frame of the upstream's stream is not JSON: {error}");
        ProviderError::malformed_reply(message)
    })
}

/// What the head of a response says, for the answer and for errors.
struct Head {
    upstream_request_id: Option<String>,
    headers: BTreeMap<String, String>,
    warnings: Vec<String>,
}

impl Head {
    fn of(response: &HttpResponse, warnings: Warnings) -> Self {
        Self {
            upstream_request_id: response.request_id().map(str::to_owned),
            headers: response.caller_headers(),
            warnings: warnings.into_vec(),
        }
    }

    /// Adds what the head says to the start of an answer.
    fn complete(&self, mut chunk: ProviderChunk) -> ProviderChunk {
        if let Event::Start(Start { upstream_request_id, headers, warnings, .. }) = &mut chunk.event
        {
            upstream_request_id.clone_from(&self.upstream_request_id);
            headers.clone_from(&self.headers);
            warnings.splice(0..0, self.warnings.iter().cloned());
        }
        chunk
    }

    /// Adds it to an error, and the start of the text that the error is about.
    fn complete_error(&self, error: ProviderError, text: &str) -> ProviderError {
        let mut error = error.with_headers(self.headers.clone());
        if let Some(id) = &self.upstream_request_id {
            error = error.with_upstream_request_id(id);
        }
        let is_about_text = *error.kind() == ErrorKind::MalformedReply && !text.is_empty();
        if is_about_text && error.upstream_text().is_none() {
            error = error.with_upstream_text(text);
        }
        error
    }
}
