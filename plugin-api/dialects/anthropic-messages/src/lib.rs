//! Anthropic's Messages dialect, for plugins of services that speak it.
//!
//! Anthropic's models are offered by several clouds, and other vendors' models behind the same API.
//! What differs is the address, the key and the signing of requests; the bodies are written and
//! read here:
//!
//! ```
//! use allos_anthropic_messages::{Purpose, Reader, error, write};
//! use allos_plugin_api::*;
//!
//! async fn ask(
//!     upstream: &Upstream,
//!     request: ChatRequest,
//!     chunks: &mut ChunkSink,
//! ) -> Result<(), ProviderError> {
//!     let (body, warnings) = write(&request, Purpose::Stream)?;
//!     let response = upstream.send(upstream.post("/v1/messages", body)).await;
//!     response.map_err(error::refine)?.read_events(Reader::default(), warnings, chunks).await
//! }
//! ```
//!
//! A request that arrives in this dialect is sent on as it came, but for its model and `stream`; any
//! other is built from the normalised form (`request.rs`, `messages.rs`, `thinking.rs`). Replies are
//! read by `stream.rs` and `response.rs`, failures by `error.rs`.
//! <https://platform.claude.com/docs/en/api/messages>

#![forbid(unsafe_code)]

pub mod error;
mod messages;
mod models;
mod request;
mod response;
mod source;
mod stream;
mod thinking;

pub use models::limits;
pub use request::{Purpose, write};
pub use response::token_count;
pub use stream::Reader;

/// The name of this vocabulary in parts and tools that only it has.
pub const FORMAT: &str = "anthropic-messages";
/// Whose signatures and redacted thoughts these are.
pub const REASONING_FORMAT: &str = "anthropic-claude-v1";
