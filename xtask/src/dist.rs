//! The release build, as files that can be copied to another machine.
//!
//! Each file is written beside its place and moved there, so that a host that has the old one open
//! is not disturbed. What somebody else put into the folder stays.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;
use crate::workspace::Workspace;

/// The folder `dist` of the target folder.
pub(crate) struct Dist {
    host: PathBuf,
    plugin_folder: PathBuf,
    plugins: Vec<PathBuf>,
}

impl Dist {
    /// Builds everything and lays it out.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self, Failure> {
        build_host(workspace)?;
        workspace.plugins.iter().try_for_each(|plugin| build_plugin(workspace, plugin))?;
        let folder = workspace.target.join("dist");
        let plugin_folder = folder.join("plugins");
        create_folder(&plugin_folder)?;

        let host = place(&workspace.release(), &folder, &format!("allos{EXE_SUFFIX}"))?;
        let plugins = workspace
            .plugins
            .iter()
            .map(|plugin| place(&workspace.release(), &plugin_folder, &library_name(plugin)))
            .collect::<Result<_, _>>()?;
        Ok(Self { host, plugin_folder, plugins })
    }

    /// The program `allos`.
    pub(crate) fn host(&self) -> &Path {
        &self.host
    }

    /// The folder that holds the plugins.
    pub(crate) fn plugin_folder(&self) -> &Path {
        &self.plugin_folder
    }

    /// Each file with its size, one a line.
    pub(crate) fn sizes(&self) -> Result<String, Failure> {
        let mut lines = String::new();
        for file in std::iter::once(&self.host).chain(&self.plugins) {
            let size = std::fs::metadata(file).map_err(|error| failed(file, "read", &error))?.len();
            let (whole, tenth) = (size / 1_000_000, size % 1_000_000 / 100_000);
            // Writing to a String cannot fail.
            let _ = writeln!(lines, "{whole:>4}.{tenth} MB  {}", file.display());
        }
        Ok(lines)
    }
}

fn build_host(workspace: &Workspace) -> Result<(), Failure> {
    run(workspace.cargo().args(["build", "--release", "--package", "allos-host"]))
}

/// A plugin is small where it is linked as a whole, which cargo does only for a library that is
/// built as nothing else, and where it is compiled to be: it waits for its vendor, not for itself.
fn build_plugin(workspace: &Workspace, plugin: &str) -> Result<(), Failure> {
    run(workspace
        .cargo()
        .args(["rustc", "--release", "--lib", "--crate-type", "cdylib"])
        .args(["--config", "profile.release.lto = 'fat'"])
        .args(["--config", "profile.release.codegen-units = 1"])
        .args(["--config", "profile.release.opt-level = 's'"])
        .args(["--package", &format!("allos-{plugin}")]))
}

fn run(cargo: &mut Command) -> Result<(), Failure> {
    let status = cargo.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err("the release build failed, see above".to_owned()) }
}

fn library_name(plugin: &str) -> String {
    format!("{DLL_PREFIX}allos_{}{DLL_SUFFIX}", plugin.replace('-', "_"))
}

fn create_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, "made", &error))
}

/// Copies a file by way of a temporary one, whose suffix keeps it from being taken for a plugin.
fn place(from: &Path, to: &Path, name: &str) -> Result<PathBuf, Failure> {
    let (source, target) = (from.join(name), to.join(name));
    let temporary = to.join(format!(".{name}.{}.tmp", std::process::id()));
    std::fs::copy(&source, &temporary).map_err(|error| failed(&source, "copied", &error))?;
    std::fs::rename(&temporary, &target).map_err(|error| failed(&target, "replaced", &error))?;
    Ok(target)
}

fn failed(path: &Path, done: &str, error: &std::io::Error) -> Failure {
    format!("{} cannot be {done}: {error}", path.display())
}
