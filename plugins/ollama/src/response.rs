//! A reply → the chunks that make it up. A reply in one piece has the form of a line of a stream.
//!
//! The last line is the one that is `done`; without it the answer is not complete.
//!
//! - <https://docs.ollama.com/api/chat>
//! - <https://docs.ollama.com/api/streaming>
//! - <https://docs.ollama.com/api/usage>

use std::time::SystemTime;

use allos_plugin_api::json::{items, text, unix_seconds, word};
use allos_plugin_api::{
    Event, Finish, FinishReason, ImagePart, Logprobs, Part, PartEnd, ProviderChunk, ProviderData,
    ProviderError, ReplyReader, Source, Start, TextDelta, TokenLogprob, ToolCallDelta,
    ToolCallStart, Usage, WholePart,
};
use serde_json::{Map, Value};

use crate::error;

/// Reads one reply.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    has_started: bool,
    /// The part that is being written.
    open: Option<Kind>,
    /// The parts that there are.
    parts: u32,
    has_calls: bool,
    finish: Option<FinishReason>,
}

/// What a part that comes in pieces is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
}

impl ReplyReader for Reader {
    fn whole(
        &mut self,
        reply: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        self.frame("", reply, text, chunks)?;
        if !reply["message"].is_object() {
            return Err(ProviderError::malformed_reply("the upstream's reply has no `message`"));
        }
        Ok(())
    }

    fn frame(
        &mut self,
        _event: &str,
        line: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        if let Some(error) = error::in_reply(line, text) {
            return Err(error);
        }
        let mut events = Vec::new();
        if !self.has_started {
            self.has_started = true;
            events.push(Event::Start(start(line)));
        }
        self.message(&line["message"], &mut events);
        events.extend(logprobs(&line["logprobs"]).map(Event::Logprobs));
        if line["done"] == true && self.finish.is_none() {
            events.extend(read_usage(line).map(Event::Usage));
            self.finish = Some(self.finish_reason(&line["done_reason"]));
        }
        chunks.extend(events.into_iter().map(ProviderChunk::from));
        Ok(())
    }

    fn end(self, chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError> {
        let finish = self.finish.ok_or_else(ProviderError::truncated)?;
        chunks.push(ProviderChunk::finish(finish));
        Ok(())
    }
}

impl Reader {
    fn message(&mut self, message: &Value, events: &mut Vec<Event>) {
        if let Some(text) = text(&message["thinking"]) {
            let index = self.part(Kind::Thinking);
            events.push(Event::ReasoningDelta(TextDelta { index, text: text.to_owned() }));
        }
        if let Some(text) = text(&message["content"]) {
            let index = self.part(Kind::Text);
            events.push(Event::TextDelta(TextDelta { index, text: text.to_owned() }));
        }
        for base64 in items(&message["images"]).iter().filter_map(text) {
            let index = self.new_part();
            events.push(Event::Part(WholePart { index, part: image(base64) }));
        }
        for call in items(&message["tool_calls"]) {
            self.call(call, events);
        }
    }

    /// A call comes whole. Where the server gives it no id, it gets one that no other call has.
    fn call(&mut self, call: &Value, events: &mut Vec<Event>) {
        self.has_calls = true;
        let index = self.new_part();
        let id = text(&call["id"]).map_or_else(|| made_id(index), str::to_owned);
        let function = &call["function"];
        let name = function["name"].as_str().unwrap_or_default().to_owned();
        let arguments = match &function["arguments"] {
            Value::Null => "{}".to_owned(),
            Value::String(text) => text.clone(),
            arguments => arguments.to_string(),
        };
        events.push(Event::ToolCallStart(ToolCallStart { index, id, name, ..Default::default() }));
        events.push(Event::ToolCallDelta(ToolCallDelta { index, arguments }));
        events.push(Event::ToolCallEnd(PartEnd::new(index)));
    }

    /// The index of the open part, where it is of this kind, or of a new one.
    fn part(&mut self, kind: Kind) -> u32 {
        if self.open != Some(kind) {
            self.new_part();
            self.open = Some(kind);
        }
        self.parts - 1
    }

    fn new_part(&mut self) -> u32 {
        self.open = None;
        self.parts += 1;
        self.parts - 1
    }

