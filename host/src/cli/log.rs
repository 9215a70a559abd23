//! The log on stderr, and the filter that says how much of it is shown.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::exit::Exit;
use super::failure::Failure;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How the log of a command looks where nothing else is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogStyle {
    /// The filter.
    pub(super) filter: &'static str,
    /// Whether each line has its time: for commands that run long.
    pub(super) timed: bool,
}

/// Starts the log, filtered as asked.
pub(super) fn start(asked: Option<&str>, style: LogStyle) -> Result<(), Failure> {
    let filter = parse(asked.filter(|filter| !filter.is_empty()).unwrap_or(style.filter))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    let started = if style.timed { log.try_init() } else { log.without_time().try_init() };
    started.map_err(|error| Failure::new(Exit::Other, format!("the log cannot start: {error}")))
}

/// A word that is no level would be taken for the name of a module, and silence everything.
fn parse(text: &str) -> Result<EnvFilter, Failure> {
    let known = |part: &str| part.contains(['=', '[']) || LEVELS.contains(&part.trim());
    if !text.split(',').all(|part| known(&part.to_lowercase())) {
        return Err(not_a_filter(text));
    }
    EnvFilter::try_new(text).map_err(|_| not_a_filter(text))
}

fn not_a_filter(text: &str) -> Failure {
    Failure::new(Exit::Usage, format!("`{text}` is not a log filter"))
        .with_hint(format!("write one of {}, or MODULE=LEVEL,…", LEVELS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused() {
        for text in ["info", "WARN", "warn,allos_host=debug", "off"] {
            assert!(parse(text).is_ok(), "{text}");
        }
        for text in ["verbose", "", "info,loud", "allos_host=loud"] {
            assert_eq!(parse(text).unwrap_err().exit(), Exit::Usage, "{text}");
        }
    }
}
