//! What an answer says, in one shape for every dialect: what a recording says is compared with what
//! a client got.
//!
//! It is filled by the readers of `vendors`, which are written from the vendors' documentation and
//! the recordings alone, so that they cannot share a mistake with the plugins or the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::wire::difference::Differences;

/// The status of an answer that failed after its head was sent, or before.
pub(super) const ANY_FAILURE: RangeInclusive<u16> = 400..=599;
/// The status where the head of a stream may have been sent before the error was known.
pub(super) const IN_STREAM: RangeInclusive<u16> = 200..=599;
/// The status of a reply that cannot be read.
pub(super) const UPSTREAM_FAILURE: RangeInclusive<u16> = 500..=599;

/// A whole answer.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// By their index.
    pub(super) choices: BTreeMap<u64, Choice>,
    pub(super) usage: Usage,
    pub(super) error: Option<Failure>,
    /// What must come through unread: signatures and encrypted texts that the vendor wants to see
    /// again, pictures and sounds, the addresses of sources.
    pub(super) opaque: BTreeSet<String>,
}

/// One choice.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) refusal: String,
    pub(super) calls: Vec<Call>,
    /// The words of which one says why it ended; none where any will do.
    pub(super) finish: Vec<String>,
}

/// A call that the client is to run.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// Empty where the vendor gives none.
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// The tokens of a call; `None` is not reported.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Usage {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) written: Option<u64>,
    pub(super) reasoning: Option<u64>,
    pub(super) audio_in: Option<u64>,
    pub(super) audio_out: Option<u64>,
    /// The vendor leaves zeros out, or must say a number where it knows none.
    pub(super) zeros_may_lack: bool,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: RangeInclusive<u16>,
    /// `None` where the vendor says nothing.
    pub(super) message: Option<String>,
}

impl Failure {
    /// A failure whose words are not the vendor's.
    pub(super) fn wordless(status: RangeInclusive<u16>) -> Self {
        Self { status, message: None }
    }

    /// A failure in the vendor's words.
    pub(super) fn saying(status: RangeInclusive<u16>, message: &Value) -> Self {
        let message = message.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Self { status, message }
    }
}

impl Said {
    /// An answer with one choice.
    pub(super) fn one(choice: Choice, usage: Usage) -> Self {
        Self { choices: BTreeMap::from([(0, choice)]), usage, ..Self::default() }
    }

    /// No answer.
    pub(super) fn failed(failure: Failure) -> Self {
        Self { error: Some(failure), ..Self::default() }
    }

    /// The answer so far, and why it did not go on.
    pub(super) fn but(mut self, failure: Failure) -> Self {
        self.error = Some(failure);
        self.usage = Usage::default();
        self.choices.values_mut().for_each(|choice| choice.finish.clear());
        self
    }

    /// The same, with what must come through unread.
    pub(super) fn with_opaque(mut self, opaque: impl IntoIterator<Item = String>) -> Self {
        self.opaque.extend(opaque.into_iter().filter(|text| !text.is_empty()));
        self
    }
}

impl Choice {
    /// A choice that ended for a reason; calls for the client make `stop` mean `tool_calls`.
    pub(super) fn ended(mut self, finish: &[&str]) -> Self {
        let word = |word: &&str| match *word {
            "stop" if !self.calls.is_empty() => "tool_calls".to_owned(),
            word => word.to_owned(),
        };
        self.finish = finish.iter().map(word).collect();
        self
    }
}

/// What differs between what a recording says and what a client got; `answer` is its whole text.
pub(super) fn compare(expected: &Said, actual: &Said, answer: &str, differences: &mut Differences) {
    compare_errors(expected.error.as_ref(), actual.error.as_ref(), differences);
    let failed = expected.error.is_some();
    let none = Choice::default();
    let indexes: BTreeSet<_> = expected.choices.keys().chain(actual.choices.keys()).collect();
    for index in indexes {
        let place = format!("choice {index}");
        let choices = [expected, actual].map(|it| it.choices.get(index).unwrap_or(&none));
        let compare_them = if failed { compare_beginnings } else { compare_choices };
        compare_them(&place, choices[0], choices[1], differences);
    }
    if failed {
        return;
    }
    compare_usage(&expected.usage, &actual.usage, differences);
    for text in expected.opaque.iter().filter(|text| !answer.contains(text.as_str())) {
        let start: String = text.chars().take(20).collect();
        differences.0.push(format!("a signature, a picture or a source was lost: {start}…"));
    }
}

