//! A temporary folder for one test: its plugins, its cache of staged copies, its configuration.

use std::path::{Path, PathBuf};

use allos_host::worker::WorkerProgram;
use allos_host::{Config, Host, HostBuilder};
use tempfile::TempDir;

use crate::artifact;

/// A folder of one test's own, removed at its end.
pub(crate) struct PluginFolder(TempDir);

impl PluginFolder {
    /// A folder with copies of these plugins and fixtures.
    pub(crate) fn with(libraries: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::create_dir(folder.plugins()).expect("a folder for plugins");
        set_mode(folder.path(), 0o755);
        set_mode(&folder.plugins(), 0o755);
        for library in libraries {
            folder.add_as(library, &file_name(library));
        }
        folder
    }

    /// Copies a plugin or a fixture into the folder, under a file name of the test's choice.
    pub(crate) fn add_as(&self, library: &str, file_name: &str) {
        self.copy(&artifact::library(library), file_name);
    }

    /// Gives a plugin a content of this folder's own. Hosts of one process open the same content
    /// once, so other tests would share the statics of the plugin.
    pub(crate) fn set_apart(&self, library: &str) {
        let file = self.plugins().join(file_name(library));
        let mut content = std::fs::read(&file).expect("the copy of a library");
        content.extend_from_slice(self.path().as_os_str().as_encoded_bytes());
        std::fs::write(&file, content).expect("the copy can be changed");
    }

    /// Copies any file into the folder of plugins.
    pub(crate) fn copy(&self, from: &Path, file_name: &str) {
        let copy = self.plugins().join(file_name);
        std::fs::copy(from, &copy).expect("a copy of a library");
        set_mode(&copy, 0o755);
    }

    /// Writes a file into the folder of plugins.
    pub(crate) fn write(&self, file_name: &str, bytes: &[u8]) {
        let file = self.plugins().join(file_name);
        std::fs::write(&file, bytes).expect("a file in the folder");
        set_mode(&file, 0o644);
    }

    /// Writes `allos.toml`, and tells where it is.
    pub(crate) fn configure(&self, toml: &str) -> PathBuf {
        let file = self.path().join("allos.toml");
        std::fs::write(&file, toml).expect("a configuration file");
        file
    }

    /// The whole folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where the plugins are.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.path().join("plugins")
    }

    /// Where staged copies go.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// A host on this folder, with the rest of its configuration.
    pub(crate) async fn host(&self, toml: &str) -> Host {
        self.host_with_program(artifact::allos(), toml).await
    }

    /// A host whose workers run this program.
    pub(crate) async fn host_with_program(&self, program: &Path, toml: &str) -> Host {
        let program = WorkerProgram::new(program).argument("worker");
        self.build(Host::builder().worker_program(program), toml).await
    }

    /// A host that was given no worker program.
    pub(crate) async fn host_without_program(&self, toml: &str) -> Host {
        self.build(Host::builder(), toml).await
    }

    async fn build(&self, builder: HostBuilder, toml: &str) -> Host {
        let config = Config::parse(toml, &self.path().join("allos.toml")).expect("a configuration");
        let builder = builder.config(config).plugin_dir(self.plugins()).cache_dir(self.cache());
        builder.build().await.expect("a host, whatever its plugins do")
    }
}

/// Sets permissions, so that a test does not depend on the umask.
pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("permissions can be set");
}

/// The name that a library's file has on this platform.
pub(crate) fn file_name(library: &str) -> String {
    format!("{}{library}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}
