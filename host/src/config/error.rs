//! What is wrong with a configuration: which file, where in it, what, and what to do about it.
//!
//! Turns the TOML parser's errors into this project's words. It never shows the line at fault,
//! which may hold a secret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How alike two keys must be, from 0 to 1, for one to be suggested for the other.
const ALIKE: f64 = 0.7;

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: Option<PathBuf>,
    position: Option<Position>,
    message: String,
    hint: Option<String>,
}

/// A place in a text file. Both count from 1; a column is a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl ConfigError {
    /// An error from its one line of message; a ` (hint: …)` at the end becomes its hint.
    pub(super) fn new(message: impl Into<String>) -> Self {
        let message = message.into().replace('\n', ", ");
        let (message, hint) = match message.split_once(" (hint: ") {
            Some((message, hint)) => (message.to_owned(), Some(hint.trim_end_matches(')').into())),
            None => (message, None),
        };
        Self { file: None, position: None, message, hint }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(super) fn at(mut self, text: &str, span: Option<Range<usize>>) -> Self {
        self.position = span.map(|span| Position::of(text, span.start));
        self
    }

    /// What the parser reports about a text.
    pub(super) fn from_toml(error: &toml::de::Error, text: &str) -> Self {
        let message = error.message();
        let known = unknown_key(message).or_else(|| wrong_type(message));
        known.unwrap_or_else(|| Self::new(message)).at(text, error.span())
    }

    /// The file, where it is about one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Where in the file, as far as that is known.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What is wrong, in one line without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl Position {
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(formatter, "{}:", file.display())?;
            if let Some(Position { line, column }) = self.position {
                write!(formatter, "{line}:{column}:")?;
            }
            formatter.write_str(" ")?;
        }
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Serde's error about an unknown key, with the key that was probably meant.
fn unknown_key(message: &str) -> Option<ConfigError> {
    let rest = message
        .strip_prefix("unknown field `")
        .or_else(|| message.strip_prefix("unknown variant `"))?;
    let (key, expected) = rest.split_once("`, ")?;
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let error = ConfigError::new(format!("unknown key `{key}`"));
    Some(match nearest(key, &known) {
        Some(known) => error.with_hint(format!("did you mean `{known}`?")),
        None => error.with_hint(format!("known here: {}", known.join(", "))),
    })
}

/// Serde's error about a value, without the value: it may be a secret in the wrong place.
fn wrong_type(message: &str) -> Option<ConfigError> {
    let rest = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let found = found.split(['`', '"']).next()?.trim_end();
    let expected = match expected {
        "u64" | "usize" => "a whole number from 0 on",
        "a sequence" => "a list",
        "a map" => "a table",
        "a string" => "a text",
        "a boolean" => "true or false",
        "path string" => "a path",
        other => other,
    };
    Some(ConfigError::new(format!("expected {expected}, found {}", kind(found))))
}

/// Serde's word for the kind of a value in those of the messages.
fn kind(found: &str) -> &str {
    match found {
        "sequence" => "a list",
        "map" => "a table",
        "string" => "a text",
        "integer" => "another number",
        "floating point" => "a number with a fraction",
        "boolean" => "true or false",
        _ => "another value",
    }
}

fn nearest<'known>(key: &str, known: &[&'known str]) -> Option<&'known str> {
    let score = |candidate: &str| strsim::normalized_damerau_levenshtein(key, candidate);
    let best = known.iter().max_by(|left, right| score(left).total_cmp(&score(right)))?;
    (score(best) >= ALIKE).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let at = |offset| {
            let Position { line, column } = Position::of("é = 1\nab\n", offset);
            (line, column)
        };
        assert_eq!(at(0), (1, 1));
        assert_eq!(at(2), (1, 2));
        assert_eq!(at(7), (2, 1));
        assert_eq!(at(10), (3, 1));
        assert_eq!(at(99), (3, 1));
    }

    #[test]
    fn a_key_that_is_nothing_like_a_known_one_gets_the_list() {
        let error = unknown_key("unknown field `zzz`, expected `env` or `file`").unwrap();
        assert_eq!(error.to_string(), "unknown key `zzz` (hint: known here: env, file)");
    }
}
