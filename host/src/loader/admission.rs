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

use super::candidate::{Candidate, CandidateState, ContentHash, LoadStage, Reason, Refusal};
use super::loaded::LoadedPlugin;
use super::scan::FoundFile;
use super::trust::{Trust, Voucher};

/// One stage: its name, and what it does.
pub(super) type Step = (LoadStage, fn(&mut Admission, &mut Session) -> Result<(), Reason>);

/// A file on its way, with what the stages so far have found out.
pub(super) struct Admission {
    pub(super) path: PathBuf,
    /// The bytes of the file, read once; emptied when they are staged.
    pub(super) content: Vec<u8>,
    /// What the system said of the file that was read, while it was open.
    pub(super) opened: Option<Metadata>,
    pub(super) descriptor: Option<Arc<Descriptor>>,
    pub(super) hash: Option<ContentHash>,
    pub(super) voucher: Option<Voucher>,
    pub(super) warnings: Vec<String>,
    /// The private copy, which is what is opened.
    pub(super) staged: Option<PathBuf>,
    pub(super) module: Option<PluginRef>,
}

/// What the stages know beyond the file at hand.
pub(super) struct Session {
    pub(super) cache_dir: PathBuf,
    pub(super) trust: Trust,
    /// The modules of contents that are open already.
    pub(super) opened: HashMap<ContentHash, PluginRef>,
    /// Which file has which name.
    pub(super) names: HashMap<String, PathBuf>,
    pub(super) loaded: Vec<LoadedPlugin>,
    pub(super) warnings: Vec<String>,
}

impl Session {
    pub(super) fn new(cache_dir: &Path, trust: Trust) -> Self {
        Self {
            cache_dir: cache_dir.to_owned(),
            trust,
            opened: HashMap::new(),
            names: HashMap::new(),
            loaded: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Admission {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            content: Vec::new(),
            opened: None,
            descriptor: None,
            hash: None,
            voucher: None,
            warnings: Vec::new(),
            staged: None,
            module: None,
        }
    }

    fn end(self, state: CandidateState) -> Candidate {
        let Self { path, descriptor, hash, voucher, warnings, .. } = self;
        Candidate { path, state, descriptor, hash, voucher, warnings }
    }
}

/// Takes what an earlier stage has found; a list of stages in a wrong order refuses every file.
pub(super) fn found<T>(value: Option<T>) -> Result<T, Reason> {
    value.ok_or_else(|| Reason::new("an earlier stage was left out"))
}

/// Sends a file through the stages, up to the first that refuses it.
pub(super) fn admit(file: FoundFile, steps: &[Step], session: &mut Session) -> Candidate {
    let mut admission = Admission::new(file.path);
    if let Some(reason) = file.objection {
        return admission.end(quarantined(LoadStage::Scan, reason));
    }
    for (stage, run) in steps {
        if let Err(reason) = run(&mut admission, session) {
            return admission.end(quarantined(*stage, reason));
        }
    }
    let state = match admission.module {
        Some(_) => CandidateState::Loaded,
        None => CandidateState::Candidate,
    };
    admission.end(state)
}

fn quarantined(stage: LoadStage, reason: Reason) -> CandidateState {
    CandidateState::Quarantined(Refusal::new(stage, reason))
}
