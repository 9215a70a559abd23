//! The items of an answer → the events that make it up.
//!
//! An item comes whole, or in pieces and then whole; what its pieces have said is not said again.
//! Text, reasoning and calls of functions are what they are in every vocabulary. All other items are
//! the vendor's own parts: traces of what it ran itself, and the few calls of tools that only this
//! API has and the client must run (a computer, a shell, a patch, a search for tools).
//!
//! The vendor wants an answer back whole, whatever order a client brings it back in: so every part
//! has its place.
//!
//! - <https://platform.openai.com/docs/api-reference/responses/object>
//! - <https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context>

use std::collections::BTreeMap;

use allos_plugin_api::{
    Annotation, AnnotationAdded, Event, Extra, Logprobs, Part, PartEnd, PartStart, ProviderData,
    ReasoningStart, TextDelta, TokenLogprob, ToolCallDelta, ToolCallStart, Usage, VendorPart,
    WholePart, json,
};
use serde_json::{Value, json};

use crate::{FORMAT, PLACE, REASONING_FORMAT};

/// Members of a reasoning item that its part holds; the last two as its text, if that tells them.
const OF_REASONING: [&str; 6] = ["type", "id", "encrypted_content", "status", "summary", "content"];

/// An answer, while it arrives.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    items: BTreeMap<u64, Item>,
    next: u32,
    pub(crate) calls_tools: bool,
}

/// How far an item has come.
#[derive(Debug)]
enum Item {
    /// A message, by the places of its pieces.
    Message(BTreeMap<u64, Piece>),
    Reasoning(Thought),
    Call {
        part: u32,
        said: usize,
    },
    Complete,
}

/// A piece of a message, and how much of it was said.
#[derive(Debug, Default)]
struct Piece {
    part: u32,
    is_refusal: bool,
    said: usize,
    annotations: usize,
    logprobs: usize,
}

/// Reasoning, by the places of its pieces; how much of each was said.
#[derive(Debug)]
struct Thought {
    part: u32,
    has_started: bool,
    said: BTreeMap<(Kind, u64), usize>,
}

/// What a piece of reasoning is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The vendor's summary.
    Summary,
    /// The model's own words.
    Content,
}

/// A text: more of it, or all of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said<'a> {
    More(&'a str),
    All(&'a str),
}

impl<'a> Said<'a> {
    pub(crate) fn all(text: &'a Value) -> Self {
        Self::All(text.as_str().unwrap_or_default())
    }

    /// What was not said before, which was so many bytes long.
    fn beyond(self, said: &mut usize) -> Option<&'a str> {
        let new = match self {
            Self::More(text) => text,
            Self::All(text) => text.get(*said..)?,
        };
        *said += new.len();
        (!new.is_empty()).then_some(new)
    }
}

impl Answer {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// An item begins.
    pub(crate) fn begin(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        if item["type"] == "function_call" && json::text(&item["name"]).is_some() {
            self.start_call(at, item, events);
        }
    }

    /// An item is complete. One that was completed before says nothing new.
    pub(crate) fn complete(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        if matches!(self.items.get(&at), Some(Item::Complete)) {
            return;
        }
        match item["type"].as_str().unwrap_or_default() {
            "message" => self.message(at, item, events),
            "reasoning" => self.reasoning(at, item, events),
            "function_call" => self.call(at, item, events),
            "custom_tool_call" => self.custom_call(at, item, events),
            _ => {
                self.calls_tools |= is_for_the_client(item);
                let provider_data = seen_again(at, &Value::Null, &[]);
                self.vendor(FORMAT, item.clone(), provider_data, events);
            }
        }
        self.items.insert(at, Item::Complete);
    }

    /// More of a text, at the place of its item and its own in the message.
    pub(crate) fn text(&mut self, place: (u64, u64), said: Said<'_>, events: &mut Vec<Event>) {
        let Some(piece) = self.piece(place, false, events) else { return };
        let index = piece.part;
        let delta = said.beyond(&mut piece.said).map(|text| TextDelta { index, text: text.into() });
        events.extend(delta.map(Event::TextDelta));
    }

    /// More of a refusal.
    pub(crate) fn refusal(&mut self, place: (u64, u64), said: Said<'_>, events: &mut Vec<Event>) {
        let Some(piece) = self.piece(place, true, events) else { return };
        let index = piece.part;
        let delta = said.beyond(&mut piece.said).map(|text| TextDelta { index, text: text.into() });
        events.extend(delta.map(Event::RefusalDelta));
    }

    /// A remark on a text; `number` is its place among the remarks.
    pub(crate) fn annotation(
        &mut self,
        place: (u64, u64),
        number: usize,
        raw: &Value,
        events: &mut Vec<Event>,
    ) {
        let Some(piece) = self.piece(place, false, events) else { return };
        if number >= piece.annotations {
            piece.annotations = number.saturating_add(1);
            let (index, annotation) = (piece.part, read_annotation(raw));
            events.push(Event::Annotation(AnnotationAdded { index, annotation }));
        }
    }

