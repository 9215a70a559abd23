//! The frames of a stream, and a reply in one piece, as chunks.
//!
//! A frame of a stream has the form of a whole reply, with the parts that are new. Why an answer
//! ended is held back until the stream ends. A stream that ends without that was cut off. What is
//! inside an answer is `response.rs`'s.
//!
//! - <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>
//! - <https://ai.google.dev/api/generate-content#PromptFeedback>

use std::collections::BTreeMap;

use allos_plugin_api::json::{items, text, word};
use allos_plugin_api::{
    Event, Finish, FinishReason, ProviderChunk, ProviderError, ReplyReader, Start,
};
use serde_json::Value;

use crate::error;
use crate::response::{Answer, read_usage};

/// Reads what is around the answers.
#[derive(Debug, Default)]
pub struct Reader {
    has_started: bool,
    answers: BTreeMap<u32, Answer>,
    /// Why the prompt was blocked.
    blocked: Option<String>,
}

impl ReplyReader for Reader {
    fn whole(
        &mut self,
        reply: &Value,
        text: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        self.frame("", reply, text, chunks)?;
        let says_something = |answer: &Answer| answer.is_finished() || !answer.is_empty();
        if self.blocked.is_none() && !self.answers.values().any(says_something) {
            return Err(ProviderError::malformed_reply("the upstream's reply has no candidates"));
        }
        // What came in one piece is complete, even where it does not say so.
        for answer in self.answers.values_mut().filter(|answer| !answer.is_empty()) {
            answer.finish_unless_known(&FinishReason::STOP);
        }
        Ok(())
    }

    fn frame(
        &mut self,
        _event: &str,
        frame: &Value,
        body: &str,
        chunks: &mut Vec<ProviderChunk>,
    ) -> Result<(), ProviderError> {
        if let Some(error) = error::in_reply(frame, body) {
            return Err(error);
        }
        let id = text(&frame["responseId"]);
        if !self.has_started {
            self.has_started = true;
            chunks.push(Event::Start(start(frame)).into());
        }
        for candidate in items(&frame["candidates"]) {
            let index = candidate["index"].as_u64().and_then(|index| u32::try_from(index).ok());
            let index = index.unwrap_or_default();
            let answer = self.answers.entry(index).or_insert_with(|| Answer::new(index));
            chunks.extend(of_choice(answer.read(candidate, id), index));
        }
        if let Some(reason) = text(&frame["promptFeedback"]["blockReason"]) {
            self.blocked = Some(reason.to_owned());
        }
        chunks.extend(read_usage(&frame["usageMetadata"]).map(|usage| Event::Usage(usage).into()));
        Ok(())
    }

    fn end(mut self, chunks: &mut Vec<ProviderChunk>) -> Result<(), ProviderError> {
        if let Some(reason) = self.blocked {
            self.answers.entry(0).or_insert_with(|| Answer::new(0));
            let blocked = FinishReason::new(Finish::ContentFilter, reason);
            self.answers.values_mut().for_each(|answer| answer.finish_unless_known(&blocked));
        }
        if self.answers.is_empty() || !self.answers.values().all(Answer::is_finished) {
            return Err(ProviderError::truncated());
        }
        chunks.extend(
            self.answers.into_iter().flat_map(|(index, answer)| of_choice(answer.finish(), index)),
        );
        Ok(())
    }
}

fn start(frame: &Value) -> Start {
    Start {
        id: word(&frame["responseId"]),
        model: word(&frame["modelVersion"]),
        ..Start::default()
    }
}

fn of_choice(events: Vec<Event>, index: u32) -> impl Iterator<Item = ProviderChunk> {
    events.into_iter().map(move |event| ProviderChunk::from(event).for_choice(index))
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{Collector, ErrorKind, ProviderResponse};
    use serde_json::json;

    use super::*;

    fn read(frames: &[Value]) -> Result<ProviderResponse, ProviderError> {
        let (mut reader, mut chunks) = (Reader::default(), Vec::new());
        for frame in frames {
            reader.frame("", frame, "", &mut chunks)?;
        }
        reader.end(&mut chunks)?;
        let mut collector = Collector::default();
        for chunk in chunks {
            collector.push(chunk);
        }
        collector.into_response()
    }

    fn frame(text: &str, finish: Option<&str>) -> Value {
        let content = json!({ "parts": [{ "text": text }] });
        json!({
            "candidates": [{ "content": content, "finishReason": finish }],
            "usageMetadata": { "promptTokenCount": text.len() },
            "modelVersion": "m", "responseId": "r",
        })
    }

    #[test]
    fn frames_make_one_answer_and_the_last_usage_counts() {
        let answer = read(&[frame("ab", None), frame("c", Some("STOP"))]).unwrap();
        assert_eq!(answer.first_text(), "abc");
        assert_eq!(answer.usage.unwrap().input_tokens, Some(1));
        assert_eq!((answer.id.as_deref(), answer.model.as_deref()), (Some("r"), Some("m")));
    }

    #[test]
    fn a_stream_that_ends_without_a_reason_was_cut_off() {
        assert_eq!(read(&[frame("ab", None)]).unwrap_err(), ProviderError::truncated());
        assert_eq!(read(&[]).unwrap_err(), ProviderError::truncated());
    }

    #[test]
    fn a_prompt_that_is_blocked_is_an_answer_that_was_withheld() {
        let blocked = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" } });
        let answer = read(&[blocked]).unwrap();
        let reason = FinishReason::new(Finish::ContentFilter, "PROHIBITED_CONTENT");
        assert_eq!(answer.choices[0].finish_reason, reason);
        assert!(answer.choices[0].message.content.is_empty());
    }

    #[test]
    fn several_candidates_are_several_choices() {
        let candidate = |index: u32| {
            let content = json!({ "parts": [{ "text": index.to_string() }] });
            json!({ "index": index, "content": content, "finishReason": "STOP" })
        };
        let answer = read(&[json!({ "candidates": [candidate(1), candidate(0)] })]).unwrap();
        let texts: Vec<_> = answer.choices.iter().map(|choice| choice.message.text()).collect();
        assert_eq!(texts, ["0", "1"]);
    }

    #[test]
    fn a_reply_in_one_piece_need_not_say_why_it_ended() {
        let (mut reader, mut chunks) = (Reader::default(), Vec::new());
        reader.whole(&frame("ab", None), "", &mut chunks).unwrap();
        reader.end(&mut chunks).unwrap();
    }

    #[test]
    fn a_reply_without_an_answer_is_never_a_success() {
        for body in [json!({}), json!(null), json!([]), json!({ "candidates": [{}] })] {
            let error = Reader::default().whole(&body, "", &mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::MalformedReply, "{body}");
        }
    }
}
