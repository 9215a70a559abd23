//! All that the author of an allos plugin sees.
//!
//! A plugin is a shared library that exports one provider. This is a complete one:
//!
//! ```
//! use allos_plugin_api::*;
//!
//! struct Parrot;
//!
//! #[provider("parrot")]
//! impl Provider for Parrot {
//!     fn new(_config: ProviderConfig, _host: Host) -> Result<Self, ProviderError> {
//!         Ok(Parrot)
//!     }
//!
//!     async fn stream_chat(
//!         &self,
//!         request: ChatRequest,
//!         chunks: &mut ChunkSink,
//!     ) -> Result<(), ProviderError> {
//!         let heard = request.messages.last().map(Message::text).unwrap_or_default();
//!         chunks.send(ProviderChunk::text(heard)).await;
//!         chunks.send(ProviderChunk::finish(FinishReason::STOP)).await;
//!         Ok(())
//!     }
//!
//!     async fn context_window(&self, _model: &str) -> Result<Option<u64>, ProviderError> {
//!         Ok(Some(8192))
//!     }
//! }
//! ```
//!
//! With `crate-type = ["cdylib"]` in its `Cargo.toml`, `cargo build` makes a file that any host of
//! the same ABI version loads, whatever compiler built either of them. Everything in it is safe,
//! ordinary async Rust: [`Provider`] says what to implement, [`Host`] what the host offers (HTTP, a
//! log, sleep), [`ChatRequest`], [`ProviderResponse`] and [`ProviderChunk`] what goes in and out,
//! [`ProviderError`] how to fail.
//!
//! Values grow in both directions: a field that one side does not know is ignored, one that is
//! missing takes its default, and a variant that one side does not know arrives as `Other`.
//!
//! # Blocking and runtimes
//!
//! Calls run on a thread that the host made for the instance. A call that blocks it delays the
//! instance's other calls, and nobody else's; one that blocks for seconds is reported as a fault,
//! and so many faults in a row have the instance refuse calls for a while. There is no tokio context in a plugin: use
//! [`Host::http`] and [`Host::sleep`]. A plugin that must use a vendor's own SDK can hold a runtime
//! of its own in its provider, spawn the work there, and await the handle.

#[doc(hidden)]
pub mod boundary;
mod chunk;
mod collect;
mod config;
mod descriptor;
mod error;
mod frames;
mod host;
pub mod json;
mod lines;
mod message;
mod model;
mod ndjson;
mod provider;
mod raw;
mod reply;
mod request;
mod response;
mod sse;
mod tagged;
mod tool;
mod upstream;
mod warnings;

/// A name that breaks the rule does not compile, and says why:
///
/// ```compile_fail
/// use allos_plugin_api::*;
///
/// struct Parrot;
///
/// #[provider("Polly Parrot")]
/// impl Provider for Parrot {
///     fn new(_config: ProviderConfig, _host: Host) -> Result<Self, ProviderError> {
///         Ok(Parrot)
///     }
///
///     async fn stream_chat(
///         &self,
///         _request: ChatRequest,
///         _chunks: &mut ChunkSink,
///     ) -> Result<(), ProviderError> {
///         Ok(())
///     }
///
///     async fn context_window(&self, _model: &str) -> Result<Option<u64>, ProviderError> {
///         Ok(None)
///     }
/// }
/// ```
pub use allos_plugin_macros::provider;
pub use chunk::{
    AnnotationAdded, Event, PartEnd, PartStart, ProviderChunk, ReasoningStart, Signature, Start,
    TextDelta, ToolCallDelta, ToolCallStart, WholePart,
};
pub use collect::Collector;
pub use config::{ProviderConfig, Secret};
pub use descriptor::{
    Capability, Descriptor, DescriptorError, MACH_O_SECTION, MAX_NAME, OptionKind, OptionSpec,
    Preset, SECTION, is_provider_name,
};
pub use error::{ErrorKind, MAX_ERROR_BODY, ProviderError};
pub use frames::{Frame, FrameDecoder, Frames};
pub use host::{
    Host, HttpBody, HttpRequest, HttpResponse, LogLevel, MAX_REPLY, RequestHead, ResponseHead,
    escaped,
};
pub use message::{
    Annotation, AudioPart, DataSource, Extra, FilePart, IdSource, ImagePart, Message, Part,
    ProviderData, ReasoningPart, RefusalPart, Role, Source, TextPart, UrlSource, VendorPart,
};
pub use model::{Limits, Model};
pub use ndjson::{MAX_LINE, NdjsonDecoder};
pub use provider::{ChunkSink, Provider};
pub use raw::{Dialect, RawBody};
pub use reply::ReplyReader;
pub use request::{
    ChatRequest, EmbedInput, EmbedRequest, EmbedText, EmbedTokens, JsonSchema, Reasoning,
    ReasoningEffort, ResponseFormat,
};
pub use response::{
    Choice, EmbedResponse, Finish, FinishReason, Logprobs, ProviderResponse, TokenCount,
    TokenLogprob, Usage,
};
pub use sse::{MAX_EVENT, SseDecoder, SseEvent};
pub use tool::{
    FunctionTool, NoFields, ToolCall, ToolChoice, ToolDefinition, ToolName, ToolResult,
    VendorObject,
};
pub use upstream::Upstream;
pub use warnings::Warnings;
