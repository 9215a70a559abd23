//! What an operator configures: `allos.toml`, read into types that need no further checking.
//!
//! The whole file is checked when it is read: an unknown key, a value of the wrong type and values
//! that do not go together are errors with their line and column. What depends on the plugins that
//! are there (whether a plugin of a name exists, whether it takes an option) is not known here.

mod access;
mod environment;
mod error;
mod locate;
mod name;
mod reload;
mod secret;
mod trust;
mod values;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use allos_plugin_api::Descriptor;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use error::{ConfigError, Position};
pub use locate::LoadOptions;
pub use name::{InvalidName, ModelRef, ProviderName};
pub use reload::{ReloadConfig, WatchMode};
pub use secret::{SecretError, SecretSource};
pub use trust::{TrustConfig, TrustPolicy, TrustedKey};
pub use values::parse_listen;
pub use worker::WorkerConfig;

/// A whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct Config {
    /// The file that it was read from.
    #[serde(skip)]
    pub file: Option<PathBuf>,
    /// Where plugins are looked for, in this order.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where staged copies of plugins live, if not in the user's cache.
    pub cache_dir: Option<PathBuf>,
    /// Which files of the plugin folders may be used.
    pub trust: TrustConfig,
    /// Where the plugins of instances run that do not say so themselves.
    pub isolation: Isolation,
    /// The HTTP surface.
    pub gateway: GatewayConfig,
    /// What faults a plugin's code may have before its instance is tripped.
    pub containment: ContainmentConfig,
    /// How changes in the plugin folders are noticed.
    pub reload: ReloadConfig,
    /// What the process may do in which an isolated plugin runs.
    pub worker: WorkerConfig,
    /// The provider instances that are configured, by name.
    pub providers: BTreeMap<ProviderName, InstanceConfig>,
    /// Further names for models. A name is any text; a target may name an instance alone.
    #[serde(deserialize_with = "values::routes")]
    pub routes: BTreeMap<String, ModelRef>,
}

/// The `[gateway]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct GatewayConfig {
    /// The address to listen on.
    #[serde(deserialize_with = "values::listen")]
    pub listen: SocketAddr,
    /// The key that clients must send.
    pub api_key: Option<SecretSource>,
    /// Whether to listen beyond loopback although there is no key.
    pub allow_public_without_key: bool,
    /// The largest request body, in bytes.
    #[serde(deserialize_with = "values::body_size")]
    pub max_body_bytes: usize,
    /// How long a shutdown waits for answers in flight.
    #[serde(rename = "shutdown_seconds", deserialize_with = "values::duration")]
    pub shutdown: Duration,
}

/// The `[containment]` table: what faults of a plugin are borne.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ContainmentConfig {
    /// How long the plugin's code may keep its thread without a pause. Each such time is a fault.
    #[serde(rename = "blocked_seconds", deserialize_with = "values::short_time")]
    pub blocked: Duration,
    /// So many faults in a row, panics too, trip an instance.
    #[serde(deserialize_with = "values::at_least_one")]
    pub faults: u32,
    /// How long a tripped instance refuses calls before it is tried again.
    #[serde(rename = "pause_seconds", deserialize_with = "values::short_time")]
    pub pause: Duration,
    /// So many stuck threads of one instance are left behind; with more it stays tripped.
    pub stuck_threads: usize,
    /// How long a plugin that nobody knows may take to open.
    #[serde(rename = "probe_seconds", deserialize_with = "values::short_time")]
    pub probe: Duration,
}

/// A `[providers.NAME]` table.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct InstanceConfig {
    /// The plugin; absent means the plugin, else the preset, of the instance's own name.
    pub plugin: Option<ProviderName>,
    /// The model for requests that name none.
    #[serde(deserialize_with = "values::non_empty")]
    pub model: Option<String>,
    /// The vendor's key.
    pub api_key: Option<SecretSource>,
    /// Where the vendor's API is.
    #[serde(deserialize_with = "values::base_url")]
    pub base_url: Option<String>,
    /// Headers for every request to the vendor, by name in lower case.
    #[serde(deserialize_with = "values::headers")]
    pub headers: BTreeMap<String, SecretSource>,
    /// How long a whole answer may take.
    #[serde(rename = "timeout_seconds", deserialize_with = "values::timeout")]
    pub timeout: Duration,
    /// How long the next piece of a streamed answer may take.
    #[serde(rename = "idle_timeout_seconds", deserialize_with = "values::timeout")]
    pub idle_timeout: Duration,
    /// Whether bodies of a dialect that the provider speaks pass as they came.
    pub passthrough: bool,
    /// Where the plugin runs, if not where [`Config::isolation`] says.
    pub isolation: Option<Isolation>,
    /// What its worker may do, where that is not as for all.
    pub worker: WorkerConfig,
    /// The plugin's own options, as JSON.
    #[serde(deserialize_with = "values::options")]
    pub options: Map<String, Value>,
}

/// Where a plugin runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum Isolation {
    /// In the host's own process, trusted with its memory.
    #[default]
    InProcess,
    /// In a process of its own, one for each instance.
    Worker,
}

impl Isolation {
    /// Its name, as it is configured.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProcess => "in-process",
            Self::Worker => "worker",
        }
    }
}

impl Config {
    /// An annotated file that names every key. It is itself a valid configuration.
    pub const EXAMPLE: &str = include_str!("example.toml");

