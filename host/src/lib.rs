//! The host of allos as a library: from a folder of plugin files to providers that answer.

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
