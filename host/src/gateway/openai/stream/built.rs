//! Frames built from the normalised chunks.
//!
//! Reasoning is streamed as text; what a vendor must see again of it comes as one whole item of
//! `reasoning_details` where the part ends, since clients join the texts of an item that comes in
//! pieces. The same holds for the signature of a tool call.

use std::collections::BTreeMap;

use allos_plugin_api::{
    Event, FinishReason, Part, PartEnd, ProviderChunk, ReasoningPart, ReasoningStart, Signature,
    Start, ToolCall, ToolCallStart, Usage,
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::gateway::call_by_call::CallByCall;
use crate::gateway::openai::order::Place;
use crate::gateway::openai::reasoning::{is_opaque, write_detail};
use crate::gateway::openai::response::{
    annotation, audio, extra_content, finish_reason, image, logprobs, tool_call, usage,
};
use crate::gateway::openai::vendor::{OwnKind, own_kind};
use crate::gateway::request_id::{random_id, unix_seconds};
use crate::gateway::sse;

/// The frames of one stream.
pub(super) struct BuiltFrames {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    usage: Option<Usage>,
    choices: BTreeMap<u32, Choice>,
}

/// How far one answer has come.
#[derive(Default)]
struct Choice {
    has_role: bool,
    in_turn: CallByCall,
    /// What was said so far.
    place: Place,
    details: usize,
    annotations: usize,
    images: usize,
    open: BTreeMap<u32, Open>,
    /// What a vendor must see again with the last text. Said once, at the end: clients join what
    /// comes twice.
    seen_again: Option<Value>,
}

/// A part that has begun, as far as its end needs it.
enum Open {
    Reasoning { part: ReasoningPart, place: Place },
    Call { index: usize, call: ToolCall },
}

impl BuiltFrames {
    pub(super) fn new(model: String, include_usage: bool) -> Self {
        let id = random_id("chatcmpl-");
        let (created, choices) = (unix_seconds(), BTreeMap::new());
        Self { id, created, model, include_usage, usage: None, choices }
    }

    /// The frames of a chunk; there may be none.
    pub(super) fn chunk(&mut self, chunk: &ProviderChunk) -> Vec<u8> {
        let number = chunk.choice;
        match &chunk.event {
            Event::Start(start) => self.start(number, start),
            Event::Usage(reported) => {
                self.usage = Some(reported.clone());
                Vec::new()
            }
            Event::Finish(reason) => self.finish(number, reason),
            Event::Logprobs(tokens) => self.frame(number, json!({}), Some(logprobs(tokens)), None),
            event => {
                let choice = self.choices.entry(number).or_default();
                let ready = choice.in_turn.take(event);
                let deltas: Vec<Value> =
                    ready.iter().filter_map(|event| choice.delta(event)).collect();
                self.frames(number, deltas)
            }
        }
    }

    /// The last frame, where the client asked for usage and the provider told it.
    pub(super) fn end(&mut self) -> Vec<u8> {
        match self.usage.take() {
            Some(reported) if self.include_usage => self.write(&[], Some(usage(&reported))),
            _ => Vec::new(),
        }
    }

    fn start(&mut self, number: u32, start: &Start) -> Vec<u8> {
        if let Some(id) = &start.id {
            self.id.clone_from(id);
        }
        if let Some(model) = &start.model {
            self.model.clone_from(model);
        }
        if let Some(created) = start.created {
            self.created = created;
        }
        self.frame(number, json!({ "content": "" }), None, None)
    }

    fn finish(&mut self, number: u32, reason: &FinishReason) -> Vec<u8> {
        let choice = self.choices.entry(number).or_default();
        let open = std::mem::take(&mut choice.open);
        let mut deltas: Vec<Value> =
            open.into_values().filter_map(|open| choice.close(open)).collect();
        deltas.extend(choice.seen_again.take().map(|data| json!({ "extra_content": data })));
        let mut bytes = self.frames(number, deltas);
        bytes.extend(self.frame(number, json!({}), None, Some(finish_reason(reason))));
        bytes
    }

    /// A frame for each delta.
    fn frames(&mut self, number: u32, deltas: Vec<Value>) -> Vec<u8> {
        deltas.into_iter().flat_map(|delta| self.frame(number, delta, None, None)).collect()
    }

    fn frame(
        &mut self,
        number: u32,
        mut delta: Value,
        logprobs: Option<Value>,
        finish: Option<&str>,
    ) -> Vec<u8> {
        let choice = self.choices.entry(number).or_default();
        if !choice.has_role {
            choice.has_role = true;
            delta["role"] = "assistant".into();
        }
        let choice = ChoiceFrame { index: number, delta, logprobs, finish_reason: finish };
        self.write(&[choice], None)
    }

    fn write(&self, choices: &[ChoiceFrame<'_>], usage: Option<Value>) -> Vec<u8> {
        let frame = Frame {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage,
        };
        serde_json::to_string(&frame).map_or_else(|_| Vec::new(), |json| sse::data(&json).into())
    }
}

/// A frame. <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>
#[derive(Serialize)]
struct Frame<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [ChoiceFrame<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Value>,
}

#[derive(Serialize)]
struct ChoiceFrame<'a> {
    index: u32,
    delta: Value,
    logprobs: Option<Value>,
    finish_reason: Option<&'a str>,
}

impl Choice {
    /// What an increment adds to the message.
    fn delta(&mut self, event: &Event) -> Option<Value> {
        match event {
            Event::TextDelta(delta) => Some(self.text(&delta.text)),
            Event::RefusalDelta(delta) => Some(json!({ "refusal": delta.text })),
            Event::Annotation(added) => {
                let annotation = numbered(annotation(&added.annotation), &mut self.annotations);
                Some(json!({ "annotations": [annotation] }))
            }
            Event::ReasoningStart(start) => {
                let open = Open::Reasoning { part: reasoning(start), place: self.place };
                self.open.insert(start.index, open);
                None
            }
            Event::ReasoningDelta(delta) => {
                if let Open::Reasoning { part, .. } = self.reasoning(delta.index) {
                    part.text.push_str(&delta.text);
                }
                Some(json!({ "reasoning_content": delta.text }))
            }
            Event::ToolCallStart(start) => Some(self.call(start)),
            Event::ToolCallDelta(delta) => {
                let Some(Open::Call { index, .. }) = self.open.get(&delta.index) else {
                    return None;
                };
                let function = json!({ "arguments": delta.arguments });
                Some(json!({ "tool_calls": [{ "index": index, "function": function }] }))
            }
            Event::Signature(signature) => {
                self.sign(signature);
                None
            }
            Event::ReasoningEnd(end) | Event::ToolCallEnd(end) => self.end(end),
            Event::Part(whole) => self.part(&whole.part),
            Event::TextEnd(end) => {
                let data = extra_content(None, &end.provider_data, &Map::new());
                self.seen_again = data.or(self.seen_again.take());
                None
            }
            _ => None,
        }
    }

    fn reasoning(&mut self, index: u32) -> &mut Open {
        let (part, place) = (ReasoningPart::default(), self.place);
        self.open.entry(index).or_insert(Open::Reasoning { part, place })
    }

    fn text(&mut self, text: &str) -> Value {
        self.place.pass_text(text);
        json!({ "content": text })
    }

    fn call(&mut self, start: &ToolCallStart) -> Value {
        let index = self.place.pass_call();
        let call = ToolCall { extra: start.extra.clone(), ..ToolCall::default() };
        self.open.insert(start.index, Open::Call { index, call });
        let function = json!({ "name": start.name, "arguments": "" });
        let call = json!({
            "index": index, "id": start.id, "type": "function", "function": function,
        });
        json!({ "tool_calls": [call] })
    }

    fn whole_call(&mut self, mut call: Value) -> Value {
        call["index"] = self.place.pass_call().into();
        json!({ "tool_calls": [call] })
    }

    fn sign(&mut self, signed: &Signature) {
        let signature = match self.reasoning(signed.index) {
            Open::Reasoning { part, .. } => &mut part.signature,
            Open::Call { call, .. } => &mut call.signature,
        };
        signature.get_or_insert_default().push_str(&signed.signature);
    }

    fn end(&mut self, end: &PartEnd) -> Option<Value> {
        let mut open = self.open.remove(&end.index)?;
        match &mut open {
            Open::Reasoning { part, .. } => {
                part.redacted = end.redacted.clone().or(part.redacted.take());
                part.provider_data.extend(end.provider_data.clone());
            }
            Open::Call { call, .. } => call.provider_data.extend(end.provider_data.clone()),
        }
        self.close(open)
    }

    /// What only the end of a part can say. The official client wants a function in every piece of a
    /// call.
    fn close(&mut self, open: Open) -> Option<Value> {
        match open {
            Open::Reasoning { part, place } => self.reasoning_detail(&part, place),
            Open::Call { index, call } => {
                let signature = call.signature.as_deref();
                let extra = extra_content(signature, &call.provider_data, &call.extra)?;
                let function = json!({ "arguments": "" });
                let piece = json!({
                    "index": index, "function": function, "extra_content": extra,
                });
                Some(json!({ "tool_calls": [piece] }))
            }
        }
    }

    fn reasoning_detail(&mut self, part: &ReasoningPart, place: Place) -> Option<Value> {
        is_opaque(part).then(|| self.detail(write_detail(part, self.details), place))
    }

    fn detail(&mut self, mut detail: Value, place: Place) -> Value {
        place.note(&mut detail);
        self.details += 1;
        json!({ "reasoning_details": [detail] })
    }

    /// A part that comes whole.
    fn part(&mut self, part: &Part) -> Option<Value> {
        match part {
            Part::Text(part) => Some(self.text(&part.text)),
            Part::Refusal(part) => Some(json!({ "refusal": part.text })),
            Part::Image(part) => {
                let image = numbered(image(part)?, &mut self.images);
                Some(json!({ "images": [image] }))
            }
            Part::Audio(part) => Some(json!({ "audio": audio(part) })),
            Part::ToolCall(call) => Some(self.whole_call(tool_call(call))),
            Part::Vendor(part) => match own_kind(part, self.details)? {
                OwnKind::Detail(detail) => Some(self.detail(detail, self.place)),
                OwnKind::CustomCall => Some(self.whole_call(part.raw.clone())),
            },
            Part::Reasoning(part) => {
                let detail = self.reasoning_detail(part, self.place);
                let mut delta = detail.unwrap_or_else(|| json!({}));
                if !part.text.is_empty() {
                    delta["reasoning_content"] = part.text.as_str().into();
                }
                Some(delta)
            }
            _ => None,
        }
    }
}

fn reasoning(start: &ReasoningStart) -> ReasoningPart {
    ReasoningPart {
        summary: start.summary,
        redacted: start.redacted.clone(),
        id: start.id.clone(),
        format: start.format.clone(),
        extra: start.extra.clone(),
        ..ReasoningPart::default()
    }
}

/// An item of a list with its number, by which clients put the list together.
fn numbered(mut item: Value, next: &mut usize) -> Value {
    if let Some(members) = item.as_object_mut() {
        members.insert("index".to_owned(), (*next).into());
        *next += 1;
    }
    item
}
