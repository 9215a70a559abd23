//! Which plugins serve after the folders were looked at: those that were loaded now, and those from
//! before whose files are still there and cannot be used.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::{Reloaded, State};
use crate::config::Config;
use crate::loader::{Candidate, LoadReport, LoadedPlugin};

/// The plugins that serve, in the order of their files.
pub(super) fn serving(
    before: &State,
    config: &Config,
    loaded: Vec<LoadedPlugin>,
    report: &mut LoadReport,
    reloaded: &mut Reloaded,
) -> Vec<LoadedPlugin> {
    let mut serving = loaded;
    let is_there = |plugin: &LoadedPlugin, all: &[LoadedPlugin]| {
        all.iter().any(|other| other.name == plugin.name)
    };
    for old in &before.plugins {
        if !is_there(old, &serving) && still_serves(old, before, config, report, reloaded) {
            serving.push(old.clone());
        }
    }
    let place = |plugin: &LoadedPlugin| {
        let place = report.candidates.iter().position(|file| file.path() == plugin.path);
        place.unwrap_or(usize::MAX)
    };
    serving.sort_by_key(place);
    serving
}

/// Whether a plugin that is not there any more goes on serving, which is said to whom it concerns.
fn still_serves(
    old: &LoadedPlugin,
    before: &State,
    config: &Config,
    report: &mut LoadReport,
    reloaded: &mut Reloaded,
) -> bool {
    if config.trust != before.config.trust {
        // It was trusted under other rules, and under these nothing has judged it.
        return false;
    }
    let LoadedPlugin { name, descriptor, .. } = old;
    let version = &descriptor.plugin_version;
    let warning = format!("the plugin `{name}` {version} that was loaded before goes on serving");
    if let Some(file) = successor(old, report) {
        if file.refusal().is_none() {
            return false;
        }
        reloaded.warnings.push(format!("{}: {warning}", file.path().display()));
        file.warn(warning);
        return true;
    }
    let is_unseen = is_still_there(&old.path, config);
    if is_unseen {
        let warning = format!("{}: it was not found, and is there: {warning}", old.path.display());
        reloaded.warnings.push(warning.clone());
        report.warnings.push(warning);
    }
    is_unseen
}

/// What is in the place of a plugin's file: the file of this path, else one that was refused and
/// states the plugin's name.
fn successor<'a>(old: &LoadedPlugin, report: &'a mut LoadReport) -> Option<&'a mut Candidate> {
    let states_name = |file: &Candidate| {
        let name = file.descriptor().map(|descriptor| descriptor.name.as_str());
        file.refusal().is_some() && name == Some(old.name.as_str())
    };
    let files = &mut report.candidates;
    let of_path = files.iter().position(|file| file.path() == old.path);
    let place = of_path.or_else(|| files.iter().position(states_name))?;
    files.get_mut(place)
}

/// Whether a file that was not found may be there all the same, in a folder that could not be read.
fn is_still_there(path: &Path, config: &Config) -> bool {
    let is_configured = config.plugin_dirs.iter().any(|folder| path.parent() == Some(folder));
    let is_gone = match fs::metadata(path) {
        Ok(facts) => !facts.is_file(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    is_configured && !is_gone
}
