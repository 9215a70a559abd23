//! Every recording goes through the gateway and the `openai` plugin, in both lanes, to an upstream
//! that answers as recorded.

mod bench;
mod difference;
mod first_lane;
mod meaning;
mod recording;
mod second_lane;
mod variations;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use bench::{Bench, Exchange, Lane};
use recording::{Recorded, Recording, SERVICES};

/// One service's recordings, by the name of the folder.
struct Service {
    folder: &'static str,
    instance: &'static str,
    recordings: Vec<Recording>,
}

type Check = fn(&str, &Recording, &Exchange) -> Vec<String>;

#[tokio::test]
async fn every_recording_passes_the_first_lane_as_it_came() {
    run_all(Lane::First, first_lane::check).await;
}

#[tokio::test]
async fn every_recording_keeps_its_meaning_in_the_second_lane() {
    run_all(Lane::Second, second_lane::check).await;
}

#[tokio::test]
async fn streams_survive_any_split_of_their_bytes() {
    for (lane, check) in
        [(Lane::First, first_lane::check as Check), (Lane::Second, second_lane::check as Check)]
    {
        let Some(services) = services() else { return };
        let bench = Bench::start(lane, &paths(&services)).await;
        let mut failures = Vec::new();
        for service in &services {
            let streams = service.recordings.iter().filter(|it| is_short_stream(it));
            for (recording, bytes) in streams.flat_map(|it| [1, 7, 37].map(|bytes| (it, bytes))) {
                let exchange = bench.exchange(service.instance, recording, Some(bytes)).await;
                let differences = check(service.instance, recording, &exchange);
                let place = format!("{}/{} by {bytes}", service.folder, recording.id);
                failures.extend(differences.into_iter().map(|it| format!("{place}: {it}")));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
    }
}

#[tokio::test]
async fn what_the_dialect_allows_passes_both_lanes() {
    let paths = BTreeMap::from([("openai", "/v1/chat/completions".to_owned())]);
    let mut failures = Vec::new();
    for (lane, check) in
        [(Lane::First, first_lane::check as Check), (Lane::Second, second_lane::check as Check)]
    {
        let bench = Bench::start(lane, &paths).await;
        let mut exchanges = variations::both_lanes();
        if lane == Lane::First {
            exchanges.extend(variations::first_lane_alone());
        }
        for (recording, piece) in exchanges.iter().flat_map(|it| [None, Some(1)].map(|p| (it, p))) {
            let exchange = bench.exchange("openai", recording, piece).await;
            let differences = check("openai", recording, &exchange);
            let place = format!("{}, {}", lane.name(), recording.id);
            failures.extend(differences.into_iter().map(|it| format!("{place}: {it}")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn is_short_stream(recording: &Recording) -> bool {
    matches!(&recording.reply, Recorded::Events(text) if text.len() < 5000)
}

async fn run_all(lane: Lane, check: Check) {
    let Some(services) = services() else { return };
    let bench = Bench::start(lane, &paths(&services)).await;
    let mut failures = Vec::new();
    for service in &services {
        let mut passed = 0;
        for recording in &service.recordings {
            let exchange = bench.exchange(service.instance, recording, None).await;
            let differences = check(service.instance, recording, &exchange);
            passed += usize::from(differences.is_empty());
            let place = format!("{}/{}", service.folder, recording.id);
            failures.extend(differences.into_iter().map(|it| format!("{place}: {it}")));
        }
        let total = service.recordings.len();
        let (lane, folder) = (lane.name(), service.folder);
        say(&format!("{lane}: {folder}: {total} recordings, {passed} passed"));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The recordings of each service; nothing, and a line that says so, where there are none here.
fn services() -> Option<Vec<Service>> {
    let Some(corpus) = recording::corpus() else {
        say("ALLOS_WIRE_CORPUS is not set: the recorded traffic is not tested");
        return None;
    };
    Some(
        SERVICES.into_iter().map(|(folder, instance)| service(&corpus, folder, instance)).collect(),
    )
}

fn service(corpus: &Path, folder: &'static str, instance: &'static str) -> Service {
    Service { folder, instance, recordings: recording::recordings(&corpus.join(folder)) }
}

fn paths(services: &[Service]) -> BTreeMap<&'static str, String> {
    let paths = services.iter().map(|it| (it.instance, it.recordings[0].path.clone()));
    paths.collect()
}

/// Says something whether or not the test's own output is captured.
fn say(line: &str) {
    let _nobody_may_listen = writeln!(std::io::stderr(), "{line}");
}
