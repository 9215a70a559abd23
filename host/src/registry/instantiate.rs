//! One provider instance from its configuration and the plugin behind it.
//!
//! Whatever is wrong makes this one instance unusable, with the reason, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;

use allos_plugin_api::{
    Descriptor, ErrorKind, OptionKind, OptionSpec, Preset, ProviderConfig, ProviderError, Secret,
};
use serde_json::{Map, Value};

use super::origin::Origin;
use crate::config::{
    ContainmentConfig, InstanceConfig, Isolation, SecretError, SecretSource, WorkerConfig,
};
use crate::loader::LoadedPlugin;
use crate::provider::{
    self, Health, InProcess, InstanceState, ProviderHandle, Redaction, RunningProvider, Settings,
};
use crate::services::Services;
use crate::worker::{self, Confinement, Worker, WorkerProgram};

/// What an instance is made of.
pub(crate) struct Instantiation<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What the operator says about it.
    pub(crate) config: &'a InstanceConfig,
    /// The plugin behind it, and the preset of it that is meant.
    pub(crate) plugin: Option<(&'a LoadedPlugin, Option<&'a Preset>)>,
    /// Where its plugin runs.
    pub(crate) isolation: Isolation,
    /// What runs as its worker, if it has one.
    pub(crate) worker_program: Option<&'a WorkerProgram>,
    /// What that may do.
    pub(crate) worker: WorkerConfig,
    /// What faults it may have.
    pub(crate) containment: &'a ContainmentConfig,
    /// Where the services run, and the client that they share.
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) client: reqwest::Client,
}

impl Instantiation<'_> {
    /// What it is made of, so that a reload can compare it with another.
    pub(crate) fn origin(&self) -> Origin {
        Origin::of(self)
    }
}

/// Why an instance cannot be made.
pub(super) struct Unusable(InstanceState);

impl Unusable {
    fn failed(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(InstanceState::Failed { reason: reason.into(), hint: Some(hint.into()) })
    }
}

impl From<SecretError> for Unusable {
    fn from(error: SecretError) -> Self {
        let (reason, hint) = (error.reason().to_owned(), Some(error.hint().to_owned()));
        Self(if error.is_missing() {
            InstanceState::NotConfigured { reason, hint }
        } else {
            InstanceState::Failed { reason, hint }
        })
    }
}

impl From<ProviderError> for Unusable {
    fn from(error: ProviderError) -> Self {
        let (reason, hint) = (error.message().to_owned(), error.hint().map(str::to_owned));
        Self(match error.kind() {
            ErrorKind::Authentication => InstanceState::NotConfigured { reason, hint },
            _ => InstanceState::Failed { reason, hint },
        })
    }
}

/// Makes an instance. It is never an error: an instance that cannot answer says why.
pub(crate) async fn instantiate(parts: Instantiation<'_>) -> ProviderHandle {
    let settings = Settings {
        model: parts.config.model.clone(),
        timeout: parts.config.timeout,
        idle_timeout: parts.config.idle_timeout,
        passthrough: parts.config.passthrough,
    };
    let descriptor = parts.plugin.map(|(plugin, _)| plugin.descriptor.clone());
    let named = parts.config.plugin.as_ref().map_or(parts.name, |plugin| plugin.as_str());
    let plugin = descriptor.as_ref().map_or(named, |it| &it.name).to_owned();
    match make(&parts, &settings).await {
        Ok(handle) => handle,
        Err(Unusable(state)) => {
            ProviderHandle::unusable(parts.name, &plugin, descriptor, settings, state)
        }
    }
}

async fn make(parts: &Instantiation<'_>, settings: &Settings) -> Result<ProviderHandle, Unusable> {
    let Some((plugin, preset)) = parts.plugin else { return Err(no_plugin(parts)) };
    let config = provider_config(parts.name, parts.config, &plugin.descriptor, preset)?;
    let redaction = Redaction::new(&config);
    let services =
        Services::new(parts.runtime.clone(), parts.client.clone(), parts.name, redaction.clone());
    let descriptor = plugin.descriptor.clone();
    let health = Health::new(parts.name, &descriptor.name, parts.containment, redaction.clone());
    let running = match parts.isolation {
        Isolation::InProcess => in_process(plugin, config, services, health).await,
        Isolation::Worker => in_worker(parts, plugin, config, services, health).await,
    };
    let running = running.map_err(|error| redaction.error(error))?;
    Ok(ProviderHandle::ready(parts.name, descriptor, settings.clone(), redaction, running))
}

