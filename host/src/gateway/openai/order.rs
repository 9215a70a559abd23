//! The order of an answer's parts, in messages that have a member for each kind of them.
//!
//! A message is read as its details, then its content, then its calls. A detail that follows text or
//! calls says so, where clients keep what they do not read. So what they send back can be put into
//! the order in which the vendor said it; there are vendors who insist on it.

use std::collections::VecDeque;

use allos_plugin_api::Part;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::reasoning::EXTRA_CONTENT;

/// The gateway's own member, beside those of the vendors.
const OWN: &str = "allos";

/// What of a message stands before a part of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// How much text, in bytes.
    text: usize,
    /// A checksum of it, made with the step of FNV-1a: whether it is the text that was given.
    /// <https://datatracker.ietf.org/doc/draft-eastlake-fnv/>
    sum: u32,
    /// How many calls.
    calls: usize,
}

#[derive(Serialize, Deserialize)]
struct Own {
    after: Place,
}

impl Place {
    /// Goes behind more text.
    pub(super) fn pass_text(&mut self, text: &str) {
        let step = |sum: u32, byte: u8| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        self.sum = text.bytes().fold(self.sum, step);
        self.text += text.len();
    }

    /// Goes behind a call; gives its number.
    pub(super) fn pass_call(&mut self) -> usize {
        self.calls += 1;
        self.calls - 1
    }

    /// Notes the place in a detail that stands here, unless details are read here anyway.
    pub(super) fn note(self, detail: &mut Value) {
        if self == Self::default() {
            return;
        }
        let Some(detail) = detail.as_object_mut() else { return };
        let beside = detail.entry(EXTRA_CONTENT).or_insert_with(|| json!({}));
        if let Some(beside) = beside.as_object_mut() {
            beside.insert(OWN.to_owned(), json!(Own { after: self }));
        }
    }

    /// Takes the note out of a detail. One that cannot be read is as good as none.
    pub(super) fn take(detail: &mut Value) -> Self {
        let Some(detail) = detail.as_object_mut() else { return Self::default() };
        let beside = detail.get_mut(EXTRA_CONTENT).and_then(Value::as_object_mut);
        let Some(beside) = beside else { return Self::default() };
        let note = beside.remove(OWN);
        if note.is_some() && beside.is_empty() {
            detail.remove(EXTRA_CONTENT);
        }
        let own = note.and_then(|note| serde_json::from_value::<Own>(note).ok());
        own.map_or_else(Self::default, |own| own.after)
    }
}

/// Puts the parts of a message in the order that its details tell. `rest` is what has no place of
/// its own between the content and the calls.
pub(super) fn in_order(
    details: Vec<(Part, Place)>,
    content: Vec<Part>,
    rest: Vec<Part>,
    calls: Vec<Part>,
) -> Vec<Part> {
    let is_told = are_true(&details, &content, calls.len());
    let mut content = Content { parts: content.into(), ..Content::default() };
    let (count, mut calls) = (calls.len(), calls.into_iter());
    let mut parts = Vec::new();
    for (detail, place) in details {
        if is_told {
            content.take(place.text, &mut parts);
            let passed = count - calls.len();
            parts.extend(calls.by_ref().take(place.calls.saturating_sub(passed)));
        }
        parts.push(detail);
    }
    parts.extend(std::iter::from_fn(|| content.next()));
    parts.extend(rest);
    parts.extend(calls);
    parts
}

/// Whether the places are those of this message: clients may shorten and edit what they send back.
fn are_true(details: &[(Part, Place)], content: &[Part], calls: usize) -> bool {
    let text: String = content.iter().filter_map(Part::as_text).collect();
    let (mut passed, mut behind) = (Place::default(), text.as_str());
    let mut noted = details.iter().map(|(_, place)| *place).filter(|it| *it != Place::default());
    noted.all(|place| {
        let more = place.text.checked_sub(passed.text);
        let Some((before, after)) = more.and_then(|more| behind.split_at_checked(more)) else {
            return false;
        };
        passed.pass_text(before);
        behind = after;
        place == Place { calls: place.calls, ..passed } && place.calls <= calls
    })
}

/// The content of a message, taken piece by piece.
#[derive(Default)]
struct Content {
    parts: VecDeque<Part>,
    /// How much text was taken, and how much of it from the part that is now the first.
    taken: usize,
    of_first: usize,
}

impl Content {
    /// Takes what stands before a place in the text.
    fn take(&mut self, until: usize, parts: &mut Vec<Part>) {
        while self.taken < until && !self.parts.is_empty() {
            let piece = self.split(until - self.taken).or_else(|| self.next());
            self.taken += piece.as_ref().and_then(Part::as_text).map_or(0, str::len);
            parts.extend(piece);
        }
    }

    /// Takes so much of the first part, where that is a text that goes on behind it.
    fn split(&mut self, length: usize) -> Option<Part> {
        let text = self.parts.front()?.as_text()?.get(self.of_first..)?;
        let (piece, _) = text.split_at_checked(length).filter(|(_, rest)| !rest.is_empty())?;
        self.of_first += length;
        Some(Part::text(piece))
    }

    /// Takes what is left of the first part, with all that belongs to it.
    fn next(&mut self) -> Option<Part> {
        let mut part = self.parts.pop_front()?;
        let taken = std::mem::take(&mut self.of_first);
        if let Part::Text(text) = &mut part {
            text.text = text.text.get(taken..).unwrap_or_default().to_owned();
        }
        Some(part)
    }
}

#[cfg(test)]
mod tests;
