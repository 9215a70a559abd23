//! Anthropic's dialect at `/v1/messages`: in front of Anthropic, where bodies pass as they came or
//! keep their meaning, and in front of everybody else.

mod first_lane;
mod meaning;
mod second_lane;
mod sequence;

use serde_json::json;

use crate::wire::bench::{Bench, Exchange, Lane, Sent};
use crate::wire::difference::Differences;
use crate::wire::recording::{self, Recorded, Recording, SERVICES, events};
use crate::wire::said::{Said, Usage, compare};
use crate::wire::vendors::{VENDORS, Vendor, anthropic, chat};
use crate::wire::{Failures, delivered_in_pieces, has_recordings, recorded, report, variations};

const PATH: &str = "/v1/messages";
/// A header with which a client asks for what is not yet of the API.
const BETA: (&str, &str) = ("anthropic-beta", "some-beta-2026-01-01");

type Check = fn(&Recording, &Exchange) -> Vec<String>;

const LANES: [(Lane, Check); 2] =
    [(Lane::First, first_lane::check), (Lane::Second, second_lane::check)];

#[tokio::test]
async fn anthropics_messages_pass_the_first_lane_as_they_came() {
    pass_recordings(Lane::First, first_lane::check).await;
}

#[tokio::test]
async fn anthropics_messages_keep_their_meaning_in_the_second_lane() {
    pass_recordings(Lane::Second, second_lane::check).await;
}

#[tokio::test]
async fn what_anthropics_documentation_says_passes_both_lanes() {
    let mut failures = Failures::default();
    for (lane, check) in LANES {
        let bench = anthropic_bench(lane).await;
        let folder = recording::exchanges().join(anthropic::VENDOR.folder);
        for recording in recording::recordings(&folder).iter().filter(|it| is_asked_so(it)) {
            let place = format!("{}, {}", lane.name(), recording.id);
            failures.add(&place, check(recording, &exchange(&bench, recording, Some(1)).await));
        }
    }
    failures.none();
}

#[tokio::test]
async fn anthropics_messages_survive_any_split_of_their_bytes() {
    if !has_recordings() {
        return;
    }
    let mut failures = Failures::default();
    for (lane, check) in LANES {
        let bench = anthropic_bench(lane).await;
        let recordings = recorded(anthropic::VENDOR.folder);
        for (recording, piece) in delivered_in_pieces(&recordings) {
            let place = format!("{}, {} by {piece}", lane.name(), recording.id);
            failures.add(&place, check(recording, &exchange(&bench, recording, Some(piece)).await));
        }
    }
    failures.none();
}

#[tokio::test]
async fn every_service_of_openais_dialect_says_in_anthropics_what_was_recorded() {
    if !has_recordings() {
        return;
    }
    let bench = Bench::of_services(Lane::First).await;
    let mut failures = Failures::default();
    for service in &SERVICES {
        let recordings = recorded(service.folder);
        let mut passed = 0;
        for recording in &recordings {
            let asked = chat::asked(recording).in_anthropic_dialect();
            let sent = Sent::new(PATH, asked);
            let exchange = bench.send(service.instance, sent, recording.reply(None)).await;
            let expected = chat::read(recording.status, &recording.reply);
            let place = format!("{}/{}", service.folder, recording.id);
            passed += failures.add(&place, check_answer(expected, &exchange));
        }
        report("anthropic dialect", service.folder, recordings.len(), passed);
    }
    failures.none();
}

#[tokio::test]
async fn what_openais_dialect_allows_is_said_in_anthropics() {
    let bench = Bench::of_services(Lane::First).await;
    let mut failures = Failures::default();
    let exchanges = variations::both_lanes().into_iter();
    // There is no way to ask for a second answer.
    for recording in exchanges.filter(|it| it.request["n"].as_u64().is_none_or(|n| n == 1)) {
        let sent = Sent::new(PATH, chat::asked(&recording).in_anthropic_dialect());
        let exchange = bench.send("openai", sent, recording.reply(Some(7))).await;
        let expected = chat::read(recording.status, &recording.reply);
        failures.add(&recording.id, check_answer(expected, &exchange));
    }
    failures.none();
}

#[tokio::test]
async fn every_vendor_says_in_anthropics_dialect_what_was_recorded() {
    let bench = vendors_bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let folder = recording::exchanges().join(vendor.folder);
        pass_vendor(&bench, vendor, &recording::recordings(&folder), &mut failures).await;
        if has_recordings() {
            let recordings = recorded(vendor.folder);
            let passed = pass_vendor(&bench, vendor, &recordings, &mut failures).await;
            report("anthropic dialect", vendor.folder, recordings.len(), passed);
        }
    }
    failures.none();
}

