//! From files in plugin folders to modules that can be called.
//!
//! [`Loader::load`] scans the folders and sends each file through the stages listed below, one
//! file after another: descriptor, trust, stage, open, register. A file that a stage refuses is
//! quarantined with the stage, a reason and a hint, and stops nothing else. [`Loader::examine`]
//! does the same without running anything that is in a file.
//!
//! The loader makes no provider: which instances a loaded plugin gets is the registry's business.

mod admission;
mod candidate;
mod descriptor;
mod elf;
mod libraries;
mod loaded;
mod open;
mod register;
mod report;
mod scan;
mod stage;
mod stdout;
mod target;
mod trust;

use std::path::{Path, PathBuf};

use admission::{Session, Step};
pub use candidate::{Candidate, CandidateState, ContentHash, LoadStage, Refusal};
pub use descriptor::identify;
pub use loaded::LoadedPlugin;
pub use report::LoadReport;
pub use stage::default_cache_dir;
use trust::Trust;
pub use trust::{Voucher, pin};

use crate::config::TrustConfig;

/// Turns plugin files into plugins.
#[derive(Debug, Clone)]
pub struct Loader {
    plugin_dirs: Vec<PathBuf>,
    cache_dir: PathBuf,
    trust: TrustConfig,
}

impl Loader {
    /// A loader for these folders, in this order. Private copies of what it opens live in a folder
    /// `plugins` of the cache: of [`default_cache_dir`] unless told.
    pub fn new(plugin_dirs: Vec<PathBuf>, cache_dir: Option<PathBuf>) -> Self {
        let cache_dir = cache_dir.unwrap_or_else(default_cache_dir);
        Self { plugin_dirs, cache_dir, trust: TrustConfig::default() }
    }

    /// Uses only files that this allows.
    #[must_use]
    pub fn trust(mut self, trust: TrustConfig) -> Self {
        self.trust = trust;
        self
    }

    /// Loads every plugin that can be loaded, and says of every file what became of it.
    ///
    /// Opening a library runs code of its author, for as long as that takes. So this works on a
    /// thread on which blocking is allowed. While it opens one, what this process writes to its
    /// standard output goes to standard error.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub async fn load(self) -> (LoadReport, Vec<LoadedPlugin>) {
        let work = tokio::task::spawn_blocking(move || self.load_blocking());
        work.await.unwrap_or_else(|error| {
            let warning = format!("plugins could not be loaded: the loader itself failed: {error}");
            (LoadReport::of_warning(warning), Vec::new())
        })
    }

    /// The same, on the calling thread.
    pub fn load_blocking(&self) -> (LoadReport, Vec<LoadedPlugin>) {
        let (mut report, session) = self.run(LOAD);
        stage::prune(&self.cache_dir);
        report.warnings.extend(session.trust.remember(&session.loaded));
        report.log();
        (report, session.loaded)
    }

    /// What could be loaded, as far as the files themselves tell; nothing in them is run.
    ///
    /// A file without objections stays a [`CandidateState::Candidate`].
    pub fn examine(&self) -> LoadReport {
        self.run(EXAMINE).0
    }

    fn run(&self, steps: &[Step]) -> (LoadReport, Session) {
        let mut session = Session::new(&self.cache_dir, Trust::new(self.trust.clone()));
        let found = scan::scan(&self.plugin_dirs);
        let candidates =
            found.files.into_iter().map(|file| admission::admit(file, steps, &mut session));
        let candidates = candidates.collect();
        let mut warnings = found.warnings;
        warnings.append(&mut session.warnings);
        (LoadReport { candidates, warnings }, session)
    }
}

/// Everything, up to a plugin that can be called. A further stage (probe) is one more line.
const LOAD: &[Step] = &[
    (LoadStage::Descriptor, descriptor::describe),
    (LoadStage::Trust, trust::trust),
    (LoadStage::Stage, stage::stage),
    (LoadStage::Open, open::open),
    (LoadStage::Register, register::register),
];

/// What can be told without running anything.
const EXAMINE: &[Step] = &[
    (LoadStage::Descriptor, descriptor::describe),
    (LoadStage::Trust, trust::trust),
    (LoadStage::Register, register::claim_name),
];

/// The last part of a path, for messages.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
