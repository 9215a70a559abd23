//! An answer in the vendor's shape → the events that make it up.
//!
//! A whole answer is read as a stream of one piece: its `message` has the shape of a stream's
//! `delta`. So both come out the same. What is around the answers, and when a stream is complete,
//! is `stream.rs`'s.
//!
//! - <https://platform.openai.com/docs/api-reference/chat/object>
//! - <https://platform.openai.com/docs/api-reference/chat-streaming>
//! - <https://openrouter.ai/docs/use-cases/reasoning-tokens>
//! - <https://docs.mistral.ai/capabilities/reasoning/>

use allos_plugin_api::json::{items, rest, text, word};
use allos_plugin_api::{
    Annotation, AnnotationAdded, Event, Extra, Finish, FinishReason, ImagePart, Logprobs, Part,
    PartEnd, ProviderData, ReasoningStart, Signature, Source, TextDelta, TokenLogprob, Usage,
    VendorPart, WholePart,
};
use serde_json::Value;

use crate::FORMAT;
use crate::calls::{Calls, Voice};

/// One answer, while it arrives.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    open: Vec<(Kind, u32)>,
    next: u32,
    calls: Calls,
    voice: Voice,
    /// What the vendor must see again with the text, by the name of its format.
    seen_again: ProviderData,
    finish: Option<String>,
}

/// What an open part is; deltas of the same kind go into the same part.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text,
    Refusal,
    /// With the type and the index that the service gives it.
    Reasoning(String, Option<u64>),
}

impl Kind {
    fn plain_reasoning() -> Self {
        Self::Reasoning(String::new(), None)
    }
}

