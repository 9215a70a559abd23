//! What is around the answers of a reply or of a stream's frames, and when they are complete.
//!
//! A choice's finish is held back until the stream ends: services repeat it, and send errors after
//! it. A stream that ends without one was cut off. What is inside an answer is `response.rs`'s.
//!
//! - <https://platform.openai.com/docs/api-reference/chat-streaming>
//! - <https://openrouter.ai/docs/api-reference/streaming>

use std::collections::BTreeMap;

use allos_plugin_api::json::{items, word};
use allos_plugin_api::{Dialect, Event, ProviderChunk, ProviderError, ReplyReader, Start};
use serde_json::Value;

use crate::error;
use crate::response::{Answer, read_usage};

/// Reads one reply in this dialect.
#[derive(Debug, Default)]
pub struct Reader {
    has_started: bool,
    /// Whether the reply came in one piece, which is complete whatever it says of its finish.
    is_whole: bool,
    answers: BTreeMap<u32, Answer>,
}

impl ReplyReader for Reader {
    const DIALECT: Option<Dialect> = Some(Dialect::OpenAiChat);

    fn whole(
        &mut self,
        reply: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        self.is_whole = true;
        self.read(reply, text, "message", chunks)?;
        if self.answers.is_empty() {
            return Err(ProviderError::malformed_reply("the upstream's reply has no choices"));
        }
        Ok(())
    }

    fn frame(
        &mut self,
        event: &str,
        frame: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        if event == "error" {
            return Err(error::in_frame(frame, text));
        }
        self.read(frame, text, "delta", chunks)
    }

    fn end(self, chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError> {
        let is_complete = self.is_whole || self.answers.values().all(Answer::is_finished);
        if self.answers.is_empty() || !is_complete {
            return Err(ProviderError::truncated());
        }
        for (index, answer) in self.answers {
            chunks.extend(of_choice(answer.finish(), index));
        }
        Ok(())
    }
}

impl Reader {
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
            return Err(error);
        }
        if !self.has_started {
            self.has_started = true;
            chunks.push(Event::Start(start(frame)).into());
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
}

/// What the first frame says of the reply.
fn start(frame: &Value) -> Start {
    Start {
        id: word(&frame["id"]),
        model: word(&frame["model"]),
        created: frame["created"].as_u64(),
        ..Start::default()
    }
}

fn of_choice(events: Vec<Event>, index: u32) -> impl Iterator<Item = ProviderChunk> {
    events.into_iter().map(move |event| ProviderChunk::from(event).for_choice(index))
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{Collector, ErrorKind, Finish, Part, ProviderResponse};
    use serde_json::json;

    use super::*;

    fn frame(choice: &Value) -> Value {
        json!({ "id": "c1", "model": "m", "choices": [choice] })
    }

    fn delta(delta: &Value) -> Value {
        frame(&json!({ "index": 0, "delta": delta, "finish_reason": null }))
    }

    fn finish(reason: &str) -> Value {
        frame(&json!({ "index": 0, "delta": {}, "finish_reason": reason }))
    }

    fn read(frames: &[Value]) -> Result<Vec<ProviderChunk>, ProviderError> {
        let mut reader = Reader::default();
        let mut chunks = Vec::new();
        for frame in frames {
            reader.frame("", frame, &frame.to_string(), &mut chunks)?;
        }
        reader.end(&mut chunks)?;
        Ok(chunks)
    }

    fn read_whole(reply: &Value) -> Result<Vec<ProviderChunk>, ProviderError> {
        let mut reader = Reader::default();
        let mut chunks = Vec::new();
        reader.whole(reply, &reply.to_string(), &mut chunks)?;
        reader.end(&mut chunks)?;
        Ok(chunks)
    }

    fn collect(chunks: Vec<ProviderChunk>) -> ProviderResponse {
        let mut collector = Collector::default();
        for chunk in chunks {
            collector.push(chunk);
        }
        collector.into_response().unwrap()
    }

    fn answer(frames: &[Value]) -> ProviderResponse {
        collect(read(frames).unwrap())
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
        let failed = json!({ "error": { "code": 400, "message": "limit" }, "choices": [] });
        let error = read(&[finish("length"), failed.clone()]).unwrap_err();
        assert_eq!((error.status(), error.message()), (Some(400), "limit"));
        assert_eq!(error.body().unwrap().json, failed.to_string());
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
        let whole = collect(read_whole(&reply).unwrap());
        assert_eq!(whole, answer(&[delta(&message), finish("tool_calls")]));
        let parts = &whole.choices[0].message.content;
        assert!(
            matches!(&parts[1], Part::Reasoning(part) if part.redacted.as_deref() == Some("d"))
        );
    }

    #[test]
    fn a_reply_without_an_answer_is_never_a_success() {
        for body in ["{}", r#"{"choices":[]}"#, "null", r#"{"choices":null,"usage":{}}"#] {
            let error = read_whole(&serde_json::from_str(body).unwrap()).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::MalformedReply, "{body}");
        }
    }
}
