//! Stdout, which is data, and stderr, which is for people: written so that neither can panic.
//!
//! What comes from outside (a file's name, a vendor's message) is shown on one line without control
//! characters, so that it cannot rewrite a terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

use super::failure::Failure;

/// Writes data to stdout, at once.
pub(super) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::stdout(&error))
}

/// Writes JSON to stdout, indented.
pub(super) fn write_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::stdout(&io::Error::other(error)))?;
    text.push('\n');
    write(&text)
}

/// Writes rows under a header to stdout, in columns.
pub(super) fn write_table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.map(|cell| one_line(&cell))));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    write(&text)
}

/// Writes a line to stderr. That nobody reads it is no reason to fail.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A text without control characters: each is shown by its escape.
pub(super) fn one_line(text: &str) -> String {
    escape_controls(text.trim(), |_| false)
}

/// Text of an answer, written as it arrives.
///
/// To a pipe it goes as it came. On a terminal control characters are shown by their escapes, so
/// that an answer cannot rewrite what is there.
#[derive(Debug)]
pub(super) struct AnswerText {
    terminal: bool,
    written: String,
}

impl AnswerText {
    pub(super) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), written: String::new() }
    }

    /// Writes more of it.
    pub(super) fn push(&mut self, text: &str) -> Result<(), Failure> {
        self.written.push_str(text);
        if self.terminal {
            return write(&escape_controls(text, |letter| matches!(letter, '\n' | '\r' | '\t')));
        }
        write(text)
    }

    /// Ends the line that was begun.
    pub(super) fn end(&self) -> Result<(), Failure> {
        if self.written.is_empty() || self.written.ends_with('\n') {
            return Ok(());
        }
        write("\n")
    }

    /// All of it so far.
    pub(super) fn written(&self) -> &str {
        &self.written
    }
}

fn escape_controls(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() && !keep(letter) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "{}", letter.escape_default());
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_cannot_rewrite_the_terminal() {
        assert_eq!(one_line("a\n\u{1b}[2Jb é\u{7f}"), "a\\n\\u{1b}[2Jb é\\u{7f}");
    }
}
