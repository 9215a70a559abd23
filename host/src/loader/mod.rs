//! From files in plugin folders to modules that can be called.
//!
//! [`Loader::load`] scans the folders and sends each file through the stages listed below:
//! descriptor, trust, stage, probe, open, register. A file that a stage refuses is quarantined with
//! the stage, a reason and a hint, and stops nothing else. [`Loader::examine`] does the same without
//! running anything that is in a file.
//!
//! The loader makes no provider: which instances a loaded plugin gets is the registry's business.

mod admission;
mod cache;
mod candidate;
mod descriptor;
mod elf;
#[cfg(fuzzing)]
pub mod fuzzing;
mod libraries;
mod loaded;
mod open;
mod probe;
mod register;
mod report;
mod scan;
mod stage;
mod stdout;
mod target;
mod trust;
mod verdict;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use allos_plugin_api::Descriptor;

use admission::{Admission, Session, Step};
pub use cache::default_cache_dir;
pub use candidate::{Candidate, CandidateState, ContentHash, LoadStage, Refusal};
pub use descriptor::identify;
pub(crate) use libraries::library_folders;
pub use loaded::LoadedPlugin;
pub(crate) use open::open_copy;
use probe::Probe;
pub use report::LoadReport;
pub use trust::{Voucher, pin};
pub use verdict::Verdict;

use crate::config::{TrustConfig, WorkerConfig};
use crate::worker::WorkerProgram;

/// Turns plugin files into plugins.
#[derive(Clone)]
pub struct Loader {
    plugin_dirs: Vec<PathBuf>,
    cache_dir: PathBuf,
    trust: TrustConfig,
    probe: Option<Probe>,
    runs_here: RunsHere,
}

/// Whether a plugin is to be opened in this process.
type RunsHere = Arc<dyn Fn(&Descriptor) -> bool + Send + Sync>;

impl Loader {
    /// A loader for these folders, in this order. Private copies of what it opens, and what it has
    /// found out about them, live in the cache: in [`default_cache_dir`] unless told.
    pub fn new(plugin_dirs: Vec<PathBuf>, cache_dir: Option<PathBuf>) -> Self {
        let cache_dir = cache_dir.unwrap_or_else(default_cache_dir);
        Self {
            plugin_dirs,
            cache_dir,
            trust: TrustConfig::default(),
            probe: None,
            runs_here: Arc::new(|_| true),
        }
    }

    /// Uses only files that this allows.
    #[must_use]
    pub fn trust(mut self, trust: TrustConfig) -> Self {
        self.trust = trust;
        self
    }

    /// Has what nobody knows opened by a process of this program first, which may do this and take
    /// so long. Without this nothing is tried beforehand.
    #[must_use]
    pub fn probing(
        mut self,
        program: WorkerProgram,
        worker: WorkerConfig,
        deadline: Duration,
    ) -> Self {
        self.probe = Some(Probe { program, worker, deadline });
        self
    }

    /// Opens in this process only the plugins for which this holds; the others run in workers.
    #[must_use]
    pub fn opening(
        mut self,
        runs_here: impl Fn(&Descriptor) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.runs_here = Arc::new(runs_here);
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
        let runtime = tokio::runtime::Handle::current();
        let work = tokio::task::spawn_blocking(move || {
            self.load_with(|files, session| runtime.block_on(probe::probe(files, session)))
        });
        work.await.unwrap_or_else(|error| {
            let warning = format!("plugins could not be loaded: the loader itself failed: {error}");
            (LoadReport::of_warning(warning), Vec::new())
        })
    }

    /// Every stage in its order, on the calling thread.
    fn load_with(
        &self,
        probe: impl FnOnce(&mut [Admission], &mut Session),
    ) -> (LoadReport, Vec<LoadedPlugin>) {
        let mut session = Session::new(self);
        let mut files = self.scan(&mut session);
        admission::pass_all(&mut files, BEFORE_PROBING, &mut session);
        probe(&mut files, &mut session);
        admission::pass_all(&mut files, AFTER_PROBING, &mut session);
        cache::prune(&self.cache_dir, stage::COPIES);
        cache::prune(&self.cache_dir, verdict::VERDICTS);
        let news = session.trust.remember(&session.loaded);
        session.warnings.extend(news);
        (LoadReport::of(files, session.warnings), session.loaded)
    }

    /// What could be loaded, as far as the files themselves tell; nothing in them is run.
    ///
    /// A file without objections stays a [`CandidateState::Candidate`].
    pub fn examine(&self) -> LoadReport {
        let mut session = Session::new(self);
        let mut files = self.scan(&mut session);
        admission::pass_all(&mut files, LOOKING, &mut session);
        LoadReport::of(files, session.warnings)
    }

    /// Drops what was found out about contents when they were first opened, so that they are tried
    /// again. Tells what was dropped.
    ///
    /// # Errors
    ///
    /// Where a verdict that is meant cannot be removed.
    pub fn forget(&self, is_meant: impl Fn(&Verdict) -> bool) -> Result<Vec<Verdict>, Refusal> {
        verdict::forget(&self.cache_dir, is_meant)
            .map_err(|reason| Refusal::new(LoadStage::Probe, reason))
    }

    fn scan(&self, session: &mut Session) -> Vec<Admission> {
        let found = scan::scan(&self.plugin_dirs);
        session.warnings.extend(found.warnings);
        found.files.into_iter().map(Admission::new).collect()
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Loader")
            .field("plugin_dirs", &self.plugin_dirs)
            .field("cache_dir", &self.cache_dir)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

/// What is done with one file after another, up to what nobody knows.
const BEFORE_PROBING: &[Step] = &[
    (LoadStage::Descriptor, descriptor::describe),
    (LoadStage::Trust, trust::trust),
    (LoadStage::Stage, stage::stage),
    (LoadStage::Probe, verdict::recall),
];

/// What is done after that, up to a plugin that can be called.
const AFTER_PROBING: &[Step] =
    &[(LoadStage::Open, open::open), (LoadStage::Register, register::register)];

/// What can be told without running anything.
const LOOKING: &[Step] = &[
    (LoadStage::Descriptor, descriptor::describe),
    (LoadStage::Trust, trust::trust),
    (LoadStage::Probe, verdict::show),
    (LoadStage::Register, register::claim_name),
];

/// The last part of a path, for messages.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
