//! OpenAI's chat dialect, for plugins of services that speak it.
//!
//! Many services take OpenAI's chat completions, each with differences of its own. This crate
//! writes their requests and reads their replies; [`Options`] says in what a service differs. Such
//! a plugin is then little more than an address and a key:
//!
//! ```
//! use allos_openai_chat::{Options, Reader, error, streamed};
//! use allos_plugin_api::*;
//!
//! struct Nexus(Upstream);
//!
//! #[provider("nexus", dialects = ["openai-chat"], api_key = "NEXUS_API_KEY")]
//! impl Provider for Nexus {
//!     fn new(config: ProviderConfig, host: Host) -> Result<Self, ProviderError> {
//!         let upstream = Upstream::new(&config, host, "https://api.nexus.example/v1");
//!         Ok(Nexus(upstream.with_key(&config, "authorization", "Bearer ", "NEXUS_API_KEY")))
//!     }
//!
//!     async fn stream_chat(
//!         &self,
//!         request: ChatRequest,
//!         chunks: &mut ChunkSink,
//!     ) -> Result<(), ProviderError> {
//!         let mut warnings = Warnings::default();
//!         let body = streamed(&request, &Options::default(), &mut warnings)?;
//!         let request = self.0.post("/chat/completions", body);
//!         let response = self.0.send(request).await.map_err(error::refine)?;
//!         response.read_events(Reader::default(), warnings, chunks).await
//!     }
//!
//!     async fn context_window(&self, _model: &str) -> Result<Option<u64>, ProviderError> {
//!         Ok(Some(32_768))
//!     }
//! }
//! ```
//!
//! A request that arrives in this dialect is sent on as it came, but for its model and its
//! streaming; any other is built from the normalised form. <https://platform.openai.com/docs/api-reference/chat>

#![forbid(unsafe_code)]

mod calls;
pub mod error;
mod messages;
mod options;
mod reader;
mod request;
mod response;

pub use options::{FilePartKind, MaxTokensField, Options, ReasoningField, SeedField};
pub use reader::Reader;
pub use request::{streamed, unstreamed};
pub use response::read_usage;

/// The name of this vocabulary in parts, tools and formats that only it has.
pub const FORMAT: &str = "openai-chat";
