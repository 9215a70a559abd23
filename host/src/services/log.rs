//! A plugin's log lines in the host's log, each with the name of the provider instance.

use tracing::Level;

/// The longest line of a plugin's that is kept, in bytes.
const MAX_LINE: usize = 8 * 1024;

/// The target under which a plugin's lines stand, for filters.
const TARGET: &str = "allos::plugin";

/// Whether a line of a level would be kept.
pub(crate) fn is_enabled(level: u8) -> bool {
    match level {
        0 | 1 => tracing::enabled!(target: TARGET, Level::ERROR),
        2 => tracing::enabled!(target: TARGET, Level::WARN),
        3 => tracing::enabled!(target: TARGET, Level::INFO),
        4 => tracing::enabled!(target: TARGET, Level::DEBUG),
        _ => tracing::enabled!(target: TARGET, Level::TRACE),
    }
}

/// The most talkative level of which a line would be kept; 0 where none would.
pub(crate) fn most_talkative_level() -> u8 {
    (1..=5).rev().find(|level| is_enabled(*level)).unwrap_or(0)
}

/// Writes a line; what would break it is shown as its escape.
pub(crate) fn write(level: u8, instance: &str, message: &str) {
    let message = one_line(message);
    match level {
        0 | 1 => tracing::error!(target: TARGET, provider = instance, "{message}"),
        2 => tracing::warn!(target: TARGET, provider = instance, "{message}"),
        3 => tracing::info!(target: TARGET, provider = instance, "{message}"),
        4 => tracing::debug!(target: TARGET, provider = instance, "{message}"),
        _ => tracing::trace!(target: TARGET, provider = instance, "{message}"),
    }
}

fn one_line(message: &str) -> String {
    let kept = &message[..message.floor_char_boundary(MAX_LINE)];
    let mut line = String::with_capacity(kept.len());
    for character in kept.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_forge_another() {
        assert_eq!(one_line("a\nERROR b\u{1b}[0m é"), "a\\nERROR b\\u{1b}[0m é");
    }
}
