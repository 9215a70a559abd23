//! A plugin in a process of its own, behind the same calls as one in the host's process.
//!
//! A host starts the `program` that it was given as a child (`process`), tells it what to do
//! (`start`), and speaks with it over a pair of pipes: `frame`s, in `exchange`s, over a
//! `connection`. The child's side is in `child`, what it may do in `confine`, what the host does
//! for it in `attendant`. A child that is asked for no provider only opens a file: that is how the
//! loader probes one.

mod attendant;
mod calls;
#[cfg(unix)]
mod child;
mod confine;
mod connection;
#[cfg(not(unix))]
mod elsewhere;
mod exchange;
mod frame;
#[cfg(fuzzing)]
pub mod fuzzing;
mod operations;
#[cfg(unix)]
mod process;
mod program;
mod start;
mod stderr;
mod supervisor;

use std::process::ExitCode;

#[cfg(not(unix))]
use elsewhere::{self as child, self as process};

pub(crate) use calls::{Worker, WorkerFrames};
pub(crate) use confine::Confinement;
pub use program::WorkerProgram;
pub(crate) use start::{Child, NotStarted, Refused, Start};
pub(crate) use stderr::read_lines;
pub(crate) use supervisor::Recipe;

/// Is a worker: what a [`WorkerProgram`] does first, and before it starts any thread. Returns when
/// the host that has started it is gone.
#[must_use]
pub fn run() -> ExitCode {
    match child::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line =
                format!("error: this is no worker: {error}\nhint: allos starts it by itself\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
            ExitCode::FAILURE
        }
    }
}
