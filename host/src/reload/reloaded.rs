//! What a reload has changed, for whoever has asked for it and for the log.

use crate::loader::Candidate;

/// What a reload has changed. Instances are told by their names.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// Instances that were not there before.
    pub added: Vec<String>,
    /// Instances that were made anew: their plugin or their configuration has changed.
    pub replaced: Vec<String>,
    /// Instances that are gone, or whose plugin is.
    pub removed: Vec<String>,
    /// Instances that are as they were.
    pub kept: Vec<String>,
    /// Files that were refused, with the stage, the reason and a hint.
    pub refused: Vec<Candidate>,
    /// What an operator should know: what serves in place of what, and what could not change.
    pub warnings: Vec<String>,
}

impl Reloaded {
    /// Says it in the log. What became of files is there already.
    pub(crate) fn log(&self) {
        for (what, names) in self.changes() {
            tracing::info!("reload: {what}: {}", names.join(", "));
        }
        for warning in &self.warnings {
            tracing::warn!("reload: {warning}");
        }
        if self.changes().next().is_none() {
            tracing::info!("reload: no instance has changed");
        }
    }

    fn changes(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let all =
            [("added", &self.added), ("replaced", &self.replaced), ("removed", &self.removed)];
        let all = all.into_iter().map(|(what, names)| (what, names.as_slice()));
        all.filter(|(_, names)| !names.is_empty())
    }
}
