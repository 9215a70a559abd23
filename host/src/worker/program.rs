//! The program that a worker runs.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// A program that calls [`run`](super::run) as the first thing it does.
///
/// It is named to the host, never guessed: an application that embeds the host would otherwise start
/// itself. It must be of the same version of allos as the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerProgram {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
}

impl WorkerProgram {
    /// This program, by its path.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), arguments: Vec::new() }
    }

    /// With a further argument, by which it knows that it is to be a worker.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}

impl fmt::Display for WorkerProgram {
    /// Its path.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.program.display().fmt(formatter)
    }
}
