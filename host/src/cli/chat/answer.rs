//! One answer: asked for, printed as it arrives, and summed up on stderr.

use std::time::Instant;

use allos_plugin_api::{
    ChatRequest, Collector, Event, Finish, Message, Part, ProviderChunk, ProviderResponse,
};

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::output::{AnswerText, note, one_line};
use super::summary::summary;
use crate::Target;

/// The model that answers, and how.
pub(super) struct ModelInUse {
    pub(super) target: Target,
    /// `instance/model`.
    pub(super) name: String,
    pub(super) streamed: bool,
}

/// An answer that is being given. What was printed of it can be seen after it was interrupted.
pub(super) struct Answering {
    text: AnswerText,
    started: Instant,
}

impl Answering {
    pub(super) fn new() -> Self {
        Self { text: AnswerText::new(), started: Instant::now() }
    }

    /// Asks, prints the answer, and returns it as a message of the conversation.
    pub(super) async fn run(
        &mut self,
        model: &ModelInUse,
        messages: Vec<Message>,
    ) -> Result<Message, Failure> {
        let request = ChatRequest::new(&model.target.model, messages);
        let answer = if model.streamed {
            self.stream(model, request).await
        } else {
            self.wait(model, request).await
        };
        self.text.end()?;
        self.conclude(model, answer?)
    }

    /// The text that was printed so far, its line ended.
    pub(super) fn break_off(&self) -> Result<&str, Failure> {
        self.text.end()?;
        Ok(self.text.written())
    }

    async fn stream(
        &mut self,
        model: &ModelInUse,
        request: ChatRequest,
    ) -> Result<ProviderResponse, Failure> {
        let mut chunks = model.target.provider.stream_chat(request);
        let mut collector = Collector::default();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            if let Some(text) = text_of(&chunk) {
                self.text.push(text)?;
            }
            collector.push(chunk);
        }
        Ok(collector.into_response()?)
    }

    async fn wait(
        &mut self,
        model: &ModelInUse,
        request: ChatRequest,
    ) -> Result<ProviderResponse, Failure> {
        let response = model.target.provider.chat(request).await?;
        for part in response.choices.first().iter().flat_map(|choice| &choice.message.content) {
            match part {
                Part::Text(part) => self.text.push(&part.text)?,
                Part::Refusal(part) => self.text.push(&part.text)?,
                _ => {}
            }
        }
        Ok(response)
    }

    /// Says on stderr what the text does not: warnings, an end before the end, the cost.
    fn conclude(&self, model: &ModelInUse, response: ProviderResponse) -> Result<Message, Failure> {
        for warning in &response.warnings {
            note(&format!("warning: {}", one_line(warning)));
        }
        let Some(choice) = response.choices.into_iter().next() else {
            return Err(Failure::new(Exit::Provider, format!("{}: no answer", model.name)));
        };
        for kind in choice.message.content.iter().filter_map(unshown) {
            note(&format!("warning: the answer has {kind}, which is not shown here"));
        }
        for call in choice.message.tool_calls() {
            let name = one_line(&call.name);
            note(&format!(
                "warning: the model asks for the tool `{name}`, which chat does not run"
            ));
        }
        if let Some(end) = early_end(&choice.finish_reason.unified) {
            note(&format!("warning: {end}"));
        }
        note(&summary(&model.name, response.usage.as_ref(), self.started.elapsed()));
        match choice.finish_reason.unified {
            Finish::Error => Err(Failure::new(
                Exit::Provider,
                format!("{}: the vendor failed before the answer was complete", model.name),
            )),
            _ => Ok(choice.message),
        }
    }
}

/// What a chunk adds to the text that is shown: the first answer's text and refusal.
fn text_of(chunk: &ProviderChunk) -> Option<&str> {
    if chunk.choice != 0 {
        return None;
    }
    match &chunk.event {
        Event::TextDelta(delta) | Event::RefusalDelta(delta) => Some(&delta.text),
        Event::Part(whole) => whole.part.as_text(),
        _ => None,
    }
}

fn unshown(part: &Part) -> Option<&'static str> {
    match part {
        Part::Image(_) => Some("an image"),
        Part::Audio(_) => Some("sound"),
        Part::File(_) => Some("a file"),
        _ => None,
    }
}

fn early_end(finish: &Finish) -> Option<&'static str> {
    match finish {
        Finish::Length => Some("the answer was cut off at the limit of tokens"),
        Finish::ContentFilter => Some("the vendor withheld the answer or a part of it"),
        _ => None,
    }
}