#[tokio::test]
async fn a_stream_that_ends_after_any_event_is_an_error_in_anthropics_dialect() {
    let bench = vendors_bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let exchanges = recording::recordings(&recording::exchanges().join(vendor.folder));
        let early: Vec<_> = exchanges.iter().flat_map(Recording::ending_early).collect();
        pass_vendor(&bench, vendor, &early, &mut failures).await;
    }
    failures.none();
}

async fn vendors_bench() -> Bench {
    let plugins = ["anthropic", "google", "ollama", "openai"];
    Bench::start(Lane::Second, &plugins, &VENDORS.map(|vendor| vendor.instance)).await
}

async fn anthropic_bench(lane: Lane) -> Bench {
    Bench::start(lane, &["anthropic"], &[anthropic::VENDOR.instance]).await
}

async fn pass_recordings(lane: Lane, check: Check) {
    if !has_recordings() {
        return;
    }
    let bench = anthropic_bench(lane).await;
    let mut failures = Failures::default();
    let recordings = recorded(anthropic::VENDOR.folder);
    let mut passed = 0;
    for recording in &recordings {
        let exchange = exchange(&bench, recording, None).await;
        passed += failures.add(&recording.id, check(recording, &exchange));
    }
    let how = format!("anthropic dialect, {}", lane.name());
    report(&how, anthropic::VENDOR.folder, recordings.len(), passed);
    failures.none();
}

async fn exchange(bench: &Bench, recording: &Recording, piece: Option<usize>) -> Exchange {
    let sent = Sent::new(PATH, recording.request.clone()).header(BETA.0, BETA.1);
    bench.send(anthropic::VENDOR.instance.name, sent, recording.reply(piece)).await
}

/// Whether the request of an exchange is a whole one, that a client could send.
fn is_asked_so(recording: &Recording) -> bool {
    recording.client.is_none()
}

async fn pass_vendor(
    bench: &Bench,
    vendor: &Vendor,
    recordings: &[Recording],
    failures: &mut Failures,
) -> usize {
    let mut passed = 0;
    for recording in recordings.iter().filter(|it| is_asked_so(it)) {
        let sent = Sent::new(PATH, (vendor.asked)(recording).in_anthropic_dialect());
        let exchange = bench.send(vendor.instance.name, sent, recording.reply(None)).await;
        let expected = (vendor.read)(recording.status, &recording.reply);
        let place = format!("{}/{}", vendor.folder, recording.id);
        passed += failures.add(&place, check_answer(expected, &exchange));
    }
    passed
}

/// What a client of Anthropic's dialect got, against what the vendor said in another.
fn check_answer(expected: Said, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    let answer = &exchange.answer;
    let got = Recorded::of(answer.header("content-type"), &answer.text);
    if let Recorded::Events(stream) = &got {
        differences.0.extend(sequence::complaints(&events(stream)));
    }
    let mut actual = anthropic::read(answer.status, &got);
    actual.usage.zeros_may_lack = true;
    compare(&in_anthropics_words(expected), &actual, &answer.text, &mut differences);
    differences.0
}

/// What of an answer Anthropic's dialect has words for.
fn in_anthropics_words(mut said: Said) -> Said {
    said.opaque.clear();
    said.choices.retain(|index, _| *index == 0);
    said.usage = Usage { audio_in: None, audio_out: None, ..said.usage };
    // The parts of the input are counted apart, and cannot be more than their sum.
    let uncached = said.usage.input.map(|input| input - said.usage.cached.unwrap_or(0).min(input));
    said.usage.written = said.usage.written.min(uncached.or(said.usage.written));
    for choice in said.choices.values_mut() {
        // What is no JSON object is wrapped in one, as Anthropic advises.
        for arguments in choice.calls.iter_mut().map(|call| &mut call.arguments) {
            if !arguments.is_object() {
                *arguments = json!({"INVALID_JSON": arguments});
            }
        }
        let known = ["stop", "length", "tool_calls", "content_filter"];
        if choice.finish.iter().any(|word| !known.contains(&word.as_str())) {
            choice.finish.clear();
        }
        choice.text += &choice.refusal;
        if !std::mem::take(&mut choice.refusal).is_empty() {
            choice.finish = vec!["stop".to_owned(), "content_filter".to_owned()];
        }
    }
    said
}
