//! From the flags to a configuration and a host, as the commands need them.

use std::net::SocketAddr;

use super::Global;
use super::exit::Exit;
use super::failure::Failure;
use super::worker::program;
use crate::Host;
use crate::config::{Config, LoadOptions};

/// What the flags say about the configuration.
pub(super) fn load_options(global: &Global, listen: Option<SocketAddr>) -> LoadOptions {
    LoadOptions { config: global.config.clone(), plugin_dirs: global.plugin_dir.clone(), listen }
}

/// The configuration that the flags, the environment and the file make together.
pub(super) fn load_config(global: &Global) -> Result<Config, Failure> {
    Ok(Config::load(&load_options(global, None))?)
}

/// A host with the configured providers, of which there must be one.
pub(super) async fn start_host(global: &Global) -> Result<Host, Failure> {
    let config = load_config(global)?;
    let looked = no_plugin_hint(&config);
    let host = Host::builder().config(config).worker_program(program()?).build().await?;
    if host.registry().instances().next().is_none() {
        return Err(Failure::new(Exit::Plugin, "no provider is loaded").with_hint(looked));
    }
    Ok(host)
}

/// What to do where the plugin folders hold nothing that can be used.
pub(super) fn no_plugin_hint(config: &Config) -> String {
    format!(
        "looked in {}; name a folder that holds plugins with --plugin-dir, `allos list` tells more",
        folders(config)
    )
}

/// The plugin folders, in one line.
pub(super) fn folders(config: &Config) -> String {
    let folders = config.plugin_dirs.iter().map(|folder| format!("`{}`", folder.display()));
    let folders: Vec<String> = folders.collect();
    if folders.is_empty() { "no folder at all".to_owned() } else { folders.join(", ") }
}
