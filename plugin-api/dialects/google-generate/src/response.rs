//! What is inside an answer, as events.
//!
//! Pieces of text become one part, and so do pieces of a thought; a thought signature closes the
//! part that it is on. The ends of texts wait for the end of the answer, for remarks on them come
//! last. What Google ran itself, and parts of kinds that are not known, stay as they came.
//!
//! - <https://ai.google.dev/api/generate-content#candidate>
//! - <https://ai.google.dev/api/caching#Part>
//! - <https://ai.google.dev/gemini-api/docs/thought-signatures>

use std::hash::{DefaultHasher, Hash, Hasher};

use allos_plugin_api::json::{items, text};
use allos_plugin_api::{
    AnnotationAdded, AudioPart, Event, Extra, FilePart, Finish, FinishReason, ImagePart, Logprobs,
    Part, PartEnd, ProviderData, ReasoningStart, Signature, Source, TextDelta, TokenLogprob,
    ToolCallDelta, ToolCallStart, Usage, VendorPart, WholePart,
};
use serde_json::{Value, json};

use crate::citations::{self, Citation, Text};
use crate::{DATA, FORMAT, REASONING_FORMAT};

/// How the ids begin that this plugin gives to calls that have none. Google never sees them.
pub(crate) const MADE_ID: &str = "gemini-call-";

/// Reads one answer, candidate by candidate of its frames.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    choice: u32,
    /// The index of the next part.
    next: u32,
    open: Option<Open>,
    texts: Vec<Text>,
    citations: Vec<Citation>,
    has_calls: bool,
    finish: Option<FinishReason>,
}

/// The part that the next piece of its kind continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// The last text.
    Text,
    /// The reasoning of this index.
    Reasoning(u32),
}

impl Answer {
    pub(crate) fn new(choice: u32) -> Self {
        Self { choice, ..Self::default() }
    }

