//! Every recording goes through the gateway and the plugin that serves it, to an upstream that
//! answers as recorded; so do exchanges that are written by hand.
//!
//! OpenAI's chat dialect in front of those who speak it passes both lanes (`first_lane`,
//! `second_lane`, `variations`). Every other vendor is asked in OpenAI's dialect
//! (`openai_dialect`), and everybody in Anthropic's (`messages`). What a recording says is read by
//! `meaning` and `vendors`, which share nothing with the plugins or the gateway.

mod bad_input;
mod bench;
mod difference;
mod embeddings;
mod first_lane;
mod meaning;
mod messages;
mod openai_dialect;
mod recording;
mod round_trip;
mod said;
mod second_lane;
mod variations;
mod vendors;

use std::io::Write as _;

use bench::{Bench, Exchange, Lane};
use recording::{Recording, SERVICES, Service};

type Check = fn(&Service, &Recording, &Exchange) -> Vec<String>;

const LANES: [(Lane, Check); 2] =
    [(Lane::First, first_lane::check), (Lane::Second, second_lane::check)];

#[tokio::test]
async fn every_recording_passes_the_first_lane_as_it_came() {
    run_all(Lane::First, first_lane::check).await;
}

#[tokio::test]
async fn every_recording_keeps_its_meaning_in_the_second_lane() {
    run_all(Lane::Second, second_lane::check).await;
}

#[tokio::test]
async fn replies_survive_any_split_of_their_bytes() {
    if !has_recordings() {
        return;
    }
    for (lane, check) in LANES {
        let bench = Bench::of_services(lane).await;
        let mut failures = Failures::default();
        for service in &SERVICES {
            let recordings = recorded(service.folder);
            for (recording, piece) in delivered_in_pieces(&recordings) {
                let exchange = bench.exchange(service.instance, recording, Some(piece)).await;
                let place = format!("{}/{} by {piece}", service.folder, recording.id);
                failures.add(&place, check(service, recording, &exchange));
            }
        }
        failures.none();
    }
}

#[tokio::test]
async fn what_the_dialect_allows_passes_both_lanes() {
    let mut failures = Failures::default();
    let service = &SERVICES[0];
    for (lane, check) in LANES {
        let bench = Bench::of_services(lane).await;
        let mut exchanges = variations::both_lanes();
        if lane == Lane::First {
            exchanges.extend(variations::first_lane_alone());
        }
        for (recording, piece) in exchanges.iter().flat_map(|it| [None, Some(1)].map(|p| (it, p))) {
            let exchange = bench.exchange(service.instance, recording, piece).await;
            let place = format!("{}, {}", lane.name(), recording.id);
            failures.add(&place, check(service, recording, &exchange));
        }
    }
    failures.none();
}

async fn run_all(lane: Lane, check: Check) {
    if !has_recordings() {
        return;
    }
    let bench = Bench::of_services(lane).await;
    let mut failures = Failures::default();
    for service in &SERVICES {
        let recordings = recorded(service.folder);
        let mut passed = 0;
        for recording in &recordings {
            let exchange = bench.exchange(service.instance, recording, None).await;
            let place = format!("{}/{}", service.folder, recording.id);
            passed += failures.add(&place, check(service, recording, &exchange));
        }
        report(lane.name(), service.folder, recordings.len(), passed);
    }
    failures.none();
}

/// What went wrong, in words.
#[derive(Default)]
struct Failures(Vec<String>);

impl Failures {
    /// Adds what differs in one exchange; tells how many exchanges passed.
    fn add(&mut self, place: &str, differences: Vec<String>) -> usize {
        let passed = usize::from(differences.is_empty());
        self.0.extend(differences.into_iter().map(|it| format!("{place}: {it}")));
        passed
    }

    fn none(&self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}

/// Whether there are recordings here; a line says so where there are none.
fn has_recordings() -> bool {
    let has = recording::corpus().is_some();
    if !has {
        say("ALLOS_WIRE_CORPUS is not set: the recorded traffic is not tested");
    }
    has
}

/// The recordings of a folder.
fn recorded(folder: &str) -> Vec<Recording> {
    let corpus = recording::corpus().expect("there are recordings");
    recording::recordings(&corpus.join(folder))
}

/// The sizes of the pieces in which a reply is delivered, in bytes.
const PIECES: [usize; 3] = [1, 7, 37];

/// Each recording with each size of pieces.
fn delivered_in_pieces(recordings: &[Recording]) -> impl Iterator<Item = (&Recording, usize)> {
    recordings.iter().flat_map(|it| PIECES.map(|bytes| (it, bytes)))
}

fn report(how: &str, folder: &str, total: usize, passed: usize) {
    say(&format!("{how}: {folder}: {total} recordings, {passed} passed"));
}

/// Says something whether or not the test's own output is captured.
fn say(line: &str) {
    let _nobody_may_listen = writeln!(std::io::stderr(), "{line}");
}
