//! Which instances there are, which of them stay as they are, and which are made anew.

use std::collections::BTreeMap;

use allos_plugin_api::Preset;
use futures_util::future::join_all;

use super::{Means, Reloaded, State};
use crate::config::{Config, InstanceConfig};
use crate::loader::{LoadReport, LoadedPlugin};
use crate::provider::{InstanceState, ProviderHandle};
use crate::registry::{Instantiation, Origin, instantiate};

/// An instance, and what it is made of.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) handle: ProviderHandle,
    pub(crate) origin: Origin,
}

/// What became of an instance.
enum Change {
    Kept,
    Added,
    Replaced,
    /// Its plugin is gone, and only its table is left.
    Removed,
    /// The new one cannot answer, so that the old one stays, with the reason.
    Failed(String),
}

/// One instance for each table of the configuration, and one for each plugin that none names.
pub(super) async fn make(
    before: &State,
    config: &Config,
    plugins: &[LoadedPlugin],
    means: &Means,
    report: &mut LoadReport,
    reloaded: &mut Reloaded,
) -> BTreeMap<String, Made> {
    let names = || plugins.iter().map(|plugin| plugin.name.as_str());
    let unconfigured = InstanceConfig::default();
    let mut wanted: BTreeMap<&str, &InstanceConfig> =
        names().map(|name| (name, &unconfigured)).collect();
    wanted.extend(config.providers.iter().map(|(name, config)| (name.as_str(), config)));
    let runtime = tokio::runtime::Handle::current();
    let making = wanted.into_iter().map(|(name, instance)| {
        let parts = Instantiation {
            name,
            config: instance,
            plugin: find_plugin(name, instance, plugins),
            isolation: config.isolation_of(instance),
            worker_program: means.worker_program.as_ref(),
            worker: instance.worker.or(&config.worker),
            containment: &config.containment,
            runtime: runtime.clone(),
            client: means.client.clone(),
        };
        follow(parts, before.made.get(name))
    });
    let mut made = BTreeMap::new();
    for (name, instance, change) in join_all(making).await {
        tell(name, &instance, change, plugins, report, reloaded);
        made.insert(name.to_owned(), instance);
    }
    let gone = before.made.keys().filter(|name| !made.contains_key(*name));
    reloaded.removed.extend(gone.cloned());
    made
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

/// The instance that follows one, or that was not there before.
async fn follow<'a>(parts: Instantiation<'a>, before: Option<&Made>) -> (&'a str, Made, Change) {
    let (name, origin) = (parts.name, parts.origin());
    let has_plugin = parts.plugin.is_some();
    let is_same = before.is_some_and(|before| before.origin == origin);
    if let Some(before) = before.filter(|before| is_same && before.can_run()) {
        return (name, before.clone(), Change::Kept);
    }
    let new = Made { handle: instantiate(parts).await, origin };
    let Some(before) = before else { return (name, new, Change::Added) };
    if is_same && before.handle.state() == new.handle.state() {
        return (name, before.clone(), Change::Kept);
    }
    let is_as_configured = before.origin.is_configured_as(&new.origin);
    if has_plugin && before.can_run() && !new.can_run() && is_as_configured {
        let state = new.handle.state();
        let reason = state.reason().map_or_else(String::new, |(reason, _)| reason.to_owned());
        return (name, before.clone(), Change::Failed(reason));
    }
    let change = match (before.origin.plugin().is_some(), has_plugin) {
        (true, false) => Change::Removed,
        (false, true) => Change::Added,
        _ => Change::Replaced,
    };
    (name, new, change)
}

/// Writes down what became of an instance.
fn tell(
    name: &str,
    made: &Made,
    change: Change,
    plugins: &[LoadedPlugin],
    report: &mut LoadReport,
    reloaded: &mut Reloaded,
) {
    let names = match change {
        Change::Kept => return reloaded.kept.push(name.to_owned()),
        Change::Failed(reason) => {
            let warning = format!("{name}: it cannot be made anew, so the old one stays: {reason}");
            let path = plugins.iter().find(|it| it.name == made.handle.plugin()).map(|it| &it.path);
            let mut files = report.candidates.iter_mut();
            if let Some(file) = files.find(|file| path.is_some_and(|path| file.path() == path)) {
                file.warn(warning.clone());
            }
            reloaded.warnings.push(warning);
            return reloaded.kept.push(name.to_owned());
        }
        Change::Added => &mut reloaded.added,
        Change::Replaced => &mut reloaded.replaced,
        Change::Removed => &mut reloaded.removed,
    };
    names.push(name.to_owned());
    if let Some((reason, _)) = made.handle.state().reason() {
        reloaded.warnings.push(format!("{name}: it cannot answer: {reason}"));
    }
}

impl Made {
    /// Whether a provider was made, even if it is tripped for the moment.
    fn can_run(&self) -> bool {
        matches!(self.handle.state(), InstanceState::Ready | InstanceState::Tripped { .. })
    }
}
