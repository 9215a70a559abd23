//! The first lane: bodies pass as they came.

use serde_json::Value;

use crate::wire::bench::{Exchange, arrived};
use crate::wire::difference::{Differences, without_nulls};
use crate::wire::recording::{Recorded, Recording, Service, events, frames};

/// What was lost, changed or added on the way to the upstream and back.
pub(super) fn check(service: &Service, recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    if let Some(received) = arrived(service, exchange, &mut differences) {
        differences.equal("request", &comparable(&recording.request), &comparable(&received));
    }
    check_answer(recording, exchange, &mut differences);
    differences.0
}

/// A request without what may differ: members that are null, and `stream_options`.
fn comparable(request: &Value) -> Value {
    let mut request = without_nulls(request);
    request.as_object_mut().map(|members| members.remove("stream_options"));
    request
}

fn check_answer(recording: &Recording, exchange: &Exchange, differences: &mut Differences) {
    let answer = &exchange.answer;
    differences.equal("status", &recording.status.into(), &answer.status.into());
    match &recording.reply {
        Recorded::Json(expected) => {
            differences.contained_deep("reply", expected, &answer.json());
        }
        Recorded::Events(stream) => check_frames(recording, stream, &answer.text, differences),
        Recorded::Lines(_) | Recorded::Text(_) => {}
    }
}

fn check_frames(recording: &Recording, recorded: &str, got: &str, differences: &mut Differences) {
    let expected: Vec<_> =
        frames(recorded).into_iter().map(|frame| required(recording, frame)).collect();
    let actual = frames(got);
    if expected.len() != actual.len() {
        let message = format!("stream: {} frames became {}", expected.len(), actual.len());
        differences.0.push(message);
    }
    for (index, (expected, actual)) in expected.iter().zip(&actual).enumerate() {
        differences.contained_deep(&format!("frame {index}"), expected, actual);
    }
    let failed = expected.iter().any(|frame| frame.get("error").is_some());
    let last = events(got).pop().map(|frame| frame.data).unwrap_or_default();
    if !failed && last != "[DONE]" {
        differences.0.push(format!("stream: it ends with {last:?}"));
    }
}

/// What must come back of a frame: all but padding, and the null usage of a client that did not
/// ask for usage.
fn required(recording: &Recording, mut frame: Value) -> Value {
    let asked = recording.request["stream_options"]["include_usage"] == true;
    if let Some(members) = frame.as_object_mut() {
        members.remove("obfuscation");
        if !asked && members.get("usage").is_some_and(Value::is_null) {
            members.remove("usage");
        }
    }
    frame
}
