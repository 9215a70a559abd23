//! `allos config check|example`: whether the configuration is right, and what one looks like.
//!
//! The check goes as far as `serve` would before it listens: plugins are opened and instances are
//! made, so that every option is looked at by the plugin that takes it. No vendor is asked.

use std::path::Path;

use clap::Subcommand;

use super::exit::Exit;
use super::failure::Failure;
use super::start::load_config;
use super::worker::program;
use super::{Global, output};
use crate::Host;
use crate::config::{Config, ModelRef};
use crate::gateway::Settings;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Check the configuration, as far as that is possible without a network
    Check,
    /// Print a configuration that names every key
    Example,
}

pub(super) async fn run(global: &Global, action: &Action) -> Result<(), Failure> {
    match action {
        Action::Check => check(global).await,
        Action::Example => output::write(Config::EXAMPLE),
    }
}

async fn check(global: &Global) -> Result<(), Failure> {
    let config = load_config(global)?;
    let file = config.file.clone();
    let key = gateway_key(&config);
    let host = Host::builder().config(config.clone()).worker_program(program()?).build().await?;

    let instances = config.providers.keys().filter_map(|name| unusable(&host, name.as_ref()));
    let registry = host.registry();
    let routes = registry.routes();
    let routes = routes.filter_map(|(name, target)| broken_route(&host, name, target));
    let failures: Vec<Failure> = key.into_iter().chain(instances).chain(routes).collect();
    match failures.len() {
        0 => output::write(&fine(file.as_deref())),
        count => Err(say_all(&failures, count)),
    }
}

fn gateway_key(config: &Config) -> Option<Failure> {
    let error = Settings::from_config(&config.gateway).err()?;
    let message = format!("[gateway] api_key: {}", error.reason());
    Some(Failure::new(Exit::Configuration, message).with_hint(error.hint()))
}

fn unusable(host: &Host, name: &str) -> Option<Failure> {
    match host.provider(name) {
        Ok(instance) => Failure::unusable(&instance),
        Err(error) => Some(Failure::unresolved(&error)),
    }
}

fn broken_route(host: &Host, name: &str, target: &ModelRef) -> Option<Failure> {
    let error = host.resolve(name).err()?;
    let message = format!("[routes] {name} = \"{target}\": {}", error.message());
    let failure = Failure::new(Exit::Configuration, message);
    Some(match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    })
}

fn say_all(failures: &[Failure], count: usize) -> Failure {
    for failure in failures {
        failure.report();
    }
    let faults = if count == 1 { "fault" } else { "faults" };
    Failure::new(Exit::Configuration, format!("the configuration has {count} {faults}"))
}

fn fine(file: Option<&Path>) -> String {
    match file {
        Some(file) => {
            format!("the configuration is fine: {}\n", output::one_line(&file.to_string_lossy()))
        }
        None => "there is no configuration file, and the defaults are fine\n".to_owned(),
    }
}
