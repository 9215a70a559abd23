//! The host of allos as a library: from a folder of plugin files to providers that answer.
//!
//! [`Config`] is what an operator writes in `allos.toml`.

pub mod config;
mod io_reason;

pub use config::Config;
