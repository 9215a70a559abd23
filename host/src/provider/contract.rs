//! What every provider holds to, whatever its plugin does.
//!
//! A stream has exactly one finish per choice and nothing but usage after the last; each part
//! starts before its deltas and ends before the finish; an answer that calls tools finishes
//! `tool_calls`. Starts and ends that a plugin left out are added, anything else that breaks the
//! contract is an error, and a stream that ends early was truncated.

use std::collections::{BTreeMap, VecDeque};

use allos_plugin_api::{
    Event, Finish, FinishReason, Part, PartEnd, PartStart, ProviderChunk, ProviderError,
    ProviderResponse, ReasoningStart,
};

/// The contract of one stream.
pub(crate) struct StreamContract {
    choices_asked: u32,
    started: bool,
    choices: BTreeMap<u32, ChoiceState>,
    ready: VecDeque<ProviderChunk>,
}

/// How far one choice has come.
#[derive(Default)]
struct ChoiceState {
    parts: BTreeMap<u32, PartState>,
    calls_tools: bool,
    finished: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartState {
    Open(PartKind),
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Text,
    Reasoning,
    ToolCall,
    Refusal,
}

impl StreamContract {
    /// The contract of a stream for so many choices.
    pub(crate) fn new(choices_asked: u32) -> Self {
        let (choices, ready) = (BTreeMap::new(), VecDeque::new());
        Self { choices_asked, started: false, choices, ready }
    }

    /// The next chunk for the caller.
    pub(crate) fn next(&mut self) -> Option<ProviderChunk> {
        self.ready.pop_front()
    }

    /// Takes a chunk from the plugin; what the caller gets for it is then [`next`](Self::next).
    pub(crate) fn accept(&mut self, chunk: ProviderChunk) -> Result<(), ProviderError> {
        match &chunk.event {
            Event::Heartbeat(_) | Event::Usage(_) | Event::Other(_) => {}
            Event::Start(_) if self.started => {
                self.ready
                    .push_back(ProviderChunk { body: chunk.body, ..ProviderChunk::heartbeat() });
                return Ok(());
            }
            Event::Start(_) => self.started = true,
            _ => return self.accept_content(chunk),
        }
        self.ready.push_back(chunk);
        Ok(())
    }

    fn accept_content(&mut self, mut chunk: ProviderChunk) -> Result<(), ProviderError> {
        let number = chunk.choice;
        if number >= self.choices_asked {
            return Err(broken(format_args!("answered choice {number}, which was not asked for")));
        }
        let choice = self.choices.entry(number).or_default();
        if choice.finished {
            let what =
                if matches!(chunk.event, Event::Finish(_)) { "finished" } else { "continued" };
            return Err(broken(format_args!("{what} choice {number} after it had finished")));
        }
        for event in choice.before(&chunk.event)? {
            self.ready.push_back(ProviderChunk::from(event).for_choice(number));
        }
        if let Event::Finish(reason) = &mut chunk.event {
            choice.finished = true;
            correct(reason, choice.calls_tools);
        }
        self.ready.push_back(chunk);
        Ok(())
    }

