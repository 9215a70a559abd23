//! What an instance is made of, so that a reload can tell whether anything of it has changed.

use allos_plugin_api::ProviderConfig;

use super::instantiate::{Instantiation, provider_config};
use crate::config::{ContainmentConfig, InstanceConfig, Isolation, WorkerConfig};
use crate::loader::ContentHash;

/// What an instance is made of.
#[derive(Clone, PartialEq)]
pub(crate) struct Origin {
    /// The version and the content of its plugin.
    plugin: Option<(String, ContentHash)>,
    config: InstanceConfig,
    isolation: Isolation,
    /// What its worker may do, where it has one.
    worker: Option<WorkerConfig>,
    containment: ContainmentConfig,
    /// What its plugin is told, with the secrets as they are now; absent where there is none.
    resolved: Option<ProviderConfig>,
}

impl Origin {
    pub(super) fn of(parts: &Instantiation<'_>) -> Self {
        let plugin =
            parts.plugin.map(|(plugin, _)| (plugin.descriptor.plugin_version.clone(), plugin.hash));
        let resolved = parts.plugin.and_then(|(plugin, preset)| {
            provider_config(parts.name, parts.config, &plugin.descriptor, preset).ok()
        });
        let is_isolated = parts.isolation == Isolation::Worker;
        Self {
            plugin,
            config: parts.config.clone(),
            isolation: parts.isolation,
            worker: is_isolated.then(|| parts.worker.clone()),
            containment: parts.containment.clone(),
            resolved,
        }
    }

    /// Whether the operator has written the same for both, whatever it now means.
    pub(crate) fn is_configured_as(&self, other: &Self) -> bool {
        (&self.config, self.isolation, &self.worker, &self.containment)
            == (&other.config, other.isolation, &other.worker, &other.containment)
    }

    /// Where its plugin runs, as the configuration names it.
    pub(crate) fn isolation(&self) -> &'static str {
        self.isolation.as_str()
    }

    /// The version and the content of its plugin, where there is one.
    pub(crate) fn plugin(&self) -> Option<(&str, ContentHash)> {
        self.plugin.as_ref().map(|(version, hash)| (version.as_str(), *hash))
    }
}