    /// Reads the text of a configuration file. Its relative paths become relative to the folder of
    /// `file`, which also stands in every error; the file itself is not touched.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            .map_err(|error| ConfigError::from_toml(&error, text).in_file(file))?;
        access::check(&config.gateway).map_err(|message| {
            let span = span_of(text, &["gateway", "listen"]);
            ConfigError::new(message).at(text, span).in_file(file)
        })?;
        config.trust.check().map_err(|message| {
            let span = span_of(text, &["trust", "policy"]);
            ConfigError::new(message).at(text, span).in_file(file)
        })?;
        if let Some(name) = config.in_vain() {
            let span = span_of(text, &["providers", name.as_str(), "worker"]);
            let message = format!(
                "`worker` says what a worker may do, and `{name}` runs in-process (hint: set \
                 `isolation = \"worker\"` there, or remove `worker`)"
            );
            return Err(ConfigError::new(message).at(text, span).in_file(file));
        }
        config.anchor(file.parent().unwrap_or(Path::new("")));
        config.file = Some(file.to_owned());
        Ok(config)
    }

    /// Where the plugin of an instance runs.
    pub(crate) fn isolation_of(&self, instance: &InstanceConfig) -> Isolation {
        instance.isolation.unwrap_or(self.isolation)
    }

    /// Whether an instance of a plugin, or of one of its presets, runs there.
    pub(crate) fn runs(&self, plugin: &Descriptor, isolation: Isolation) -> bool {
        let is_of = |name: &str| {
            plugin.name == name || plugin.presets.iter().any(|preset| preset.name == name)
        };
        let unnamed = !self.providers.contains_key(plugin.name.as_str());
        let mut tables = self
            .providers
            .iter()
            .filter(|(name, instance)| is_of(instance.plugin.as_ref().unwrap_or(name).as_str()));
        unnamed && self.isolation == isolation
            || tables.any(|(_, instance)| self.isolation_of(instance) == isolation)
    }

    /// An instance whose worker is restricted, and that has none.
    fn in_vain(&self) -> Option<&ProviderName> {
        let mut instances = self.providers.iter().filter(|(_, instance)| {
            instance.worker != WorkerConfig::default()
                && self.isolation_of(instance) == Isolation::InProcess
        });
        instances.next().map(|(name, _)| name)
    }

    fn anchor(&mut self, folder: &Path) {
        let own = self.cache_dir.as_mut().into_iter().chain([&mut self.trust.lock]);
        for path in self.plugin_dirs.iter_mut().chain(own) {
            *path = folder.join(&*path);
        }
        let instances = self.providers.values_mut().map(|instance| &mut instance.worker);
        instances.chain([&mut self.worker]).for_each(|worker| worker.anchor(folder));
        let secrets = self
            .providers
            .values_mut()
            .flat_map(|instance| instance.headers.values_mut().chain(instance.api_key.as_mut()));
        for secret in secrets.chain(self.gateway.api_key.as_mut()) {
            secret.anchor(folder);
        }
    }
}

/// Where a value is in a text that is known to parse.
fn span_of(text: &str, path: &[&str]) -> Option<std::ops::Range<usize>> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let (last, tables) = path.split_last()?;
    let mut table = document.get_ref();
    for name in tables {
        table = table.get(*name)?.get_ref().as_table()?;
    }
    Some(table.get(*last)?.span())
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            plugin_dirs: vec![PathBuf::from("plugins")],
            cache_dir: None,
            trust: TrustConfig::default(),
            isolation: Isolation::default(),
            gateway: GatewayConfig::default(),
            containment: ContainmentConfig::default(),
            reload: ReloadConfig::default(),
            worker: WorkerConfig::default(),
            providers: BTreeMap::new(),
            routes: BTreeMap::new(),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            api_key: None,
            allow_public_without_key: false,
            max_body_bytes: 32 * 1024 * 1024,
            shutdown: Duration::from_secs(30),
        }
    }
}

impl Default for ContainmentConfig {
    fn default() -> Self {
        Self {
            blocked: Duration::from_secs(2),
            faults: 5,
            pause: Duration::from_secs(30),
            stuck_threads: 4,
            probe: Duration::from_secs(10),
        }
    }
}

impl Default for InstanceConfig {
    fn default() -> Self {
        Self {
            plugin: None,
            model: None,
            api_key: None,
            base_url: None,
            headers: BTreeMap::new(),
            timeout: Duration::from_mins(10),
            idle_timeout: Duration::from_mins(5),
            passthrough: true,
            isolation: None,
            worker: WorkerConfig::default(),
            options: Map::new(),
        }
    }
}

impl fmt::Debug for InstanceConfig {
    /// Of the options only the names are shown: a value may be a secret that only the plugin knows.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InstanceConfig")
            .field("plugin", &self.plugin)
            .field("model", &self.model)
            .field("api_key", &self.api_key)
            .field("base_url", &self.base_url)
            .field("headers", &self.headers)
            .field("timeout", &self.timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("passthrough", &self.passthrough)
            .field("isolation", &self.isolation)
            .field("worker", &self.worker)
            .field("options", &self.options.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl TryFrom<String> for Isolation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "in-process" => Ok(Self::InProcess),
            "worker" => Ok(Self::Worker),
            _ => Err("unknown isolation (hint: write \"in-process\" or \"worker\")".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