    /// Whether the stream may end now.
    pub(crate) fn end(&self) -> Result<(), ProviderError> {
        let complete = self.choices.values().all(|choice| choice.finished);
        if complete && !self.choices.is_empty() { Ok(()) } else { Err(ProviderError::truncated()) }
    }
}

impl ChoiceState {
    /// Notes an event, and says which events are missing before it.
    fn before(&mut self, event: &Event) -> Result<Vec<Event>, ProviderError> {
        match event {
            Event::TextStart(start) => self.open(start.index, PartKind::Text)?,
            Event::ReasoningStart(start) => self.open(start.index, PartKind::Reasoning)?,
            Event::ToolCallStart(start) => {
                if start.name.is_empty() {
                    return Err(broken(format_args!("called a tool without a name")));
                }
                self.calls_tools = true;
                self.open(start.index, PartKind::ToolCall)?;
            }
            Event::TextDelta(delta) => return self.need(delta.index, PartKind::Text),
            Event::Annotation(added) => return self.need(added.index, PartKind::Text),
            Event::ReasoningDelta(delta) => return self.need(delta.index, PartKind::Reasoning),
            Event::RefusalDelta(delta) => return self.need(delta.index, PartKind::Refusal),
            Event::ToolCallDelta(delta) => return self.need(delta.index, PartKind::ToolCall),
            Event::TextEnd(end) => return self.close(end.index, PartKind::Text),
            Event::ReasoningEnd(end) => return self.close(end.index, PartKind::Reasoning),
            Event::ToolCallEnd(end) => return self.close(end.index, PartKind::ToolCall),
            Event::Part(whole) => {
                self.calls_tools |= matches!(whole.part, Part::ToolCall(_));
                self.parts.insert(whole.index, PartState::Ended);
            }
            Event::Signature(signature) => return self.need_signed(signature.index),
            Event::Finish(_) => return Ok(self.close_all()),
            _ => {}
        }
        Ok(Vec::new())
    }

    fn open(&mut self, index: u32, kind: PartKind) -> Result<(), ProviderError> {
        if self.parts.insert(index, PartState::Open(kind)).is_some() {
            return Err(broken(format_args!("started part {index} twice")));
        }
        Ok(())
    }

    /// A part must be open as this kind; text, reasoning and refusals open by themselves.
    fn need(&mut self, index: u32, kind: PartKind) -> Result<Vec<Event>, ProviderError> {
        match self.parts.get(&index) {
            Some(PartState::Open(open)) if *open == kind => Ok(Vec::new()),
            Some(PartState::Open(_)) => {
                Err(broken(format_args!("continued part {index} as another kind of part")))
            }
            Some(PartState::Ended) => {
                Err(broken(format_args!("continued part {index} after its end")))
            }
            None if kind == PartKind::ToolCall => {
                Err(broken(format_args!("gave arguments of a tool call that did not start")))
            }
            None => {
                self.parts.insert(index, PartState::Open(kind));
                Ok(kind.start(index).into_iter().collect())
            }
        }
    }

    /// A signature belongs to a call or to reasoning, which may consist of it alone.
    fn need_signed(&mut self, index: u32) -> Result<Vec<Event>, ProviderError> {
        match self.parts.get(&index) {
            Some(PartState::Open(PartKind::ToolCall)) => Ok(Vec::new()),
            _ => self.need(index, PartKind::Reasoning),
        }
    }

    fn close(&mut self, index: u32, kind: PartKind) -> Result<Vec<Event>, ProviderError> {
        let missing = self.need(index, kind)?;
        self.parts.insert(index, PartState::Ended);
        Ok(missing)
    }

    fn close_all(&mut self) -> Vec<Event> {
        let ends = self.parts.iter().filter_map(|(&index, state)| match state {
            PartState::Open(kind) => kind.end(index),
            PartState::Ended => None,
        });
        ends.collect()
    }
}

impl PartKind {
    fn start(self, index: u32) -> Option<Event> {
        match self {
            Self::Text => Some(Event::TextStart(PartStart { index })),
            Self::Reasoning => {
                Some(Event::ReasoningStart(ReasoningStart { index, ..ReasoningStart::default() }))
            }
            Self::ToolCall | Self::Refusal => None,
        }
    }

