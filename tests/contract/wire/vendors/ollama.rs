//! Ollama's own chat: lines of JSON.
//! <https://docs.ollama.com/api/chat>, <https://docs.ollama.com/api/errors>

use serde_json::{Value, json};

use super::{Asked, Vendor, items, last_said, recorded_path, refused, schema_or_none, text};
use crate::upstream::Received;
use crate::wire::bench::Instance;
use crate::wire::recording::{Recorded, Recording};
use crate::wire::said::{Call, Choice, Failure, IN_STREAM, Said, UPSTREAM_FAILURE, Usage};

pub(super) const VENDOR: Vendor = Vendor {
    folder: "ollama-chat",
    instance: Instance { has_key: false, ..Instance::named("ollama") },
    read,
    asked,
    path: recorded_path,
    headers: &[("authorization", "")],
    arrived,
};

fn read(status: u16, reply: &Recorded) -> Said {
    match reply {
        Recorded::Json(body) if status >= 400 || body["error"].is_string() => {
            let status = if status >= 400 { status..=status } else { UPSTREAM_FAILURE };
            Said::failed(Failure::saying(status, &body["error"]))
        }
        Recorded::Json(body) => answer(std::slice::from_ref(body)),
        Recorded::Lines(lines) => {
            let lines = lines.lines().filter(|line| !line.trim().is_empty());
            let frames: Vec<Value> =
                lines.map_while(|line| serde_json::from_str(line).ok()).collect();
            answer(&frames)
        }
        Recorded::Events(_) | Recorded::Text(_) => refused(status, &Value::Null)
            .unwrap_or_else(|| Said::failed(Failure::wordless(UPSTREAM_FAILURE))),
    }
}

fn answer(frames: &[Value]) -> Said {
    let mut choice = Choice::default();
    for frame in frames {
        let message = &frame["message"];
        choice.text += text(&message["content"]);
        choice.reasoning += text(&message["thinking"]);
        choice.calls.extend(items(&message["tool_calls"]).iter().map(call));
        if frame["error"].is_string() {
            let failure = Failure::saying(IN_STREAM, &frame["error"]);
            return Said::one(choice, Usage::default()).but(failure);
        }
        if frame["done"] == true {
            let usage = Usage {
                input: frame["prompt_eval_count"].as_u64(),
                output: frame["eval_count"].as_u64(),
                ..Usage::default()
            };
            return Said::one(choice.ended(finish(frame)), usage);
        }
    }
    Said::one(choice, Usage::default()).but(Failure::wordless(IN_STREAM))
}

fn call(call: &Value) -> Call {
    let function = &call["function"];
    let arguments = &function["arguments"];
    Call {
        id: text(&call["id"]).to_owned(),
        name: text(&function["name"]).to_owned(),
        arguments: if arguments.is_object() { arguments.clone() } else { json!({}) },
    }
}

fn finish(frame: &Value) -> &'static [&'static str] {
    match text(&frame["done_reason"]) {
        "stop" => &["stop"],
        "length" => &["length"],
        _ => &[],
    }
}

fn question(body: &Value) -> Asked {
    let users = items(&body["messages"]).iter().filter(|message| message["role"] == "user");
    let tool = |tool: &Value| {
        let function = &tool["function"];
        (text(&function["name"]).to_owned(), schema_or_none(&function["parameters"]))
    };
    Asked {
        model: text(&body["model"]).to_owned(),
        text: last_said(users.map(|message| &message["content"])),
        tools: items(&body["tools"]).iter().map(tool).collect(),
        // Unlike everywhere else, a stream is what one gets unasked.
        stream: body["stream"] != false,
    }
}

fn asked(recording: &Recording) -> Asked {
    Asked { stream: recording.reply.is_stream(), ..question(&recording.request) }
}

fn arrived(received: &Received) -> Asked {
    question(&received.json())
}
