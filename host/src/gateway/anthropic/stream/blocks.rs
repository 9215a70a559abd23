//! The content blocks of a stream: numbered, and one after the other.
//!
//! It knows how a block begins, goes on and ends, and nothing of what is in an answer.

use serde_json::{Value, json};

use crate::gateway::sse;

/// The bytes of the blocks so far, and which block is open.
#[derive(Default)]
pub(super) struct Blocks {
    written: Vec<u8>,
    next: u64,
    is_open: bool,
}

impl Blocks {
    /// Takes what was written since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    /// Writes an event, under the name of its type.
    pub(super) fn event(&mut self, event: &Value) {
        let name = event.get("type").and_then(Value::as_str).unwrap_or_default();
        self.written.extend_from_slice(&sse::event(name, &event.to_string()));
    }

    /// Begins a block. The one before it ends.
    pub(super) fn start(&mut self, block: &Value) {
        self.stop();
        self.event(&json!({
            "type": "content_block_start", "index": self.next, "content_block": block,
        }));
        self.is_open = true;
    }

    /// Adds to the block that is open.
    pub(super) fn delta(&mut self, delta: &Value) {
        if self.is_open {
            self.event(&json!({
                "type": "content_block_delta", "index": self.next, "delta": delta,
            }));
        }
    }

    /// Ends the block that is open.
    pub(super) fn stop(&mut self) {
        if self.is_open {
            self.event(&json!({ "type": "content_block_stop", "index": self.next }));
            self.is_open = false;
            self.next += 1;
        }
    }

    /// Writes a whole block. What clients gather from deltas comes as deltas.
    pub(super) fn whole(&mut self, mut block: Value) {
        let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
        let deltas = match kind {
            "text" => {
                let mut deltas =
                    vec![json!({ "type": "text_delta", "text": empty(&mut block, "text") })];
                let citations = block.as_object_mut().and_then(|it| it.remove("citations"));
                for citation in citations.as_ref().and_then(Value::as_array).into_iter().flatten() {
                    deltas.push(json!({ "type": "citations_delta", "citation": citation }));
                }
                deltas
            }
            "thinking" => {
                let thinking = empty(&mut block, "thinking");
                let signature = empty(&mut block, "signature");
                vec![
                    json!({ "type": "thinking_delta", "thinking": thinking }),
                    json!({ "type": "signature_delta", "signature": signature }),
                ]
            }
            "tool_use" => {
                let input = block.get_mut("input").map(Value::take).unwrap_or_default();
                block["input"] = json!({});
                vec![json!({ "type": "input_json_delta", "partial_json": input.to_string() })]
            }
            _ => Vec::new(),
        };
        self.start(&block);
        for delta in &deltas {
            self.delta(delta);
        }
        self.stop();
    }
}

/// Takes the text out of a member, which stays behind empty.
fn empty(block: &mut Value, name: &str) -> Value {
    block.get_mut(name).map(|text| std::mem::replace(text, "".into())).unwrap_or_default()
}
