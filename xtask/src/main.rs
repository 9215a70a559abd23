//! The tasks around the build, run as `cargo xtask TASK`.
//!
//! It needs the standard library alone, so that the first run waits for nothing but the host. It
//! checks nothing: that is what the tests and `.ci/run` are for.

mod dist;
mod workspace;

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, ExitCode};

use dist::Dist;
use workspace::Workspace;

const USAGE: &str = "\
Usage: cargo xtask TASK

Tasks:
  dist             build the host and the plugins for release, into target/dist
  serve [ARGS]...  dist, then `allos serve ARGS` with the plugins of target/dist
";

/// Why a task failed, in one line.
type Failure = String;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let task = arguments.next().unwrap_or_default();
    let result = match task.to_str() {
        Some("dist") => refuse_rest(arguments).and_then(|()| dist()),
        Some("serve") => serve(arguments.collect()),
        Some("help" | "--help" | "-h") => print(USAGE),
        Some("") => return fail(&format!("no task is named\n\n{USAGE}")),
        _ => return fail(&format!("there is no task `{}`\n\n{USAGE}", task.display())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(&reason),
    }
}

fn dist() -> Result<(), Failure> {
    let dist = Dist::build(&Workspace::find()?)?;
    print(&dist.sizes()?)
}

fn serve(arguments: Vec<OsString>) -> Result<(), Failure> {
    let dist = Dist::build(&Workspace::find()?)?;
    let mut allos = Command::new(dist.host());
    allos.arg("--plugin-dir").arg(dist.plugin_folder()).arg("serve").args(arguments);
    become_process(allos)
}

/// Puts another program in the place of this one, so that signals and the exit code are its own.
#[cfg(unix)]
fn become_process(mut program: Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    Err(cannot_start(&program.exec()))
}

#[cfg(not(unix))]
fn become_process(mut program: Command) -> Result<(), Failure> {
    let status = program.status().map_err(|error| cannot_start(&error))?;
    std::process::exit(status.code().unwrap_or(1));
}

fn cannot_start(error: &std::io::Error) -> Failure {
    format!("the host that was built cannot be started: {error}")
}

fn refuse_rest(mut arguments: impl Iterator<Item = OsString>) -> Result<(), Failure> {
    match arguments.next() {
        Some(extra) => Err(format!("`dist` takes no argument, found `{}`", extra.display())),
        None => Ok(()),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("stdout cannot be written: {error}"))
}

fn fail(reason: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "error: {}", reason.trim_end());
    ExitCode::FAILURE
}
