//! `allos worker`: this very program, as the worker of a host. Nobody types it.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use crate::worker::WorkerProgram;

/// What this program is told by a host that starts it as a worker.
const WORKER: &str = "worker";

/// Whether this process is to be a worker. Asked before anything else, for a worker does nothing else.
pub(super) fn is_meant() -> bool {
    std::env::args_os().skip(1).eq([WORKER])
}

/// This program, as a host of the command line has its workers run it.
///
/// On Linux it is named by what runs, not by its path, so that an upgrade under a running host
/// starts no worker of another version.
pub(super) fn program() -> Result<WorkerProgram, Failure> {
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() {
        running
    } else {
        std::env::current_exe().map_err(|error| {
            Failure::new(Exit::Other, format!("the path of this program is not known: {error}"))
        })?
    };
    Ok(WorkerProgram::new(program).argument(WORKER))
}
