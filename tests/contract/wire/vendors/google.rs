//! Google's `generateContent` and `streamGenerateContent`.
//! <https://ai.google.dev/api/generate-content>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Asked, Vendor, items, last_said, recorded_path, refused, schema_or_none, text};
use crate::upstream::Received;
use crate::wire::bench::Instance;
use crate::wire::recording::{Recorded, Recording, frames};
use crate::wire::said::{Call, Choice, Failure, IN_STREAM, Said, UPSTREAM_FAILURE, Usage};

pub(super) const VENDOR: Vendor = Vendor {
    folder: "google-generate",
    instance: Instance::named("google"),
    read,
    asked,
    path,
    headers: &[("x-goog-api-key", "KEY"), ("authorization", "")],
    arrived,
};

fn read(status: u16, reply: &Recorded) -> Said {
    match reply {
        Recorded::Json(body) if status >= 400 || body["error"].is_object() => {
            let status = if status >= 400 { status..=status } else { UPSTREAM_FAILURE };
            // What fails before it is a stream may come as a list.
            let error = &body.get(0).unwrap_or(body)["error"];
            Said::failed(Failure::saying(status, &error["message"]))
        }
        Recorded::Json(body) => answer(std::slice::from_ref(body), false),
        Recorded::Events(stream) => answer(&frames(stream), true),
        Recorded::Lines(_) | Recorded::Text(_) => refused(status, &Value::Null)
            .unwrap_or_else(|| Said::failed(Failure::wordless(UPSTREAM_FAILURE))),
    }
}

/// A stream is a list of replies: parts follow each other, the last usage is the usage.
fn answer(frames: &[Value], streamed: bool) -> Said {
    let end = frames.iter().position(|frame| frame["error"].is_object());
    let whole = &frames[..end.unwrap_or(frames.len())];
    let mut said = Said { usage: usage(whole), ..Said::default() };
    let mut finishes = BTreeMap::new();
    for candidate in whole.iter().flat_map(|frame| items(&frame["candidates"])) {
        let index = candidate["index"].as_u64().unwrap_or(0);
        let choice = said.choices.entry(index).or_default();
        for part in items(&candidate["content"]["parts"]) {
            add(choice, part);
        }
        if candidate["finishReason"].is_string() {
            finishes.insert(index, text(&candidate["finishReason"]));
        }
    }
    let complete = !finishes.is_empty() && finishes.len() == said.choices.len();
    for (index, choice) in &mut said.choices {
        let reason = finishes.get(index).copied().unwrap_or_default();
        *choice = std::mem::take(choice).ended(finish(reason));
    }
    let said = said.with_opaque(whole.iter().flat_map(opaque));
    if let Some(end) = end {
        return said.but(Failure::saying(IN_STREAM, &frames[end]["error"]["message"]));
    }
    let is_blocked = |frame: &Value| frame["promptFeedback"]["blockReason"].is_string();
    if !complete && whole.iter().any(is_blocked) {
        return blocked(said);
    }
    if complete || !(streamed || said.choices.is_empty()) {
        return said;
    }
    said.but(Failure::wordless(if streamed { IN_STREAM } else { UPSTREAM_FAILURE }))
}

/// The signatures of thoughts, what is shown or played, and sources.
fn opaque(frame: &Value) -> Vec<String> {
    let parts = items(&frame["candidates"]).iter().flat_map(|it| items(&it["content"]["parts"]));
    let texts = parts.flat_map(|part| {
        let media =
            if part["thought"] == true { &Value::Null } else { &part["inlineData"]["data"] };
        [&part["thoughtSignature"], media]
    });
    let cited = items(&frame["candidates"]).iter().flat_map(|it| cited(&it["groundingMetadata"]));
    texts.filter_map(Value::as_str).map(str::to_owned).chain(cited).collect()
}

/// The addresses of the sources of what is said.
/// <https://ai.google.dev/api/generate-content#GroundingMetadata>
fn cited(grounding: &Value) -> Vec<String> {
    let supports = items(&grounding["groundingSupports"]).iter();
    let chunks = supports.flat_map(|support| items(&support["groundingChunkIndices"]));
    let chunks = chunks.filter_map(|index| {
        items(&grounding["groundingChunks"]).get(usize::try_from(index.as_u64()?).ok()?)
    });
    chunks.map(|chunk| text(&chunk["web"]["uri"]).to_owned()).collect()
}

