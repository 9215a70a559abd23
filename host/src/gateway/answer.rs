//! An answer on its way to a client, in one piece or as a stream, whatever its dialect.
//!
//! What carries the upstream's JSON in the client's dialect is handed on as it came; anything else
//! is built from the normalised form. The first chunk with content decides that for a whole stream:
//! from then on chunks that carry the upstream's JSON are handed on, and chunks without add nothing,
//! or each is built. The head of a stream waits for the first item of the answer, so that an early
//! error keeps its status.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use allos_plugin_api::{
    ChatRequest, Dialect, Event, ProviderChunk, ProviderError, ProviderResponse, RawBody,
};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::Gateway;
use super::error::Failure;
use super::reply;
use crate::{ChunkStream, ProviderHandle};

/// After so long a silence a stream gives a sign of life, and at the latest its head.
const SILENCE: Duration = Duration::from_secs(15);

/// How a dialect writes a stream.
pub(crate) trait Frames: Send + 'static {
    /// The dialect in which an upstream's frame is handed on.
    const DIALECT: Dialect;

    /// An upstream's frame of this dialect.
    fn as_it_came(&mut self, json: String) -> Bytes;

    /// What a chunk becomes in a stream that is built; it may be nothing.
    fn built(&mut self, chunk: &ProviderChunk) -> Vec<u8>;

    /// What completes a stream that is built.
    fn complete(&mut self) -> Vec<u8>;

    /// What follows a complete stream, built or not; it may be nothing.
    fn last(&self) -> Bytes;

    /// What keeps a silent connection from looking dead.
    fn sign_of_life(&self) -> Bytes;

    /// The frame of a failure, with which a stream breaks off.
    fn failure(&self, failure: &Failure) -> Bytes;
}

/// Answers in one piece. What carries no JSON of the client's dialect is written by `written`.
pub(crate) async fn whole(
    provider: &ProviderHandle,
    request: ChatRequest,
    dialect: Dialect,
    written: impl FnOnce(&ProviderResponse) -> Value,
) -> Result<Response, Failure> {
    let mut answer = provider.chat(request).await?;
    let mut response = match answer.body.take() {
        Some(body) if body.dialect == dialect => reply::json(body.json),
        _ => reply::json(written(&answer).to_string()),
    };
    let ProviderResponse { headers, upstream_request_id, warnings, .. } = &answer;
    let upstream = reply::upstream_headers(headers, upstream_request_id.as_deref());
    response.headers_mut().extend(upstream);
    reply::warn(response.headers_mut(), warnings);
    Ok(response)
}

/// Answers as a stream.
pub(crate) async fn streamed<F: Frames>(
    gateway: &Gateway,
    provider: &ProviderHandle,
    request: ChatRequest,
    frames: F,
) -> Result<Response, Failure> {
    let mut items = items(provider.stream_chat(request));
    let ahead = await_answer(&mut items).await?;
    let headers = head(&ahead);
    let closing = gateway.closing.clone();
    let writing = Writing {
        ahead,
        items,
        lanes: Lanes::new(frames),
        closed: Box::pin(async move { closing.closed().await }),
        ended: false,
    };
    let mut response = Response::new(Body::from_stream(stream::unfold(writing, Writing::step)));
    *response.headers_mut() = headers;
    Ok(response)
}

type Item = Result<ProviderChunk, ProviderError>;
type Items = Pin<Box<dyn Stream<Item = Item> + Send>>;

/// The chunks as a stream whose `next` can be dropped and asked again.
fn items(chunks: ChunkStream) -> Items {
    Box::pin(stream::unfold(chunks, async |mut chunks| {
        let item = chunks.next().await?;
        Some((item, chunks))
    }))
}

/// Waits until the answer has begun with more than its start; an error before that is a response
/// of its own.
async fn await_answer(items: &mut Items) -> Result<VecDeque<Item>, Failure> {
    let deadline = Instant::now() + SILENCE;
    let mut ahead = VecDeque::new();
    while let Ok(Some(item)) = timeout_at(deadline, items.next()).await {
        let chunk = item?;
        let is_start = matches!(chunk.event, Event::Start(_));
        ahead.push_back(Ok(chunk));
        if !is_start {
            break;
        }
    }
    Ok(ahead)
}