    /// The log-probabilities of a text: of more of it, or, where `all`, of all of it.
    pub(crate) fn logprobs(
        &mut self,
        place: (u64, u64),
        tokens: &[Value],
        is_all: bool,
        events: &mut Vec<Event>,
    ) {
        let Some(piece) = self.piece(place, false, events) else { return };
        let skipped = if is_all { piece.logprobs } else { 0 };
        let content: Vec<_> =
            tokens.iter().skip(skipped).filter_map(TokenLogprob::from_json).collect();
        piece.logprobs += content.len();
        if !content.is_empty() {
            events.push(Event::Logprobs(Logprobs { content, refusal: Vec::new() }));
        }
    }

    /// More of a piece of reasoning. Pieces are apart by an empty line. Of a summary and the words
    /// that it is a summary of, a client gets what comes first; the vendor gets both back.
    pub(crate) fn thought(
        &mut self,
        at: u64,
        id: &Value,
        place: (Kind, u64),
        said: Said<'_>,
        events: &mut Vec<Event>,
    ) {
        let Some(thought) = self.reasoning_at(at) else { return };
        if thought.said.iter().any(|((kind, _), length)| *kind != place.0 && *length > 0) {
            return;
        }
        let (index, length) = (thought.part, thought.said.entry(place).or_default());
        let begins = *length == 0;
        let Some(text) = said.beyond(length) else { return };
        let continues = thought.has_started && begins;
        thought.start(id, place.0, events);
        let text = if continues { format!("\n\n{text}") } else { text.to_owned() };
        events.push(Event::ReasoningDelta(TextDelta { index, text }));
    }

    /// More of the arguments of a call.
    pub(crate) fn arguments(&mut self, at: u64, said: Said<'_>, events: &mut Vec<Event>) {
        let Some(Item::Call { part, said: length }) = self.items.get_mut(&at) else { return };
        if let Some(arguments) = said.beyond(length) {
            let arguments = arguments.to_owned();
            events.push(Event::ToolCallDelta(ToolCallDelta { index: *part, arguments }));
        }
    }

    fn message(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        for (number, content) in (0..).zip(json::items(&item["content"])) {
            let place = (at, number);
            match content["type"].as_str().unwrap_or_default() {
                "output_text" => {
                    self.text(place, Said::all(&content["text"]), events);
                    self.logprobs(place, json::items(&content["logprobs"]), true, events);
                    for (number, raw) in json::items(&content["annotations"]).iter().enumerate() {
                        self.annotation(place, number, raw, events);
                    }
                }
                "refusal" => self.refusal(place, Said::all(&content["refusal"]), events),
                _ => self.vendor(FORMAT, content.clone(), ProviderData::new(), events),
            }
        }
        let Some(Item::Message(pieces)) = self.items.remove(&at) else { return };
        for piece in pieces.into_values().filter(|piece| !piece.is_refusal) {
            let known = ["type", "role", "content", "status"];
            let provider_data = seen_again(at, item, &known);
            events.push(Event::TextEnd(PartEnd { provider_data, ..PartEnd::new(piece.part) }));
        }
    }

    fn reasoning(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        let (summary, content) = (json::items(&item["summary"]), json::items(&item["content"]));
        for (kind, pieces) in [(Kind::Summary, summary), (Kind::Content, content)] {
            for (number, piece) in (0..).zip(pieces) {
                let said = Said::all(&piece["text"]);
                self.thought(at, &item["id"], (kind, number), said, events);
            }
        }
        let Some(thought) = self.reasoning_at(at) else { return };
        let index = thought.part;
        thought.start(&item["id"], Kind::Summary, events);
        let is_told_by_text = content.is_empty() && summary.len() < 2;
        let known = if is_told_by_text { &OF_REASONING[..] } else { &OF_REASONING[..4] };
        let provider_data = seen_again(at, item, known);
        let redacted = json::word(&item["encrypted_content"]);
        events.push(Event::ReasoningEnd(PartEnd { index, provider_data, redacted }));
    }

    fn call(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        self.start_call(at, item, events);
        self.arguments(at, Said::all(&item["arguments"]), events);
        let Some(Item::Call { part, .. }) = self.items.get(&at) else { return };
        let end = PartEnd::new(*part);
        let known = ["type", "call_id", "name", "arguments", "status"];
        let provider_data = seen_again(at, item, &known);
        events.push(Event::ToolCallEnd(PartEnd { provider_data, ..end }));
    }

