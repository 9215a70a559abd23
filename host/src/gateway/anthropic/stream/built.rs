//! Events built from the normalised chunks.
//!
//! Clients of this dialect expect one block after the other, so at most one is open. A text or a
//! thought gives way to whatever begins; it goes on in a block of its own where there is more of it.
//! A tool call does not: its input stays in one piece. What a vendor must see again comes with the end of a part, in the signature of a
//! thinking block or in a redacted block behind any other. Usage is known last, so the end of the
//! message waits for the end of the stream.

use std::collections::BTreeMap;

use allos_plugin_api::{
    Event, FinishReason, Part, PartEnd, ProviderChunk, ReasoningPart, ReasoningStart, Start,
    ToolCall, ToolCallStart, Usage,
};
use serde_json::{Value, json};

use super::blocks::Blocks;
use crate::gateway::anthropic::reasoning;
use crate::gateway::anthropic::response::{
    blocks, citation, container_of, new_id, text_block, tool_use,
};
use crate::gateway::anthropic::usage::{stop_reason, usage};
use crate::gateway::anthropic::vendor::{behind_call, behind_text, container};
use crate::gateway::call_by_call::CallByCall;

/// The events of one stream.
pub(super) struct BuiltFrames {
    id: String,
    model: String,
    usage: Option<Usage>,
    finish: FinishReason,
    container: Option<Value>,
    has_begun: bool,
    has_refused: bool,
    blocks: Blocks,
    open: Option<Open>,
    /// What is known of thoughts and calls that are not complete, by the index of the part.
    thoughts: BTreeMap<u32, ReasoningPart>,
    calls: BTreeMap<u32, ToolCall>,
    in_turn: CallByCall,
}

/// What the open block is, and the part that it belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Open {
    kind: Kind,
    part: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
}

impl BuiltFrames {
    pub(super) fn new(model: String) -> Self {
        Self {
            id: new_id(),
            model,
            usage: None,
            finish: FinishReason::STOP,
            container: None,
            has_begun: false,
            has_refused: false,
            blocks: Blocks::default(),
            open: None,
            thoughts: BTreeMap::new(),
            calls: BTreeMap::new(),
            in_turn: CallByCall::default(),
        }
    }

    /// The events of a chunk; there may be none. Of several answers there is only the first.
    pub(super) fn chunk(&mut self, chunk: &ProviderChunk) -> Vec<u8> {
        match &chunk.event {
            Event::Start(start) => self.start(start),
            Event::Usage(usage) => self.usage = Some(usage.clone()),
            _ if chunk.choice > 0 => {}
            Event::Finish(reason) => self.finish = reason.clone(),
            event => {
                self.begin();
                for event in self.in_turn.take(event) {
                    self.write(event);
                }
            }
        }
        self.blocks.take()
    }

    /// The end of the message.
    pub(super) fn complete(&mut self) -> Vec<u8> {
        self.begin();
        self.give_way();
        self.close_call();
        let mut delta = json!({
            "stop_reason": stop_reason(&self.finish, self.has_refused),
            "stop_sequence": self.finish.stop_sequence,
        });
        if let Some(container) = self.container.take() {
            delta["container"] = container;
        }
        let usage = usage(self.usage.as_ref());
        self.blocks.stop();
        self.blocks.event(&json!({ "type": "message_delta", "delta": delta, "usage": usage }));
        self.blocks.event(&json!({ "type": "message_stop" }));
        self.blocks.take()
    }

    fn start(&mut self, start: &Start) {
        if let Some(id) = &start.id {
            self.id.clone_from(id);
        }
        if let Some(model) = &start.model {
            self.model.clone_from(model);
        }
    }

