//! The content blocks of an answer → the events that make it up.
//!
//! A whole block is read as a stream of one piece, so both come out the same. What the vendor runs
//! itself, and blocks that are not known, stay as they came; a streamed one is gathered first. What
//! is around the blocks is `stream.rs`'s.
//!
//! - <https://platform.claude.com/docs/en/api/messages/create>
//! - <https://platform.claude.com/docs/en/build-with-claude/streaming>
//! - <https://platform.claude.com/docs/en/build-with-claude/citations>
//! - <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>

use std::collections::BTreeMap;

use allos_plugin_api::json::{items, rest, text, word};
use allos_plugin_api::{
    Annotation, AnnotationAdded, Dialect, Event, Finish, FinishReason, HttpResponse, Part, PartEnd,
    PartStart, ProviderChunk, ProviderData, ProviderError, RawBody, ReasoningStart, Signature,
    TextDelta, TokenCount, ToolCallDelta, ToolCallStart, Usage, VendorPart, WholePart,
};
use serde_json::{Map, Value, json};

use crate::{FORMAT, REASONING_FORMAT};

/// The content of an answer, while it arrives.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// By the vendor's own index.
    open: BTreeMap<u64, Block>,
    /// The index of the next part.
    next: u32,
    /// The end of the last block, until it is known what belongs to it.
    last: Option<Event>,
}

/// A block that is not complete yet.
#[derive(Debug)]
struct Block {
    /// The index of its part.
    part: u32,
    kind: Kind,
    /// As it started; a vendor's own block also what came since.
    raw: Value,
    /// The JSON text of its input so far.
    input: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Call,
    Vendors,
}

type Chunks = Vec<ProviderChunk>;

impl Content {
    /// A block begins; it may hold all that it will.
    pub(crate) fn start(&mut self, at: u64, raw: &Value, chunks: &mut Chunks) {
        self.stop(at, chunks);
        chunks.extend(self.last.take().map(ProviderChunk::from));
        let index = self.next;
        self.next += 1;
        let mut push = |event: Event| chunks.push(event.into());
        let kind = match raw["type"].as_str() {
            Some("text") => {
                push(Event::TextStart(PartStart { index }));
                text_delta(index, &raw["text"]).into_iter().for_each(&mut push);
                items(&raw["citations"]).iter().map(|it| annotation(index, it)).for_each(push);
                Kind::Text
            }
            Some("thinking" | "redacted_thinking") => {
                push(reasoning_start(index, raw));
                reasoning_delta(index, &raw["thinking"]).into_iter().for_each(&mut push);
                signature(index, &raw["signature"]).into_iter().for_each(push);
                Kind::Thinking
            }
            Some("tool_use") => {
                push(call_start(index, raw));
                Kind::Call
            }
            _ => Kind::Vendors,
        };
        let (raw, input) = (raw.clone(), String::new());
        self.open.insert(at, Block { part: index, kind, raw, input });
    }

    /// More of a block.
    pub(crate) fn delta(
        &mut self,
        at: u64,
        delta: &Value,
        chunks: &mut Chunks,
    ) -> Result<(), ProviderError> {
        let Some(block) = self.open.get_mut(&at) else {
            let message = format!("the upstream continued content block {at}, which is not open");
            return Err(ProviderError::malformed_reply(message));
        };
        let index = block.part;
        let input = text(&delta["partial_json"]).unwrap_or_default();
        block.input.push_str(input);
        let event = match (block.kind, delta["type"].as_str()) {
            (Kind::Text, Some("text_delta")) => text_delta(index, &delta["text"]),
            (Kind::Text, Some("citations_delta")) => Some(annotation(index, &delta["citation"])),
            (Kind::Thinking, Some("thinking_delta")) => reasoning_delta(index, &delta["thinking"]),
            (Kind::Thinking, Some("signature_delta")) => signature(index, &delta["signature"]),
            (Kind::Call, Some("input_json_delta")) => call_delta(index, input),
            (Kind::Vendors, Some("input_json_delta")) => None,
            (Kind::Vendors, _) => {
                append(&mut block.raw, delta);
                None
            }
            _ => None,
        };
        chunks.extend(event.map(ProviderChunk::from));
        Ok(())
    }

