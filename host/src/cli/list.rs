//! `allos list`: every file of every plugin folder, and whether it could be loaded.
//!
//! Reads the files as the loader's first stages do. It opens none, so that looking is safe. With
//! `--url` a running host is asked instead.

mod running;

use allos_plugin_api::Descriptor;
use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::{note, one_line, write_json, write_table};
use super::start::{folders, load_config};
use super::{Global, wait_for};
use crate::config::{Config, Isolation};
use crate::loader::{Candidate, CandidateState, LoadReport, Loader, Refusal};

const URL_HELP: &str = "\
Ask the host that runs at this address, instead of looking at the files here [key: \
ALLOS_GATEWAY_KEY, else that of the configuration]";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[arg(long, value_name = "URL", help = URL_HELP)]
    url: Option<String>,
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
    mode: Option<&'static str>,
    state: &'static str,
    stage: Option<&'static str>,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
    warnings: &'a [String],
}

pub(super) fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(url) = &arguments.url {
        return wait_for(running::run(global, url, arguments.json));
    }
    let config = load_config(global)?;
    let report = examine(&config);
    let rows: Vec<Row> = report.candidates.iter().map(|file| row(&config, file)).collect();
    if arguments.json {
        return write_json(&rows);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let header = ["FILE", "NAME", "VERSION", "ABI", "MODE", "STATE", "REASON"];
    write_table(header, rows.iter().zip(&report.candidates).map(|(row, file)| row.cells(file)))
}

/// A loader that only looks.
pub(super) fn loader_of(config: &Config) -> Loader {
    let judge = config.clone();
    Loader::new(config.plugin_dirs.clone(), config.cache_dir.clone())
        .trust(config.trust.clone())
        .opening(move |plugin| judge.runs(plugin, Isolation::InProcess))
}

/// What the files in the plugin folders tell. What is about no single file is said on stderr.
pub(super) fn examine(config: &Config) -> LoadReport {
    let report = loader_of(config).examine();
    for warning in &report.warnings {
        note(&format!("warning: {}", one_line(warning)));
    }
    if report.candidates.is_empty() {
        note(&format!("no plugin in {}", one_line(&folders(config))));
        note("hint: put a plugin there, or name a folder that holds some with --plugin-dir");
    }
    report
}

/// Why a file is refused, with what is to be done, and what else should be known of it.
pub(super) fn explanation(candidate: &Candidate) -> String {
    let refused = candidate.refusal().map(ToString::to_string);
    let warnings = candidate.warnings().iter().map(|warning| format!("warning: {warning}"));
    refused.into_iter().chain(warnings).collect::<Vec<_>>().join("; ")
}

fn row<'a>(config: &Config, candidate: &'a Candidate) -> Row<'a> {
    let descriptor = candidate.descriptor();
    let refusal = candidate.refusal();
    Row {
        file: candidate.path().to_string_lossy().into_owned(),
        name: descriptor.map(|it| it.name.as_str()),
        version: descriptor.map(|it| it.plugin_version.as_str()),
        abi_version: descriptor.map(|it| it.abi_version),
        mode: descriptor.and_then(|it| mode(config, it)),
        state: match candidate.state() {
            CandidateState::Candidate => "candidate",
            CandidateState::Loaded => "loaded",
            CandidateState::Quarantined(_) => "quarantined",
        },
        stage: refusal.map(|it| it.stage().as_str()),
        reason: refusal.map(Refusal::reason),
        hint: refusal.and_then(Refusal::hint),
        warnings: candidate.warnings(),
    }
}

/// Where the instances of a plugin run, if it has any.
fn mode(config: &Config, plugin: &Descriptor) -> Option<&'static str> {
    let [here, in_workers] =
        [Isolation::InProcess, Isolation::Worker].map(|isolation| config.runs(plugin, isolation));
    match (here, in_workers) {
        (true, true) => Some("both"),
        (true, false) => Some(Isolation::InProcess.as_str()),
        (false, true) => Some(Isolation::Worker.as_str()),
        (false, false) => None,
    }
}

impl Row<'_> {
    fn cells(&self, candidate: &Candidate) -> [String; 7] {
        let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let state = if self.state == "candidate" { "ready to load" } else { self.state };
        [
            self.file.clone(),
            text(self.name),
            text(self.version),
            self.abi_version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
            text(self.mode),
            state.to_owned(),
            explanation(candidate),
        ]
    }
}
