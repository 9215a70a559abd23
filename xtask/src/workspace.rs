//! Where things are: the workspace's root, its plugins and cargo's target folder.
//!
//! Known by convention alone: a folder `plugins/NAME` is the package `allos-NAME`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

/// The workspace that this task was built from.
pub(crate) struct Workspace {
    root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The names of the folders in `plugins/`, sorted.
    pub(crate) plugins: Vec<String>,
}

impl Workspace {
    /// Looks at the folders.
    pub(crate) fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the xtask folder is not inside a workspace")?
            .to_owned();
        let plugins = plugins_in(&root.join("plugins"))?;
        Ok(Self { target: target_folder(&root)?, root, plugins })
    }

    /// Where cargo puts what it builds for release.
    pub(crate) fn release(&self) -> PathBuf {
        let triple = std::env::var_os("CARGO_BUILD_TARGET").unwrap_or_default();
        self.target.join(triple).join("release")
    }

    /// The cargo that runs this task, in the workspace's root and with the same target folder.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// A relative `CARGO_TARGET_DIR` starts at the folder where cargo was called.
fn target_folder(root: &Path) -> Result<PathBuf, Failure> {
    match std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => std::path::absolute(folder)
            .map_err(|error| format!("CARGO_TARGET_DIR cannot be used: {error}")),
        None => Ok(root.join("target")),
    }
}

fn plugins_in(folder: &Path) -> Result<Vec<String>, Failure> {
    let failed = |error| format!("{} cannot be read: {error}", folder.display());
    let mut plugins = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("Cargo.toml").is_file() {
            plugins.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    plugins.sort();
    Ok(plugins)
}
