//! Anthropic's messages.
//! <https://docs.anthropic.com/en/api/messages>
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>

use serde_json::{Value, json};

use super::{
    Asked, Vendor, arguments, items, last_said, recorded_path, refused, schema_or_none, text,
};
use crate::upstream::Received;
use crate::wire::bench::Instance;
use crate::wire::recording::{Recorded, Recording, frames};
use crate::wire::said::{Call, Choice, Failure, IN_STREAM, Said, UPSTREAM_FAILURE, Usage};

pub(in crate::wire) const VENDOR: Vendor = Vendor {
    folder: "anthropic-messages",
    instance: Instance::named("anthropic"),
    read,
    asked,
    path: recorded_path,
    headers: &[("x-api-key", "KEY"), ("anthropic-version", "2023-06-01"), ("authorization", "")],
    arrived,
};

/// What a reply says.
pub(in crate::wire) fn read(status: u16, reply: &Recorded) -> Said {
    match reply {
        Recorded::Json(body) if body["type"] == "error" || status >= 400 => {
            let status = if status >= 400 { status..=status } else { UPSTREAM_FAILURE };
            Said::failed(Failure::saying(status, &body["error"]["message"]))
        }
        Recorded::Json(body) => message(body),
        Recorded::Events(stream) => streamed(&frames(stream)),
        Recorded::Lines(_) | Recorded::Text(_) => refused(status, &Value::Null)
            .unwrap_or_else(|| Said::failed(Failure::wordless(UPSTREAM_FAILURE))),
    }
}

fn message(message: &Value) -> Said {
    let mut choice = Choice::default();
    let mut opaque = Vec::new();
    for block in items(&message["content"]) {
        match text(&block["type"]) {
            "text" => {
                choice.text += text(&block["text"]);
                let citations = items(&block["citations"]).iter();
                opaque.extend(citations.map(|citation| text(&citation["url"]).to_owned()));
            }
            "thinking" => {
                choice.reasoning += text(&block["thinking"]);
                opaque.push(text(&block["signature"]).to_owned());
            }
            "redacted_thinking" => opaque.push(text(&block["data"]).to_owned()),
            "tool_use" => choice.calls.push(Call {
                id: text(&block["id"]).to_owned(),
                name: text(&block["name"]).to_owned(),
                arguments: block["input"].clone(),
            }),
            // All else was run by the vendor, or has no counterpart.
            _ => {}
        }
    }
    let choice = choice.ended(finish(&message["stop_reason"]));
    Said::one(choice, usage(&message["usage"])).with_opaque(opaque)
}

/// <https://docs.anthropic.com/en/api/handling-stop-reasons>
fn finish(reason: &Value) -> &'static [&'static str] {
    match text(reason) {
        "end_turn" | "stop_sequence" => &["stop"],
        "max_tokens" | "model_context_window_exceeded" => &["length"],
        "tool_use" => &["tool_calls"],
        "refusal" => &["content_filter"],
        "pause_turn" => &["stop", "pause_turn"],
        _ => &[],
    }
}

/// The tokens that were not cached, written to the cache and read from it are counted apart.
/// <https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance>
fn usage(usage: &Value) -> Usage {
    let count = |name: &str| usage[name].as_u64();
    let (cached, written) =
        (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let all = |uncached| uncached + cached.unwrap_or(0) + written.unwrap_or(0);
    Usage {
        input: count("input_tokens").map(all),
        output: count("output_tokens"),
        cached,
        written,
        reasoning: usage["output_tokens_details"]["thinking_tokens"].as_u64(),
        ..Usage::default()
    }
}

fn streamed(frames: &[Value]) -> Said {
    let message_so_far = whole(frames);
    if let Some(error) = frames.iter().find(|frame| frame["type"] == "error") {
        return message(&message_so_far)
            .but(Failure::saying(IN_STREAM, &error["error"]["message"]));
    }
    if frames.iter().all(|frame| frame["type"] != "message_stop") {
        return message(&message_so_far).but(Failure::wordless(IN_STREAM));
    }
    message(&message_so_far)
}

/// The message that the events of a stream add up to, as it would have come in one piece.
pub(in crate::wire) fn whole(frames: &[Value]) -> Value {
    let of_kind = |kind: &'static str| frames.iter().filter(move |frame| frame["type"] == kind);
    let mut message =
        of_kind("message_start").next().map_or_else(|| json!({}), |it| it["message"].clone());
    let starts = of_kind("content_block_start");
    let blocks = starts.map(|start| {
        let deltas = of_kind("content_block_delta");
        let deltas = deltas.filter(|it| it["index"] == start["index"]).map(|it| &it["delta"]);
        whole_block(&start["content_block"], deltas)
    });
    let mut content = items(&message["content"]).to_vec();
    content.extend(blocks);
    message["content"] = content.into();
    for end in of_kind("message_delta") {
        for (place, changes) in [("", &end["delta"]), ("usage", &end["usage"])] {
            let target = if place.is_empty() { &mut message } else { &mut message[place] };
            let changes = changes.as_object().into_iter().flatten();
            for (name, value) in changes.filter(|(_, value)| !value.is_null()) {
                target[name] = value.clone();
            }
        }
    }
    message
}

fn whole_block<'a>(start: &Value, deltas: impl Iterator<Item = &'a Value>) -> Value {
    let mut block = start.clone();
    let mut input = String::new();
    for delta in deltas {
        match text(&delta["type"]) {
            "text_delta" => append(&mut block["text"], &delta["text"]),
            "thinking_delta" => append(&mut block["thinking"], &delta["thinking"]),
            "signature_delta" => append(&mut block["signature"], &delta["signature"]),
            "input_json_delta" => input += text(&delta["partial_json"]),
            "citations_delta" => match block["citations"].as_array_mut() {
                Some(citations) => citations.push(delta["citation"].clone()),
                None => block["citations"] = json!([delta["citation"]]),
            },
            _ => {}
        }
    }
    if !input.is_empty() {
        block["input"] = arguments(&input);
    }
    block
}

fn append(so_far: &mut Value, more: &Value) {
    *so_far = format!("{}{}", text(so_far), text(more)).into();
}

/// The question of a request: the last text of the last user's message.
fn question(body: &Value) -> Asked {
    let users = items(&body["messages"]).iter().filter(|message| message["role"] == "user");
    let content = users.flat_map(|message| match &message["content"] {
        Value::Array(blocks) => {
            blocks.iter().filter(|it| it["type"] == "text").map(|it| &it["text"]).collect()
        }
        text => vec![text],
    });
    let tools = items(&body["tools"]).iter().filter(|tool| tool["input_schema"].is_object());
    let tool = |tool: &Value| (text(&tool["name"]).into(), schema_or_none(&tool["input_schema"]));
    Asked {
        model: text(&body["model"]).to_owned(),
        text: last_said(content),
        tools: tools.map(tool).collect(),
        stream: body["stream"] == true,
    }
}

fn asked(recording: &Recording) -> Asked {
    Asked { stream: recording.reply.is_stream(), ..question(&recording.request) }
}

fn arrived(received: &Received) -> Asked {
    question(&received.json())
}
