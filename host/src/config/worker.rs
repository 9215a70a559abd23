//! A `[worker]` table: what the processes may do in which plugins run that are isolated.
//!
//! Only what an operator says, and what it means where nothing is said. How it is enforced is the
//! business of `worker::confine`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The least memory in which a plugin can be opened at all, in MiB.
const LEAST_MEMORY: u64 = 64;
/// 1 TiB.
const MOST_MEMORY: u64 = 1024 * 1024;
const LEAST_FILES: u64 = 32;
const MOST_FILES: u64 = 1024 * 1024;

/// A `[worker]` or `[providers.NAME.worker]` table. A key that is absent says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct WorkerConfig {
    /// The most memory that a worker may reserve, in MiB.
    #[serde(deserialize_with = "memory")]
    pub memory_mb: Option<u64>,
    /// The most files that it may have open.
    #[serde(deserialize_with = "open_files")]
    pub open_files: Option<u64>,
    /// The host's environment variables that it gets.
    #[serde(deserialize_with = "variables")]
    pub env: Option<Vec<String>>,
    /// Files and folders that it may read, beside what every program needs.
    #[serde(deserialize_with = "paths")]
    pub read: Option<Vec<PathBuf>>,
    /// Files and folders that it may read, write, make and remove.
    #[serde(deserialize_with = "paths")]
    pub write: Option<Vec<PathBuf>>,
    /// Whether it may make connections itself.
    pub network: Option<bool>,
}

impl WorkerConfig {
    /// This, and where it says nothing, what `defaults` say.
    #[must_use]
    pub fn or(&self, defaults: &Self) -> Self {
        Self {
            memory_mb: self.memory_mb.or(defaults.memory_mb),
            open_files: self.open_files.or(defaults.open_files),
            env: self.env.clone().or_else(|| defaults.env.clone()),
            read: self.read.clone().or_else(|| defaults.read.clone()),
            write: self.write.clone().or_else(|| defaults.write.clone()),
            network: self.network.or(defaults.network),
        }
    }

    /// The most memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.memory_mb.unwrap_or(4096) * 1024 * 1024
    }

    /// The most open files.
    pub(crate) fn open_files(&self) -> u64 {
        self.open_files.unwrap_or(256)
    }

    /// The variables that it gets, as far as this process has them.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let names = self.env.iter().flatten().map(OsString::from);
        names.filter_map(|name| std::env::var_os(&name).map(|value| (name, value))).collect()
    }

    pub(super) fn anchor(&mut self, folder: &Path) {
        for path in self.read.iter_mut().chain(&mut self.write).flatten() {
            *path = folder.join(&*path);
        }
    }
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let mebibytes = u64::deserialize(deserializer)?;
    if !(LEAST_MEMORY..=MOST_MEMORY).contains(&mebibytes) {
        return Err(D::Error::custom(format_args!("not from {LEAST_MEMORY} to {MOST_MEMORY} MiB")));
    }
    Ok(Some(mebibytes))
}

fn open_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let files = u64::deserialize(deserializer)?;
    if !(LEAST_FILES..=MOST_FILES).contains(&files) {
        return Err(D::Error::custom(format_args!("not from {LEAST_FILES} to {MOST_FILES} files")));
    }
    Ok(Some(files))
}

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
    if !names.iter().all(is_name) {
        return Err(D::Error::custom(
            "not the names of environment variables (hint: write only names, such as \"TZ\")",
        ));
    }
    Ok(Some(names))
}

fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<PathBuf>>, D::Error> {
    let paths = Vec::<PathBuf>::deserialize(deserializer)?;
    if paths.iter().any(|path| path.as_os_str().is_empty()) {
        return Err(D::Error::custom("a path is empty"));
    }
    Ok(Some(paths))
}
