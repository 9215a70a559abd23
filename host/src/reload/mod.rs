//! From what a host consists of to what it consists of next: files come, change and go, and so does
//! the configuration, while calls go on.
//!
//! A [`State`] is never changed, only followed by the next. The first follows one of nothing, so
//! that building a host and reloading it are the same. `plugins` decides which plugins serve,
//! `instances` which providers are kept and which are made anew. `watch` tells when to look.

mod fingerprint;
mod hints;
mod instances;
mod plugins;
mod reloaded;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use fingerprint::Fingerprint;
pub(crate) use instances::Made;
pub use reloaded::Reloaded;
pub use watch::Watching;

use crate::config::{Config, GatewayConfig, Isolation};
use crate::loader::{LoadReport, LoadedPlugin, Loader};
use crate::registry::ProviderRegistry;
use crate::worker::WorkerProgram;

/// What a host makes instances with, whatever the configuration.
pub(crate) struct Means {
    pub(crate) client: reqwest::Client,
    pub(crate) worker_program: Option<WorkerProgram>,
}

/// What a host consists of at one moment.
pub(crate) struct State {
    pub(crate) config: Config,
    pub(crate) report: Arc<LoadReport>,
    pub(crate) registry: Arc<ProviderRegistry>,
    /// The plugins that serve: those that are loaded, and those that are where theirs is refused.
    pub(crate) plugins: Vec<LoadedPlugin>,
    /// The instances, with what they are made of.
    pub(crate) made: BTreeMap<String, Made>,
    /// How the files looked.
    pub(crate) seen: Fingerprint,
}

impl State {
    /// Before anything is loaded.
    pub(crate) fn of_nothing(config: &Config) -> Self {
        Self {
            config: config.clone(),
            report: Arc::default(),
            registry: Arc::default(),
            plugins: Vec::new(),
            made: BTreeMap::new(),
            seen: Fingerprint::default(),
        }
    }

    /// What follows under a configuration, by what is in the plugin folders now.
    pub(crate) async fn next(
        &self,
        mut config: Config,
        seen: Option<Fingerprint>,
        means: &Means,
    ) -> (Self, Reloaded) {
        let mut reloaded = Reloaded::default();
        keep_gateway(&mut config.gateway, &self.config.gateway, &mut reloaded);
        let seen = match seen {
            Some(seen) => seen,
            None => Fingerprint::of(&config).await,
        };
        let (mut report, plugins) = loader(&config, means).load().await;
        report.log_after(&self.report);
        let plugins = plugins::serving(self, &config, plugins, &mut report, &mut reloaded);
        let made = instances::make(self, &config, &plugins, means, &mut report, &mut reloaded);
        let made = made.await;
        let handles = made.values().map(|made| made.handle.clone()).collect();
        let registry = ProviderRegistry::new(handles, config.routes.clone());
        reloaded.refused = report.quarantined().cloned().collect();
        let (report, registry) = (Arc::new(report), Arc::new(registry));
        (Self { config, report, registry, plugins, made, seen }, reloaded)
    }
}

fn loader(config: &Config, means: &Means) -> Loader {
    let judge = config.clone();
    let loader = Loader::new(config.plugin_dirs.clone(), config.cache_dir.clone())
        .trust(config.trust.clone())
        .opening(move |plugin| judge.runs(plugin, Isolation::InProcess));
    match &means.worker_program {
        // Where no worker can be started, nothing can be tried in one.
        Some(program) if cfg!(unix) => {
            loader.probing(program.clone(), config.worker.clone(), config.containment.probe)
        }
        _ => loader,
    }
}

/// The gateway has its address and its key from its start on.
fn keep_gateway(new: &mut GatewayConfig, old: &GatewayConfig, reloaded: &mut Reloaded) {
    let changes = [
        ("listen", new.listen != old.listen),
        ("api_key", new.api_key != old.api_key),
        ("max_body_bytes", new.max_body_bytes != old.max_body_bytes),
        ("shutdown_seconds", new.shutdown != old.shutdown),
    ];
    for (key, _) in changes.into_iter().filter(|(_, changed)| *changed) {
        let warning = format!("`{key}` in [gateway] is as before until the host is started again");
        reloaded.warnings.push(warning);
    }
    new.clone_from(old);
}
