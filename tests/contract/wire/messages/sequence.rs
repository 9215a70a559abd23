//! The order of the events of a stream of messages.
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming#event-types>

use serde_json::Value;

use crate::wire::recording::Frame;

/// How far a stream has come.
#[derive(Default)]
struct Walk {
    started: bool,
    /// The block that is open: its index, and its kind.
    open: Option<(u64, String)>,
    blocks: u64,
    /// The JSON text of the open block's input.
    input: String,
    has_stop_reason: bool,
    ended: bool,
    complaints: Vec<String>,
}

/// What is wrong with the order of these events.
pub(super) fn complaints(frames: &[Frame]) -> Vec<String> {
    let mut walk = Walk::default();
    for frame in frames {
        let data: Value = serde_json::from_str(&frame.data).unwrap_or_default();
        walk.expect(data["type"] == frame.event.as_str(), &format!("named {}", frame.event), &data);
        walk.step(&data);
    }
    if !walk.ended {
        walk.complaints.push("the stream has no end".to_owned());
    }
    walk.complaints
}

impl Walk {
    fn expect(&mut self, is_so: bool, what: &str, event: &Value) {
        if !is_so {
            self.complaints.push(format!("an event must be {what}: {event}"));
        }
    }

    fn step(&mut self, event: &Value) {
        self.expect(!self.ended, "before the end", event);
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.start(event),
            "content_block_start" => self.open(event),
            "content_block_delta" => self.delta(event),
            "content_block_stop" => self.close(event),
            "message_delta" => self.finish(event),
            "message_stop" => {
                self.expect(self.has_stop_reason, "after the reason to stop", event);
                self.ended = true;
            }
            "error" => {
                let error = &event["error"];
                let is_whole = error["type"].is_string() && error["message"].is_string();
                self.expect(is_whole, "an error with type and message", event);
                self.ended = true;
            }
            // A ping, or what the documentation says may be added.
            _ => {}
        }
    }

    fn start(&mut self, event: &Value) {
        let message = &event["message"];
        let is_empty = message["content"] == serde_json::json!([])
            && message["stop_reason"].is_null()
            && message.get("stop_reason").is_some()
            && message.get("stop_sequence").is_some();
        let is_message = message["type"] == "message"
            && message["role"] == "assistant"
            && message["id"].is_string()
            && message["model"].is_string();
        let usage = &message["usage"];
        let has_usage = usage["input_tokens"].is_u64() && usage["output_tokens"].is_u64();
        self.expect(!self.started, "the only start", event);
        self.expect(is_empty && is_message && has_usage, "a message without content", event);
        self.started = true;
    }

    fn open(&mut self, event: &Value) {
        let is_next = self.started && self.open.is_none() && !self.has_stop_reason;
        self.expect(is_next && event["index"] == self.blocks, "the next block", event);
        let kind = event["content_block"]["type"].as_str().unwrap_or_default();
        self.expect(!kind.is_empty(), "a block with a type", event);
        self.open = Some((self.blocks, kind.to_owned()));
        self.blocks += 1;
        self.input.clear();
    }

    fn delta(&mut self, event: &Value) {
        let (delta, kind) = (&event["delta"], event["delta"]["type"].as_str().unwrap_or_default());
        let fits = self.open.as_ref().is_some_and(|(index, block)| {
            let belongs = match kind {
                "text_delta" | "citations_delta" => block == "text",
                "thinking_delta" | "signature_delta" => block == "thinking",
                "input_json_delta" => block.ends_with("tool_use"),
                _ => true,
            };
            event["index"] == *index && belongs
        });
        self.expect(fits, "about the open block", event);
        self.input += delta["partial_json"].as_str().unwrap_or_default();
    }

    fn close(&mut self, event: &Value) {
        let open = self.open.take();
        let is_open = open.is_some_and(|(index, _)| event["index"] == index);
        self.expect(is_open, "the end of the open block", event);
        let is_json = self.input.is_empty() || serde_json::from_str::<Value>(&self.input).is_ok();
        self.expect(is_json, &format!("the end of JSON, not of {}", self.input), event);
    }

    fn finish(&mut self, event: &Value) {
        self.expect(self.started && self.open.is_none(), "after the last block", event);
        self.expect(event["usage"]["output_tokens"].is_u64(), "with usage", event);
        self.has_stop_reason |= event["delta"]["stop_reason"].is_string();
    }
}
