//! A conversation on a terminal: a line in, an answer out, until Ctrl-D.
//!
//! The history of lines and the messages live in memory alone.

use allos_plugin_api::Message;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::output::note;
use super::answer::{Answering, ModelInUse};

/// Leads a conversation that begins with these messages.
pub(super) async fn lead(model: &ModelInUse, messages: Vec<Message>) -> Result<(), Failure> {
    let mut editor = DefaultEditor::new().map_err(|error| no_terminal(&error))?;
    let mut conversation = Conversation { model, messages };
    note(&format!("{}: Ctrl-C stops an answer, Ctrl-D ends the conversation", model.name));
    while let Some(line) = next_line(&mut editor)? {
        conversation.turn(line).await?;
    }
    Ok(())
}

struct Conversation<'model> {
    model: &'model ModelInUse,
    messages: Vec<Message>,
}

impl Conversation<'_> {
    /// Asks one question. That an answer fails or is stopped does not end the conversation.
    async fn turn(&mut self, question: String) -> Result<(), Failure> {
        self.messages.push(Message::user(question));
        let mut answering = Answering::new();
        let answer = tokio::select! {
            answer = answering.run(self.model, self.messages.clone()) => Some(answer),
            _ = tokio::signal::ctrl_c() => None,
        };
        match answer {
            Some(Ok(message)) => self.messages.push(message),
            Some(Err(failure)) if failure.exit() == Exit::Provider => {
                failure.report();
                self.messages.pop();
            }
            Some(Err(failure)) => return Err(failure),
            None => self.keep_partial(answering.break_off()?),
        }
        Ok(())
    }

    /// A stopped answer stays as far as it was read; a question without any is taken back.
    fn keep_partial(&mut self, text: &str) {
        note("stopped");
        if text.is_empty() {
            self.messages.pop();
        } else {
            self.messages.push(Message::assistant(text));
        }
    }
}

/// The next line that says something; `None` at Ctrl-D.
fn next_line(editor: &mut DefaultEditor) -> Result<Option<String>, Failure> {
    loop {
        // The runtime's other threads go on meanwhile.
        match tokio::task::block_in_place(|| editor.readline("> ")) {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                // A line that cannot be kept for the arrow keys can still be asked.
                let _ = editor.add_history_entry(&line);
                return Ok(Some(line));
            }
            Err(ReadlineError::Interrupted) => note("Ctrl-D ends the conversation"),
            Err(ReadlineError::Eof) => return Ok(None),
            Err(error) => return Err(no_terminal(&error)),
        }
    }
}

fn no_terminal(error: &ReadlineError) -> Failure {
    Failure::new(Exit::Other, format!("the terminal cannot be read: {error}"))
}
