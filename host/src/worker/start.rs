//! How a worker begins: what its host tells it first, and what it answers.
//!
//! The first exchange is `start`. Its first item says that a worker is there, the second that the
//! plugin is open. Where the host has asked for a provider, a last one says that it is made; where it
//! has not, as when a file is only probed, nothing further comes. A refusal is the exchange's error.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use allos_plugin_api::boundary::payload::{decode, encode, encode_error};
use allos_plugin_api::{Descriptor, ErrorKind, ProviderConfig, ProviderError};
use serde::{Deserialize, Serialize};
use tokio::process::ChildStderr;

use super::confine::Confinement;
use super::connection::{Attend, CLOSED, Connection};
use super::exchange::Exchange;
use super::process::{Process, describe_end};
use super::program::WorkerProgram;
use crate::io_reason::io_reason;
use crate::services::AbortOnDrop;

/// How long a process may take to be gone once its pipe is closed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The name of the first exchange.
pub(super) const START: &str = "start";

/// The version of the host and of the worker, which must be the same.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a worker is to do.
#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    /// The version of the host.
    pub(super) version: String,
    /// The private copy that is to be opened.
    pub(crate) copy: PathBuf,
    /// What it states about itself.
    pub(crate) descriptor: Descriptor,
    /// What it may do.
    pub(super) confinement: Confinement,
    /// What the provider is made of; absent where none is to be made.
    pub(crate) provider: Option<ProviderConfig>,
    /// The most talkative level of log lines that the host keeps.
    pub(crate) log_level: u8,
}

impl Start {
    /// To open a copy, and nothing more.
    pub(crate) fn probe(copy: PathBuf, descriptor: Descriptor) -> Self {
        let version = VERSION.to_owned();
        let confinement = Confinement::default();
        Self { version, copy, descriptor, confinement, provider: None, log_level: 0 }
    }

    /// With what is granted to it in place of the defaults.
    pub(crate) fn confined(self, confinement: Confinement) -> Self {
        Self { confinement, ..self }
    }

    /// To make a provider too.
    pub(crate) fn provider(self, config: ProviderConfig, log_level: u8) -> Self {
        Self { provider: Some(config), log_level, ..self }
    }
}

/// What a worker says once its plugin is open.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Opened {
    /// What of its confinement this system could not do, one line each.
    pub(crate) unconfined: Vec<String>,
}

/// What a worker says that cannot do what it is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Refused {
    /// The program is no worker for this host.
    Program(String),
    /// The plugin cannot be opened.
    Plugin { reason: String, hint: Option<String> },
    /// The plugin made no provider.
    Provider(ProviderError),
}

/// Why there is no worker.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The program cannot be started, or is none for workers. It is no fault of the plugin.
    Program(String),
    /// The plugin or the provider refused, in order.
    Refused(Refused),
    /// The process ended, and how: `was killed by SIGSEGV`.
    Ended(String),
}

/// A worker that was started.
pub(crate) struct Child {
    pub(crate) process: Process,
    pub(crate) connection: Connection,
    started: Exchange,
    work: tokio::task::JoinHandle<String>,
    _stop: AbortOnDrop,
}

impl Child {
    /// Starts the program and tells it what to do. Its standard error is the caller's to read, or
    /// it may come to wait for that.
    pub(crate) async fn start(
        program: &WorkerProgram,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        start: &Start,
        attend: impl Attend,
    ) -> Result<(Self, ChildStderr), NotStarted> {
        let failed = |error: io::Error| {
            let error = io_reason(&error);
            NotStarted::Program(format!("the worker program `{program}` cannot start: {error}"))
        };
        let start = encode(start).map_err(|error| NotStarted::Program(error.to_string()))?;
        let (process, pipes) = Process::start(program, environment).await.map_err(failed)?;
        let (connection, work) = Connection::new(pipes.to, pipes.from, attend);
        let work = tokio::spawn(work);
        let stop = AbortOnDrop(work.abort_handle());
        let started = connection.open(START, &[&start]);
        let started = started.map_err(|_| NotStarted::Ended("closed its pipe".to_owned()))?;
        Ok((Self { process, connection, started, work, _stop: stop }, pipes.stderr))
    }

    /// Waits until a worker is there. What goes wrong before that is no fault of the plugin.
    pub(crate) async fn ready(&mut self) -> Result<(), NotStarted> {
        self.answer().await.map(drop)
    }

    /// Waits until the plugin is open.
    pub(crate) async fn opened(&mut self) -> Result<Opened, NotStarted> {
        let opened = self.answer().await?;
        decode(&opened).map_err(|error| NotStarted::Ended(error.to_string()))
    }

    /// Waits until the provider is made.
    pub(crate) async fn made(&mut self) -> Result<(), NotStarted> {
        self.answer().await.map(drop)
    }

    async fn answer(&mut self) -> Result<bytes::Bytes, NotStarted> {
        let answer = tokio::select! {
            biased;
            answer = self.started.next() => answer,
            status = self.process.ended() => {
                // What it said last may still be in the pipe, which another process may hold open.
                match tokio::time::timeout(LAST_WORDS, self.started.next()).await {
                    Ok(last @ Ok(_)) => last,
                    _ => return Err(NotStarted::Ended(describe_end(status))),
                }
            }
        };
        match answer {
            Ok(Some(Ok(answer))) => Ok(answer),
            Ok(Some(Err(refused))) => Err(match decode(&refused) {
                Ok(refused) => NotStarted::Refused(refused),
                Err(error) => NotStarted::Ended(error.to_string()),
            }),
            Ok(None) | Err(_) => Err(NotStarted::Ended(self.end().await)),
        }
    }

    /// Waits until the connection or the process has ended, and says how, as what follows its name.
    pub(crate) async fn end(&mut self) -> String {
        let connection = tokio::select! {
            status = self.process.ended() => {
                // What it answered last may still be in the pipe; what it has started holds that open.
                self.process.kill_group();
                let _read = tokio::time::timeout(LAST_WORDS, &mut self.work).await;
                return describe_end(status);
            }
            connection = &mut self.work => connection,
        };
        // A process that ends closes its pipe a moment before it is gone.
        let is_closed = connection.as_ref().is_ok_and(|why| why == CLOSED);
        if is_closed
            && let Ok(status) = tokio::time::timeout(LAST_WORDS, self.process.ended()).await
        {
            return describe_end(status);
        }
        let _killed = self.process.kill().await;
        let why = connection.unwrap_or_else(|error| error.to_string());
        format!("broke its protocol: {why}")
    }
}

impl Drop for Child {
    /// Its work may be stopped before it has seen that the process is gone.
    fn drop(&mut self) {
        self.connection.lose("it was ended");
    }
}

impl From<Refused> for ProviderError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Provider(error) => error,
            Refused::Program(reason) => Self::new(ErrorKind::Configuration, reason),
            Refused::Plugin { reason, hint } => {
                let error = Self::new(ErrorKind::Configuration, reason);
                match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }
            }
        }
    }
}

impl Refused {
    /// As the exchange's error has it.
    pub(super) fn encode(&self) -> allos_plugin_abi::Payload {
        encode(self).unwrap_or_else(|error| encode_error(&error))
    }
}
