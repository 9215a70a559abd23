//! The host of allos as a library: from a folder of plugin files to providers that answer.
//!
//! [`Config`] is what an operator writes in `allos.toml`; the [`loader`] turns plugin files into
//! modules and says of each file that it refuses why; a [`Host`] makes provider instances of the
//! two and answers through them.

pub mod cli;
pub mod config;
pub mod gateway;
mod host;
mod io_reason;
pub mod loader;
mod provider;
mod registry;
mod services;

pub use config::Config;
pub use host::{Host, HostBuilder, HostError};
pub use loader::LoadReport;
pub use provider::{ChunkStream, InstanceState, ProviderHandle};
pub use registry::{ProviderRegistry, Target};
