//! What a vendor answered, it gets back whole: a client sends back the message that it received,
//! and of what reaches the vendor nothing is missing that was recorded.
//!
//! Anthropic and Google get their blocks and parts, OpenAI its items, with signatures, encrypted
//! texts, ids and the traces of what they ran themselves. Texts beside each other may be one text.

use serde_json::{Value, json};

use crate::wire::bench::{Bench, Lane, Sent};
use crate::wire::recording::{self, Recorded, Recording, frames};
use crate::wire::vendors::{Asked, VENDORS, Vendor, anthropic};
use crate::wire::{Failures, has_recordings, recorded, report};

/// A dialect in which a client asks.
struct Client {
    path: &'static str,
    ask: fn(&Asked) -> Value,
    /// Its next request, from the last one and the answer.
    next: fn(&Value, &Recorded) -> Value,
    /// Whether the dialect has words for what a vendor said.
    can_say: fn(&Value) -> bool,
}

const CLIENTS: [Client; 2] = [
    Client {
        path: "/v1/chat/completions",
        ask: Asked::in_openai_dialect,
        next: next_in_openais,
        can_say: |_| true,
    },
    Client {
        path: "/v1/messages",
        ask: Asked::in_anthropic_dialect,
        next: next_in_anthropics,
        can_say: is_sayable_in_anthropics,
    },
];

/// The instances whose vendors want to see their answers again as they were.
const INSTANCES: [&str; 3] = ["anthropic", "google", "responses"];

#[tokio::test]
async fn what_a_vendor_answered_goes_back_to_it() {
    let vendors: Vec<_> =
        VENDORS.iter().filter(|it| INSTANCES.contains(&it.instance.name)).collect();
    let instances: Vec<_> = vendors.iter().map(|vendor| vendor.instance).collect();
    let bench = Bench::start(Lane::Second, &["anthropic", "google", "openai"], &instances).await;
    let mut failures = Failures::default();
    for vendor in vendors {
        let mut all = recording::recordings(&recording::exchanges().join(vendor.folder));
        if has_recordings() {
            all.extend(recorded(vendor.folder));
        }
        all.retain(|it| it.client.is_none() && (vendor.read)(it.status, &it.reply).error.is_none());
        let mut passed = 0;
        for recording in &all {
            let mut lost = Vec::new();
            for client in &CLIENTS {
                lost.extend(lost_by(client, &bench, vendor, recording).await);
            }
            passed += failures.add(&format!("{}/{}", vendor.folder, recording.id), lost);
        }
        report("round trip", vendor.folder, all.len(), passed);
    }
    failures.none();
}

/// What of an answer does not go back.
async fn lost_by(
    client: &Client,
    bench: &Bench,
    vendor: &Vendor,
    recording: &Recording,
) -> Vec<String> {
    let Client { path, ask, next, can_say } = client;
    let first = ask(&(vendor.asked)(recording));
    let sent = Sent::new(path, first.clone());
    let answer = bench.send(vendor.instance.name, sent, recording.reply(None)).await.answer;
    let got = Recorded::of(answer.header("content-type"), &answer.text);
    let sent = Sent::new(path, next(&first, &got));
    let exchange = bench.send(vendor.instance.name, sent, recording.reply(None)).await;
    let Some(received) = exchange.received else {
        return vec![format!("{path}: nothing came back, but {}", exchange.answer.text)];
    };
    let back = going_back(&received.json());
    let lost = said(&recording.reply)
        .into_iter()
        .filter(|it| can_say(it) && !back.iter().any(|other| holds(other, it)));
    lost.map(|it| format!("{path}: {it} of {}", Value::Array(back.clone()))).collect()
}

/// A refusal is a text there, and the input of a call an object.
fn is_sayable_in_anthropics(said: &Value) -> bool {
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    let is_refusal = |piece: &Value| piece["type"] == "refusal";
    said["arguments"].as_str().is_none_or(is_json)
        && said["type"] != "custom_tool_call"
        && !said["content"].as_array().into_iter().flatten().any(is_refusal)
}

/// Whether one thing that goes back is, or holds, what was said.
fn holds(back: &Value, said: &Value) -> bool {
    let members = |value: &Value| value.as_object().cloned().unwrap_or_default();
    members(said).iter().all(|(name, value)| match (value, &back[name]) {
        (Value::String(said), Value::String(back)) if name == "text" => {
            back.contains(said.as_str())
        }
        (Value::Array(_), Value::Array(_)) if name == "content" => {
            let pieces = value.as_array().into_iter().flatten();
            pieces
                .clone()
                .all(|said| back[name].as_array().into_iter().flatten().any(|it| holds(it, said)))
        }
        (value, back) => value == back,
    })
}

/// What a vendor said, piece by piece, as it wants to see it again.
fn said(reply: &Recorded) -> Vec<Value> {
    let frames = match reply {
        Recorded::Json(body) => vec![body.clone()],
        Recorded::Events(stream) => frames(stream),
        _ => Vec::new(),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    if frames.iter().any(|frame| frame["type"] == "message_start") {
        return list(&anthropic::whole(&frames)["content"]).iter().filter_map(block).collect();
    }
    if frames.iter().any(|frame| frame["type"] == "message") {
        return list(&frames[0]["content"]).iter().filter_map(block).collect();
    }
    if frames.iter().any(|frame| frame["type"] == "response.created") {
        let done = frames.iter().filter(|frame| frame["type"] == "response.output_item.done");
        return done.filter_map(|frame| item(&frame["item"])).collect();
    }
    if frames.iter().any(|frame| frame["object"] == "response") {
        return list(&frames[0]["output"]).iter().filter_map(item).collect();
    }
    let first = |frame: &Value| {
        list(&frame["candidates"]).into_iter().find(|it| it["index"].as_u64().unwrap_or(0) == 0)
    };
    let parts = frames.iter().filter_map(first);
    parts.flat_map(|it| list(&it["content"]["parts"])).filter_map(|it| part(&it)).collect()
}

/// What goes back, in the words of any of the three.
fn going_back(request: &Value) -> Vec<Value> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let messages = list(&request["messages"]).into_iter().filter(|it| it["role"] == "assistant");
    let contents = list(&request["contents"]).into_iter().filter(|it| it["role"] == "model");
    let blocks = messages.flat_map(|it| list(&it["content"]));
    let parts = contents.flat_map(|it| list(&it["parts"]));
    blocks.chain(parts).chain(list(&request["input"])).collect()
}

