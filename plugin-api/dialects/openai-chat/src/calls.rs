//! Tool calls and sound, which arrive in pieces that belong together.
//!
//! Services number the pieces of parallel calls, or do not, or give each call whole; some repeat an
//! id, or send it empty. It decides which piece belongs to which call.
//!
//! - <https://platform.openai.com/docs/guides/function-calling#streaming>
//! - <https://ai.google.dev/gemini-api/docs/thought-signatures>
//! - <https://platform.openai.com/docs/guides/audio>

use allos_plugin_api::json::{rest, text};
use allos_plugin_api::{
    AudioPart, DataSource, Event, Part, PartEnd, ProviderData, Signature, Source, ToolCallDelta,
    ToolCallStart, WholePart,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::response::{take, vendor_part};

/// The calls of one answer.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Call>);

#[derive(Debug)]
struct Call {
    part: u32,
    /// The service's number of the call.
    number: Option<u64>,
    id: String,
    /// A call whose input is text, gathered until it is whole.
    custom: Option<Value>,
}

impl Calls {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads an item of `tool_calls`.
    pub(crate) fn read(&mut self, piece: &Value, next: &mut u32, events: &mut Vec<Event>) {
        let at = self.find(piece).unwrap_or_else(|| {
            self.start(piece, take(next), events);
            self.0.len() - 1
        });
        let call = &mut self.0[at];
        if let Some(custom) = &mut call.custom {
            append(&mut custom["custom"]["input"], &piece["custom"]["input"]);
            return;
        }
        let arguments = match &piece["function"]["arguments"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            object => object.to_string(),
        };
        if !arguments.is_empty() {
            events.push(Event::ToolCallDelta(ToolCallDelta { index: call.part, arguments }));
        }
        let signature = piece.pointer("/extra_content/google/thought_signature").and_then(text);
        if let Some(signature) = signature {
            let signature = signature.to_owned();
            events.push(Event::Signature(Signature { index: call.part, signature }));
        }
    }

    /// Reads `function_call`, the form that `tool_calls` replaced.
    pub(crate) fn read_retired(&mut self, call: &Value, next: &mut u32, events: &mut Vec<Event>) {
        if call.is_object() {
            self.read(&json!({ "index": 0, "function": call }), next, events);
        }
    }

    pub(crate) fn finish(self, events: &mut Vec<Event>) {
        events.extend(self.0.into_iter().map(|call| match call.custom {
            Some(raw) => vendor_part(call.part, raw),
            None => Event::ToolCallEnd(PartEnd::new(call.part)),
        }));
    }

    /// The call that a piece continues.
    fn find(&self, piece: &Value) -> Option<usize> {
        let number = piece["index"].as_u64();
        let id = text(&piece["id"]);
        let is_named = text(&piece["function"]["name"]).is_some();
        let at = match number {
            Some(_) => self.0.iter().rposition(|call| call.number == number)?,
            None if id.is_none() && !is_named => self.0.len().checked_sub(1)?,
            None => self.0.iter().rposition(|call| id == Some(call.id.as_str()))?,
        };
        let is_another = is_named && id.is_some_and(|id| id != self.0[at].id);
        (!is_another).then_some(at)
    }

    fn start(&mut self, piece: &Value, part: u32, events: &mut Vec<Event>) {
        let id = text(&piece["id"]).unwrap_or_default().to_owned();
        let custom = piece["custom"].is_object().then(|| {
            let name = &piece["custom"]["name"];
            json!({ "id": id, "type": "custom", "custom": { "name": name, "input": "" } })
        });
        if custom.is_none() {
            let name = text(&piece["function"]["name"]).unwrap_or_default().to_owned();
            let extra = rest(piece, &["index", "id", "type", "function"]);
            events.push(Event::ToolCallStart(ToolCallStart {
                index: part,
                id: id.clone(),
                name,
                extra,
            }));
        }
        self.0.push(Call { part, number: piece["index"].as_u64(), id, custom });
    }
}

/// The sound of one answer. Each piece of its data is base64 of its own.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    id: Option<String>,
    expires_at: Option<u64>,
    data: Vec<u8>,
    transcript: String,
}

impl Voice {
    /// Reads `audio`.
    pub(crate) fn read(&mut self, piece: &Value) {
        if let Some(id) = text(&piece["id"]) {
            self.id = Some(id.to_owned());
        }
        self.expires_at = piece["expires_at"].as_u64().or(self.expires_at);
        self.data.extend(
            text(&piece["data"]).and_then(|data| STANDARD.decode(data).ok()).unwrap_or_default(),
        );
        self.transcript.push_str(piece["transcript"].as_str().unwrap_or_default());
    }

    pub(crate) fn finish(self, index: u32) -> Option<Event> {
        let id = self.id?;
        let base64 = STANDARD.encode(self.data);
        let about = json!({ "id": id, "expires_at": self.expires_at });
        let part = Part::Audio(AudioPart {
            source: Source::Data(DataSource { media_type: None, base64 }),
            format: None,
            transcript: (!self.transcript.is_empty()).then_some(self.transcript),
            provider_data: ProviderData::new(),
            extra: rest(&about, &[]),
        });
        Some(Event::Part(WholePart { index, part }))
    }
}

fn append(text: &mut Value, more: &Value) {
    if let (Value::String(text), Some(more)) = (text, more.as_str()) {
        text.push_str(more);
    }
}
