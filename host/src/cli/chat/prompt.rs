//! The question of a chat: the argument, stdin, or both.

use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::output::note;

/// The longest text that is read from stdin, in bytes.
const MAX_STDIN: u64 = 16 * 1024 * 1024;

/// How long stdin may be silent before somebody may wonder.
const PATIENCE: Duration = Duration::from_secs(2);

/// The question; `None` where a conversation is to begin.
pub(super) async fn question(prompt: Option<String>) -> Result<Option<String>, Failure> {
    if !io::stdin().is_terminal() {
        return combine(prompt, &read_stdin().await?).map(Some);
    }
    match prompt {
        Some(prompt) => combine(Some(prompt), "").map(Some),
        None if io::stdout().is_terminal() => Ok(None),
        None => Err(no_question("there is no prompt, and stdout is no terminal to converse on")),
    }
}

fn combine(prompt: Option<String>, piped: &str) -> Result<String, Failure> {
    let piped = piped.trim_end_matches(['\n', '\r']);
    let is_empty = |text: &str| text.trim().is_empty();
    match prompt {
        Some(prompt) if is_empty(&prompt) && is_empty(piped) => {
            Err(no_question("the prompt is empty"))
        }
        Some(prompt) if is_empty(piped) => Ok(prompt),
        Some(prompt) => Ok(format!("{prompt}\n\n{piped}")),
        None if is_empty(piped) => Err(no_question("there is no prompt, and stdin is empty")),
        None => Ok(piped.to_owned()),
    }
}

fn no_question(reason: &str) -> Failure {
    Failure::new(Exit::Usage, format!("there is nothing to ask: {reason}"))
        .with_hint("give a PROMPT, or pipe one to stdin")
}

/// Reads all of stdin, away from the runtime's threads. A pipe that nobody closes gets a remark.
async fn read_stdin() -> Result<String, Failure> {
    let mut reading = tokio::task::spawn_blocking(read_bounded);
    let read = tokio::select! {
        read = &mut reading => read,
        () = tokio::time::sleep(PATIENCE) => {
            note("note: reading stdin to its end; use `</dev/null` if nothing comes from there");
            reading.await
        }
    };
    read.map_err(|error| unreadable(&error))?
}

fn read_bounded() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let stdin = io::stdin().lock();
    stdin.take(MAX_STDIN + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > MAX_STDIN {
        return Err(Failure::new(Exit::Usage, "what came on stdin is larger than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(
            Exit::Usage,
            format!("what came on stdin is not UTF-8 text, from byte {at} on"),
        )
    })
}

fn unreadable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Other, format!("stdin cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_stands_above_what_is_piped() {
        let combined = |prompt: Option<&str>, piped| combine(prompt.map(str::to_owned), piped);
        assert_eq!(combined(Some("sum up:"), "a\nb\n").unwrap(), "sum up:\n\na\nb");
        assert_eq!(combined(Some("hello"), "\n").unwrap(), "hello");
        assert_eq!(combined(None, "  a\n").unwrap(), "  a");
        for (prompt, piped) in [(None, ""), (None, " \n"), (Some(" "), "")] {
            assert_eq!(combined(prompt, piped).unwrap_err().exit(), Exit::Usage);
        }
    }
}