    fn end(self, index: u32) -> Option<Event> {
        match self {
            Self::Text => Some(Event::TextEnd(PartEnd::new(index))),
            Self::Reasoning => Some(Event::ReasoningEnd(PartEnd::new(index))),
            Self::ToolCall => Some(Event::ToolCallEnd(PartEnd::new(index))),
            Self::Refusal => None,
        }
    }
}

/// Holds an answer in one piece to the contract.
pub(crate) fn check_response(
    response: &mut ProviderResponse,
    choices_asked: u32,
) -> Result<(), ProviderError> {
    if response.choices.is_empty() {
        return Err(broken(format_args!("answered nothing")));
    }
    let mut seen = std::collections::BTreeSet::new();
    for choice in &mut response.choices {
        let number = choice.index;
        if number >= choices_asked {
            return Err(broken(format_args!("answered choice {number}, which was not asked for")));
        }
        if !seen.insert(number) {
            return Err(broken(format_args!("answered choice {number} twice")));
        }
        let calls_tools = choice.message.tool_calls().next().is_some();
        correct(&mut choice.finish_reason, calls_tools);
    }
    Ok(())
}

/// An answer that calls tools and is complete waits for their results, whatever the vendor's word.
fn correct(reason: &mut FinishReason, calls_tools: bool) {
    if calls_tools && matches!(reason.unified, Finish::Stop | Finish::Other(_)) {
        reason.unified = Finish::ToolCalls;
    }
}

fn broken(what: std::fmt::Arguments<'_>) -> ProviderError {
    ProviderError::malformed_reply(format!("the plugin broke its contract: it {what}"))
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{TextDelta, ToolCallDelta, ToolCallStart, Usage};

    use super::*;

    fn run(events: Vec<Event>) -> Result<Vec<Event>, String> {
        let mut contract = StreamContract::new(1);
        let mut got = Vec::new();
        for event in events {
            contract.accept(event.into()).map_err(|error| error.message().to_owned())?;
            got.extend(std::iter::from_fn(|| contract.next()).map(|chunk| chunk.event));
        }
        contract.end().map_err(|error| error.message().to_owned())?;
        Ok(got)
    }

    fn text(text: &str) -> Event {
        Event::TextDelta(TextDelta { index: 0, text: text.into() })
    }

    fn call() -> Event {
        let (id, name) = ("1".into(), "f".into());
        Event::ToolCallStart(ToolCallStart { index: 1, id, name, ..ToolCallStart::default() })
    }

    const STOP: Event = Event::Finish(FinishReason::STOP);

    #[test]
    fn starts_and_ends_that_were_left_out_are_added() {
        let start = Event::TextStart(PartStart { index: 0 });
        let end = Event::TextEnd(PartEnd::new(0));
        let got = run(vec![text("a"), text("b"), STOP, Event::Usage(Usage::default())]).unwrap();
        assert_eq!(got, [start, text("a"), text("b"), end, STOP, Event::Usage(Usage::default())]);
    }

    #[test]
    fn a_call_for_a_tool_finishes_tool_calls_whatever_the_vendor_said() {
        let got = run(vec![call(), STOP]).unwrap();
        let Some(Event::Finish(reason)) = got.last() else { panic!("{got:?}") };
        assert_eq!(reason.unified, Finish::ToolCalls);
    }

    #[test]
    fn whatever_breaks_the_contract_is_an_error() {
        let arguments = Event::ToolCallDelta(ToolCallDelta { index: 0, arguments: "{}".into() });
        let cases = [
            (vec![], "the stream ended before"),
            (vec![text("a")], "the stream ended before"),
            (vec![STOP, STOP], "finished choice 0 after it had finished"),
            (vec![STOP, text("a")], "continued choice 0 after it had finished"),
            (vec![arguments, STOP], "gave arguments of a tool call that did not start"),
            (vec![call(), call(), STOP], "started part 1 twice"),
            (vec![Event::TextEnd(PartEnd::new(0)), text("a")], "continued part 0 after its end"),
        ];
        for (events, expected) in cases {
            let error = run(events).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_choice_that_was_not_asked_for_is_an_error() {
        let chunk = ProviderChunk::text("a").for_choice(1);
        let error = StreamContract::new(1).accept(chunk).unwrap_err();
        assert!(error.message().contains("choice 1, which was not asked for"), "{error}");
        let mut empty = ProviderResponse::default();
        assert!(check_response(&mut empty, 1).is_err());
    }
}
