//! The second lane of Anthropic's dialect: only the normalised form passes, and the meaning
//! survives.

use serde_json::Value;

use super::first_lane::arrived;
use super::{meaning, sequence};
use crate::wire::bench::Exchange;
use crate::wire::difference::Differences;
use crate::wire::recording::{Recorded, Recording, events, frames};
use crate::wire::said::compare;
use crate::wire::vendors::anthropic;

/// What of the meaning was lost or changed on the way to the vendor and back.
pub(super) fn check(recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    if let Some(received) = arrived(exchange, &mut differences) {
        let expected = meaning::request(&recording.request);
        differences.equal("request", &expected, &meaning::request(&received));
        check_further(recording, &received, exchange, &mut differences);
    }
    check_answer(recording, exchange, &mut differences);
    differences.0
}

/// What allos does not model arrives all the same, or the client is told that it does not.
fn check_further(
    recording: &Recording,
    received: &Value,
    exchange: &Exchange,
    differences: &mut Differences,
) {
    let warnings = exchange.answer.header("x-allos-warning");
    for (name, value) in meaning::further(&recording.request) {
        if received[name] != *value && !warnings.contains(name.as_str()) {
            differences.0.push(format!("request.{name}: was lost without a warning"));
        }
    }
}

fn check_answer(recording: &Recording, exchange: &Exchange, differences: &mut Differences) {
    let answer = &exchange.answer;
    let got = Recorded::of(answer.header("content-type"), &answer.text);
    let (expected, actual) = match (&recording.reply, &got) {
        (Recorded::Json(expected), Recorded::Json(actual)) => (expected.clone(), actual.clone()),
        (Recorded::Events(expected), Recorded::Events(actual)) => {
            differences.0.extend(sequence::complaints(&events(actual)));
            (anthropic::whole(&frames(expected)), anthropic::whole(&frames(actual)))
        }
        _ => (Value::Null, Value::Null),
    };
    let mut said = anthropic::read(answer.status, &got);
    let recorded = anthropic::read(recording.status, &recording.reply);
    if recorded.error.is_none() {
        differences.contained_deep("reply", &meaning::reply(&expected), &meaning::reply(&actual));
    }
    said.usage.zeros_may_lack = true;
    compare(&recorded, &said, &answer.text, differences);
}