    /// The message begins with its first content, when the provider has told what it knows of it.
    fn begin(&mut self) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        let message = json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": usage(self.usage.as_ref()),
        });
        self.blocks.event(&json!({ "type": "message_start", "message": message }));
    }

    fn write(&mut self, event: Event) {
        match event {
            Event::TextDelta(delta) => self.text(delta.index, &delta.text),
            Event::RefusalDelta(delta) => {
                self.has_refused = true;
                self.text(delta.index, &delta.text);
            }
            Event::Annotation(added) => {
                if let Some(citation) = citation(&added.annotation) {
                    self.open(Kind::Text, added.index, &text_block(""));
                    self.blocks.delta(&json!({ "type": "citations_delta", "citation": citation }));
                }
            }
            Event::TextEnd(end) => self.end_text(&end),
            Event::ReasoningStart(start) => {
                self.thoughts.insert(start.index, thought(start));
            }
            Event::ReasoningDelta(delta) => self.think(delta.index, &delta.text),
            Event::ReasoningEnd(end) => self.end_thought(end),
            Event::ToolCallStart(start) => self.call(start),
            Event::ToolCallDelta(delta) => {
                let json = delta.arguments;
                self.blocks.delta(&json!({ "type": "input_json_delta", "partial_json": json }));
            }
            Event::ToolCallEnd(end) => self.end_call(end),
            Event::Signature(signed) => {
                let signature = match self.calls.get_mut(&signed.index) {
                    Some(call) => &mut call.signature,
                    None => &mut self.thoughts.entry(signed.index).or_default().signature,
                };
                signature.get_or_insert_default().push_str(&signed.signature);
            }
            Event::Part(whole) => self.whole(&whole.part),
            _ => {}
        }
    }

    fn text(&mut self, part: u32, text: &str) {
        if !text.is_empty() {
            self.open(Kind::Text, part, &text_block(""));
            self.blocks.delta(&json!({ "type": "text_delta", "text": text }));
        }
    }

    fn think(&mut self, part: u32, text: &str) {
        if !text.is_empty() {
            let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
            self.open(Kind::Thinking, part, &block);
            self.blocks.delta(&json!({ "type": "thinking_delta", "thinking": text }));
        }
    }

    /// Continues the block of a part, or begins one.
    fn open(&mut self, kind: Kind, part: u32, block: &Value) {
        let open = Some(Open { kind, part });
        if self.open != open {
            self.give_way();
            self.blocks.start(block);
            self.open = open;
        }
    }

    /// Ends the block that is open. A thought is signed with what is known of it.
    fn give_way(&mut self) {
        match self.open.take() {
            Some(Open { kind: Kind::Thinking, part }) => {
                let known = self.thoughts.insert(part, ReasoningPart::default());
                let signature = reasoning::signature(&known.unwrap_or_default());
                self.blocks.delta(&json!({ "type": "signature_delta", "signature": signature }));
                self.blocks.stop();
            }
            Some(Open { kind: Kind::Text, .. }) => self.blocks.stop(),
            call => self.open = call,
        }
    }

    fn end_text(&mut self, end: &PartEnd) {
        if self.open == Some(Open { kind: Kind::Text, part: end.index }) {
            self.give_way();
        }
        self.keep_container(container(&end.provider_data).cloned());
        self.behind(behind_text(&end.provider_data));
    }

    /// What became known of a thought after its block had given way is a block of its own.
    fn end_thought(&mut self, end: PartEnd) {
        self.keep_container(container(&end.provider_data).cloned());
        let known = self.thoughts.entry(end.index).or_default();
        known.provider_data.extend(end.provider_data);
        known.redacted = end.redacted.or(known.redacted.take());
        if self.open == Some(Open { kind: Kind::Thinking, part: end.index }) {
            self.give_way();
        }
        let known = self.thoughts.remove(&end.index).unwrap_or_default();
        self.behind(reasoning::write(&known));
    }

    fn call(&mut self, start: ToolCallStart) {
        let part = start.index;
        let call =
            ToolCall { id: start.id, name: start.name, extra: start.extra, ..ToolCall::default() };
        self.open(Kind::Call, part, &tool_use(&call, &json!({})));
        self.calls.insert(part, call);
    }

    fn end_call(&mut self, end: PartEnd) {
        if let Some(call) = self.calls.get_mut(&end.index) {
            self.container = container(&end.provider_data).cloned().or(self.container.take());
            call.provider_data.extend(end.provider_data);
        }
        self.close_call();
    }

    fn close_call(&mut self) {
        if let Some(Open { kind: Kind::Call, part }) = self.open {
            self.open = None;
            self.blocks.stop();
            let call = self.calls.remove(&part);
            self.behind(call.as_ref().and_then(behind_call));
        }
    }

    fn whole(&mut self, part: &Part) {
        self.has_refused |= matches!(part, Part::Refusal(_));
        self.keep_container(container_of(part).cloned());
        for block in blocks(part) {
            self.behind(Some(block));
        }
    }

    /// Writes a whole block, if there is one, behind all that is open.
    fn behind(&mut self, block: Option<Value>) {
        if let Some(block) = block {
            self.give_way();
            self.blocks.whole(block);
        }
    }

    fn keep_container(&mut self, container: Option<Value>) {
        if container.is_some() {
            self.container = container;
        }
    }
}

fn thought(start: ReasoningStart) -> ReasoningPart {
    ReasoningPart {
        summary: start.summary,
        redacted: start.redacted,
        id: start.id,
        format: start.format,
        extra: start.extra,
        ..ReasoningPart::default()
    }
}
