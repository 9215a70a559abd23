//! What the loader hands on: a plugin that is open.

use std::path::PathBuf;
use std::sync::Arc;

use allos_plugin_abi::PluginRef;
use allos_plugin_api::Descriptor;

use super::candidate::ContentHash;
use crate::config::ProviderName;

/// A plugin that is open.
#[derive(Clone)]
pub struct LoadedPlugin {
    /// The name of its provider.
    pub name: ProviderName,
    /// The file that it came from; what is open is a copy of it.
    pub path: PathBuf,
    /// What it states about itself.
    pub descriptor: Arc<Descriptor>,
    /// The hash of its content.
    pub hash: ContentHash,
    /// Its code. It stays mapped for the life of the process.
    pub(crate) module: PluginRef,
}