    /// A block is complete.
    pub(crate) fn stop(&mut self, at: u64, chunks: &mut Chunks) {
        let Some(mut block) = self.open.remove(&at) else { return };
        let index = block.part;
        chunks.extend(self.last.take().map(ProviderChunk::from));
        let end = PartEnd::new(index);
        self.last = Some(match block.kind {
            Kind::Text => Event::TextEnd(end),
            Kind::Thinking => Event::ReasoningEnd(end),
            Kind::Call => {
                if block.input.is_empty() {
                    let input = whole_input(&block.raw["input"]);
                    chunks.extend(call_delta(index, &input).map(ProviderChunk::from));
                }
                Event::ToolCallEnd(PartEnd { provider_data: caller(&block.raw), ..end })
            }
            Kind::Vendors => {
                if let Ok(input) = serde_json::from_str(&block.input) {
                    append(
                        &mut block.raw,
                        &Value::Object(Map::from_iter([("input".into(), input)])),
                    );
                }
                let (format, raw) = (FORMAT.to_owned(), block.raw);
                let part = VendorPart { format, raw, provider_data: ProviderData::new() };
                Event::Part(WholePart { index, part: Part::Vendor(part) })
            }
        });
    }

    /// Completes the content. A container goes along with the last part, so that it is there again
    /// when the answer comes back.
    pub(crate) fn finish(&mut self, container: Option<&Value>, chunks: &mut Chunks) {
        let open: Vec<_> = self.open.keys().copied().collect();
        for index in open {
            self.stop(index, chunks);
        }
        let mut last = self.last.take();
        let provider_data = match &mut last {
            Some(Event::TextEnd(end) | Event::ReasoningEnd(end) | Event::ToolCallEnd(end)) => {
                Some(&mut end.provider_data)
            }
            Some(Event::Part(WholePart { part: Part::Vendor(part), .. })) => {
                Some(&mut part.provider_data)
            }
            _ => None,
        };
        if let (Some(data), Some(container)) = (provider_data, container) {
            let seen_again = data.entry(FORMAT.to_owned()).or_insert_with(|| json!({}));
            append(seen_again, &json!({ "container": container }));
        }
        chunks.extend(last.map(ProviderChunk::from));
    }
}

/// Adds the members of an object to another: text is appended, anything else is set.
fn append(object: &mut Value, more: &Value) {
    let Value::Object(object) = object else { return };
    for (name, value) in rest(more, &["type"]) {
        match (object.get_mut(&name), value) {
            (Some(Value::String(text)), Value::String(more)) => text.push_str(&more),
            (_, value) => drop(object.insert(name, value)),
        }
    }
}

fn text_delta(index: u32, said: &Value) -> Option<Event> {
    Some(Event::TextDelta(TextDelta { index, text: text(said)?.to_owned() }))
}

fn reasoning_delta(index: u32, thought: &Value) -> Option<Event> {
    Some(Event::ReasoningDelta(TextDelta { index, text: text(thought)?.to_owned() }))
}

fn signature(index: u32, signature: &Value) -> Option<Event> {
    Some(Event::Signature(Signature { index, signature: text(signature)?.to_owned() }))
}

fn reasoning_start(index: u32, raw: &Value) -> Event {
    Event::ReasoningStart(ReasoningStart {
        index,
        redacted: word(&raw["data"]),
        format: Some(REASONING_FORMAT.to_owned()),
        extra: rest(raw, &["type", "thinking", "signature", "data"]),
        ..ReasoningStart::default()
    })
}

fn call_start(index: u32, raw: &Value) -> Event {
    let word = |name: &str| text(&raw[name]).unwrap_or_default().to_owned();
    let extra = rest(raw, &["type", "id", "name", "input"]);
    Event::ToolCallStart(ToolCallStart { index, id: word("id"), name: word("name"), extra })
}

fn call_delta(index: u32, input: &str) -> Option<Event> {
    let arguments = input.to_owned();
    (!input.is_empty()).then_some(Event::ToolCallDelta(ToolCallDelta { index, arguments }))
}

/// The input of a call that came in one piece; none is an empty object.
fn whole_input(input: &Value) -> String {
    if input.is_null() { "{}".to_owned() } else { input.to_string() }
}

/// The code that called the tool, which the vendor wants to see again; nothing where the model did.
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/programmatic-tool-calling>
fn caller(raw: &Value) -> ProviderData {
    let caller = Some(&raw["caller"]).filter(|it| it.is_object() && it["type"] != "direct");
    let seen_again = caller.map(|caller| (FORMAT.to_owned(), json!({ "caller": caller })));
    seen_again.into_iter().collect()
}

