//! All of it: a host is built from a configuration and plugin folders, and then answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use allos_plugin_api::{Preset, ProviderError};

use crate::config::{Config, InstanceConfig};
use crate::loader::{LoadReport, LoadedPlugin, Loader};
use crate::provider::ProviderHandle;
use crate::registry::{Instantiation, ProviderRegistry, Target, instantiate};
use crate::services;
use crate::worker::WorkerProgram;

/// A host that is running. Cheap to clone; dropping the last clone drops its providers.
#[derive(Debug, Clone)]
pub struct Host(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    report: LoadReport,
    registry: ProviderRegistry,
}

/// Why there is no host. A plugin or an instance that cannot be used is not a reason: see
/// [`Host::report`] and [`ProviderHandle::state`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The HTTP client that plugins share cannot be made, for example without root certificates.
    #[error("the http client cannot be made: {0}")]
    HttpClient(#[from] reqwest::Error),
}

/// How a host is to be built.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct HostBuilder {
    config: Config,
    plugin_dirs: Vec<PathBuf>,
    cache_dir: Option<PathBuf>,
    worker_program: Option<WorkerProgram>,
}

impl HostBuilder {
    /// Uses a configuration. Without one, every plugin of `./plugins` is an instance under its own
    /// name.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Looks for plugins in this folder. Called at least once, it stands in for the folders that
    /// the configuration names.
    pub fn plugin_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.plugin_dirs.push(folder.into());
        self
    }

    /// Keeps private copies of plugins in this folder, in place of the configured one.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(folder.into());
        self
    }

    /// Runs workers with this program. Without one, instances with `isolation = "worker"` cannot be
    /// made.
    pub fn worker_program(mut self, program: WorkerProgram) -> Self {
        self.worker_program = Some(program);
        self
    }

    /// Loads the plugins and makes the instances. Call it inside a tokio runtime, on which the
    /// services for plugins then run.
    ///
    /// # Errors
    ///
    /// Where the host itself cannot work: see [`HostError`].
    pub async fn build(mut self) -> Result<Host, HostError> {
        if !self.plugin_dirs.is_empty() {
            self.config.plugin_dirs = self.plugin_dirs;
        }
        let cache_dir = self.cache_dir.or_else(|| self.config.cache_dir.clone());
        let client = services::client()?;
        let config = self.config.clone();
        let loader = Loader::new(self.config.plugin_dirs.clone(), cache_dir)
            .trust(self.config.trust.clone())
            .opening(move |plugin| config.runs_in_process(plugin));
        let (report, plugins) = loader.load().await;
        let instances =
            make_instances(&self.config, &plugins, &client, self.worker_program.as_ref()).await;
        let registry = ProviderRegistry::new(instances, self.config.routes);
        Ok(Host(Arc::new(Inner { report, registry })))
    }
}

impl Host {
    /// A host to be built.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// What became of each file of the plugin folders.
    pub fn report(&self) -> &LoadReport {
        &self.0.report
    }

    /// The provider instances, and the routes.
    pub fn registry(&self) -> &ProviderRegistry {
        &self.0.registry
    }

    /// The provider instance of a name.
    ///
    /// # Errors
    ///
    /// As [`ProviderRegistry::provider`].
    pub fn provider(&self, name: &str) -> Result<ProviderHandle, ProviderError> {
        self.registry().provider(name)
    }

    /// The instance and the model that a model's name means.
    ///
    /// # Errors
    ///
    /// As [`ProviderRegistry::resolve`].
    pub fn resolve(&self, model: &str) -> Result<Target, ProviderError> {
        self.registry().resolve(model)
    }
}

/// One instance for each table of the configuration, and one for each plugin that none names.
async fn make_instances(
    config: &Config,
    plugins: &[LoadedPlugin],
    client: &reqwest::Client,
    worker_program: Option<&WorkerProgram>,
) -> Vec<ProviderHandle> {
    let names = || plugins.iter().map(|plugin| plugin.name.as_str());
    let unconfigured = InstanceConfig::default();
    let mut wanted: BTreeMap<&str, &InstanceConfig> =
        names().map(|name| (name, &unconfigured)).collect();
    wanted.extend(config.providers.iter().map(|(name, config)| (name.as_str(), config)));
    let runtime = tokio::runtime::Handle::current();
    let containment = &config.containment;
    let making = wanted.into_iter().map(|(name, instance)| {
        instantiate(Instantiation {
            name,
            config: instance,
            plugin: find_plugin(name, instance, plugins),
            isolation: config.isolation_of(instance),
            worker_program,
            containment,
            runtime: runtime.clone(),
            client: client.clone(),
        })
    });
    futures_util::future::join_all(making).await
}

/// The plugin that is named, else the plugin of the instance's name, else a preset of that name; of
/// several presets that of the plugin that was loaded first.
fn find_plugin<'a>(
    name: &str,
    config: &InstanceConfig,
    plugins: &'a [LoadedPlugin],
) -> Option<(&'a LoadedPlugin, Option<&'a Preset>)> {
    let wanted = config.plugin.as_ref().map_or(name, |plugin| plugin.as_str());
    if let Some(plugin) = plugins.iter().find(|plugin| plugin.name == wanted) {
        return Some((plugin, None));
    }
    plugins.iter().find_map(|plugin| {
        let preset = plugin.descriptor.presets.iter().find(|preset| preset.name == wanted)?;
        Some((plugin, Some(preset)))
    })
}
