//! The recordings: exchanges of real clients with real services, one a file.
//!
//! They are found through `ALLOS_WIRE_CORPUS`, a folder with one folder per service. Nothing here
//! knows what a provider makes of them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::artifact;

/// The folders whose recordings are in OpenAI's chat dialect, and the instance that serves each.
pub(super) const SERVICES: [(&str, &str); 8] = [
    ("openai-chat", "openai"),
    ("compat-cerebras", "cerebras"),
    ("compat-deepseek", "deepseek"),
    ("compat-groq", "groq"),
    ("compat-mistral", "mistral"),
    ("compat-ollama", "ollama"),
    ("compat-openrouter", "openrouter"),
    ("compat-together", "together"),
];

/// One exchange.
pub(super) struct Recording {
    /// The name of its file.
    pub(super) id: String,
    /// Where the request was sent to.
    pub(super) path: String,
    /// The body of the request.
    pub(super) request: Value,
    pub(super) status: u16,
    pub(super) media_type: String,
    pub(super) headers: Map<String, Value>,
    pub(super) reply: Recorded,
}

/// The body of a recorded response.
pub(super) enum Recorded {
    /// A reply in one piece.
    Json(Value),
    /// The whole text of a stream of server-sent events.
    Events(String),
}

/// The folder of recordings, where the environment names one. A relative path starts at the top of
/// the workspace.
pub(super) fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("ALLOS_WIRE_CORPUS").filter(|folder| !folder.is_empty())?;
    let folder = artifact::workspace().join(folder);
    assert!(folder.is_dir(), "ALLOS_WIRE_CORPUS names {}, which is no folder", folder.display());
    Some(folder)
}

/// All recordings of one service, by name.
pub(super) fn recordings(folder: &Path) -> Vec<Recording> {
    let entries = std::fs::read_dir(folder).expect("a folder of recordings");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let recordings: Vec<_> = files.iter().map(|file| read(file)).collect();
    assert!(!recordings.is_empty(), "no recordings in {}", folder.display());
    recordings
}

fn read(file: &Path) -> Recording {
    let text = std::fs::read_to_string(file).expect("a recording");
    let mut recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
    let reply = match recording["response"]["body"].take() {
        Value::String(events) => Recorded::Events(events),
        json => Recorded::Json(json),
    };
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let response = &recording["response"];
    Recording {
        id: text(&recording["id"]),
        path: text(&recording["request"]["path"]),
        status: response["status"].as_u64().and_then(|it| it.try_into().ok()).expect("a status"),
        media_type: text(&response["content_type"]),
        headers: response["headers"].as_object().cloned().unwrap_or_default(),
        request: recording["request"]["body"].take(),
        reply,
    }
}

/// What the `data` fields of a stream say, one text per event.
pub(super) fn event_data(stream: &str) -> Vec<String> {
    let stream = stream.replace("\r\n", "\n");
    stream
        .split("\n\n")
        .filter_map(|event| {
            let data = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let data: Vec<_> = data.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            (!data.is_empty()).then(|| data.join("\n"))
        })
        .collect()
}

/// The frames of a stream, without the word that ends it.
pub(super) fn frames(stream: &str) -> Vec<Value> {
    let data = event_data(stream).into_iter().filter(|data| data != "[DONE]");
    data.map(|data| serde_json::from_str(&data).expect("a frame is JSON")).collect()
}