/// <https://ai.google.dev/api/generate-content#PromptFeedback>
fn blocked(mut said: Said) -> Said {
    let choice = said.choices.remove(&0).unwrap_or_default();
    said.choices.insert(0, choice.ended(&["content_filter"]));
    said
}

fn add(choice: &mut Choice, part: &Value) {
    if let Some(text) = part["text"].as_str() {
        let place = if part["thought"] == true { &mut choice.reasoning } else { &mut choice.text };
        place.push_str(text);
    }
    let call = &part["functionCall"];
    if call.is_object() {
        let arguments = if call["args"].is_object() { call["args"].clone() } else { json!({}) };
        let (id, name) = (text(&call["id"]).to_owned(), text(&call["name"]).to_owned());
        choice.calls.push(Call { id, name, arguments });
    }
}

/// <https://ai.google.dev/api/generate-content#FinishReason>
fn finish(reason: &str) -> &'static [&'static str] {
    match reason {
        "STOP" => &["stop"],
        "MAX_TOKENS" => &["length"],
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => &["content_filter"],
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => &["error"],
        _ => &[],
    }
}

/// Zeros are left out. What tools read is counted apart, as are thoughts.
/// <https://ai.google.dev/api/generate-content#UsageMetadata>
fn usage(frames: &[Value]) -> Usage {
    let reported = frames.iter().rev().map(|frame| &frame["usageMetadata"]);
    let Some(usage) = reported.into_iter().find(|usage| usage.is_object()) else {
        return Usage::default();
    };
    let count = |name: &str| usage[name].as_u64();
    let sum = |one: &str, other: &str| Some(count(one).unwrap_or(0) + count(other).unwrap_or(0));
    let audio = |name: &str| {
        let sound = items(&usage[name]).iter().filter(|it| it["modality"] == "AUDIO");
        sound.filter_map(|it| it["tokenCount"].as_u64()).reduce(|sum, more| sum + more)
    };
    Usage {
        input: sum("promptTokenCount", "toolUsePromptTokenCount"),
        output: sum("candidatesTokenCount", "thoughtsTokenCount"),
        cached: count("cachedContentTokenCount"),
        written: None,
        reasoning: count("thoughtsTokenCount"),
        audio_in: audio("promptTokensDetails"),
        audio_out: audio("candidatesTokensDetails"),
        zeros_may_lack: true,
    }
}

/// The query is not recorded.
fn path(recording: &Recording) -> String {
    let path = recorded_path(recording);
    let query = if path.ends_with(":streamGenerateContent") { "?alt=sse" } else { "" };
    path + query
}

fn question(path: &str, body: &Value) -> Asked {
    let path = path.split('?').next().unwrap_or_default();
    let (model, method) = path.rsplit_once(':').unwrap_or_default();
    let model = model.split_once("/models/").map_or(model, |(_, model)| model);
    let users = items(&body["contents"]).iter().filter(|content| content["role"] != "model");
    let parts = users.flat_map(|content| items(&content["parts"]));
    let declared = items(&body["tools"]).iter().flat_map(|tool| {
        let names = ["functionDeclarations", "function_declarations"];
        names.into_iter().flat_map(|name| items(&tool[name]))
    });
    let tool = |tool: &Value| {
        let schemas = ["parametersJsonSchema", "parameters_json_schema"];
        let schema = schemas.into_iter().map(|name| &tool[name]).find(|it| it.is_object());
        (text(&tool["name"]).to_owned(), schema_or_none(schema.unwrap_or(&Value::Null)))
    };
    Asked {
        model: model.to_owned(),
        text: last_said(parts.map(|part| &part["text"])),
        tools: declared.map(tool).collect(),
        stream: method == "streamGenerateContent",
    }
}

fn asked(recording: &Recording) -> Asked {
    question(&recording.path, &recording.request)
}

fn arrived(received: &Received) -> Asked {
    question(&received.path, &received.json())
}
