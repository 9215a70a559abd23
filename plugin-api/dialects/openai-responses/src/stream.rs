//! The events of a stream, and a reply in one piece, as chunks.
//!
//! The event that ends a stream holds the whole answer: what no event before it has said is read
//! from there, and a reply in one piece is read as that event alone. Events of tools that the vendor
//! runs, and those that nobody here has heard of, are passed over. A stream that ends without its
//! last event was cut off; an answer that is still queued is none.
//!
//! - <https://platform.openai.com/docs/api-reference/responses-streaming>
//! - <https://platform.openai.com/docs/guides/background>

use allos_openai_chat::error;
use allos_plugin_api::{
    ErrorKind, Event, Finish, FinishReason, ProviderChunk, ProviderError, ReplyReader, Start, json,
};
use serde_json::{Value, json};

use crate::response::{Answer, Kind, Said, read_usage};

/// The events that end a stream.
const ENDS: [&str; 4] =
    ["response.completed", "response.incomplete", "response.failed", "response.cancelled"];

/// Reads one reply.
#[derive(Debug, Default)]
pub struct Reader {
    has_started: bool,
    answer: Answer,
    is_finished: bool,
}

impl ReplyReader for Reader {
    fn whole(
        &mut self,
        reply: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        self.start(reply, chunks);
        self.finish(reply, text, chunks)
    }

    fn frame(
        &mut self,
        event: &str,
        frame: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        let kind = json::text(&frame["type"]).unwrap_or(event);
        if kind == "error" || (kind.is_empty() && frame["error"].is_object()) {
            return Err(failed(frame, text));
        }
        if self.is_finished {
            return Ok(());
        }
        self.start(&frame["response"], chunks);
        if ENDS.contains(&kind) {
            return self.finish(&frame["response"], text, chunks);
        }
        let mut events = Vec::new();
        self.read(kind, frame, &mut events);
        chunks.extend(events.into_iter().map(ProviderChunk::from));
        Ok(())
    }

    fn end(self, _chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError> {
        if self.is_finished { Ok(()) } else { Err(ProviderError::truncated()) }
    }
}

impl Reader {
    fn start(&mut self, response: &Value, chunks: &mut Vec<ProviderChunk>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        let start = Start {
            id: json::word(&response["id"]),
            model: json::word(&response["model"]),
            created: response["created_at"].as_u64(),
            ..Start::default()
        };
        chunks.push(Event::Start(start).into());
    }

    /// Reads an event about one item.
    fn read(&mut self, kind: &str, frame: &Value, events: &mut Vec<Event>) {
        let number = |name: &str| frame[name].as_u64().unwrap_or_default();
        let (at, place) =
            (number("output_index"), (number("output_index"), number("content_index")));
        let more = Said::More(frame["delta"].as_str().unwrap_or_default());
        let all = Said::all(&frame["text"]);
        let answer = &mut self.answer;
        let mut thought = |kind, number, said| {
            answer.thought(at, &frame["item_id"], (kind, number), said, events);
        };
        match kind {
            "response.reasoning_summary_text.delta" => {
                return thought(Kind::Summary, number("summary_index"), more);
            }
            "response.reasoning_summary_text.done" => {
                return thought(Kind::Summary, number("summary_index"), all);
            }
            "response.reasoning_text.delta" => return thought(Kind::Content, place.1, more),
            "response.reasoning_text.done" => return thought(Kind::Content, place.1, all),
            _ => {}
        }
        match kind {
            "response.output_item.added" => answer.begin(at, &frame["item"], events),
            "response.output_item.done" => answer.complete(at, &frame["item"], events),
            "response.output_text.delta" => {
                answer.text(place, more, events);
                answer.logprobs(place, json::items(&frame["logprobs"]), false, events);
            }
            "response.output_text.done" => answer.text(place, all, events),
            "response.output_text.annotation.added" => {
                let number = usize::try_from(number("annotation_index")).unwrap_or_default();
                answer.annotation(place, number, &frame["annotation"], events);
            }
            "response.refusal.delta" => answer.refusal(place, more, events),
            "response.refusal.done" => {
                answer.refusal(place, Said::all(&frame["refusal"]), events);
            }
            "response.function_call_arguments.delta" => answer.arguments(at, more, events),
            "response.function_call_arguments.done" => {
                answer.arguments(at, Said::all(&frame["arguments"]), events);
            }
            _ => {}
        }
    }

    /// Reads the whole answer, as far as it has not been read, and how it ended.
    fn finish(
        &mut self,
        response: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        let mut events = Vec::new();
        for (at, item) in (0..).zip(json::items(&response["output"])) {
            self.answer.complete(at, item, &mut events);
        }
        events.extend(read_usage(&response["usage"]).map(Event::Usage));
        chunks.extend(events.into_iter().map(ProviderChunk::from));
        let reason = self.reason(response, text)?;
        self.is_finished = true;
        chunks.push(Event::Finish(reason).into());
        Ok(())
    }

    fn reason(&self, response: &Value, text: &str) -> Result<FinishReason, ProviderError> {
        let status = json::text(&response["status"]);
        match status {
            _ if response["error"].is_object() => Err(failed(response, text)),
            None | Some("completed") if self.answer.is_empty() => {
                Err(ProviderError::malformed_reply("the upstream's reply has no output"))
            }
            None | Some("completed") => {
                let is_tools = self.answer.calls_tools;
                let unified = if is_tools { Finish::ToolCalls } else { Finish::Stop };
                Ok(FinishReason::of(unified, status.map(str::to_owned)))
            }
            Some("incomplete") => {
                let reason = json::text(&response["incomplete_details"]["reason"]);
                Ok(incomplete(reason.unwrap_or("incomplete")))
            }
            Some("failed") => Err(failed(response, text)),
            Some(status) => Err(unfinished(status)),
        }
    }
}

/// Why an answer is not whole.
fn incomplete(reason: &str) -> FinishReason {
    let unified = match reason {
        "max_output_tokens" | "max_tokens" => Finish::Length,
        other => Finish::from(other),
    };
    FinishReason::new(unified, reason)
}

/// An answer that is being made elsewhere, or no more.
fn unfinished(status: &str) -> ProviderError {
    let error = ProviderError::malformed_reply(format!(
        "the upstream's reply is no answer: its status is `{status}`"
    ));
    match status {
        "queued" | "in_progress" => {
            error.with_hint("stream the answer, or leave out `background`").with_code(status)
        }
        _ => error.with_code(status),
    }
}

/// The error in an event or a reply whose HTTP status was a success. Its text is in no client's
/// words. <https://platform.openai.com/docs/api-reference/responses/object#responses/object-error>
fn failed(body: &Value, text: &str) -> ProviderError {
    let said = if body["error"].is_object() { &body["error"] } else { body };
    let Some(error) = error::in_reply(&json!({ "error": said }), text) else {
        return ProviderError::malformed_reply("the upstream failed and does not say how");
    };
    let error = error.without_body();
    if *error.kind() != ErrorKind::Unavailable {
        return error;
    }
    let code = error.code().unwrap_or_default();
    let is_of_input = ["image", "invalid_", "unsupported_"].iter().any(|it| code.contains(it));
    match code {
        "image_content_policy_violation" => error.with_kind(ErrorKind::ContentFiltered),
        "vector_store_timeout" => error.with_kind(ErrorKind::Timeout),
        _ if is_of_input => error.with_kind(ErrorKind::InvalidRequest),
        _ => error,
    }
}
