//! OpenAI's Responses API, for plugins of services that offer it.
//!
//! It is used without state: the whole conversation is sent, the vendor is asked to store nothing,
//! and the model's reasoning goes back encrypted. `request.rs` and `items.rs` write what is asked;
//! `response.rs` and `stream.rs` read what is answered, in one piece or event by event.
//!
//! ```
//! use allos_openai_responses::{Reader, streamed};
//! use allos_plugin_api::*;
//!
//! async fn ask(
//!     upstream: &Upstream,
//!     request: ChatRequest,
//!     chunks: &mut ChunkSink,
//! ) -> Result<(), ProviderError> {
//!     let mut warnings = Warnings::default();
//!     let body = streamed(&request, None, &mut warnings)?;
//!     let response = upstream.send(upstream.post("/responses", body)).await?;
//!     response.read_events(Reader::default(), warnings, chunks).await
//! }
//! ```
//!
//! - <https://platform.openai.com/docs/api-reference/responses>
//! - <https://platform.openai.com/docs/guides/migrate-to-responses>

#![forbid(unsafe_code)]

mod items;
mod request;
mod response;
mod stream;
#[cfg(test)]
mod tests;

use allos_plugin_api::{HttpResponse, ProviderError, TokenCount, json};
use serde_json::Value;

pub use request::{counted, streamed, unstreamed};
pub use stream::Reader;

/// The name of this vocabulary in parts that only it has, and of what it wants to see again.
pub const FORMAT: &str = "openai-responses";
/// The name of its encrypted reasoning.
const REASONING_FORMAT: &str = "openai-responses-v1";
/// In what it wants to see again: an item's place in its answer.
const PLACE: &str = "output_index";

/// Reads the number of a prompt's tokens.
/// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
///
/// # Errors
///
/// Those of a reply that cannot be read.
pub async fn read_count(mut response: HttpResponse) -> Result<TokenCount, ProviderError> {
    let (reply, text) = response.read_json().await?;
    let input_tokens = reply["input_tokens"].as_u64().ok_or_else(|| {
        ProviderError::malformed_reply("the upstream's count has no `input_tokens`")
            .with_upstream_text(&text)
    })?;
    Ok(TokenCount { input_tokens, body: None })
}

/// Chat completions put what a type means into a member of the type's name; here it stands beside
/// the type.
fn flat(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let mut flat = members.clone();
    let kind = json::text(&value["type"]).unwrap_or_default();
    if value[kind].is_object() {
        flat.remove(kind);
        flat.extend(json::rest(&value[kind], &[]));
    }
    for (name, member) in &mut flat {
        match (name.as_str(), member) {
            ("format", format) => *format = crate::flat(format),
            ("tools", Value::Array(tools)) => {
                *tools = tools.iter().map(crate::flat).collect();
            }
            _ => {}
        }
    }
    Value::Object(flat)
}
