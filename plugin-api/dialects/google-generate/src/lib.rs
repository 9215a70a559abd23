//! Gemini's `generateContent`, for plugins of services that offer it.
//!
//! Google offers it with a key and, in its cloud, with tokens and other addresses. The bodies are the
//! same, and are written and read here:
//!
//! ```
//! use allos_google_generate::{Reader, error, write};
//! use allos_plugin_api::*;
//!
//! async fn ask(
//!     upstream: &Upstream,
//!     request: ChatRequest,
//!     chunks: &mut ChunkSink,
//! ) -> Result<(), ProviderError> {
//!     let (body, warnings) = write(&request)?;
//!     let path = format!("/v1beta/models/{}:streamGenerateContent", escaped(&request.model));
//!     let request = upstream.post(&path, body.to_string()).query("alt", "sse");
//!     let response = upstream.send(request).await.map_err(error::refine)?;
//!     response.read_events(Reader::default(), warnings, chunks).await
//! }
//! ```
//!
//! Requests are written by `request.rs`, `messages.rs`, `parts.rs` and `schema.rs`; replies are read by
//! `stream.rs`, `response.rs` and `citations.rs`, failures by `error.rs`.
//! <https://ai.google.dev/api/generate-content>

#![forbid(unsafe_code)]

mod citations;
pub mod error;
mod generation;
mod messages;
mod parts;
mod request;
mod response;
mod schema;
mod stream;

pub use generation::resource;
pub use request::{count, write};
pub use response::read_usage;
pub use stream::Reader;

/// The name of this vocabulary in parts and tools that only it has.
pub const FORMAT: &str = "google-generate";
/// The name of Google's reasoning.
pub const REASONING_FORMAT: &str = "google-gemini-v1";
/// Under which name a part keeps what Google wants to see again.
const DATA: &str = "google";