fn compare_errors(
    expected: Option<&Failure>,
    actual: Option<&Failure>,
    differences: &mut Differences,
) {
    let (expected, actual) = match (expected, actual) {
        (None, None) => return,
        (Some(expected), Some(actual)) => (expected, actual),
        _ => return differences.0.push(format!("error: expected {expected:?}, got {actual:?}")),
    };
    let status = actual.status.start();
    if !expected.status.contains(status) {
        differences.0.push(format!("status: expected {:?}, got {status}", expected.status));
    }
    match (&expected.message, &actual.message) {
        (None, Some(_)) => {}
        (expected, actual) => {
            differences.equal("error message", &json!(expected), &json!(actual));
        }
    }
}

/// What was said before an answer failed: its text. A part that was not whole means nothing.
fn compare_beginnings(
    place: &str,
    expected: &Choice,
    actual: &Choice,
    differences: &mut Differences,
) {
    let spoken = |choice: &Choice| json!([choice.text, choice.refusal]);
    differences.equal(place, &spoken(expected), &spoken(actual));
}

fn compare_choices(place: &str, expected: &Choice, actual: &Choice, differences: &mut Differences) {
    let spoken = |choice: &Choice| {
        json!({
            "text": choice.text, "reasoning": choice.reasoning, "refusal": choice.refusal,
            "calls": choice.calls.iter().map(call).collect::<Vec<_>>(),
        })
    };
    differences.equal(place, &spoken(expected), &spoken(actual));
    for (expected, actual) in expected.calls.iter().zip(&actual.calls) {
        if !expected.id.is_empty() && expected.id != actual.id {
            let message = format!("{place}: the call {} has become {}", expected.id, actual.id);
            differences.0.push(message);
        }
    }
    let ids: BTreeSet<_> = actual.calls.iter().map(|call| call.id.as_str()).collect();
    if ids.len() != actual.calls.len() || ids.contains("") {
        differences.0.push(format!("{place}: its calls have the ids {ids:?}"));
    }
    if !expected.finish.is_empty() && !expected.finish.iter().any(|it| actual.finish.contains(it)) {
        let (expected, actual) = (&expected.finish, &actual.finish);
        differences.0.push(format!("{place}.finish: expected {expected:?}, got {actual:?}"));
    }
}

fn call(call: &Call) -> Value {
    json!({"name": call.name, "arguments": call.arguments})
}

fn compare_usage(expected: &Usage, actual: &Usage, differences: &mut Differences) {
    let may_lack = expected.zeros_may_lack || actual.zeros_may_lack;
    let counts = [
        ("input", expected.input, actual.input),
        ("output", expected.output, actual.output),
        ("cached", expected.cached, actual.cached),
        ("written", expected.written, actual.written),
        ("reasoning", expected.reasoning, actual.reasoning),
        ("audio in", expected.audio_in, actual.audio_in),
        ("audio out", expected.audio_out, actual.audio_out),
    ];
    for (name, expected, actual) in counts {
        let is_zero = expected.unwrap_or(0) == 0 && actual.unwrap_or(0) == 0;
        if expected != actual && !(may_lack && is_zero) {
            differences.0.push(format!("usage.{name}: expected {expected:?}, got {actual:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        let call = Call { id: "a".into(), name: "now".into(), arguments: json!({"zone": 1}) };
        let choice = Choice { text: "hi".into(), calls: vec![call], ..Choice::default() };
        let usage = Usage { input: Some(3), output: Some(4), ..Usage::default() };
        Said::one(choice.ended(&["stop"]), usage).with_opaque(["c2ln".to_owned()])
    }

    fn differences(expected: &Said, actual: &Said) -> usize {
        let mut differences = Differences::default();
        compare(expected, actual, "{\"signature\":\"c2ln\"}", &mut differences);
        differences.0.len()
    }

    /// A comparison that never complains would let every recording pass.
    #[test]
    fn every_change_of_an_answer_is_noticed() {
        let changes: [fn(&mut Said); 10] = [
            |said| said.choices.clear(),
            |said| said.error = Some(Failure::wordless(IN_STREAM)),
            |said| said.opaque.extend(["another".to_owned()]),
            |said| said.usage.input = None,
            |said| said.usage.cached = Some(0),
            |said| one(said).text.push('!'),
            |said| one(said).reasoning.push('!'),
            |said| one(said).finish = vec!["stop".to_owned()],
            |said| one(said).calls[0].arguments = json!({}),
            |said| one(said).calls[0].id.push('b'),
        ];
        assert_eq!(differences(&said(), &said()), 0);
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = said();
            change(&mut other);
            assert!(differences(&other, &said()) > 0, "change {number} is not noticed");
        }
    }

    fn one(said: &mut Said) -> &mut Choice {
        said.choices.entry(0).or_default()
    }
}