    fn start_call(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        if self.items.contains_key(&at) {
            return;
        }
        let index = take(&mut self.next);
        self.items.insert(at, Item::Call { part: index, said: 0 });
        self.calls_tools = true;
        let id = json::text(&item["call_id"]).or(json::text(&item["id"])).unwrap_or_default();
        let name = json::text(&item["name"]).unwrap_or_default();
        events.push(Event::ToolCallStart(ToolCallStart {
            index,
            id: id.to_owned(),
            name: name.to_owned(),
            extra: Extra::new(),
        }));
    }

    /// A call whose input is text, which the client runs: as chat completions have it.
    /// <https://platform.openai.com/docs/guides/function-calling#custom-tools>
    fn custom_call(&mut self, at: u64, item: &Value, events: &mut Vec<Event>) {
        self.calls_tools = true;
        let seen_again = seen_again(at, item, &["type", "call_id", "name", "input", "status"]);
        let raw = json!({
            "id": item["call_id"],
            "type": "custom",
            "custom": { "name": item["name"], "input": item["input"] },
            "extra_content": seen_again,
        });
        self.vendor(allos_openai_chat::FORMAT, raw, ProviderData::new(), events);
    }

    fn vendor(
        &mut self,
        format: &str,
        raw: Value,
        provider_data: ProviderData,
        events: &mut Vec<Event>,
    ) {
        let part = Part::Vendor(VendorPart { format: format.to_owned(), raw, provider_data });
        events.push(Event::Part(WholePart { index: take(&mut self.next), part }));
    }

    /// The piece of a message at a place, unless there is something else.
    fn piece(
        &mut self,
        (at, number): (u64, u64),
        is_refusal: bool,
        events: &mut Vec<Event>,
    ) -> Option<&mut Piece> {
        let message = self.items.entry(at).or_insert_with(|| Item::Message(BTreeMap::new()));
        let Item::Message(pieces) = message else { return None };
        let next = &mut self.next;
        let piece = pieces.entry(number).or_insert_with(|| {
            let part = take(next);
            if !is_refusal {
                events.push(Event::TextStart(PartStart { index: part }));
            }
            Piece { part, is_refusal, ..Piece::default() }
        });
        (piece.is_refusal == is_refusal).then_some(piece)
    }

    /// The reasoning at a place, unless there is something else.
    fn reasoning_at(&mut self, at: u64) -> Option<&mut Thought> {
        let next = &mut self.next;
        let item = self.items.entry(at).or_insert_with(|| {
            let (part, said) = (take(next), BTreeMap::new());
            Item::Reasoning(Thought { part, has_started: false, said })
        });
        if let Item::Reasoning(thought) = item { Some(thought) } else { None }
    }
}

/// What the vendor wants to see again with a part: what is not known of its item, and its place.
fn seen_again(at: u64, item: &Value, known: &[&str]) -> ProviderData {
    let mut data = json::rest(item, known);
    data.insert(PLACE.to_owned(), json!(at));
    ProviderData::from([(FORMAT.to_owned(), Value::Object(data))])
}

impl Thought {
    fn start(&mut self, id: &Value, kind: Kind, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.has_started, true) {
            return;
        }
        events.push(Event::ReasoningStart(ReasoningStart {
            index: self.part,
            summary: kind == Kind::Summary,
            id: json::word(id),
            format: Some(REASONING_FORMAT.to_owned()),
            ..ReasoningStart::default()
        }));
    }
}

/// Whether an item of the vendor's own kinds is a call that the client must run.
fn is_for_the_client(item: &Value) -> bool {
    match item["type"].as_str().unwrap_or_default() {
        "computer_call" | "local_shell_call" | "apply_patch_call" => true,
        "shell_call" => item["environment"]["type"] != "container_reference",
        "tool_search_call" => item["execution"] == "client",
        _ => false,
    }
}

/// The next index, which is then used.
fn take(next: &mut u32) -> u32 {
    let index = *next;
    *next += 1;
    index
}

fn read_annotation(raw: &Value) -> Annotation {
    let text = |name: &str| json::word(&raw[name]);
    Annotation {
        kind: text("type").unwrap_or_default(),
        url: text("url"),
        title: text("title").or_else(|| text("filename")),
        start_index: raw["start_index"].as_u64(),
        end_index: raw["end_index"].as_u64(),
        raw: Some(raw.clone()),
    }
}

/// Reads `usage`.
pub(crate) fn read_usage(raw: &Value) -> Option<Usage> {
    raw.is_object().then(|| Usage {
        input_tokens: raw["input_tokens"].as_u64(),
        output_tokens: raw["output_tokens"].as_u64(),
        cache_read_tokens: raw["input_tokens_details"]["cached_tokens"].as_u64(),
        cache_write_tokens: raw["input_tokens_details"]["cache_write_tokens"].as_u64(),
        reasoning_tokens: raw["output_tokens_details"]["reasoning_tokens"].as_u64(),
        raw: Some(raw.clone()),
        ..Usage::default()
    })
}
