//! The frames of a stream, and a reply in one piece, as chunks.
//!
//! Each frame travels as the body of the first chunk that it makes, or of a heartbeat. A choice's
//! finish is held back until the stream ends: services repeat it, and send errors after it. A
//! stream that ends without one was cut off. What is inside an answer is `response.rs`'s.
//!
//! - <https://platform.openai.com/docs/api-reference/chat-streaming>
//! - <https://openrouter.ai/docs/api-reference/streaming>

use std::collections::BTreeMap;

use allos_plugin_api::{
    ChunkSink, Collector, Dialect, Event, HttpResponse, ProviderChunk, ProviderError,
    ProviderResponse, RawBody, SseEvent, Start,
};
use serde_json::Value;

use crate::error;
use crate::response::{Answer, items, read_usage, text};

/// Reads a reply in one piece.
pub(crate) async fn collect(
    mut response: HttpResponse,
    warnings: Vec<String>,
) -> Result<ProviderResponse, ProviderError> {
    let body = response.text().await?;
    let mut reader = Reader::new(&response, warnings);
    let reply: Value = response.parse(&body)?;
    let mut chunks = Vec::new();
    reader.read(&reply, &body, "message", &mut chunks)?;
    if reader.answers.is_empty() {
        let error = ProviderError::malformed_reply("the upstream's reply has no choices");
        return Err(reader.annotate(error.with_upstream_text(&body)));
    }
    let mut collector = Collector::default();
    chunks.into_iter().chain(reader.finish()).for_each(|chunk| collector.push(chunk));
    let mut reply = collector.into_response()?;
    reply.body = Some(RawBody::new(Dialect::OpenAiChat, body));
    Ok(reply)
}

/// Hands on a stream, chunk by chunk.
pub(crate) async fn forward(
    mut response: HttpResponse,
    warnings: Vec<String>,
    sink: &mut ChunkSink,
) -> Result<(), ProviderError> {
    let mut reader = Reader::new(&response, warnings);
    if !may_stream(&response) {
        let body = response.text().await?;
        return Err(reader.not_a_stream(&body));
    }
    let mut events = response.into_events();
    while let Some(event) = events.next().await.map_err(|error| reader.annotate(error))? {
        if event.data.trim() == "[DONE]" {
            break;
        }
        let (chunks, outcome) = reader.frame(&event);
        for chunk in chunks {
            sink.send(chunk).await;
        }
        outcome?;
    }
    for chunk in reader.end()? {
        sink.send(chunk).await;
    }
    Ok(())
}

/// Whether the reply can be a stream; services that are not exact give other types than the
/// standard's.
fn may_stream(response: &HttpResponse) -> bool {
    let media_type = response.header("content-type").unwrap_or_default();
    !media_type.starts_with("application/json") && !media_type.starts_with("text/html")
}

/// Reads what is around the answers.
struct Reader {
    /// What the first chunk says of the exchange; gone once it is sent.
    start: Option<Start>,
    request_id: Option<String>,
    headers: BTreeMap<String, String>,
    answers: BTreeMap<u32, Answer>,
}

impl Reader {
    fn new(response: &HttpResponse, warnings: Vec<String>) -> Self {
        let request_id = response.request_id().map(str::to_owned);
        let headers = response.caller_headers();
        let start = Start {
            upstream_request_id: request_id.clone(),
            headers: headers.clone(),
            warnings,
            ..Start::default()
        };
        Self { start: Some(start), request_id, headers, answers: BTreeMap::new() }
    }

    /// Reads one frame. Where it is an error, the chunks that it made still count.
    fn frame(&mut self, event: &SseEvent) -> (Vec<ProviderChunk>, Result<(), ProviderError>) {
        let mut chunks = Vec::new();
        let outcome = self
            .parse(event)
            .and_then(|frame| self.read(&frame, &event.data, "delta", &mut chunks));
        if outcome.is_ok() {
            if chunks.is_empty() {
                chunks.push(ProviderChunk::heartbeat());
            }
            chunks[0].body = Some(RawBody::new(Dialect::OpenAiChat, event.data.as_str()));
        }
        (chunks, outcome)
    }

    fn parse(&self, event: &SseEvent) -> Result<Value, ProviderError> {
        let frame = serde_json::from_str(&event.data).map_err(|error| {
            let message = format!("a frame of the upstream's stream is not JSON: {error}");
            self.annotate(ProviderError::malformed_reply(message).with_upstream_text(&event.data))
        })?;
        if event.event == "error" {
            return Err(self.annotate(error::from_body(&frame, &event.data)));
        }
        Ok(frame)
    }

    /// Reads a frame or a reply in one piece, whose message is under the name that is given.
    fn read(
        &mut self,
        frame: &Value,
        json: &str,
        message: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        let usage = read_usage(&frame["usage"]).or_else(|| read_usage(&frame["x_groq"]["usage"]));
        let usage = usage.map(|usage| ProviderChunk::from(Event::Usage(usage)));
        if let Some(error) = error::in_reply(frame, json) {
            chunks.extend(usage);
            return Err(self.annotate(error));
        }
        if let Some(start) = self.start.take() {
            chunks.push(Event::Start(described(start, frame)).into());
        }
        for choice in items(&frame["choices"]) {
            let index = choice["index"].as_u64().and_then(|index| u32::try_from(index).ok());
            let index = index.unwrap_or_default();
            let events = self.answers.entry(index).or_default().read(choice, message);
            chunks.extend(of_choice(events, index));
        }
        chunks.extend(usage);
        Ok(())
    }

    /// The chunks that complete the answers, where a stream has told why each of them ended.
    fn end(self) -> Result<Vec<ProviderChunk>, ProviderError> {
        if self.answers.is_empty() || !self.answers.values().all(Answer::is_finished) {
            return Err(self.annotate(ProviderError::truncated()));
        }
        Ok(self.finish().collect())
    }

    fn finish(self) -> impl Iterator<Item = ProviderChunk> {
        self.answers.into_iter().flat_map(|(index, answer)| of_choice(answer.finish(), index))
    }

    /// The error of a reply that was to be a stream and is none.
    fn not_a_stream(&self, body: &str) -> ProviderError {
        let reply: Value = serde_json::from_str(body).unwrap_or_default();
        let error = error::in_reply(&reply, body).unwrap_or_else(|| {
            ProviderError::malformed_reply("the upstream did not answer with a stream")
                .with_upstream_text(body)
        });
        self.annotate(error)
    }

    fn annotate(&self, error: ProviderError) -> ProviderError {
        let error = error.with_headers(self.headers.clone());
        match &self.request_id {
            Some(id) => error.with_upstream_request_id(id),
            None => error,
        }
    }
}

fn described(start: Start, frame: &Value) -> Start {
    Start {
        id: text(&frame["id"]).map(str::to_owned),
        model: text(&frame["model"]).map(str::to_owned),
        created: frame["created"].as_u64(),
        ..start
    }
}

fn of_choice(events: Vec<Event>, index: u32) -> impl Iterator<Item = ProviderChunk> {
    events.into_iter().map(move |event| ProviderChunk::from(event).for_choice(index))
}
