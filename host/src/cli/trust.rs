//! `allos trust pin|verify|forget`: which files of the plugin folders may be used, the lock, and the
//! stored verdicts.
//!
//! Reads files as the loader's first stages do, and opens none.

use std::path::{Path, PathBuf};

use allos_plugin_api::{Descriptor, is_provider_name};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::Global;
use super::exit::Exit;
use super::failure::Failure;
use super::list::{examine, explanation, loader_of};
use super::output::{one_line, write, write_json, write_table};
use super::start::{folders, load_config};
use crate::config::{Config, TrustPolicy};
use crate::loader::{self, Candidate, ContentHash, LoadReport, Refusal, Voucher};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Trust plugins with the content that they have now, by writing it to the lock
    Pin(PinArguments),
    /// Tell of every file of the plugin folders whether it may be used, without opening any
    Verify(VerifyArguments),
    /// Drop what is known of plugins that were tried, so that the next start tries them again
    Forget(ForgetArguments),
}

#[derive(Debug, Args)]
pub(super) struct PinArguments {
    /// A plugin's file, or the name of a plugin in the plugin folders (a file whose name could be
    /// that of a plugin is written as ./FILE)
    #[arg(required = true, value_name = "FILE|NAME")]
    plugins: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyArguments {
    /// Print JSON: an array with an object for each file
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ForgetArguments {
    /// The name of a plugin, which means every content that was tried under it, or a plugin's file
    #[arg(required = true, value_name = "NAME|FILE")]
    plugins: Vec<PathBuf>,
}

pub(super) fn run(global: &Global, action: &Action) -> Result<(), Failure> {
    let config = load_config(global)?;
    match action {
        Action::Pin(arguments) => pin(&config, &arguments.plugins),
        Action::Verify(arguments) => verify(&config, arguments.json),
        Action::Forget(arguments) => forget(&config, &arguments.plugins),
    }
}

fn pin(config: &Config, plugins: &[PathBuf]) -> Result<(), Failure> {
    let found = plugins.iter().map(|plugin| find(config, plugin));
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let lock = &config.trust.lock;
    let changes = loader::pin(lock, &found).map_err(|refusal| failure(Exit::Other, &refusal))?;
    let lines = found.iter().zip(changes).map(|((descriptor, hash), changed)| {
        let Descriptor { name, plugin_version, .. } = descriptor;
        let state = if changed { "pinned" } else { "was pinned" };
        format!("{name} {} {hash} {state}\n", one_line(plugin_version))
    });
    write(&lines.collect::<String>())?;
    if config.trust.policy == TrustPolicy::Open {
        let message = format!("the policy is \"open\", which does not ask `{}`", lock.display());
        let hint = "set `policy = \"pinned\"` in [trust]";
        Failure::new(Exit::Success, message).with_hint(hint).warn();
    }
    Ok(())
}

fn find(config: &Config, plugin: &Path) -> Result<(Descriptor, ContentHash), Failure> {
    match plugin.to_str().filter(|text| is_provider_name(text)) {
        Some(name) => find_named(config, name),
        None => identify(plugin),
    }
}

fn identify(plugin: &Path) -> Result<(Descriptor, ContentHash), Failure> {
    loader::identify(plugin)
        .map_err(|refusal| failure(Exit::Plugin, &refusal).about(&plugin.to_string_lossy()))
}

/// Of two files with one name, which one is meant is not for this command to guess.
fn find_named(config: &Config, name: &str) -> Result<(Descriptor, ContentHash), Failure> {
    let report = examine(config);
    let files = report.candidates.iter().filter_map(|file| {
        let descriptor = file.descriptor().filter(|descriptor| descriptor.name == name)?;
        Some((file.path(), descriptor.clone(), file.hash()?))
    });
    let mut files: Vec<_> = files.collect();
    match (files.pop(), files.as_slice()) {
        (Some((_, descriptor, hash)), []) => Ok((descriptor, hash)),
        (Some((one, ..)), [(other, ..), ..]) => Err(Failure::new(
            Exit::Plugin,
            format!("`{}` and `{}` both export `{name}`", other.display(), one.display()),
        )
        .with_hint("name the file")),
        (None, _) => Err(Failure::new(Exit::Plugin, format!("no plugin `{name}` is there"))
            .with_hint(format!("looked in {}; `allos list` tells more", folders(config)))),
    }
}

fn failure(exit: Exit, refusal: &Refusal) -> Failure {
    let failure = Failure::new(exit, refusal.reason());
    match refusal.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Which verdicts an argument means: those of a name, or that of a content.
enum Meant<'a> {
    Name(&'a str),
    Content(ContentHash),
}

fn forget(config: &Config, plugins: &[PathBuf]) -> Result<(), Failure> {
    let meant =
        plugins.iter().map(|plugin| match plugin.to_str().filter(|it| is_provider_name(it)) {
            Some(name) => Ok(Meant::Name(name)),
            None => identify(plugin).map(|(_, hash)| Meant::Content(hash)),
        });
    let meant = meant.collect::<Result<Vec<_>, Failure>>()?;
    let loader = loader_of(config);
    let mut unknown = Vec::new();
    for (plugin, meant) in plugins.iter().zip(meant) {
        let forgotten = loader.forget(|verdict| match meant {
            Meant::Name(name) => verdict.name() == name,
            Meant::Content(hash) => verdict.hash() == hash,
        });
        let forgotten = forgotten.map_err(|refusal| failure(Exit::Other, &refusal))?;
        if forgotten.is_empty() {
            unknown.push(format!("`{}`", plugin.display()));
        }
        let lines = forgotten.iter().map(|it| format!("{} forgotten\n", one_line(&it.to_string())));
        write(&lines.collect::<String>())?;
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Plugin, format!("nothing is known of {}", unknown.join(", ")))
        .with_hint("`allos list` shows the plugins, and why one that was tried is refused"))
}

/// What is said about one file. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    file: String,
    name: Option<&'a str>,
    version: Option<&'a str>,
    sha256: Option<ContentHash>,
    trusted: bool,
    policy: &'static str,
    key: Option<&'a str>,
    stage: Option<&'static str>,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
    warnings: &'a [String],
}

fn verify(config: &Config, json: bool) -> Result<(), Failure> {
    let report = examine(config);
    let rows: Vec<Row> = report.candidates.iter().map(|file| row(config, file)).collect();
    if json {
        write_json(&rows)?;
    } else if !rows.is_empty() {
        let header = ["FILE", "NAME", "VERSION", "SHA-256", "TRUST", "REASON"];
        write_table(header, report.candidates.iter().map(|file| cells(config, file)))?;
    }
    outcome(&report)
}

fn outcome(report: &LoadReport) -> Result<(), Failure> {
    let (files, refused) = (report.candidates.len(), report.quarantined().count());
    match refused {
        0 => Ok(()),
        _ => Err(Failure::new(Exit::Plugin, format!("{refused} of {files} files refused"))),
    }
}

fn row<'a>(config: &Config, file: &'a Candidate) -> Row<'a> {
    let refusal = file.refusal();
    Row {
        file: file.path().to_string_lossy().into_owned(),
        name: file.descriptor().map(|it| it.name.as_str()),
        version: file.descriptor().map(|it| it.plugin_version.as_str()),
        sha256: file.hash(),
        trusted: refusal.is_none(),
        policy: config.trust.policy.as_str(),
        key: file.voucher().and_then(Voucher::key),
        stage: refusal.map(|it| it.stage().as_str()),
        reason: refusal.map(Refusal::reason),
        hint: refusal.and_then(Refusal::hint),
        warnings: file.warnings(),
    }
}

fn cells(config: &Config, file: &Candidate) -> [String; 6] {
    let Row { file: path, name, version, sha256, trusted, .. } = row(config, file);
    let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let trust = match file.voucher() {
        Some(voucher) if trusted => voucher.to_string(),
        _ => "refused".to_owned(),
    };
    let sha256 = sha256.map_or_else(|| "-".to_owned(), |hash| hash.to_string());
    [path, text(name), text(version), sha256, trust, explanation(file)]
}
