//! `allos list`: every file of every plugin folder, and whether it could be loaded.
//!
//! Reads the files as the loader's first stages do. It opens none, so that looking is safe.

use clap::Args;
use serde::Serialize;

use super::Global;
use super::failure::Failure;
use super::output::{note, one_line, write_json, write_table};
use super::start::{folders, load_config};
use crate::loader::{Candidate, CandidateState, Loader, Refusal};

/// How every plugin runs for now.
pub(super) const MODE: &str = "in-process";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print JSON: an array with an object for each file
    #[arg(long)]
    json: bool,
}

/// What is said about one file. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    file: String,
    name: Option<&'a str>,
    version: Option<&'a str>,
    abi_version: Option<u32>,
    mode: &'static str,
    state: &'static str,
    stage: Option<&'static str>,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let config = load_config(global, None)?;
    let report = Loader::new(config.plugin_dirs.clone(), config.cache_dir.clone()).examine();
    for warning in &report.warnings {
        note(&format!("warning: {}", one_line(warning)));
    }
    let rows: Vec<Row> = report.candidates.iter().map(row).collect();
    if arguments.json {
        return write_json(&rows);
    }
    if rows.is_empty() {
        note(&format!("no plugin in {}", one_line(&folders(&config))));
        note("hint: put a plugin there, or name a folder that holds some with --plugin-dir");
        return Ok(());
    }
    let header = ["FILE", "NAME", "VERSION", "ABI", "MODE", "STATE", "REASON"];
    write_table(header, rows.iter().map(Row::cells))
}

fn row(candidate: &Candidate) -> Row<'_> {
    let descriptor = candidate.descriptor();
    let refusal = candidate.refusal();
    Row {
        file: candidate.path().to_string_lossy().into_owned(),
        name: descriptor.map(|it| it.name.as_str()),
        version: descriptor.map(|it| it.plugin_version.as_str()),
        abi_version: descriptor.map(|it| it.abi_version),
        mode: MODE,
        state: match candidate.state() {
            CandidateState::Candidate => "candidate",
            CandidateState::Loaded => "loaded",
            CandidateState::Quarantined(_) => "quarantined",
        },
        stage: refusal.map(|it| it.stage().as_str()),
        reason: refusal.map(Refusal::reason),
        hint: refusal.and_then(Refusal::hint),
    }
}

impl Row<'_> {
    fn cells(&self) -> [String; 7] {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let state = if self.state == "candidate" { "ready to load" } else { self.state };
        [
            self.file.clone(),
            text(self.name),
            text(self.version),
            self.abi_version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
            self.mode.to_owned(),
            state.to_owned(),
            self.explanation(),
        ]
    }

    fn explanation(&self) -> String {
        let (Some(stage), Some(reason)) = (self.stage, self.reason) else { return String::new() };
        let hint = self.hint.map(|hint| format!(" (hint: {hint})"));
        format!("{stage}: {reason}{}", hint.unwrap_or_default())
    }
}
