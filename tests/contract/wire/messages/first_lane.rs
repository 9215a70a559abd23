//! The first lane of Anthropic's dialect: bodies and events pass as they came.

use serde_json::Value;

use super::{BETA, sequence};
use crate::client::Answer;
use crate::wire::bench::{Exchange, key};
use crate::wire::difference::{Differences, without_nulls};
use crate::wire::recording::{Frame, Recorded, Recording, events};
use crate::wire::said::compare;
use crate::wire::vendors::anthropic;

/// What was lost, changed or added on the way to the vendor and back.
pub(super) fn check(recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    if let Some(received) = arrived(exchange, &mut differences) {
        let (expected, received) = (without_nulls(&recording.request), without_nulls(&received));
        differences.equal("request", &expected, &received);
    }
    check_answer(recording, &exchange.answer, &mut differences);
    differences.0
}

fn check_answer(recording: &Recording, answer: &Answer, differences: &mut Differences) {
    let got = Recorded::of(answer.header("content-type"), &answer.text);
    let said = anthropic::read(recording.status, &recording.reply);
    compare(&said, &anthropic::read(answer.status, &got), &answer.text, differences);
    match (&recording.reply, &got) {
        (Recorded::Events(expected), Recorded::Events(actual)) => {
            let (expected, mut actual) = (events(expected), events(actual));
            differences.0.extend(sequence::complaints(&actual));
            // A stream that was cut off gets the end that it lacks.
            if said.error.is_some_and(|error| error.message.is_none()) {
                actual.pop();
            }
            check_events(&expected, &actual, differences);
        }
        (Recorded::Events(_), _) if said.error.is_some() => {}
        (Recorded::Json(expected), Recorded::Json(actual)) => {
            differences.equal("reply", expected, actual);
        }
        _ => differences.0.push(format!("the reply became {}", answer.text)),
    }
}

/// The request as it arrived at the vendor: with the key, the version and the beta.
pub(super) fn arrived(exchange: &Exchange, differences: &mut Differences) -> Option<Value> {
    let received = exchange.reached(differences)?;
    let key = key("anthropic");
    let expected = [
        ("path", "/v1/messages", received.path.as_str()),
        ("x-api-key", &key, received.header("x-api-key")),
        ("anthropic-version", "2023-06-01", received.header("anthropic-version")),
        (BETA.0, BETA.1, received.header(BETA.0)),
    ];
    for (place, expected, actual) in expected {
        differences.equal(place, &expected.into(), &actual.into());
    }
    Some(received.json())
}

fn check_events(expected: &[Frame], actual: &[Frame], differences: &mut Differences) {
    if expected.len() != actual.len() {
        let names = |frames: &[Frame]| {
            frames.iter().map(|frame| frame.event.clone()).collect::<Vec<_>>().join(" ")
        };
        differences.0.push(format!("events: {} became {}", names(expected), names(actual)));
    }
    for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        let place = format!("event {index}");
        differences.equal(&place, &expected.event.as_str().into(), &actual.event.as_str().into());
        let json = |frame: &Frame| serde_json::from_str::<Value>(&frame.data).unwrap_or_default();
        differences.equal(&place, &json(expected), &json(actual));
    }
}
