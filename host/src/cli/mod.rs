//! The command line of `allos`: arguments in, data on stdout, everything else on stderr.
//!
//! Each command has a file of its own and uses the library as any application could. Exit codes
//! are in `exit`, the way from an error to what is shown in `failure`.

mod chat;
mod config;
mod exit;
mod failure;
mod inspect;
mod list;
mod log;
mod models;
mod output;
mod serve;
mod start;
mod trust;
mod worker;

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use exit::Exit;
use failure::Failure;
use log::LogStyle;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    if worker::is_meant() {
        return crate::worker::run();
    }
    let exit = match CommandLine::try_parse() {
        Ok(command_line) => match command_line.execute() {
            Ok(()) => Exit::Success,
            Err(failure) => {
                failure.report();
                failure.exit()
            }
        },
        Err(error) => show_usage(&error),
    };
    exit.into()
}

/// A host for LLM providers that arrive as plugins.
#[derive(Debug, Parser)]
#[command(name = "allos", version, after_help = exit::TABLE, max_term_width = 100)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const CONFIG_HELP: &str = "\
The configuration file [env: ALLOS_CONFIG] [default: ./allos.toml, else \
$XDG_CONFIG_HOME/allos/allos.toml]";

const PLUGIN_DIR_HELP: &str = "\
A folder with plugins, instead of those that are configured; may be repeated \
[env: ALLOS_PLUGIN_DIR]";

/// The flags that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    #[arg(long, value_name = "FILE", global = true, help = CONFIG_HELP)]
    config: Option<PathBuf>,
    #[arg(long, value_name = "DIR", global = true, help = PLUGIN_DIR_HELP)]
    plugin_dir: Vec<PathBuf>,
    /// What to log on stderr: off, error, warn, info, debug, trace or MODULE=LEVEL,…
    /// [default: warn; info for serve]
    #[arg(long, value_name = "FILTER", env = "ALLOS_LOG", hide_env_values = true, global = true)]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve every provider over HTTP, in OpenAI's dialect
    Serve(serve::Arguments),
    /// Ask a model, or converse with it
    Chat(chat::Arguments),
    /// Show every file of the plugin folders, without opening any
    List(list::Arguments),
    /// Show what a plugin says about itself, without running it
    Inspect(inspect::Arguments),
    /// Show the models of the providers
    Models(models::Arguments),
    /// Say which plugins are trusted, and check them
    #[command(subcommand)]
    Trust(trust::Action),
    /// Check the configuration, or print an example of one
    #[command(subcommand)]
    Config(config::Action),
}

impl CommandLine {
    fn execute(self) -> Result<(), Failure> {
        let Self { global, command } = self;
        log::start(global.log.as_deref(), command.log_style())?;
        match command {
            Command::Serve(arguments) => wait_for(serve::run(&global, &arguments)),
            Command::Chat(arguments) => wait_for(chat::run(&global, arguments)),
            Command::List(arguments) => list::run(&global, &arguments),
            Command::Inspect(arguments) => inspect::run(&arguments),
            Command::Models(arguments) => wait_for(models::run(&global, &arguments)),
            Command::Trust(action) => trust::run(&global, &action),
            Command::Config(action) => wait_for(config::run(&global, &action)),
        }
    }
}

impl Command {
    fn log_style(&self) -> LogStyle {
        match self {
            Self::Serve(_) => LogStyle { filter: "info", timed: true },
            _ => LogStyle { filter: "warn", timed: false },
        }
    }
}

/// Runs a command that waits. Its runtime is left behind, so that a plugin that is stuck in a call
/// does not hold up the exit.
fn wait_for(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no thread can be started: {error}")))?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}

/// Gives up on a command at Ctrl-C, which drops whatever it was waiting for.
///
/// Nothing that opens a plugin may be waited for in here. While that goes on, Ctrl-C ends the
/// process by itself; an exit in good order would wait for a library that never finishes opening.
async fn interruptible<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        result = command => result,
        _ = tokio::signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

/// Help goes to stdout and is no error, anything else to stderr.
fn show_usage(error: &clap::Error) -> Exit {
    let text = error.render();
    if error.use_stderr() {
        let _ = write!(std::io::stderr(), "{text}");
        return Exit::Usage;
    }
    match output::write(&text.to_string()) {
        Ok(()) => Exit::Success,
        Err(failure) => failure.exit(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn global_flags_may_stand_before_and_after_the_command() {
        for line in [
            ["allos", "--plugin-dir", "a", "--plugin-dir", "b", "list"],
            ["allos", "list", "--plugin-dir", "a", "--plugin-dir", "b"],
        ] {
            let parsed = CommandLine::try_parse_from(line).unwrap();
            assert_eq!(parsed.global.plugin_dir, [PathBuf::from("a"), PathBuf::from("b")]);
        }
    }

    #[test]
    fn an_unquoted_prompt_is_one_prompt() {
        let parsed = CommandLine::try_parse_from(["allos", "chat", "-m", "echo", "hello", "you"]);
        let Command::Chat(arguments) = parsed.unwrap().command else { panic!("not chat") };
        assert_eq!(arguments.prompt(), Some("hello you".to_owned()));
    }
}
