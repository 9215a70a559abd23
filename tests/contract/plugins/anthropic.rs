//! The plugin `anthropic` behind the gateway, and inside the library.

mod answers;
mod failures;
mod requests;

use serde_json::{Value, json};

use super::{CHAT, Served};
use crate::folder::PluginFolder;
use crate::upstream::{Reply, Upstream};

const MODEL: &str = "anthropic/claude-sonnet-4-5";
const MESSAGES: &str = "/v1/messages";
const KEY: &str = "api_key = \"key-of-the-upstream\"\n";

async fn served(upstream: Upstream) -> Served {
    Served::start("anthropic", upstream, "", KEY).await
}

/// In front of an upstream with one answer for everything.
async fn always(reply: Reply) -> Served {
    served(Upstream::always(reply).await).await
}

/// A host of its own, as an application has it; `more` is what the plugin's table says besides.
async fn host(upstream: &Upstream, more: &str) -> (PluginFolder, allos_host::Host) {
    let folder = PluginFolder::with(&["anthropic"]);
    let table = format!("[providers.anthropic]\nbase_url = {:?}\n{KEY}{more}", upstream.url(""));
    let host = folder.host(&table).await;
    (folder, host)
}

/// Sends a chat in OpenAI's dialect, and gives what arrived at the upstream.
async fn sent(request: &Value) -> Value {
    let served = always(Reply::json(200, &message(&[text("ok")], "end_turn"))).await;
    let answer = served.post(CHAT, request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let received = served.upstream.last();
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", MESSAGES));
    received.json()
}

fn hello() -> Value {
    json!({ "model": MODEL, "messages": [{ "role": "user", "content": "hello" }] })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// A reply as Anthropic gives it.
fn message(content: &[Value], stop_reason: &str) -> Value {
    json!({
        "id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": {
            "input_tokens": 3, "cache_creation_input_tokens": 20, "cache_read_input_tokens": 100,
            "output_tokens": 7,
        },
    })
}

/// Frames as Anthropic streams them.
fn events(frames: &[Value]) -> Reply {
    let event = |frame: &Value| {
        format!("event: {}\ndata: {frame}\n\n", frame["type"].as_str().unwrap_or_default())
    };
    Reply::new(
        200,
        "text/event-stream; charset=utf-8",
        frames.iter().map(event).collect::<String>(),
    )
}

/// The frames of one block.
fn block(index: u32, block: &Value, deltas: &[Value]) -> Vec<Value> {
    let mut frames =
        vec![json!({ "type": "content_block_start", "index": index, "content_block": block })];
    let delta = |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta });
    frames.extend(deltas.iter().map(delta));
    frames.push(json!({ "type": "content_block_stop", "index": index }));
    frames
}

/// The frames of a whole answer.
fn streamed(blocks: &[Vec<Value>], stop_reason: &str) -> Reply {
    let mut start = message(&[], "");
    start["stop_reason"] = Value::Null;
    let mut frames = vec![json!({ "type": "message_start", "message": start })];
    frames.extend(blocks.iter().flatten().cloned());
    frames.push(json!({ "type": "ping" }));
    frames.push(json!({
        "type": "message_delta", "delta": { "stop_reason": stop_reason },
        "usage": { "output_tokens": 9 },
    }));
    frames.push(json!({ "type": "message_stop" }));
    events(&frames)
}
