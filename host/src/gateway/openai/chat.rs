//! `POST /v1/chat/completions`, in one piece or as a stream.
//!
//! A reply that carries the upstream's JSON in this dialect is handed on as it came; any other is
//! built from the normalised form. The head of a stream waits for the first item of the answer, so
//! that an early error keeps its status.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use allos_plugin_api::{
    ChatRequest, Dialect, Event, ProviderChunk, ProviderError, ProviderResponse, RawBody,
};
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::time::{Instant, timeout, timeout_at};

use super::error::{self, OpenAiError};
use super::json_response;
use super::request::{ClientRequest, read};
use super::response::completion;
use super::stream::Frames;
use crate::gateway::error::{Failure, ForLog};
use crate::gateway::{Gateway, Shared, body, reply, sse};
use crate::{ChunkStream, ProviderHandle, Target};

/// After so long a silence a stream sends a comment, and at the latest its head.
const SILENCE: Duration = Duration::from_secs(15);

/// Answers a chat request.
pub(super) async fn create(
    State(gateway): State<Shared>,
    request: Request,
) -> Result<Response, OpenAiError> {
    let body::JsonBody { text, value } = body::read(request, gateway.max_body_bytes).await?;
    let mut client = read(value, text).map_err(Failure::from)?;
    let Target { provider, model } = gateway.resolve(&client.chat.model)?;
    let name = std::mem::replace(&mut client.chat.model, model);
    if client.stream {
        Ok(stream_answer(&gateway, &provider, client, name).await?)
    } else {
        Ok(whole_answer(&provider, client.chat, &name).await?)
    }
}

async fn whole_answer(
    provider: &ProviderHandle,
    request: ChatRequest,
    name: &str,
) -> Result<Response, Failure> {
    let mut reply = provider.chat(request).await?;
    let mut response = match reply.body.take() {
        Some(RawBody { dialect: Dialect::OpenAiChat, json }) => json_response(json),
        _ => json_response(completion(&reply, name).to_string()),
    };
    let ProviderResponse { headers, upstream_request_id, warnings, .. } = &reply;
    let upstream = reply::upstream_headers(headers, upstream_request_id.as_deref());
    response.headers_mut().extend(upstream);
    reply::warn(response.headers_mut(), warnings);
    Ok(response)
}

type Item = Result<ProviderChunk, ProviderError>;

/// A stream that is being written to a client. Dropping it cancels the call.
struct Writing {
    /// Items that came before the head was sent.
    ahead: VecDeque<Item>,
    items: Pin<Box<dyn Stream<Item = Item> + Send>>,
    frames: Frames,
    closed: Pin<Box<dyn Future<Output = ()> + Send>>,
    ended: bool,
}

async fn stream_answer(
    gateway: &Gateway,
    provider: &ProviderHandle,
    client: ClientRequest,
    name: String,
) -> Result<Response, Failure> {
    let mut items = items(provider.stream_chat(client.chat));
    let ahead = await_answer(&mut items).await?;
    let headers = head(&ahead);
    let closing = gateway.closing.clone();
    let writing = Writing {
        ahead,
        items,
        frames: Frames::new(name, client.include_usage),
        closed: Box::pin(async move { closing.closed().await }),
        ended: false,
    };
    let mut response = Response::new(Body::from_stream(stream::unfold(writing, Writing::step)));
    *response.headers_mut() = headers;
    Ok(response)
}

/// The chunks as a stream whose `next` can be dropped and asked again.
fn items(chunks: ChunkStream) -> Pin<Box<dyn Stream<Item = Item> + Send>> {
    Box::pin(stream::unfold(chunks, async |mut chunks| {
        let item = chunks.next().await?;
        Some((item, chunks))
    }))
}

/// Waits until the answer has begun with more than its start; an error before that is a response
/// of its own.
async fn await_answer(
    items: &mut Pin<Box<dyn Stream<Item = Item> + Send>>,
) -> Result<VecDeque<Item>, Failure> {
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
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in own {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

impl Writing {
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
                Err(_) => sse::comment(),
            },
            () = &mut self.closed => self.fail(&Failure::shutting_down()),
        }
    }

    fn write(&mut self, item: Option<Item>) -> Bytes {
        match item {
            Some(Ok(chunk)) => self.frames.chunk(chunk),
            Some(Err(error)) => self.fail(&error.into()),
            None => {
                self.ended = true;
                self.frames.end()
            }
        }
    }

    /// An error ends a stream without the mark of its end, so that nobody takes it for complete.
    fn fail(&mut self, failure: &Failure) -> Bytes {
        self.ended = true;
        let ForLog(reason) = failure.for_log();
        tracing::warn!("a stream ended with an error: {reason}");
        sse::data(&error::json(failure))
    }
}
