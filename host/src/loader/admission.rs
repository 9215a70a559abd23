//! The way of one file through the stages: one shape for all of them.
//!
//! A stage is a function that looks at an [`Admission`], adds to it, and lets it pass or gives a
//! reason. Which stages there are, and in which order, is in `loader`.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allos_plugin_abi::PluginRef;
use allos_plugin_api::Descriptor;

use super::cache::InUse;
use super::candidate::{Candidate, CandidateState, ContentHash, LoadStage, Reason, Refusal};
use super::loaded::LoadedPlugin;
use super::scan::FoundFile;
use super::trust::{Trust, Voucher};
use super::{Loader, file_name};

/// One stage: its name, and what it does.
pub(super) type Step = (LoadStage, fn(&mut Admission, &mut Session) -> Result<(), Reason>);

/// A file on its way, with what the stages so far have found out.
pub(super) struct Admission {
    pub(super) path: PathBuf,
    pub(super) state: CandidateState,
    /// The bytes of the file, read once.
    pub(super) content: Vec<u8>,
    /// What the system said of the file that was read, while it was open.
    pub(super) opened: Option<Metadata>,
    pub(super) descriptor: Option<Arc<Descriptor>>,
    pub(super) hash: Option<ContentHash>,
    pub(super) voucher: Option<Voucher>,
    pub(super) warnings: Vec<String>,
    /// The private copy, which is what is opened.
    pub(super) staged: Option<PathBuf>,
    pub(super) in_use: Option<InUse>,
    /// Whether this content is known to open well.
    pub(super) probed: bool,
    pub(super) module: Option<PluginRef>,
}

/// What the stages know beyond the file at hand.
pub(super) struct Session<'a> {
    pub(super) loader: &'a Loader,
    pub(super) trust: Trust,
    /// Which file has which name.
    pub(super) names: HashMap<String, PathBuf>,
    pub(super) loaded: Vec<LoadedPlugin>,
    pub(super) warnings: Vec<String>,
}

impl<'a> Session<'a> {
    pub(super) fn new(loader: &'a Loader) -> Self {
        Self {
            loader,
            trust: Trust::new(loader.trust.clone()),
            names: HashMap::new(),
            loaded: Vec::new(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn cache_dir(&self) -> &'a Path {
        &self.loader.cache_dir
    }

    /// Says something that is about many files, once.
    pub(super) fn warn(&mut self, warning: String) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

/// Sends files through stages, one file after another.
pub(super) fn pass_all(files: &mut [Admission], steps: &[Step], session: &mut Session) {
    for file in files {
        file.pass(steps, session);
    }
}

impl Admission {
    pub(super) fn new(file: FoundFile) -> Self {
        let mut admission = Self {
            path: file.path,
            state: CandidateState::Candidate,
            content: Vec::new(),
            opened: None,
            descriptor: None,
            hash: None,
            voucher: None,
            warnings: Vec::new(),
            staged: None,
            in_use: None,
            probed: false,
            module: None,
        };
        if let Some(reason) = file.objection {
            admission.refuse(LoadStage::Scan, reason);
        }
        admission
    }

    /// Sends the file through stages, up to the first that refuses it. Its bytes are not kept for
    /// stages that come later, so that those of one file are there at a time.
    fn pass(&mut self, steps: &[Step], session: &mut Session) {
        for (stage, run) in steps {
            if !self.is_on_its_way() {
                break;
            }
            if let Err(reason) = run(self, session) {
                self.refuse(*stage, reason);
            }
        }
        self.content = Vec::new();
    }

    pub(super) fn is_on_its_way(&self) -> bool {
        self.state == CandidateState::Candidate
    }

    pub(super) fn refuse(&mut self, stage: LoadStage, reason: Reason) {
        self.state = CandidateState::Quarantined(Refusal::new(stage, reason));
    }

    /// The last part of its path, for messages.
    pub(super) fn file_name(&self) -> String {
        file_name(&self.path)
    }

    pub(super) fn end(self) -> Candidate {
        let Self { path, state, descriptor, hash, voucher, warnings, .. } = self;
        Candidate { path, state, descriptor, hash, voucher, warnings }
    }
}

/// Takes what an earlier stage has found; a list of stages in a wrong order refuses every file.
pub(super) fn found<T>(value: Option<T>) -> Result<T, Reason> {
    value.ok_or_else(|| Reason::new("an earlier stage was left out"))
}
