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
    let reply = response.parse(&body)?;
    Reader::new(exchange(&response, warnings)).whole(&reply, body)
}

/// Hands on a stream, chunk by chunk.
pub(crate) async fn forward(
    mut response: HttpResponse,
    warnings: Vec<String>,
    sink: &mut ChunkSink,
) -> Result<(), ProviderError> {
    let mut reader = Reader::new(exchange(&response, warnings));
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
    /// What the first chunk says.
    start: Start,
    has_started: bool,
    answers: BTreeMap<u32, Answer>,
}

impl Reader {
    fn new(start: Start) -> Self {
        Self { start, has_started: false, answers: BTreeMap::new() }
    }

    /// Reads a reply in one piece.
    fn whole(mut self, reply: &Value, body: String) -> Result<ProviderResponse, ProviderError> {
        let mut chunks = Vec::new();
        self.read(reply, &body, "message", &mut chunks)?;
        if self.answers.is_empty() {
            let error = ProviderError::malformed_reply("the upstream's reply has no choices");
            return Err(self.annotate(error.with_upstream_text(&body)));
        }
        let mut collector = Collector::default();
        chunks.into_iter().chain(self.finish()).for_each(|chunk| collector.push(chunk));
        let mut response = collector.into_response()?;
        response.body = Some(RawBody::new(Dialect::OpenAiChat, body));
        Ok(response)
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
            return Err(self.annotate(error::in_frame(&frame, &event.data)));
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
        if !self.has_started {
            self.has_started = true;
            chunks.push(Event::Start(self.described(frame)).into());
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

    /// The start, with what the first frame says of the answer.
    fn described(&self, frame: &Value) -> Start {
        Start {
            id: text(&frame["id"]).map(str::to_owned),
            model: text(&frame["model"]).map(str::to_owned),
            created: frame["created"].as_u64(),
            ..self.start.clone()
        }
    }

    fn annotate(&self, error: ProviderError) -> ProviderError {
        let error = error.with_headers(self.start.headers.clone());
        match &self.start.upstream_request_id {
            Some(id) => error.with_upstream_request_id(id),
            None => error,
        }
    }
}

/// What the head of a response says.
fn exchange(response: &HttpResponse, warnings: Vec<String>) -> Start {
    Start {
        upstream_request_id: response.request_id().map(str::to_owned),
        headers: response.caller_headers(),
        warnings,
        ..Start::default()
    }
}

fn of_choice(events: Vec<Event>, index: u32) -> impl Iterator<Item = ProviderChunk> {
    events.into_iter().map(move |event| ProviderChunk::from(event).for_choice(index))
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{ErrorKind, Finish, Part};
    use serde_json::json;

    use super::*;

    fn frame(choice: &Value) -> SseEvent {
        let data = json!({ "id": "c1", "model": "m", "choices": [choice] }).to_string();
        SseEvent { event: String::new(), data }
    }

    fn delta(delta: &Value) -> SseEvent {
        frame(&json!({ "index": 0, "delta": delta, "finish_reason": null }))
    }

    fn finish(reason: &str) -> SseEvent {
        frame(&json!({ "index": 0, "delta": {}, "finish_reason": reason }))
    }

    fn read(frames: &[SseEvent]) -> Result<Vec<ProviderChunk>, ProviderError> {
        let mut reader = Reader::new(Start::default());
        let mut chunks = Vec::new();
        for frame in frames {
            let (more, outcome) = reader.frame(frame);
            outcome?;
            chunks.extend(more);
        }
        chunks.extend(reader.end()?);
        Ok(chunks)
    }

    fn answer(frames: &[SseEvent]) -> ProviderResponse {
        let mut collector = Collector::default();
        read(frames).unwrap().into_iter().for_each(|chunk| collector.push(chunk));
        collector.into_response().unwrap()
    }

    #[test]
    fn every_frame_is_the_body_of_exactly_one_chunk() {
        let frames = [
            delta(&json!({ "role": "assistant", "content": "" })),
            delta(&json!({ "content": "a", "reasoning": "b" })),
            delta(&json!({})),
            finish("stop"),
        ];
        let chunks = read(&frames).unwrap();
        let bodies = chunks.iter().filter_map(|chunk| Some(chunk.body.as_ref()?.json.as_str()));
        assert!(bodies.eq(frames.iter().map(|frame| frame.data.as_str())));
    }

    #[test]
    fn a_finish_that_is_repeated_counts_once() {
        let chunks = read(&[delta(&json!({ "content": "a" })), finish("stop"), finish("stop")]);
        let chunks = chunks.unwrap();
        let is_finish = |chunk: &&ProviderChunk| matches!(chunk.event, Event::Finish(_));
        assert_eq!(chunks.iter().filter(is_finish).count(), 1);
        assert!(matches!(chunks.last().unwrap().event, Event::Finish(_)));
    }

    #[test]
    fn a_stream_that_ends_without_a_finish_was_cut_off() {
        let error = read(&[delta(&json!({ "content": "a" }))]).unwrap_err();
        assert_eq!(error, ProviderError::truncated());
        assert_eq!(read(&[]).unwrap_err(), ProviderError::truncated());
    }

    #[test]
    fn an_error_after_a_finish_is_an_error_and_keeps_its_frame() {
        let data = json!({ "error": { "code": 400, "message": "limit" }, "choices": [] });
        let failed = SseEvent { event: String::new(), data: data.to_string() };
        let error = read(&[finish("length"), failed]).unwrap_err();
        assert_eq!((error.status(), error.message()), (Some(400), "limit"));
        assert_eq!(error.body().unwrap().json, data.to_string());
    }

    #[test]
    fn a_frame_that_is_not_json_is_a_malformed_reply() {
        let broken = SseEvent { event: String::new(), data: "{\"id\":".to_owned() };
        assert_eq!(read(&[broken]).unwrap_err().kind(), &ErrorKind::MalformedReply);
    }

    #[test]
    fn calls_are_put_together_by_number_by_id_or_by_order() {
        let call = |id: &str, name: &str| json!({ "id": id, "function": { "name": name } });
        let more = |text: &str| json!({ "function": { "arguments": text } });
        let with = |mut value: Value, index: u64| {
            value["index"] = json!(index);
            json!({ "tool_calls": [value] })
        };
        let plain = |value: Value| json!({ "tool_calls": [value] });
        for pieces in [
            vec![
                with(call("a", "f"), 0),
                with(call("b", "g"), 1),
                with(more("1"), 0),
                with(more("2"), 1),
            ],
            vec![
                with(call("a", "f"), 0),
                with(more("1"), 0),
                with(call("b", "g"), 0),
                with(more("2"), 0),
            ],
            vec![plain(call("a", "f")), plain(more("1")), plain(call("b", "g")), plain(more("2"))],
        ] {
            let mut frames: Vec<_> = pieces.iter().map(delta).collect();
            frames.push(finish("stop"));
            let answer = answer(&frames);
            let calls: Vec<_> = answer
                .tool_calls()
                .map(|call| (call.id.as_str(), call.name.as_str(), call.arguments.as_str()))
                .collect();
            assert_eq!(calls, [("a", "f", "1"), ("b", "g", "2")]);
            assert_eq!(answer.choices[0].finish_reason.unified, Finish::ToolCalls);
        }
    }

    #[test]
    fn a_reply_in_one_piece_is_the_same_answer_as_its_stream() {
        let message = json!({
            "content": "hi",
            "reasoning": "hm",
            "reasoning_details": [
                { "type": "reasoning.text", "text": "hm", "signature": "s", "index": 0 },
                { "type": "reasoning.encrypted", "data": "d", "id": "r", "index": 0 },
            ],
            "annotations": [{ "type": "url_citation", "url_citation": { "url": "u" } }],
            "tool_calls": [{ "id": "a", "function": { "name": "f", "arguments": "{}" } }],
            "refusal": "no",
        });
        let reply = json!({ "id": "c1", "model": "m", "choices": [
            { "index": 0, "message": message, "finish_reason": "tool_calls" },
        ]});
        let mut whole = Reader::new(Start::default()).whole(&reply, reply.to_string()).unwrap();
        assert!(whole.body.take().is_some());
        assert_eq!(whole, answer(&[delta(&message), finish("tool_calls")]));
        let parts = &whole.choices[0].message.content;
        assert!(
            matches!(&parts[1], Part::Reasoning(part) if part.redacted.as_deref() == Some("d"))
        );
    }

    #[test]
    fn a_reply_without_an_answer_is_never_a_success() {
        for body in ["{}", r#"{"choices":[]}"#, "null", r#"{"choices":null,"usage":{}}"#] {
            let reply = serde_json::from_str(body).unwrap();
            let error = Reader::new(Start::default()).whole(&reply, body.to_owned()).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::MalformedReply, "{body}");
        }
    }
}
