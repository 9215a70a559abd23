//! The second lane: only the normalised form passes, and the meaning survives.

use crate::wire::bench::{Exchange, arrived};
use crate::wire::difference::Differences;
use crate::wire::meaning;
use crate::wire::recording::{Recorded, Recording, Service, frames};

/// What of the meaning was lost or changed on the way to the upstream and back.
pub(super) fn check(service: &Service, recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    if let Some(received) = arrived(service, exchange, &mut differences) {
        let expected = meaning::request(&recording.request);
        differences.equal("request", &expected, &meaning::request(&received));
    }
    check_answer(recording, exchange, &mut differences);
    differences.0
}

fn check_answer(recording: &Recording, exchange: &Exchange, differences: &mut Differences) {
    let answer = &exchange.answer;
    differences.equal("status", &recording.status.into(), &answer.status.into());
    let (expected, actual) = match &recording.reply {
        Recorded::Json(body) if recording.status >= 400 => {
            (meaning::error(body), meaning::error(&answer.json()))
        }
        Recorded::Json(body) => (meaning::reply(body), meaning::reply(&answer.json())),
        Recorded::Events(text) => {
            (meaning::stream(&frames(text)), meaning::stream(&frames(&answer.text)))
        }
        Recorded::Lines(_) | Recorded::Text(_) => return,
    };
    differences.contained_deep("reply", &expected, &actual);
}
