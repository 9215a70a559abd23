//! The order in which a stream is written: each tool call in one piece.
//!
//! There are vendors who stream calls side by side. Clients of every dialect read a call's arguments
//! when the next part begins, so what comes beside an open call waits until that is complete.

use std::collections::VecDeque;

use allos_plugin_api::Event;

/// The events of one answer, call by call.
#[derive(Default)]
pub(crate) struct CallByCall {
    /// The part whose call is open.
    open: Option<u32>,
    waiting: VecDeque<Event>,
}

impl CallByCall {
    /// Takes the next event, and gives those whose turn it is.
    pub(crate) fn take(&mut self, event: &Event) -> Vec<Event> {
        let mut coming = VecDeque::from([event.clone()]);
        let mut ready = Vec::new();
        while let Some(event) = coming.pop_front() {
            let part = part_of(&event);
            if self.open.is_some() && part.is_some() && part != self.open {
                self.waiting.push_back(event);
                continue;
            }
            match &event {
                Event::ToolCallStart(start) => self.open = Some(start.index),
                Event::ToolCallEnd(_) => {
                    self.open = None;
                    self.waiting.append(&mut coming);
                    coming = std::mem::take(&mut self.waiting);
                }
                _ => {}
            }
            ready.push(event);
        }
        ready
    }
}

/// The part that an event is about.
fn part_of(event: &Event) -> Option<u32> {
    match event {
        Event::TextDelta(delta) | Event::ReasoningDelta(delta) | Event::RefusalDelta(delta) => {
            Some(delta.index)
        }
        Event::TextStart(start) => Some(start.index),
        Event::ReasoningStart(start) => Some(start.index),
        Event::ToolCallStart(start) => Some(start.index),
        Event::ToolCallDelta(delta) => Some(delta.index),
        Event::TextEnd(end) | Event::ReasoningEnd(end) | Event::ToolCallEnd(end) => Some(end.index),
        Event::Annotation(added) => Some(added.index),
        Event::Signature(signature) => Some(signature.index),
        Event::Part(whole) => Some(whole.index),
        _ => None,
    }
}