    /// Reads a candidate, of the response with this id.
    pub(crate) fn read(&mut self, candidate: &Value, response: Option<&str>) -> Vec<Event> {
        let mut events = Vec::new();
        for part in items(&candidate["content"]["parts"]) {
            self.part(part, response, &mut events);
        }
        for citation in citations::read(candidate) {
            if !self.citations.contains(&citation) {
                self.citations.push(citation);
            }
        }
        events.extend(read_logprobs(&candidate["logprobsResult"]).map(Event::Logprobs));
        if let Some(reason) = text(&candidate["finishReason"]) {
            self.finish = Some(finish_reason(reason));
        }
        events
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.next == 0
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    pub(crate) fn finish_unless_known(&mut self, reason: &FinishReason) {
        self.finish.get_or_insert_with(|| reason.clone());
    }

    /// What completes the answer.
    pub(crate) fn finish(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.close(&mut events);
        if self.texts.is_empty() && !self.citations.is_empty() {
            self.start_text();
        }
        let is_news = |it: &&Citation| !self.citations.iter().any(|other| it.is_said_by(other));
        for citation in self.citations.iter().filter(is_news) {
            if let Some(index) = citation.place(&self.texts) {
                let annotation = citation.annotation.clone();
                events.push(Event::Annotation(AnnotationAdded { index, annotation }));
            }
        }
        events.extend(self.texts.into_iter().map(|text| {
            let provider_data = seen_again(text.signature.as_deref());
            Event::TextEnd(PartEnd { provider_data, ..PartEnd::new(text.index) })
        }));
        let mut reason = self.finish.unwrap_or(FinishReason::STOP);
        if self.has_calls && reason.unified == Finish::Stop {
            reason.unified = Finish::ToolCalls;
        }
        events.push(Event::Finish(reason));
        events
    }

    fn part(&mut self, part: &Value, response: Option<&str>, events: &mut Vec<Event>) {
        let signature = text(&part["thoughtSignature"]);
        let is_thought = part["thought"] == true;
        let said = match &part["text"] {
            Value::String(said) => Some(said.as_str()),
            // A signature can be all that there is to say.
            _ => has_nothing_else(part).then_some(""),
        };
        match said {
            Some("") if signature.is_none() => {}
            Some(said) if is_thought => self.thought(said, signature, events),
            Some(said) => self.text(said, signature, events),
            None if part["functionCall"].is_object() => self.call(part, response, events),
            None => {
                self.close(events);
                let media = if is_thought { None } else { media(&part["inlineData"], signature) };
                let part = media.unwrap_or_else(|| vendor(part));
                events.push(Event::Part(WholePart { index: self.take(), part }));
            }
        }
    }

    fn text(&mut self, said: &str, signature: Option<&str>, events: &mut Vec<Event>) {
        if self.open != Some(Open::Text) {
            self.close(events);
            self.start_text();
        }
        if let Some(text) = self.texts.last_mut() {
            text.said.push_str(said);
            text.signature = signature.map(str::to_owned);
            events.push(Event::TextDelta(TextDelta { index: text.index, text: said.to_owned() }));
        }
        if signature.is_some() {
            self.open = None;
        }
    }

    fn start_text(&mut self) {
        self.open = Some(Open::Text);
        let index = self.take();
        self.texts.push(Text { index, ..Text::default() });
    }

    fn thought(&mut self, said: &str, signature: Option<&str>, events: &mut Vec<Event>) {
        if !matches!(self.open, Some(Open::Reasoning(_))) {
            self.close(events);
            let format = Some(REASONING_FORMAT.to_owned());
            let start = ReasoningStart { index: self.next, format, ..ReasoningStart::default() };
            events.push(Event::ReasoningStart(start));
            self.open = Some(Open::Reasoning(self.take()));
        }
        let Some(Open::Reasoning(index)) = self.open else { return };
        if !said.is_empty() {
            events.push(Event::ReasoningDelta(TextDelta { index, text: said.to_owned() }));
        }
        if let Some(signature) = signature {
            events.push(signed(index, signature));
            self.close(events);
        }
    }

    /// A call. It always comes whole.
    fn call(&mut self, part: &Value, response: Option<&str>, events: &mut Vec<Event>) {
        self.close(events);
        self.has_calls = true;
        let index = self.take();
        let call = &part["functionCall"];
        let id = text(&call["id"]).map_or_else(|| self.made_id(index, call, response), Into::into);
        let name = text(&call["name"]).unwrap_or_default().to_owned();
        let arguments =
            if call["args"].is_null() { "{}".to_owned() } else { call["args"].to_string() };
        let extra = Extra::new();
        events.extend([
            Event::ToolCallStart(ToolCallStart { index, id, name, extra }),
            Event::ToolCallDelta(ToolCallDelta { index, arguments }),
        ]);
        events.extend(text(&part["thoughtSignature"]).map(|signature| signed(index, signature)));
        events.push(Event::ToolCallEnd(PartEnd::new(index)));
    }

    /// An id that no other call of the conversation has: the response has one, and the call a
    /// place in it.
    fn made_id(&self, index: u32, call: &Value, response: Option<&str>) -> String {
        let response = response.map_or_else(
            || {
                let mut hasher = DefaultHasher::new();
                call.to_string().hash(&mut hasher);
                format!("{:016x}", hasher.finish())
            },
            str::to_owned,
        );
        format!("{MADE_ID}{response}-{}-{index}", self.choice)
    }

    /// Lets nothing more be added to the part that is open.
    fn close(&mut self, events: &mut Vec<Event>) {
        if let Some(Open::Reasoning(index)) = self.open.take() {
            events.push(Event::ReasoningEnd(PartEnd::new(index)));
        }
    }

    fn take(&mut self) -> u32 {
        let index = self.next;
        self.next += 1;
        index
    }
}

/// A thought signature, where Google's own dialect of OpenAI's API has it.
pub(crate) fn seen_again(signature: Option<&str>) -> ProviderData {
    let data = signature.map(|signature| json!({ "thought_signature": signature }));
    data.map(|data| (DATA.to_owned(), data)).into_iter().collect()
}

fn signed(index: u32, signature: &str) -> Event {
    Event::Signature(Signature { index, signature: signature.to_owned() })
}

fn has_nothing_else(part: &Value) -> bool {
    let mut names = part.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names.all(|name| matches!(name, "thought" | "thoughtSignature"))
}

/// An image, sound or file that the model made.
fn media(data: &Value, signature: Option<&str>) -> Option<Part> {
    let media_type = text(&data["mimeType"])?;
    let source = Source::data(media_type, text(&data["data"])?);
    let provider_data = seen_again(signature);
    let extra = Extra::new();
    Some(match media_type.split('/').next() {
        Some("image") => Part::Image(ImagePart { source, detail: None, provider_data, extra }),
        Some("audio") => {
            let (format, transcript) = (None, None);
            Part::Audio(AudioPart { source, format, transcript, provider_data, extra })
        }
        _ => Part::File(FilePart { source, filename: None, provider_data, extra }),
    })
}

fn vendor(part: &Value) -> Part {
    let (format, provider_data) = (FORMAT.to_owned(), ProviderData::new());
    Part::Vendor(VendorPart { format, raw: part.clone(), provider_data })
}

/// <https://ai.google.dev/api/generate-content#FinishReason>
fn finish_reason(raw: &str) -> FinishReason {
    let unified = match raw {
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter,
        "OTHER"
        | "IMAGE_OTHER"
        | "NO_IMAGE"
        | "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => Finish::Error,
        other => Finish::from(other),
    };
    FinishReason::new(unified, raw)
}

/// <https://ai.google.dev/api/generate-content#LogprobsResult>
fn read_logprobs(result: &Value) -> Option<Logprobs> {
    let tops = items(&result["topCandidates"]);
    let chosen = items(&result["chosenCandidates"]).iter().enumerate();
    let content: Vec<_> = chosen
        .filter_map(|(at, chosen)| {
            let top = tops.get(at).map(|top| items(&top["candidates"])).unwrap_or_default();
            let top = top.iter().filter_map(read_logprob).collect();
            Some(TokenLogprob { top, ..read_logprob(chosen)? })
        })
        .collect();
    (!content.is_empty()).then(|| Logprobs { content, ..Logprobs::default() })
}

fn read_logprob(candidate: &Value) -> Option<TokenLogprob> {
    Some(TokenLogprob {
        token: candidate["token"].as_str()?.to_owned(),
        // A zero is left out.
        logprob: candidate["logProbability"].as_f64().unwrap_or_default(),
        ..TokenLogprob::default()
    })
}

/// `usageMetadata`, from which Google leaves zeros out.
/// <https://ai.google.dev/api/generate-content#UsageMetadata>
pub fn read_usage(raw: &Value) -> Option<Usage> {
    raw.as_object().filter(|usage| !usage.is_empty())?;
    let count = |name: &str| raw[name].as_u64();
    let sum =
        |names: [&str; 2]| Some(names.into_iter().filter_map(count).fold(0, u64::saturating_add));
    let sound = |name: &str| {
        let of_sound = items(&raw[name]).iter().find(|detail| detail["modality"] == "AUDIO")?;
        of_sound["tokenCount"].as_u64()
    };
    Some(Usage {
        input_tokens: sum(["promptTokenCount", "toolUsePromptTokenCount"]),
        output_tokens: sum(["candidatesTokenCount", "thoughtsTokenCount"]),
        cache_read_tokens: count("cachedContentTokenCount"),
        cache_write_tokens: None,
        reasoning_tokens: count("thoughtsTokenCount"),
        audio_input_tokens: sound("promptTokensDetails"),
        audio_output_tokens: sound("candidatesTokensDetails"),
        raw: Some(raw.clone()),
    })
}

#[cfg(test)]
mod tests;