fn annotation(index: u32, raw: &Value) -> Event {
    let address = text(&raw["url"]).or_else(|| text(&raw["source"]));
    let url = address.filter(|it| it.starts_with("http")).map(str::to_owned);
    let kind = if url.is_some() { Some("url_citation") } else { raw["type"].as_str() };
    let annotation = Annotation {
        kind: kind.unwrap_or_default().to_owned(),
        url,
        title: text(&raw["title"]).or_else(|| text(&raw["document_title"])).map(str::to_owned),
        raw: Some(raw.clone()),
        ..Annotation::default()
    };
    Event::Annotation(AnnotationAdded { index, annotation })
}

/// What a call cost. The vendor counts what it read from its cache, and wrote to it, beside the
/// rest of the input.
pub(crate) fn usage(raw: &Map<String, Value>) -> Option<Usage> {
    let count = |name: &str| raw.get(name).and_then(Value::as_u64);
    let (read, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let details = raw.get("output_tokens_details");
    (!raw.is_empty()).then(|| Usage {
        input_tokens: count("input_tokens").map(|input| input.saturating_add(cached)),
        output_tokens: count("output_tokens"),
        cache_read_tokens: read,
        cache_write_tokens: written,
        reasoning_tokens: details.and_then(|details| details["thinking_tokens"].as_u64()),
        raw: Some(Value::Object(raw.clone())),
        ..Usage::default()
    })
}

/// Why an answer ended. A turn that the vendor pauses is complete as far as it goes: the client
/// sends it back to have it continued.
pub(crate) fn finish_reason(raw: &str) -> FinishReason {
    let unified = match raw {
        "end_turn" | "stop_sequence" | "pause_turn" | "compaction" => Finish::Stop,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        other => Finish::from(other),
    };
    FinishReason::new(unified, raw)
}

/// Reads a count of tokens.
/// <https://platform.claude.com/docs/en/api/messages/count_tokens>
pub async fn token_count(mut response: HttpResponse) -> Result<TokenCount, ProviderError> {
    let (reply, body) = response.read_json().await?;
    let Some(input_tokens) = reply["input_tokens"].as_u64() else {
        let error = ProviderError::malformed_reply("the upstream's count has no `input_tokens`");
        return Err(error.with_upstream_text(&body));
    };
    Ok(TokenCount { input_tokens, body: Some(RawBody::new(Dialect::AnthropicMessages, body)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_the_cache_to_the_input_and_keeps_absent_from_zero() {
        let raw = json!({
            "input_tokens": 4, "cache_read_input_tokens": 9116, "cache_creation_input_tokens": 219,
            "output_tokens": 156, "output_tokens_details": { "thinking_tokens": 33 },
        });
        let usage = usage(raw.as_object().unwrap()).unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens), (Some(9339), Some(156)));
        assert_eq!((usage.cache_read_tokens, usage.cache_write_tokens), (Some(9116), Some(219)));
        assert_eq!((usage.reasoning_tokens, usage.raw), (Some(33), Some(raw)));
        let bare = super::usage(json!({ "output_tokens": 1 }).as_object().unwrap()).unwrap();
        assert_eq!((bare.input_tokens, bare.cache_read_tokens), (None, None));
        assert_eq!(super::usage(&Map::new()), None);
    }

    #[test]
    fn each_stop_reason_has_its_word() {
        for (raw, unified) in [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("pause_turn", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("tool_use", "tool_calls"),
            ("refusal", "content_filter"),
            ("reason_of_tomorrow", "reason_of_tomorrow"),
        ] {
            let reason = finish_reason(raw);
            assert_eq!((reason.unified.as_str(), reason.raw.as_deref()), (unified, Some(raw)));
        }
    }

    #[test]
    fn a_citation_of_the_web_has_an_address_and_one_of_a_document_its_own_word() {
        let web = json!({ "type": "web_search_result_location", "url": "https://a", "title": "A" });
        let document =
            json!({ "type": "char_location", "document_title": "D", "start_char_index": 1 });
        for (raw, kind, url, title) in
            [(web, "url_citation", Some("https://a"), "A"), (document, "char_location", None, "D")]
        {
            let Event::Annotation(added) = annotation(0, &raw) else { panic!("an annotation") };
            let said = added.annotation;
            assert_eq!((said.kind.as_str(), said.url.as_deref()), (kind, url));
            assert_eq!((said.title.as_deref(), said.raw), (Some(title), Some(raw)));
        }
    }
}
