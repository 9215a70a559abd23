//! What a call cost, and why its answer ended, in Anthropic's words.
//!
//! - <https://docs.anthropic.com/en/api/messages#response-usage>
//! - <https://docs.anthropic.com/en/api/handling-stop-reasons>

use allos_plugin_api::{Finish, FinishReason, Usage};
use serde_json::{Map, Value, json};

/// The usage object. Anthropic counts what was read from a cache or written to it beside the input;
/// the normalised form counts it in. Its own object keeps what the vocabulary does not model. Every
/// client reads the two counts, so they are 0 where nobody told them.
pub(super) fn usage(usage: Option<&Usage>) -> Value {
    let none = Usage::default();
    let usage = usage.unwrap_or(&none);
    let mut written = own(usage).cloned().unwrap_or_default();
    let input = usage.input_tokens.unwrap_or(0);
    // Some services count what they wrote to the cache among what they read from it.
    let read = usage.cache_read_tokens.map(|read| read.min(input));
    let new = input - read.unwrap_or(0);
    let stored = usage.cache_write_tokens.map(|stored| stored.min(new));
    for (name, count) in [
        ("input_tokens", Some(new - stored.unwrap_or(0))),
        ("cache_creation_input_tokens", stored),
        ("cache_read_input_tokens", read),
    ] {
        if let Some(count) = count {
            written.insert(name.to_owned(), count.into());
        }
    }
    written.insert("output_tokens".to_owned(), usage.output_tokens.unwrap_or(0).into());
    if let Some(count) = usage.reasoning_tokens {
        written
            .entry("output_tokens_details")
            .or_insert_with(|| json!({ "thinking_tokens": count }));
    }
    Value::Object(written)
}

/// The vendor's object where it is Anthropic's: other vendors who name its members also name the
/// total.
fn own(usage: &Usage) -> Option<&Map<String, Value>> {
    let raw = usage.raw.as_ref()?.as_object()?;
    let counts = ["input_tokens", "output_tokens"].iter().all(|name| raw.contains_key(*name));
    (counts && !raw.contains_key("total_tokens")).then_some(raw)
}

/// Why an answer ended: the vendor's word where it is Anthropic's and means the same. For a vendor's
/// failure there is no word of Anthropic's, and it must not look like an end.
pub(super) fn stop_reason(reason: &FinishReason, has_refused: bool) -> &str {
    let raw = reason.raw.as_deref().unwrap_or_default();
    match (&reason.unified, raw) {
        (Finish::Stop, _) if has_refused => "refusal",
        (Finish::Stop | Finish::Other(_), "stop_sequence" | "pause_turn" | "compaction")
        | (Finish::Length, "model_context_window_exceeded") => raw,
        (Finish::Stop, _) => "end_turn",
        (Finish::Length, _) => "max_tokens",
        (Finish::ToolCalls, _) => "tool_use",
        (Finish::ContentFilter, _) => "refusal",
        (other, _) => other.as_str(),
    }
}
