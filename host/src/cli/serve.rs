//! `allos serve`: the gateway, until it is told to stop.
//!
//! The address is taken first, so that a port in use is said before anything is loaded. The log
//! says what became of each plugin and where the gateway listens. Plugin folders are watched, and
//! SIGHUP takes over the configuration anew.

use std::io;
use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal;

use super::Global;
use super::exit::Exit;
use super::failure::Failure;
use super::start::{load_options, no_plugin_hint};
use super::worker::program;
use crate::Host;
use crate::config::{Config, LoadOptions, parse_listen};
use crate::gateway::{self, Settings};
use crate::io_reason::io_reason;
use crate::provider::InstanceState;

const LISTEN_HELP: &str = "\
Where to listen: IP:PORT or localhost:PORT [env: ALLOS_LISTEN] [default: 127.0.0.1:8080]";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[arg(long, value_name = "ADDR", value_parser = parse_listen, help = LISTEN_HELP)]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let options = load_options(global, arguments.listen);
    let config = Config::load(&options)?;
    let settings = Settings { config_source: Some(options.clone()), ..settings(&config)? };
    let listener = bind(config.gateway.listen).await?;

    let hangups = hangups().map_err(|error| not_served(&error))?;

    let hint = no_plugin_hint(&config);
    let host = Host::builder().config(config).worker_program(program()?).build().await?;
    log_host(&host, &hint);
    let _watching = host.watch();
    tokio::spawn(reload_at(hangups, host.clone(), options));
    let stop = stop_signal().map_err(|error| not_served(&error))?;
    let address = listener.local_addr().map_err(|error| not_served(&error))?;
    tracing::info!("listening on http://{address}");
    gateway::serve(listener, host, settings, stop).await.map_err(|error| not_served(&error))
}

fn settings(config: &Config) -> Result<Settings, Failure> {
    Settings::from_config(&config.gateway).map_err(|error| {
        let message = format!("the gateway's key: {}", error.reason());
        Failure::new(Exit::Configuration, message).with_hint(error.hint())
    })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = |reason: &str| {
            Failure::new(Exit::Other, format!("the gateway cannot listen on {address}: {reason}"))
        };
        match error.kind() {
            io::ErrorKind::AddrInUse => failure("the address is in use")
                .with_hint("stop what listens there, or choose another with --listen"),
            io::ErrorKind::PermissionDenied => failure("permission denied")
                .with_hint("ports below 1024 are the system's, choose another with --listen"),
            io::ErrorKind::AddrNotAvailable => failure("this machine has no such address")
                .with_hint("for this machine alone use 127.0.0.1"),
            _ => failure(&io_reason(&error)),
        }
    })
}

/// Says what is loaded and which instances can answer. What was refused, the loader has said.
fn log_host(host: &Host, hint: &str) {
    for candidate in host.report().loaded() {
        let version = candidate.descriptor().map_or("", |descriptor| &descriptor.plugin_version);
        tracing::info!("{candidate}, version {version}");
    }
    let registry = host.registry();
    let mut ready = Vec::new();
    for instance in registry.instances() {
        let name = instance.name();
        match instance.state() {
            InstanceState::Ready => ready.push(name),
            InstanceState::NotConfigured { reason, .. } => {
                tracing::info!("{name}: not configured: {reason}");
            }
            InstanceState::Failed { reason, .. } => tracing::warn!("{name}: failed: {reason}"),
            InstanceState::Tripped { reason, .. } => tracing::warn!("{name}: tripped: {reason}"),
        }
    }
    if ready.is_empty() {
        tracing::warn!("no provider can answer (hint: {hint})");
    } else {
        tracing::info!("ready: {}", ready.join(", "));
    }
}

/// Takes over the configuration, and what is in the plugin folders, at each SIGHUP.
async fn reload_at(mut hangups: Hangups, host: Host, options: LoadOptions) {
    while hangups.next().await {
        if let Err(error) = host.reload_from(&options).await {
            tracing::error!("reload: nothing has changed: {error}");
        }
    }
}

/// The signals that ask for a reload. They no longer end the process once this is there.
#[cfg(unix)]
struct Hangups(signal::unix::Signal);

#[cfg(unix)]
fn hangups() -> io::Result<Hangups> {
    signal::unix::signal(signal::unix::SignalKind::hangup()).map(Hangups)
}

#[cfg(unix)]
impl Hangups {
    async fn next(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
struct Hangups;

#[cfg(not(unix))]
fn hangups() -> io::Result<Hangups> {
    Ok(Hangups)
}

#[cfg(not(unix))]
impl Hangups {
    async fn next(&mut self) -> bool {
        false
    }
}

/// Ready at the first Ctrl-C or SIGTERM. A second Ctrl-C ends the process at once.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping; answers in flight may end, Ctrl-C again ends them");
        tokio::spawn(async move {
            interrupt.recv().await;
            std::process::exit(i32::from(Exit::Interrupted as u8));
        });
    })
}

#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    Ok(async {
        if signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        tracing::info!("stopping; answers in flight may end");
    })
}

fn not_served(error: &io::Error) -> Failure {
    Failure::new(Exit::Other, format!("the gateway cannot serve: {}", io_reason(error)))
}
