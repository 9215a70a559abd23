//! What became of every file of every plugin folder.

use std::fmt;

use super::admission::Admission;
use super::candidate::{Candidate, CandidateState};
use super::file_name;

/// What the loader found, and what it did with it.
#[derive(Debug, Clone, Default)]
pub struct LoadReport {
    /// Every file with the suffix of a library, in the order in which they were tried.
    pub candidates: Vec<Candidate>,
    /// What is about no single file, one line each: a folder that does not exist, for example.
    pub warnings: Vec<String>,
}

impl LoadReport {
    /// The files that are loaded.
    pub fn loaded(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|it| *it.state() == CandidateState::Loaded)
    }

    /// The files that were refused.
    pub fn quarantined(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|it| it.refusal().is_some())
    }

    pub(super) fn of(files: Vec<Admission>, warnings: Vec<String>) -> Self {
        Self { candidates: files.into_iter().map(Admission::end).collect(), warnings }
    }

    pub(super) fn of_warning(warning: String) -> Self {
        Self { candidates: Vec::new(), warnings: vec![warning] }
    }

    /// Writes to the log what an operator should see and has not been told after an earlier load.
    pub(crate) fn log_after(&self, earlier: &Self) {
        for warning in self.warnings.iter().filter(|it| !earlier.warnings.contains(it)) {
            tracing::warn!("{warning}");
        }
        for candidate in &self.candidates {
            let before = earlier.candidates.iter().find(|it| it.path() == candidate.path());
            let told = before.map_or(&[][..], Candidate::warnings);
            for warning in candidate.warnings().iter().filter(|it| !told.contains(it)) {
                tracing::warn!("{}: {warning}", file_name(candidate.path()));
            }
            let is_told = before.and_then(Candidate::refusal) == candidate.refusal();
            if candidate.refusal().is_some() && !is_told {
                tracing::warn!("{candidate}");
            } else {
                tracing::debug!("{candidate}");
            }
        }
    }
}

impl fmt::Display for LoadReport {
    /// A line for each warning and each file.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(formatter, "{warning}")?;
        }
        self.candidates.iter().try_for_each(|candidate| writeln!(formatter, "{candidate}"))
    }
}
