//! A provider instance as callers see it: the three verbs and the optional operations, in the plain
//! types of `allos-plugin-api`, whatever the plugin behind it does.
//!
//! A call travels [`prepare`] (lanes, tool names) → [`plugin_thread`] (onto the plugin's own
//! thread) → the vtable, and back through [`contract`] (what a provider must hold to) and
//! [`redaction`]. Which instances exist is the registry's business.

mod call;
mod contract;
mod handle;
mod plugin_thread;
mod prepare;
mod redaction;
mod stream;

pub(crate) use call::RunningProvider;
pub(crate) use handle::Settings;
pub use handle::{InstanceState, ProviderHandle};
pub(crate) use plugin_thread::PluginThread;
pub(crate) use redaction::Redaction;
pub use stream::ChunkStream;
