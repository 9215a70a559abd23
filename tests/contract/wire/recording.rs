//! The recordings: exchanges of real clients with real services, and exchanges in the same form
//! that are written by hand from the vendors' documentation, one a file.
//!
//! The recordings are found through `ALLOS_WIRE_CORPUS`, a folder with one folder per service; the
//! written exchanges are in `tests/exchanges`. Nothing here knows what a provider makes of them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::artifact;
use crate::upstream::Reply;

/// A service that speaks OpenAI's chat dialect.
#[derive(Clone, Copy)]
pub(super) struct Service {
    /// The folder of its recordings.
    pub(super) folder: &'static str,
    /// The instance that serves it.
    pub(super) instance: &'static str,
    /// The path at which its API begins.
    pub(super) base: &'static str,
}

/// The services that speak OpenAI's chat dialect.
pub(super) const SERVICES: [Service; 8] = [
    Service::new("openai-chat", "openai", "/v1"),
    Service::new("compat-cerebras", "cerebras", "/v1"),
    Service::new("compat-deepseek", "deepseek", ""),
    Service::new("compat-groq", "groq", "/openai/v1"),
    Service::new("compat-mistral", "mistral", "/v1"),
    Service::new("compat-ollama", "ollama", "/v1"),
    Service::new("compat-openrouter", "openrouter", "/api/v1"),
    Service::new("compat-together", "together", "/v1"),
];

impl Service {
    const fn new(folder: &'static str, instance: &'static str, base: &'static str) -> Self {
        Self { folder, instance, base }
    }
}

/// One exchange.
#[derive(Clone)]
pub(super) struct Recording {
    /// The name of its file.
    pub(super) id: String,
    /// Where the request was sent to.
    pub(super) path: String,
    /// The body of the request.
    pub(super) request: Value,
    /// What a client of the gateway asks in OpenAI's dialect to make that request, where a written
    /// exchange says so.
    pub(super) client: Option<Value>,
    pub(super) status: u16,
    pub(super) media_type: String,
    pub(super) headers: Map<String, Value>,
    pub(super) reply: Recorded,
}

/// The body of a response.
#[derive(Clone)]
pub(super) enum Recorded {
    /// A reply in one piece.
    Json(Value),
    /// The whole text of a stream of server-sent events.
    Events(String),
    /// The whole text of a stream of lines of JSON.
    Lines(String),
    /// Something else.
    Text(String),
}

impl Recorded {
    /// Reads a body by its media type.
    pub(super) fn of(media_type: &str, text: &str) -> Self {
        match media_type.split(';').next().unwrap_or_default().trim() {
            "text/event-stream" => Self::Events(text.to_owned()),
            "application/x-ndjson" => Self::Lines(text.to_owned()),
            _ => {
                serde_json::from_str(text).map_or_else(|_| Self::Text(text.to_owned()), Self::Json)
            }
        }
    }

    /// Whether it came bit by bit.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Events(_) | Self::Lines(_))
    }

    /// The body as it goes over the wire.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Json(body) => body.to_string(),
            Self::Events(text) | Self::Lines(text) | Self::Text(text) => text.clone(),
        }
    }
}

impl Recording {
    /// The answer of an upstream, in pieces of so many bytes if they are given.
    pub(super) fn reply(&self, piece: Option<usize>) -> Reply {
        let reply = Reply::new(self.status, &self.media_type, self.reply.text());
        let headers = self.headers.iter().filter(|(name, _)| *name != "content-type");
        let reply = headers.fold(reply, |reply, (name, value)| {
            reply.header(name, value.as_str().unwrap_or_default())
        });
        match piece {
            Some(bytes) => reply.in_pieces_of(bytes),
            None => reply,
        }
    }