async fn in_process(
    plugin: &LoadedPlugin,
    config: ProviderConfig,
    services: Services,
    health: Arc<Health>,
) -> Result<RunningProvider, ProviderError> {
    // The loader opens every plugin that an instance runs in-process.
    let module = plugin.module.ok_or_else(|| {
        ProviderError::configuration("its plugin is not open in this process")
            .with_hint("start the host again")
    })?;
    let recipe = provider::Recipe { module, config, services };
    Ok(RunningProvider::InProcess(InProcess::create(recipe, health).await?))
}

async fn in_worker(
    parts: &Instantiation<'_>,
    plugin: &LoadedPlugin,
    config: ProviderConfig,
    services: Services,
    health: Arc<Health>,
) -> Result<RunningProvider, ProviderError> {
    let program = parts.worker_program.cloned().ok_or_else(|| {
        ProviderError::configuration("this program was built without a worker program")
            .with_hint("name one with `HostBuilder::worker_program`, or use \"in-process\"")
    })?;
    let recipe = worker::Recipe {
        program,
        copy: plugin.staged.clone(),
        descriptor: plugin.descriptor.clone(),
        config,
        services,
        confinement: Confinement::new(&parts.worker),
        environment: parts.worker.environment(),
    };
    Ok(RunningProvider::Worker(Worker::create(recipe, health).await?))
}

fn no_plugin(parts: &Instantiation<'_>) -> Unusable {
    match &parts.config.plugin {
        Some(plugin) => Unusable::failed(
            format!("there is no plugin `{plugin}`"),
            "`allos list` shows the plugins that there are, and why others are not used",
        ),
        None => Unusable::failed(
            format!("there is no plugin or preset `{}`", parts.name),
            "set `plugin`, or see `allos list` for the plugins that there are",
        ),
    }
}

/// The operator's words first, then the preset's, then the plugin's own.
pub(super) fn provider_config(
    name: &str,
    config: &InstanceConfig,
    descriptor: &Descriptor,
    preset: Option<&Preset>,
) -> Result<ProviderConfig, Unusable> {
    let mut options = preset.map(|preset| preset.options.clone()).unwrap_or_default();
    check_options(&config.options, &descriptor.options)?;
    options.extend(config.options.clone());
    let (variable, base_url) = match preset {
        Some(preset) => (preset.api_key.as_deref(), preset.base_url.as_ref()),
        None => (descriptor.api_key.as_deref(), descriptor.base_url.as_ref()),
    };
    let base_url = config.base_url.as_ref().or(base_url).cloned();
    Ok(ProviderConfig {
        instance: name.to_owned(),
        model: config.model.clone(),
        api_key: api_key(name, config.api_key.as_ref(), variable)?,
        base_url,
        headers: headers(&config.headers)?,
        options,
    })
}

fn api_key(
    name: &str,
    source: Option<&SecretSource>,
    variable: Option<&str>,
) -> Result<Option<Secret>, Unusable> {
    if let Some(source) = source {
        return Ok(Some(source.resolve()?));
    }
    let Some(variable) = variable else { return Ok(None) };
    match SecretSource::Env(variable.to_owned()).resolve() {
        Ok(secret) => Ok(Some(secret)),
        Err(error) if error.is_missing() => Err(Unusable(InstanceState::NotConfigured {
            reason: format!("no API key: {}", error.reason()),
            hint: Some(format!("export {variable}=…, or set `api_key` in [providers.{name}]")),
        })),
        Err(error) => Err(error.into()),
    }
}

fn headers(sources: &BTreeMap<String, SecretSource>) -> Result<BTreeMap<String, Secret>, Unusable> {
    sources.iter().map(|(name, source)| Ok((name.clone(), source.resolve()?))).collect()
}

fn check_options(options: &Map<String, Value>, known: &[OptionSpec]) -> Result<(), Unusable> {
    for (name, value) in options {
        let Some(spec) = known.iter().find(|spec| spec.name == *name) else {
            let names: Vec<_> = known.iter().map(|spec| spec.name.as_str()).collect();
            let hint = match names.as_slice() {
                [] => "this plugin takes no options".to_owned(),
                names => format!("it takes {}", names.join(", ")),
            };
            return Err(Unusable::failed(format!("unknown option `{name}`"), hint));
        };
        if !fits(value, &spec.kind) {
            return Err(Unusable::failed(
                format!("the option `{name}` is not of type {}", spec.kind),
                spec.about.clone(),
            ));
        }
    }
    Ok(())
}

fn fits(value: &Value, kind: &OptionKind) -> bool {
    match kind {
        OptionKind::String => value.is_string(),
        OptionKind::Integer => value.is_i64() || value.is_u64(),
        OptionKind::Number => value.is_number(),
        OptionKind::Boolean => value.is_boolean(),
        OptionKind::List => value.is_array(),
        OptionKind::Table => value.is_object(),
        _ => true,
    }
}
