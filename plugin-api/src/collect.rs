//! Chunks back into an answer in one piece.

use std::collections::BTreeMap;

use crate::chunk::{Event, PartEnd, ProviderChunk, Start};
use crate::error::ProviderError;
use crate::message::{Part, ReasoningPart, RefusalPart, TextPart};
use crate::response::{Choice, FinishReason, Logprobs, ProviderResponse, Usage};
use crate::tool::ToolCall;

/// Gathers the chunks of a stream.
#[derive(Debug, Default)]
pub struct Collector {
    start: Start,
    choices: BTreeMap<u32, Draft>,
    usage: Option<Usage>,
}

/// An answer that is not complete yet.
#[derive(Debug, Default)]
struct Draft {
    parts: BTreeMap<u32, Part>,
    logprobs: Option<Logprobs>,
    finish: Option<FinishReason>,
}

impl Collector {
    /// Adds a chunk.
    pub fn push(&mut self, chunk: ProviderChunk) {
        match chunk.event {
            Event::Start(start) => self.start = start,
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Heartbeat(_) | Event::Other(_) => {}
            event => self.choices.entry(chunk.choice).or_default().push(event),
        }
    }

    /// The answer.
    ///
    /// # Errors
    ///
    /// Where it was not finished: see [`ProviderError::truncated`].
    pub fn into_response(self) -> Result<ProviderResponse, ProviderError> {
        if self.choices.is_empty() {
            return Err(ProviderError::truncated());
        }
        let choices = self.choices.into_iter().map(|(index, draft)| draft.finish(index));
        Ok(ProviderResponse {
            id: self.start.id,
            message_id: self.start.message_id,
            upstream_request_id: self.start.upstream_request_id,
            model: self.start.model,
            created: self.start.created,
            choices: choices.collect::<Result<_, _>>()?,
            usage: self.usage,
            warnings: self.start.warnings,
            headers: self.start.headers,
            body: None,
        })
    }
}

impl Draft {
    fn push(&mut self, event: Event) {
        match event {
            Event::TextDelta(delta) => self.text(delta.index).text.push_str(&delta.text),
            Event::ReasoningStart(start) => {
                let reasoning = self.reasoning(start.index);
                reasoning.summary = start.summary;
                reasoning.redacted = start.redacted;
                reasoning.id = start.id;
                reasoning.format = start.format;
                reasoning.extra = start.extra;
            }
            Event::ReasoningDelta(delta) => self.reasoning(delta.index).text.push_str(&delta.text),
            Event::ToolCallStart(start) => {
                let call = self.tool_call(start.index);
                (call.id, call.name, call.extra) = (start.id, start.name, start.extra);
            }
            Event::ToolCallDelta(delta) => {
                self.tool_call(delta.index).arguments.push_str(&delta.arguments);
            }
            Event::RefusalDelta(delta) => self.refusal(delta.index).text.push_str(&delta.text),
            Event::Annotation(added) => self.text(added.index).annotations.push(added.annotation),
            Event::Signature(signature) => self.sign(signature.index, &signature.signature),
            Event::Logprobs(logprobs) => {
                let all = self.logprobs.get_or_insert_default();
                all.content.extend(logprobs.content);
                all.refusal.extend(logprobs.refusal);
            }
            Event::Part(whole) => drop(self.parts.insert(whole.index, whole.part)),
            Event::TextEnd(end) | Event::ReasoningEnd(end) | Event::ToolCallEnd(end) => {
                self.keep(end);
            }
            Event::Finish(reason) => self.finish = Some(reason),
            Event::TextStart(start) => drop(self.text(start.index)),
            Event::Start(_) | Event::Usage(_) | Event::Heartbeat(_) | Event::Other(_) => {}
        }
    }

    fn finish(self, index: u32) -> Result<Choice, ProviderError> {
        let finish_reason = self.finish.ok_or_else(ProviderError::truncated)?;
        let content = self.parts.into_values().collect();
        Ok(Choice { index, logprobs: self.logprobs, ..Choice::new(content, finish_reason) })
    }

    fn sign(&mut self, index: u32, signature: &str) {
        let kept = match self.parts.get_mut(&index) {
            Some(Part::ToolCall(call)) => &mut call.signature,
            _ => &mut self.reasoning(index).signature,
        };
        kept.get_or_insert_default().push_str(signature);
    }

    fn keep(&mut self, end: PartEnd) {
        let kept = match self.parts.get_mut(&end.index) {
            Some(Part::Text(part)) => &mut part.provider_data,
            Some(Part::Reasoning(part)) => {
                part.redacted = end.redacted.or(part.redacted.take());
                &mut part.provider_data
            }
            Some(Part::ToolCall(part)) => &mut part.provider_data,
            _ => return,
        };
        kept.extend(end.provider_data);
    }
}

/// The part at an index as one kind; a part of another kind that was there gives way.
macro_rules! part_at {
    ($($name:ident: $variant:ident($type:ty)),+) => {
        impl Draft {
            $(fn $name(&mut self, index: u32) -> &mut $type {
                let part = self.parts.entry(index).or_insert(Part::$variant(<$type>::default()));
                if !matches!(part, Part::$variant(_)) {
                    *part = Part::$variant(<$type>::default());
                }
                match part {
                    Part::$variant(part) => part,
                    _ => unreachable!("the part was made of this kind above"),
                }
            })+
        }
    };
}

part_at!(
    text: Text(TextPart),
    reasoning: Reasoning(ReasoningPart),
    refusal: Refusal(RefusalPart),
    tool_call: ToolCall(ToolCall)
);