fn head(ahead: &VecDeque<Item>) -> HeaderMap {
    let start = ahead.iter().flatten().find_map(|chunk| match &chunk.event {
        Event::Start(start) => Some(start),
        _ => None,
    });
    let mut headers = start.map_or_else(HeaderMap::new, |start| {
        let id = start.upstream_request_id.as_deref();
        let mut headers = reply::upstream_headers(&start.headers, id);
        reply::warn(&mut headers, &start.warnings);
        headers
    });
    let own = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in own {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

/// A stream that is being written to a client. Dropping it cancels the call.
struct Writing<F> {
    /// Items that came before the head was sent.
    ahead: VecDeque<Item>,
    items: Items,
    lanes: Lanes<F>,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
}

impl<F: Frames> Writing<F> {
    /// The next bytes, of whatever is the next thing to say.
    async fn step(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        while !self.ended {
            let bytes = match self.ahead.pop_front() {
                Some(item) => self.write(Some(item)),
                None => self.wait().await,
            };
            if !bytes.is_empty() {
                return Some((Ok(bytes), self));
            }
        }
        None
    }

    async fn wait(&mut self) -> Bytes {
        tokio::select! {
            item = timeout(SILENCE, self.items.next()) => match item {
                Ok(item) => self.write(item),
                Err(_) => self.lanes.frames.sign_of_life(),
            },
            () = &mut self.closed => self.fail(&Failure::shutting_down()),
        }
    }

    fn write(&mut self, item: Option<Item>) -> Bytes {
        match item {
            Some(Ok(chunk)) => self.lanes.chunk(chunk),
            Some(Err(error)) => self.fail(&error.into()),
            None => {
                self.ended = true;
                self.lanes.end()
            }
        }
    }

    /// An error ends a stream without the mark of its end, so that nobody takes it for complete.
    fn fail(&mut self, failure: &Failure) -> Bytes {
        self.ended = true;
        tracing::warn!("a stream ended with an error: {}", failure.for_log());
        self.lanes.frames.failure(failure)
    }
}

/// Decides between the two lanes of a stream.
pub(crate) struct Lanes<F> {
    lane: Lane,
    frames: F,
}

enum Lane {
    /// Nothing but starts so far; they are kept in case they have to be built.
    Undecided(Vec<ProviderChunk>),
    AsItCame,
    Built,
}

impl<F: Frames> Lanes<F> {
    pub(crate) fn new(frames: F) -> Self {
        Self { lane: Lane::Undecided(Vec::new()), frames }
    }

    /// What a chunk becomes; it may be nothing.
    pub(crate) fn chunk(&mut self, mut chunk: ProviderChunk) -> Bytes {
        let body = chunk.body.take().filter(|body| body.dialect == F::DIALECT);
        match (&mut self.lane, body) {
            (Lane::Undecided(_) | Lane::AsItCame, Some(RawBody { json, .. })) => {
                self.lane = Lane::AsItCame;
                self.frames.as_it_came(json)
            }
            (_, None) if matches!(chunk.event, Event::Heartbeat(_)) => self.frames.sign_of_life(),
            (Lane::AsItCame, None) => Bytes::new(),
            (Lane::Undecided(starts), None) if is_start(&chunk.event) => {
                starts.push(chunk);
                Bytes::new()
            }
            (Lane::Undecided(_), None) => {
                let mut bytes = self.build();
                bytes.extend(self.frames.built(&chunk));
                bytes.into()
            }
            (Lane::Built, _) => self.frames.built(&chunk).into(),
        }
    }

    /// What a complete answer ends with.
    pub(crate) fn end(&mut self) -> Bytes {
        let mut bytes = self.build();
        if matches!(self.lane, Lane::Built) {
            bytes.extend(self.frames.complete());
        }
        bytes.extend_from_slice(&self.frames.last());
        bytes.into()
    }

    /// Where nothing is decided yet, decides to build, and builds what was kept.
    fn build(&mut self) -> Vec<u8> {
        let Lane::Undecided(starts) = &mut self.lane else { return Vec::new() };
        let starts = std::mem::take(starts);
        self.lane = Lane::Built;
        starts.iter().flat_map(|chunk| self.frames.built(chunk)).collect()
    }
}

/// Whether the host may have put this in front of the first chunk that the provider sent.
fn is_start(event: &Event) -> bool {
    matches!(event, Event::Start(_) | Event::TextStart(_) | Event::ReasoningStart(_))
}
