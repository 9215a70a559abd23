//! What the loader hands on: a plugin that can be run.

use std::path::PathBuf;
use std::sync::Arc;

use allos_plugin_abi::PluginRef;
use allos_plugin_api::Descriptor;

use super::cache::InUse;
use super::candidate::ContentHash;
use crate::config::ProviderName;

/// A plugin that passed every stage.
#[derive(Clone)]
pub struct LoadedPlugin {
    /// The name of its provider.
    pub name: ProviderName,
    /// The file that it came from.
    pub path: PathBuf,
    /// The private copy of it, which is what is opened, here and in workers.
    pub staged: PathBuf,
    /// It stays there for as long as this does.
    pub(super) _in_use: InUse,
    /// What it states about itself.
    pub descriptor: Arc<Descriptor>,
    /// The hash of its content.
    pub hash: ContentHash,
    /// Its code, if it runs in this process. It stays mapped for the life of the process.
    pub(crate) module: Option<PluginRef>,
}
