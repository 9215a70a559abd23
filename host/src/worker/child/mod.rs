//! The worker itself: a process that opens one plugin and answers through it, on one thread.
//!
//! Its pipes are moved to descriptors that the plugin does not get by printing, and it confines
//! itself, before anything is opened. It ends when its host does: by the signal of its parent's
//! death where the system has one, and when the pipe from the host is closed.

mod provider;
mod services;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use allos_plugin_abi::PluginRef;
use allos_plugin_api::boundary::payload::{decode, encode};
use allos_plugin_api::{ProviderConfig, ProviderError};
use bytes::BytesMut;
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};
use tokio::net::unix::pipe;

use super::confine::confine;
use super::connection::Connection;
use super::frame::{self, Kind};
use super::start::{Opened, Refused, START, Start, VERSION};
use crate::loader;
use provider::Provider;

/// Runs a worker until its host is gone.
pub(super) fn run() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut pipes = Pipes::take()?;
    let (exchange, start) = pipes.read_start()?;
    if start.version != VERSION {
        let Start { version, .. } = start;
        let error = format!("it is one of allos {VERSION}, and this host is {version}");
        pipes.write(Kind::Failed, exchange, &Refused::Program(error).encode())?;
        return pipes.wait_for_end();
    }
    pipes.write(Kind::Item, exchange, &[])?;
    let opened = open(&start);
    let module = match opened {
        Ok((module, opened)) => {
            let opened = encode(&opened).map_err(io::Error::other)?;
            pipes.write(Kind::Item, exchange, &opened)?;
            module
        }
        Err(refused) => {
            pipes.write(Kind::Failed, exchange, &refused.encode())?;
            return pipes.wait_for_end();
        }
    };
    match start.provider {
        Some(config) => serve(pipes, exchange, module, &config, start.log_level),
        None => pipes.wait_for_end(),
    }
}

fn open(start: &Start) -> Result<(PluginRef, Opened), Refused> {
    let unconfined = confine(&start.confinement, &start.copy);
    let module = loader::open_copy(&start.copy, &start.descriptor).map_err(|refusal| {
        let (reason, hint) = (refusal.reason().to_owned(), refusal.hint().map(str::to_owned));
        Refused::Plugin { reason, hint }
    })?;
    if has_children() {
        return Err(Refused::Plugin {
            reason: "it started another process while it was opened".to_owned(),
            hint: Some("start processes when a provider is made, or not at all".to_owned()),
        });
    }
    Ok((module, Opened { unconfined }))
}

/// Whether this process has started others, which it never does by itself.
fn has_children() -> bool {
    wait(WaitOptions::NOHANG).err() != Some(Errno::CHILD)
}

/// Makes the provider, and answers what the host asks of it until the host is gone.
fn serve(
    pipes: Pipes,
    exchange: u32,
    module: PluginRef,
    config: &ProviderConfig,
    log_level: u8,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let provider = Provider::default();
        let (connection, work) = Connection::new(
            pipe::Sender::from_owned_fd(OwnedFd::from(pipes.to))?,
            pipe::Receiver::from_owned_fd(OwnedFd::from(pipes.from))?,
            provider.clone(),
        );
        match provider.make(module, config, &connection, log_level) {
            Ok(()) => connection.send(Kind::Last, exchange, &[]),
            Err(error) => refuse(&connection, exchange, error),
        }
        work.await;
        Ok(())
    })
}

fn refuse(connection: &Connection, exchange: u32, error: ProviderError) {
    connection.send(Kind::Failed, exchange, &[&Refused::Provider(error).encode()]);
}

/// The pipes to and from the host, before there is a connection.
struct Pipes {
    from: File,
    to: File,
}

impl Pipes {
    /// Takes them from standard input and output, which then are nothing and standard error.
    fn take() -> io::Result<Self> {
        let from = rustix::io::fcntl_dupfd_cloexec(stdin(), 3)?;
        let to = rustix::io::fcntl_dupfd_cloexec(stdout(), 3)?;
        dup2_stdin(File::open("/dev/null")?)?;
        dup2_stdout(stderr())?;
        Ok(Self { from: from.into(), to: to.into() })
    }

    /// The first frame. It alone is read here: the host says nothing further until it is answered.
    fn read_start(&mut self) -> io::Result<(u32, Start)> {
        let mut buffer = BytesMut::new();
        let mut piece = [0; 16 * 1024];
        let frame = loop {
            if let Some(frame) = frame::read(&mut buffer).map_err(io::Error::other)? {
                break frame;
            }
            match self.from.read(&mut piece)? {
                0 => return Err(io::Error::other("no host speaks to it")),
                length => buffer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            }
        };
        match (frame.kind, frame::named(&frame.payload)) {
            (Kind::Open, Some((START, start))) => {
                Ok((frame.exchange, decode(&start).map_err(io::Error::other)?))
            }
            _ => Err(io::Error::other("no host speaks to it")),
        }
    }

    fn write(&mut self, kind: Kind, exchange: u32, payload: &[u8]) -> io::Result<()> {
        let mut buffer = BytesMut::new();
        frame::write(&mut buffer, kind, exchange, None, &[payload]);
        self.to.write_all(&buffer)
    }

    /// Stays until the host ends it, or is gone itself.
    fn wait_for_end(mut self) -> io::Result<()> {
        io::copy(&mut self.from, &mut io::sink()).map(drop)
    }
}
