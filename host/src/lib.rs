//! The host of allos as a library: from a folder of plugin files to providers that answer.
//!
//! [`Config`] is what an operator writes in `allos.toml`; the [`loader`] turns plugin files into
//! modules and says of each file that it refuses why; a [`Host`] makes provider instances of the
//! two and answers through them. A program of your own is a caller like the [`gateway`] and the
//! [`cli`]:
//!
//! ```no_run
//! use allos_host::Host;
//! use allos_plugin_api::{ChatRequest, Event, Message};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let host = Host::builder().plugin_dir("plugins").build().await?;
//! for file in host.report().quarantined() {
//!     eprintln!("{file}");
//! }
//!
//! let echo = host.provider("echo")?;
//! let request = ChatRequest::new("echo", vec![Message::user("hello")]);
//! let response = echo.chat(request.clone()).await?;
//! assert_eq!(response.first_text(), "hello");
//!
//! let mut chunks = echo.stream_chat(request);
//! while let Some(chunk) = chunks.next().await {
//!     if let Event::TextDelta(delta) = chunk?.event {
//!         print!("{}", delta.text);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The requests and answers are the types of `allos-plugin-api`, the same that a plugin sees.

pub mod cli;
pub mod config;
pub mod gateway;
mod host;
mod io_reason;
pub mod loader;
mod provider;
mod registry;
mod reload;
mod services;
pub mod worker;

pub use config::Config;
pub use host::{Host, HostBuilder, HostError};
pub use loader::LoadReport;
pub use provider::{ChunkStream, InstanceState, InstanceStatus, ProviderHandle, WorkerStatus};
pub use registry::{ProviderRegistry, Target};
pub use reload::{Reloaded, Watching};