    fn finish_reason(&self, said: &Value) -> FinishReason {
        let raw = word(said);
        let unified = match raw.as_deref() {
            // A request without a conversation only loads or unloads the model.
            None | Some("stop" | "load" | "unload") if self.has_calls => Finish::ToolCalls,
            None | Some("stop" | "load" | "unload") => Finish::Stop,
            Some("length") => Finish::Length,
            Some(other) => Finish::from(other),
        };
        FinishReason::of(unified, raw)
    }
}

fn start(line: &Value) -> Start {
    Start {
        model: word(&line["model"]),
        created: unix_seconds(&line["created_at"]),
        ..Start::default()
    }
}

fn image(base64: &str) -> Part {
    Part::Image(ImagePart {
        source: Source::data("image/png", base64),
        detail: None,
        provider_data: ProviderData::new(),
        extra: Map::new(),
    })
}

/// An id for the call at an index. Those of one conversation differ in when they are made.
fn made_id(index: u32) -> String {
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("call_{:x}_{index}", time.as_nanos())
}

fn logprobs(list: &Value) -> Option<Logprobs> {
    let content: Vec<_> = items(list).iter().filter_map(TokenLogprob::from_json).collect();
    (!content.is_empty()).then(|| Logprobs { content, refusal: Vec::new() })
}

/// The counters of a reply, its durations (in nanoseconds) among the raw ones.
pub(crate) fn read_usage(reply: &Value) -> Option<Usage> {
    let is_counter = |name: &str| name.ends_with("_count") || name.ends_with("_duration");
    let counters = reply.as_object()?.iter().filter(|(name, _)| is_counter(name));
    let raw: Map<_, _> = counters.map(|(name, value)| (name.clone(), value.clone())).collect();
    (!raw.is_empty()).then(|| Usage {
        input_tokens: reply["prompt_eval_count"].as_u64(),
        output_tokens: reply["eval_count"].as_u64(),
        raw: Some(Value::Object(raw)),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{Collector, ErrorKind, ProviderResponse};
    use serde_json::json;

    use super::*;

    fn read(lines: &[Value]) -> Result<ProviderResponse, ProviderError> {
        let (mut reader, mut chunks) = (Reader::default(), Vec::new());
        for line in lines {
            reader.frame("", line, &line.to_string(), &mut chunks)?;
        }
        reader.end(&mut chunks)?;
        let mut collector = Collector::default();
        for chunk in chunks {
            collector.push(chunk);
        }
        collector.into_response()
    }

    fn line(message: &Value) -> Value {
        let created_at = "2026-04-10T13:19:59.9Z";
        json!({ "model": "m", "created_at": created_at, "message": message, "done": false })
    }

    fn done(reason: &str) -> Value {
        json!({ "message": { "content": "" }, "done": true, "done_reason": reason,
            "total_duration": 5, "prompt_eval_count": 21, "eval_count": 40 })
    }

    #[test]
    fn thinking_text_and_calls_keep_their_order() {
        let call = json!({ "function": { "name": "now", "arguments": { "zone": "UTC" } } });
        let named =
            json!({ "id": "call_1", "function": { "index": 1, "name": "f", "arguments": {} } });
        let answer = read(&[
            line(&json!({ "content": "", "thinking": "h" })),
            line(&json!({ "content": "", "thinking": "m" })),
            line(&json!({ "content": "o" })),
            line(&json!({ "content": "k", "tool_calls": [call, call, named] })),
            done("stop"),
        ])
        .unwrap();
        let parts = &answer.choices[0].message.content;
        assert!(matches!(&parts[0], Part::Reasoning(part) if part.text == "hm"));
        assert_eq!(parts[1].as_text(), Some("ok"));
        let calls: Vec<_> = answer.tool_calls().collect();
        assert_eq!(calls[0].arguments, r#"{"zone":"UTC"}"#);
        assert_eq!((calls[2].id.as_str(), calls[2].arguments.as_str()), ("call_1", "{}"));
        assert!(!calls[0].id.is_empty() && calls[0].id != calls[1].id);
        assert_eq!(answer.choices[0].finish_reason, FinishReason::new(Finish::ToolCalls, "stop"));
        assert_eq!((answer.model.as_deref(), answer.created), (Some("m"), Some(1_775_827_199)));
    }

    #[test]
    fn usage_is_what_was_counted_and_the_rest_is_raw() {
        let usage = read(&[line(&json!({ "content": "a" })), done("length")]).unwrap().usage;
        let usage = usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(21), Some(40)));
        let raw = json!({ "total_duration": 5, "prompt_eval_count": 21, "eval_count": 40 });
        assert_eq!(usage.raw, Some(raw));
        let cached = read_usage(&json!({ "eval_count": 1 })).unwrap();
        assert_eq!((cached.input_tokens, cached.output_tokens), (None, Some(1)));
    }

    #[test]
    fn an_answer_without_its_last_line_was_cut_off() {
        assert_eq!(read(&[]).unwrap_err(), ProviderError::truncated());
        let error = read(&[line(&json!({ "content": "a" }))]).unwrap_err();
        assert_eq!(error, ProviderError::truncated());
    }

    #[test]
    fn an_error_in_the_middle_keeps_what_came_before() {
        let (mut reader, mut chunks) = (Reader::default(), Vec::new());
        reader.frame("", &line(&json!({ "content": "a" })), "", &mut chunks).unwrap();
        let failed = json!({ "error": "the model failed" });
        let error = reader.frame("", &failed, &failed.to_string(), &mut chunks).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&ErrorKind::Unavailable, "the model failed"));
        assert!(matches!(&chunks[1].event, Event::TextDelta(delta) if delta.text == "a"));
    }

    #[test]
    fn a_reply_without_an_answer_is_never_a_success() {
        for reply in [json!({}), json!(null), json!([]), json!({ "done": true })] {
            let error = Reader::default().whole(&reply, "", &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::MalformedReply, "{reply}");
        }
    }

    #[test]
    fn log_probabilities_come_with_the_lines() {
        let mut first = line(&json!({ "content": "a" }));
        first["logprobs"] = json!([{ "token": "a", "logprob": -0.5, "bytes": [97],
            "top_logprobs": [{ "token": "b", "logprob": -1.5 }] }]);
        let answer = read(&[first, done("stop")]).unwrap();
        let logprobs = answer.choices[0].logprobs.as_ref().unwrap();
        assert_eq!(logprobs.content[0].bytes, Some(vec![97]));
        assert_eq!((logprobs.content[0].top[0].token.as_str(), logprobs.content.len()), ("b", 1));
    }
}
