//! Where an answer comes from, as annotations on its text.
//!
//! Google names its sources beside the parts: what a search or a map found, what was retrieved,
//! what was recited. Positions are counted in bytes, as Google does.
//!
//! - <https://ai.google.dev/api/generate-content#GroundingMetadata>
//! - <https://ai.google.dev/api/generate-content#citationmetadata>
//! - <https://ai.google.dev/gemini-api/docs/url-context>

use allos_plugin_api::Annotation;
use allos_plugin_api::json::{items, text, word};
use serde_json::{Value, json};

/// A text so far.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) index: u32,
    pub(crate) said: String,
    pub(crate) signature: Option<String>,
}

/// A source, and the words that it is a source of where they are told.
#[derive(Debug, PartialEq)]
pub(crate) struct Citation {
    pub(crate) annotation: Annotation,
    words: Option<String>,
}

impl Citation {
    /// Whether another one says where in the text the same source was used.
    pub(crate) fn is_said_by(&self, other: &Self) -> bool {
        let (own, other) = (&self.annotation, &other.annotation);
        own.end_index.is_none() && other.end_index.is_some() && own.url == other.url
    }

    /// The text that it is about: the one with these words at this place, or else the last.
    pub(crate) fn place(&self, texts: &[Text]) -> Option<u32> {
        let fits = |text: &&Text| {
            self.words.is_some() && self.stretch(&text.said) == self.words.as_deref()
        };
        texts.iter().find(fits).or_else(|| texts.last()).map(|text| text.index)
    }

    fn stretch<'a>(&self, text: &'a str) -> Option<&'a str> {
        let start = usize::try_from(self.annotation.start_index?).ok()?;
        let end = usize::try_from(self.annotation.end_index?).ok()?;
        text.get(start..end)
    }
}

/// Reads what a candidate says of its sources.
pub(crate) fn read(candidate: &Value) -> Vec<Citation> {
    let mut citations = grounding(&candidate["groundingMetadata"]);
    citations.extend(items(&candidate["citationMetadata"]["citationSources"]).iter().map(recited));
    let pages = items(&candidate["urlContextMetadata"]["urlMetadata"]).iter();
    let read = pages.filter(|page| page["urlRetrievalStatus"] == "URL_RETRIEVAL_STATUS_SUCCESS");
    citations.extend(read.map(|page| {
        cite("urlContext", text(&page["retrievedUrl"]), None, (None, None), page.clone())
    }));
    citations
}

/// Each stretch of text with each of its sources; the sources alone where no stretches are told.
fn grounding(metadata: &Value) -> Vec<Citation> {
    let chunks = items(&metadata["groundingChunks"]);
    let supports = items(&metadata["groundingSupports"]);
    if supports.is_empty() {
        return chunks.iter().map(|chunk| grounded(chunk, &Value::Null)).collect();
    }
    let mut citations = Vec::new();
    for support in supports {
        let numbers = items(&support["groundingChunkIndices"]).iter().filter_map(Value::as_u64);
        let named = numbers.filter_map(|number| chunks.get(usize::try_from(number).ok()?));
        citations.extend(named.map(|chunk| grounded(chunk, support)));
    }
    citations
}

/// `chunk` has one member, which says what kind of source it is.
fn grounded(chunk: &Value, support: &Value) -> Citation {
    let (kind, source) = chunk
        .as_object()
        .and_then(|members| members.iter().next())
        .map_or(("grounding", &Value::Null), |(kind, source)| (kind.as_str(), source));
    let segment = &support["segment"];
    let place =
        (segment.is_object().then(|| count(&segment["startIndex"])), segment["endIndex"].as_u64());
    let raw = json!({ "groundingChunk": chunk, "groundingSupport": support });
    let mut citation = cite(kind, text(&source["uri"]), text(&source["title"]), place, raw);
    citation.words = word(&segment["text"]);
    citation
}

fn recited(source: &Value) -> Citation {
    let place = (Some(count(&source["startIndex"])), source["endIndex"].as_u64());
    cite("citation", text(&source["uri"]), text(&source["title"]), place, source.clone())
}

/// A zero is left out.
fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn cite(
    kind: &str,
    url: Option<&str>,
    title: Option<&str>,
    (start_index, end_index): (Option<u64>, Option<u64>),
    raw: Value,
) -> Citation {
    let kind = if url.is_some() { "url_citation" } else { kind }.to_owned();
    let (url, title) = (url.map(str::to_owned), title.map(str::to_owned));
    let annotation = Annotation { kind, url, title, start_index, end_index, raw: Some(raw) };
    Citation { annotation, words: None }
}
