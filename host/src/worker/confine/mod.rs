//! What a worker's process may do: decided by the host, applied by the worker to itself.
//!
//! Applied before the process has a second thread and before any plugin code runs, and never taken
//! back: limits, then files, then privileges, then calls of the kernel. What this system cannot do
//! is said, and the rest applies all the same. What travels over the worker's pipes is not its
//! business.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(unix)]
mod limits;
#[cfg(target_os = "linux")]
mod privileges;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::WorkerConfig;

/// What one worker may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// Where the libraries are that the file may need.
    libraries: Vec<PathBuf>,
    /// The most memory that it may reserve, in bytes.
    memory: u64,
    /// The most files that it may have open.
    open_files: u64,
    /// Files and folders that it may read, beside what every program needs.
    read: Vec<PathBuf>,
    /// Files and folders that it may read, write, make and remove.
    write: Vec<PathBuf>,
    /// Whether it may make connections itself.
    network: bool,
    /// Whether it may do for the rest whatever the host may.
    as_host: bool,
}

impl Confinement {
    /// What the operator says.
    pub(crate) fn new(config: &WorkerConfig) -> Self {
        Self {
            libraries: crate::loader::library_folders(),
            memory: config.memory(),
            open_files: config.open_files(),
            read: config.read.clone().unwrap_or_default(),
            write: config.write.clone().unwrap_or_default(),
            network: config.network.unwrap_or_default(),
            as_host: false,
        }
    }

    /// Only the limits, for a plugin that is to be tried as it will run: in the host.
    pub(crate) fn only_limited(self) -> Self {
        Self { as_host: true, ..self }
    }
}

impl Default for Confinement {
    fn default() -> Self {
        Self::new(&WorkerConfig::default())
    }
}

/// Confines this process, which is to open `copy`, for good. Returns what could not be done, one
/// line each.
#[must_use]
pub(crate) fn confine(confinement: &Confinement, copy: &Path) -> Vec<String> {
    let mut missing = Vec::new();
    #[cfg(unix)]
    missing.extend(limits::apply(confinement));
    if confinement.as_host {
        return missing;
    }
    #[cfg(target_os = "linux")]
    {
        missing.extend(files::apply(confinement, copy));
        missing.extend(privileges::apply(copy));
    }
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    missing.extend(calls::apply(confinement.network));
    #[cfg(all(target_os = "linux", not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    missing.push("calls of the kernel are not limited on this processor".to_owned());
    #[cfg(not(target_os = "linux"))]
    missing.push(format!(
        "its files, its network and other processes are not limited: {} has no means that is used",
        std::env::consts::OS
    ));
    missing
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
