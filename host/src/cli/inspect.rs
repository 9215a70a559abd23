//! `allos inspect`: what a plugin states about itself, read from the file without running it.

use std::fmt::Display;
use std::path::PathBuf;

use allos_plugin_api::{Descriptor, OptionSpec, Preset};
use clap::Args;
use serde::Serialize;

use super::exit::Exit;
use super::failure::Failure;
use super::output::{one_line, write, write_json};
use crate::loader::{ContentHash, Refusal, identify};

const TRUST: &str = "an in-process plugin is fully trusted: it can do whatever the host can";
const CONTAINED: &str = "panics, blocked threads, endless and malformed answers, each at the cost of \
                         its own instance";
const NOT_CONTAINED: &str = "what ends or fills the process: a crash, an abort, an exit, a panic while \
                             panicking, an exhausted stack, memory or descriptors without end";
const IN_A_WORKER: &str =
    "with `isolation = \"worker\"` that is contained too, at the cost of a process";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The plugin's file
    path: PathBuf,
    /// Print JSON: the descriptor, and the file
    #[arg(long)]
    json: bool,
}

/// The descriptor with its file. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Inspected<'a> {
    file: String,
    sha256: ContentHash,
    #[serde(flatten)]
    descriptor: &'a Descriptor,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = arguments.path.to_string_lossy().into_owned();
    let (descriptor, sha256) =
        identify(&arguments.path).map_err(|refusal| refused(&file, &refusal))?;
    if arguments.json {
        return write_json(&Inspected { file, sha256, descriptor: &descriptor });
    }
    write(&describe(&file, sha256, &descriptor))
}

fn refused(file: &str, refusal: &Refusal) -> Failure {
    let message = format!("{file}: refused at {}: {}", refusal.stage(), refusal.reason());
    let failure = Failure::new(Exit::Plugin, message);
    match refusal.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

fn describe(file: &str, sha256: ContentHash, descriptor: &Descriptor) -> String {
    let absent = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let facts = [
        ("file", file.to_owned()),
        ("sha-256", sha256.to_string()),
        ("name", descriptor.name.clone()),
        ("version", descriptor.plugin_version.clone()),
        ("abi version", descriptor.abi_version.to_string()),
        (
            "built with",
            format!("allos-plugin-api {}, {}", descriptor.api_version, descriptor.rustc),
        ),
        ("target", descriptor.target.clone()),
        ("panic", descriptor.panic.clone()),
        ("capabilities", listed(&descriptor.capabilities)),
        ("dialects", listed(&descriptor.dialects)),
        ("api key", absent(&descriptor.api_key)),
        ("base url", absent(&descriptor.base_url)),
    ];
    let options = descriptor.options.iter().map(|option| ("option", option_line(option)));
    let presets = descriptor.presets.iter().map(|preset| ("preset", preset_line(preset)));
    let trust = [
        ("trust", TRUST),
        ("contained", CONTAINED),
        ("not contained", NOT_CONTAINED),
        ("in a worker", IN_A_WORKER),
    ];
    let trust = trust.map(|(name, text)| (name, text.to_owned()));
    let lines = facts.into_iter().chain(options).chain(presets).chain(trust);
    let lines = lines.map(|(name, value)| format!("{name:<13} {}", one_line(&value)));
    lines.chain([String::new()]).collect::<Vec<_>>().join("\n")
}

fn listed(words: &[impl Display]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(", ") }
}

fn option_line(option: &OptionSpec) -> String {
    let OptionSpec { name, kind, about } = option;
    if about.is_empty() { format!("{name} ({kind})") } else { format!("{name} ({kind}): {about}") }
}

fn preset_line(preset: &Preset) -> String {
    let address = preset.base_url.as_deref().unwrap_or("the plugin's own address");
    let key = match &preset.api_key {
        Some(variable) => format!("key in {variable}"),
        None => "no key".to_owned(),
    };
    format!("{} ({address}, {key})", preset.name)
}