/// An Anthropic block without what says nothing. Sources of a text are for the reader.
fn block(block: &Value) -> Option<Value> {
    let names = |name: &str| name != "citations";
    let block = without(block, names);
    let is_empty =
        block["type"] == "text" && block["text"].as_str().unwrap_or("").trim().is_empty();
    (!is_empty)
        .then(|| without(&block, |name| name != "caller" || block["caller"]["type"] != "direct"))
}

/// One of Google's parts, with the arguments that it leaves out. A thought without a signature need
/// not go back, and an empty text not.
fn part(part: &Value) -> Option<Value> {
    let is_signed = part["thoughtSignature"].is_string();
    let says_nothing = part["text"] == "" || part["thought"] == true;
    if part["text"].is_string() {
        let known = ["text", "thought", "thoughtSignature"];
        let part = without(part, |name| known.contains(&name));
        return (is_signed || !says_nothing).then_some(part);
    }
    let mut part = part.clone();
    if part["functionCall"].is_object() && part["functionCall"]["args"].is_null() {
        part["functionCall"]["args"] = json!({});
    }
    Some(part)
}

/// An item of OpenAI's, by what the vendor needs of it. What is not encrypted cannot be read again.
fn item(item: &Value) -> Option<Value> {
    match item["type"].as_str() {
        Some("reasoning") if !item["encrypted_content"].is_string() => None,
        Some("message") => {
            let pieces = item["content"].as_array().into_iter().flatten();
            let pieces =
                pieces.map(|it| without(it, |name| ["type", "text", "refusal"].contains(&name)));
            Some(json!({"type": "message", "content": pieces.collect::<Vec<_>>()}))
        }
        Some("function_call") => Some(without(item, |name| name != "status" && name != "id")),
        _ => Some(without(item, |name| name != "status" && name != "id" && name != "content")),
    }
}

fn without(value: &Value, keeps: impl Fn(&str) -> bool) -> Value {
    let members = value.as_object().into_iter().flatten();
    members
        .filter(|(name, value)| !value.is_null() && keeps(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn next_in_openais(first: &Value, answer: &Recorded) -> Value {
    let message = match answer {
        Recorded::Json(body) => body["choices"][0]["message"].clone(),
        Recorded::Events(stream) => joined(&frames(stream)),
        _ => json!({}),
    };
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    let results = calls
        .iter()
        .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "done"}));
    let mut messages = first["messages"].as_array().cloned().unwrap_or_default();
    messages.push(message);
    messages.extend(results);
    messages.push(json!({"role": "user", "content": "go on"}));
    again(first, messages)
}

fn next_in_anthropics(first: &Value, answer: &Recorded) -> Value {
    let message = match answer {
        Recorded::Json(body) => body.clone(),
        Recorded::Events(stream) => anthropic::whole(&frames(stream)),
        _ => json!({}),
    };
    let blocks = message["content"].as_array().cloned().unwrap_or_default();
    let calls = blocks.iter().filter(|it| it["type"] == "tool_use");
    let results = calls
        .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "done"}));
    let mut content: Vec<_> = results.collect();
    content.push(json!({"type": "text", "text": "go on"}));
    let mut messages = first["messages"].as_array().cloned().unwrap_or_default();
    messages.push(json!({"role": "assistant", "content": blocks}));
    messages.push(json!({"role": "user", "content": content}));
    again(first, messages)
}

fn again(first: &Value, messages: Vec<Value>) -> Value {
    let mut next = first.clone();
    next["messages"] = messages.into();
    next
}

/// The message that the deltas of a stream add up to: texts grow, and items of lists by their index,
/// as the official client joins them.
fn joined(frames: &[Value]) -> Value {
    let mut message = json!({});
    for frame in frames {
        join(&mut message, &frame["choices"][0]["delta"]);
    }
    for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
        call.as_object_mut().map(|call| call.remove("index"));
    }
    message
}

fn join(whole: &mut Value, more: &Value) {
    match (whole, more) {
        (Value::Object(whole), Value::Object(more)) => {
            for (name, more) in more {
                let is_fixed = ["role", "type", "index"].contains(&name.as_str());
                match whole.get_mut(name).filter(|_| !is_fixed) {
                    Some(known) => join(known, more),
                    None => drop(whole.insert(name.clone(), more.clone())),
                }
            }
        }
        (Value::String(whole), Value::String(more)) => whole.push_str(more),
        (Value::Array(whole), Value::Array(more)) => {
            for more in more {
                let known = whole
                    .iter_mut()
                    .find(|it| more["index"].is_u64() && it["index"] == more["index"]);
                match known {
                    Some(known) => join(known, more),
                    None => whole.push(more.clone()),
                }
            }
        }
        (whole, more) if !more.is_null() => *whole = more.clone(),
        _ => {}
    }
}