impl Answer {
    /// The events in one item of `choices`, whose message is under the name that is given.
    pub(crate) fn read(&mut self, choice: &Value, message: &str) -> Vec<Event> {
        let mut events = Vec::new();
        let message = &choice[message];
        self.reasoning(message, &mut events);
        self.content(&message["content"], &mut events);
        if let Some(text) = text(&message["refusal"]) {
            let (index, _) = self.part(Kind::Refusal);
            events.push(Event::RefusalDelta(TextDelta { index, text: text.to_owned() }));
        }
        for image in items(&message["images"]) {
            self.image(image, &mut events);
        }
        for call in items(&message["tool_calls"]) {
            self.calls.read(call, &mut self.next, &mut events);
        }
        self.calls.read_retired(&message["function_call"], &mut self.next, &mut events);
        self.voice.read(&message["audio"]);
        self.seen_again.extend(rest(&message["extra_content"], &[]));
        for annotation in items(&message["annotations"]) {
            let (index, _) = self.part(Kind::Text);
            let annotation = read_annotation(annotation);
            events.push(Event::Annotation(AnnotationAdded { index, annotation }));
        }
        events.extend(read_logprobs(&choice["logprobs"]).map(Event::Logprobs));
        if self.finish.is_none() {
            self.finish = word(&choice["finish_reason"]);
        }
        events
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// The events that complete the answer, its finish last.
    pub(crate) fn finish(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        if !self.seen_again.is_empty() {
            let (index, _) = self.part(Kind::Text);
            events.push(Event::TextEnd(PartEnd {
                provider_data: self.seen_again,
                ..PartEnd::new(index)
            }));
        }
        let reason = finish_reason(self.finish, !self.calls.is_empty());
        self.calls.finish(&mut events);
        events.extend(self.voice.finish(self.next));
        events.push(Event::Finish(reason));
        events
    }

    /// The part of a kind that is open, or a new one.
    fn part(&mut self, kind: Kind) -> (u32, bool) {
        if let Some((_, index)) = self.open.iter().find(|(open, _)| *open == kind) {
            return (*index, false);
        }
        let index = take(&mut self.next);
        self.open.push((kind, index));
        (index, true)
    }

    fn close(&mut self, kind: &Kind) {
        self.open.retain(|(open, _)| open != kind);
    }

    /// `reasoning_details` say what `reasoning` says, and more.
    fn reasoning(&mut self, message: &Value, events: &mut Vec<Event>) {
        let details = items(&message["reasoning_details"]);
        if !details.iter().any(|detail| detail_text(detail).is_some()) {
            let plain = text(&message["reasoning_content"]).or_else(|| text(&message["reasoning"]));
            self.plain_reasoning(plain, Extra::new(), events);
        }
        for detail in details {
            self.detail(detail, events);
        }
    }

    fn plain_reasoning(&mut self, text: Option<&str>, extra: Extra, events: &mut Vec<Event>) {
        let Some(text) = text else { return };
        let (index, is_new) = self.part(Kind::plain_reasoning());
        if is_new {
            events.push(Event::ReasoningStart(ReasoningStart {
                index,
                extra,
                ..ReasoningStart::default()
            }));
        }
        events.push(Event::ReasoningDelta(TextDelta { index, text: text.to_owned() }));
    }

    fn detail(&mut self, detail: &Value, events: &mut Vec<Event>) {
        let kind = text(&detail["type"]).unwrap_or_default();
        if !matches!(kind, "reasoning.text" | "reasoning.summary" | "reasoning.encrypted") {
            return self.vendor(detail, events);
        }
        let (said, data) = (detail_text(detail), text(&detail["data"]));
        let signature = text(&detail["signature"]);
        if said.is_none() && data.is_none() && signature.is_none() {
            return;
        }
        let kind = Kind::Reasoning(kind.to_owned(), detail["index"].as_u64());
        if data.is_some() {
            self.close(&kind);
        }
        let (index, is_new) = self.part(kind.clone());
        if is_new {
            events.push(Event::ReasoningStart(reasoning_start(index, detail)));
        }
        if let Some(text) = said {
            events.push(Event::ReasoningDelta(TextDelta { index, text: text.to_owned() }));
        }
        if let Some(signature) = signature {
            events.push(Event::Signature(Signature { index, signature: signature.to_owned() }));
            self.close(&kind);
        }
    }

    /// Content is text, or, with Mistral, a list of chunks.
    fn content(&mut self, content: &Value, events: &mut Vec<Event>) {
        if let Some(text) = text(content) {
            self.text(text, events);
        }
        for chunk in items(content) {
            match (chunk["type"].as_str(), text(&chunk["text"]), thought(&chunk["thinking"])) {
                (Some("text"), said, _) => {
                    self.close(&Kind::plain_reasoning());
                    self.text(said.unwrap_or_default(), events);
                }
                (Some("thinking"), _, Some(thought)) => {
                    self.close(&Kind::Text);
                    let extra = rest(chunk, &["type", "thinking"]);
                    self.plain_reasoning(Some(&thought), extra, events);
                }
                _ => self.vendor(chunk, events),
            }
        }
    }

    fn text(&mut self, text: &str, events: &mut Vec<Event>) {
        if !text.is_empty() {
            let (index, _) = self.part(Kind::Text);
            events.push(Event::TextDelta(TextDelta { index, text: text.to_owned() }));
        }
    }

    /// <https://openrouter.ai/docs/features/multimodal/image-generation>
    fn image(&mut self, image: &Value, events: &mut Vec<Event>) {
        let Some(url) = text(&image["image_url"]["url"]) else { return self.vendor(image, events) };
        let part = Part::Image(ImagePart {
            source: Source::url(url),
            detail: None,
            provider_data: ProviderData::new(),
            extra: rest(image, &["type", "image_url"]),
        });
        events.push(Event::Part(WholePart { index: take(&mut self.next), part }));
    }

    /// What only this vendor's vocabulary has. It stands between what comes before and after.
    fn vendor(&mut self, raw: &Value, events: &mut Vec<Event>) {
        self.open.clear();
        events.push(vendor_part(take(&mut self.next), raw.clone()));
    }
}

/// A whole part in the vendor's own vocabulary.
pub(crate) fn vendor_part(index: u32, raw: Value) -> Event {
    let format = FORMAT.to_owned();
    let part = Part::Vendor(VendorPart { format, raw, provider_data: ProviderData::new() });
    Event::Part(WholePart { index, part })
}

/// The next index, which is then used.
pub(crate) fn take(next: &mut u32) -> u32 {
    let index = *next;
    *next += 1;
    index
}

fn detail_text(detail: &Value) -> Option<&str> {
    text(&detail["text"]).or_else(|| text(&detail["summary"]))
}

fn reasoning_start(index: u32, detail: &Value) -> ReasoningStart {
    let known = ["type", "text", "summary", "data", "signature", "id", "format"];
    ReasoningStart {
        index,
        summary: detail["type"] == "reasoning.summary",
        redacted: word(&detail["data"]),
        id: word(&detail["id"]),
        format: word(&detail["format"]),
        extra: rest(detail, &known),
    }
}

/// The text of a `thinking` chunk; nothing where it holds more than text.
fn thought(thinking: &Value) -> Option<String> {
    let pieces = thinking.as_array()?;
    pieces.iter().map(|piece| (piece["type"] == "text").then(|| piece["text"].as_str())?).collect()
}

fn read_annotation(raw: &Value) -> Annotation {
    let kind = raw["type"].as_str().unwrap_or_default().to_owned();
    let said = if raw[&kind].is_object() { &raw[&kind] } else { raw };
    Annotation {
        url: word(&said["url"]),
        title: word(&said["title"]),
        start_index: said["start_index"].as_u64(),
        end_index: said["end_index"].as_u64(),
        raw: Some(raw.clone()),
        kind,
    }
}

fn read_logprobs(value: &Value) -> Option<Logprobs> {
    let read = |list: &Value| items(list).iter().filter_map(TokenLogprob::from_json).collect();
    let logprobs = Logprobs { content: read(&value["content"]), refusal: read(&value["refusal"]) };
    (logprobs != Logprobs::default()).then_some(logprobs)
}

/// Reads `usage`, in each service's words.
/// <https://platform.openai.com/docs/api-reference/chat/object>
pub fn read_usage(raw: &Value) -> Option<Usage> {
    let usage = raw.as_object()?;
    let count = |paths: &[&str]| paths.iter().find_map(|path| raw.pointer(path)?.as_u64());
    let (prompt, completion) = ("/prompt_tokens_details", "/completion_tokens_details");
    let detail = |of: &str, name: &str| count(&[&format!("{of}/{name}")]);
    let input_tokens = count(&["/prompt_tokens"]);
    let reasoning_tokens =
        detail(completion, "reasoning_tokens").or_else(|| count(&["/reasoning_tokens"]));
    let mut output_tokens = count(&["/completion_tokens"]);
    // Some services count reasoning beside the completion; the total tells.
    if let (Some(input), Some(output), Some(reasoning @ 1..), Some(total)) =
        (input_tokens, output_tokens, reasoning_tokens, count(&["/total_tokens"]))
        && input.checked_add(output).and_then(|sum| sum.checked_add(reasoning)) == Some(total)
    {
        output_tokens = Some(output + reasoning);
    }
    (!usage.is_empty()).then(|| Usage {
        input_tokens,
        output_tokens,
        cache_read_tokens: detail(prompt, "cached_tokens").or_else(|| {
            count(&["/cached_tokens", "/prompt_cache_hit_tokens", "/num_cached_tokens"])
        }),
        cache_write_tokens: detail(prompt, "cache_write_tokens"),
        reasoning_tokens,
        audio_input_tokens: detail(prompt, "audio_tokens"),
        audio_output_tokens: detail(completion, "audio_tokens"),
        raw: Some(raw.clone()),
    })
}

fn finish_reason(raw: Option<String>, has_calls: bool) -> FinishReason {
    let unified = match raw.as_deref() {
        None | Some("stop" | "end_turn" | "eos" | "stop_sequence") => Finish::Stop,
        Some("length" | "max_tokens" | "model_length" | "max_output_tokens") => Finish::Length,
        Some("tool_calls" | "function_call" | "tool_use") => Finish::ToolCalls,
        Some("content_filter" | "safety" | "refusal") => Finish::ContentFilter,
        Some("error" | "insufficient_system_resource" | "abort") => Finish::Error,
        Some(other) => Finish::from(other),
    };
    let unified = if has_calls && unified == Finish::Stop { Finish::ToolCalls } else { unified };
    FinishReason::of(unified, raw)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn usage_is_read_in_each_services_words() {
        for (raw, cached) in [
            (
                json!({ "prompt_tokens": 9, "prompt_tokens_details": { "cached_tokens": 4 } }),
                Some(4),
            ),
            (json!({ "prompt_tokens": 9, "cached_tokens": 4 }), Some(4)),
            (json!({ "prompt_tokens": 9, "prompt_cache_hit_tokens": 4 }), Some(4)),
            (json!({ "prompt_tokens": 9, "num_cached_tokens": 4 }), Some(4)),
            (json!({ "prompt_tokens": 9 }), None),
        ] {
            let usage = read_usage(&raw).unwrap();
            assert_eq!((usage.input_tokens, usage.cache_read_tokens), (Some(9), cached), "{raw}");
            assert_eq!(usage.raw, Some(raw));
        }
    }

    #[test]
    fn reasoning_that_is_counted_beside_the_output_is_added_to_it() {
        let details = json!({ "reasoning_tokens": 5 });
        for (total, output) in [(17, 7), (12, 2)] {
            let usage = json!({
                "prompt_tokens": 10, "completion_tokens": 2, "total_tokens": total,
                "completion_tokens_details": details,
            });
            assert_eq!(read_usage(&usage).unwrap().output_tokens, Some(output));
        }
    }

    #[test]
    fn a_finish_is_tool_calls_whenever_the_client_must_run_one() {
        for (raw, has_calls, unified) in [
            ("stop", false, Finish::Stop),
            ("stop", true, Finish::ToolCalls),
            ("function_call", true, Finish::ToolCalls),
            ("length", true, Finish::Length),
            ("model_length", false, Finish::Length),
            ("insufficient_system_resource", false, Finish::Error),
            ("new_word", false, Finish::Other("new_word".to_owned())),
        ] {
            let reason = finish_reason(Some(raw.to_owned()), has_calls);
            assert_eq!(reason, FinishReason::new(unified, raw));
        }
    }

    #[test]
    fn mistrals_chunks_keep_their_order() {
        let thinking = |text: &str| json!({ "type": "thinking", "thinking": [{ "type": "text", "text": text }] });
        let content = json!([
            thinking("a"), { "type": "text", "text": "b" }, thinking("c"),
            { "type": "reference", "reference_ids": [1] }, { "type": "text", "text": "d" },
        ]);
        let events =
            Answer::default().read(&json!({ "message": { "content": content } }), "message");
        let indexes: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::TextDelta(delta) | Event::ReasoningDelta(delta) => {
                    Some((delta.index, delta.text.as_str()))
                }
                Event::Part(part) => Some((part.index, "reference")),
                _ => None,
            })
            .collect();
        assert_eq!(indexes, [(0, "a"), (1, "b"), (2, "c"), (3, "reference"), (4, "d")]);
    }
}
