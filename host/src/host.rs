//! All of it: a host is built from a configuration and plugin folders, and then answers.
//!
//! What it consists of at one moment is one value, which a reload replaces by another as a whole.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use allos_plugin_api::ProviderError;
use arc_swap::ArcSwap;
use tokio::sync::{Mutex, Notify};

use crate::config::{Config, ConfigError, LoadOptions};
use crate::loader::LoadReport;
use crate::provider::ProviderHandle;
use crate::registry::{ProviderRegistry, Target};
use crate::reload::{Fingerprint, Means, Reloaded, State};
use crate::services;
use crate::worker::WorkerProgram;

/// A host that is running. Cheap to clone; dropping the last clone drops its providers.
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    state: ArcSwap<State>,
    overrides: Overrides,
    means: Means,
    /// Held while the host is reloaded, so that one reload begins where another has ended.
    reloading: Mutex<()>,
    reloaded: Notify,
}

/// What the program says of a configuration, whichever it is.
#[derive(Debug, Clone, Default)]
struct Overrides {
    plugin_dirs: Vec<PathBuf>,
    cache_dir: Option<PathBuf>,
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
    overrides: Overrides,
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
        self.overrides.plugin_dirs.push(folder.into());
        self
    }

    /// Keeps private copies of plugins in this folder, in place of the configured one.
    pub fn cache_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.overrides.cache_dir = Some(folder.into());
        self
    }

    /// Runs workers with this program, and tries unknown plugins in a process of it before they are
    /// opened. Without one nothing is tried beforehand, and instances with `isolation = "worker"`
    /// cannot be made.
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
    pub async fn build(self) -> Result<Host, HostError> {
        let Self { config, overrides, worker_program } = self;
        let means = Means { client: services::client()?, worker_program };
        let config = overrides.apply(config);
        let (state, _) = State::of_nothing(&config).next(config, None, &means).await;
        Ok(Host(Arc::new(Inner {
            state: ArcSwap::from_pointee(state),
            overrides,
            means,
            reloading: Mutex::new(()),
            reloaded: Notify::new(),
        })))
    }
}

impl Overrides {
    fn apply(&self, mut config: Config) -> Config {
        if !self.plugin_dirs.is_empty() {
            config.plugin_dirs.clone_from(&self.plugin_dirs);
        }
        if self.cache_dir.is_some() {
            config.cache_dir.clone_from(&self.cache_dir);
        }
        config
    }
}

impl Host {
    /// A host to be built.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// What became of each file of the plugin folders.
    pub fn report(&self) -> Arc<LoadReport> {
        self.0.state.load().report.clone()
    }

    /// The provider instances, and the routes.
    pub fn registry(&self) -> Arc<ProviderRegistry> {
        self.0.state.load().registry.clone()
    }

    /// The provider instance of a name.
    ///
    /// # Errors
    ///
    /// As [`ProviderRegistry::provider`].
    pub fn provider(&self, name: &str) -> Result<ProviderHandle, ProviderError> {
        self.0.state.load().registry.provider(name)
    }

    /// The instance and the model that a model's name means.
    ///
    /// # Errors
    ///
    /// As [`ProviderRegistry::resolve`].
    pub fn resolve(&self, model: &str) -> Result<Target, ProviderError> {
        self.0.state.load().registry.resolve(model)
    }

    /// Looks at the plugin folders anew, takes over another configuration where there is one, and
    /// tells what has changed.
    ///
    /// Calls go on meanwhile. An instance of which nothing has changed stays as it is; one that has
    /// is made beside the old one and then takes its place, and calls in flight end where they
    /// began. Where a file is refused that another content of was loaded, the old one goes on
    /// serving. A handle or a registry that was asked for before the reload is the old one.
    pub async fn reload(&self, config: Option<Config>) -> Reloaded {
        self.reload_as(config.map(|config| self.0.overrides.apply(config)), None).await
    }

    /// The same with the configuration read anew.
    ///
    /// # Errors
    ///
    /// Where the configuration is wrong. Then nothing changes.
    pub async fn reload_from(&self, options: &LoadOptions) -> Result<Reloaded, ConfigError> {
        Ok(self.reload(Some(Config::load(options)?)).await)
    }

    /// The same, where the files have been seen like this.
    pub(crate) async fn reload_as(
        &self,
        config: Option<Config>,
        seen: Option<Fingerprint>,
    ) -> Reloaded {
        let _alone = self.0.reloading.lock().await;
        let before = self.state();
        let config = config.unwrap_or_else(|| before.config.clone());
        let (next, reloaded) = before.next(config, seen, &self.0.means).await;
        self.0.state.store(Arc::new(next));
        self.0.reloaded.notify_waiters();
        reloaded.log();
        reloaded
    }

    /// All that it consists of at this moment.
    pub(crate) fn state(&self) -> Arc<State> {
        self.0.state.load_full()
    }

    /// Waits until it no longer consists of this.
    pub(crate) async fn next_reload(&self, state: &Arc<State>) {
        let reloaded = self.0.reloaded.notified();
        if Arc::ptr_eq(&self.state(), state) {
            reloaded.await;
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Host").field(&self.registry()).finish()
    }
}