    /// The same, with the stream ending too early: after each of its events but the last.
    pub(super) fn ending_early(&self) -> Vec<Self> {
        let (Recorded::Events(text) | Recorded::Lines(text)) = &self.reply else {
            return Vec::new();
        };
        let text = text.replace("\r\n", "\n");
        let end = if matches!(self.reply, Recorded::Events(_)) { "\n\n" } else { "\n" };
        let ends: Vec<_> = text.match_indices(end).map(|(at, end)| at + end.len()).collect();
        let before_the_last = ends.iter().rev().skip(1).rev();
        let early = before_the_last.map(|end| {
            let reply = Recorded::of(&self.media_type, &text[..*end]);
            Self { id: format!("{} up to {end}", self.id), reply, ..self.clone() }
        });
        early.collect()
    }
}

/// The folder of recordings, where the environment names one. A relative path starts at the top of
/// the workspace.
pub(super) fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("ALLOS_WIRE_CORPUS").filter(|folder| !folder.is_empty())?;
    let folder = artifact::workspace().join(folder);
    assert!(folder.is_dir(), "ALLOS_WIRE_CORPUS names {}, which is no folder", folder.display());
    Some(folder)
}

/// The folder of the exchanges that are written by hand.
pub(super) fn exchanges() -> PathBuf {
    artifact::workspace().join("tests/exchanges")
}

/// All recordings of one folder, by name.
pub(super) fn recordings(folder: &Path) -> Vec<Recording> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} is no folder of recordings: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let recordings: Vec<_> = files.iter().map(|file| read(file)).collect();
    assert!(!recordings.is_empty(), "no recordings in {}", folder.display());
    recordings
}

fn read(file: &Path) -> Recording {
    let text = std::fs::read_to_string(file).expect("a recording");
    let name = file.file_stem().and_then(|name| name.to_str()).expect("a name").to_owned();
    if file.extension().is_some_and(|it| it == "ndjson") {
        return lines(name, text);
    }
    let mut recording: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{} is no JSON: {error}", file.display()));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let response = &mut recording["response"];
    let media_type = text(&response["content_type"]);
    let reply = match response["body"].take() {
        Value::String(text) => Recorded::of(&media_type, &text),
        json => Recorded::Json(json),
    };
    Recording {
        id: name,
        path: text(&recording["request"]["path"]),
        status: recording["response"]["status"]
            .as_u64()
            .and_then(|it| it.try_into().ok())
            .expect("a status"),
        media_type,
        headers: recording["response"]["headers"].as_object().cloned().unwrap_or_default(),
        request: recording["request"]["body"].take(),
        client: recording.get("client").cloned(),
        reply,
    }
}

/// A recording that is nothing but the lines of a reply of Ollama.
fn lines(id: String, text: String) -> Recording {
    let first = text.lines().next().unwrap_or_default();
    let first: Value = serde_json::from_str(first).expect("a line is JSON");
    let content = "why is the sky blue?";
    let request = json!({
        "model": first["model"], "stream": true, "messages": [{"role": "user", "content": content}],
    });
    Recording {
        id,
        path: "/api/chat".to_owned(),
        request,
        client: None,
        status: 200,
        media_type: "application/x-ndjson".to_owned(),
        headers: Map::new(),
        reply: Recorded::Lines(text),
    }
}

/// An event of a stream: its name, and its data.
pub(super) struct Frame {
    /// Empty where it has none.
    pub(super) event: String,
    pub(super) data: String,
}

/// The events of a stream that have data.
pub(super) fn events(stream: &str) -> Vec<Frame> {
    let stream = stream.replace("\r\n", "\n");
    let field = |line: &str, name: &str| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        Some(value.strip_prefix(' ').unwrap_or(value).to_owned())
    };
    let frames = stream.split("\n\n").map(|event| {
        let data: Vec<_> = event.lines().filter_map(|line| field(line, "data")).collect();
        let name = event.lines().find_map(|line| field(line, "event"));
        Frame { event: name.unwrap_or_default(), data: data.join("\n") }
    });
    frames.filter(|frame| !frame.data.is_empty()).collect()
}

/// The frames of a stream, without the word that ends it.
pub(super) fn frames(stream: &str) -> Vec<Value> {
    let data = events(stream).into_iter().map(|frame| frame.data).filter(|data| data != "[DONE]");
    data.map(|data| serde_json::from_str(&data).expect("a frame is JSON")).collect()
}
