//! Every vendor behind OpenAI's dialect: what its recordings say is what a client of
//! `/v1/chat/completions` gets, and what the client asks is what reaches the vendor.

use crate::client::Answer;
use crate::wire::bench::{Bench, Exchange, Lane, Sent};
use crate::wire::difference::Differences;
use crate::wire::recording::{self, Recorded, Recording};
use crate::wire::said::compare;
use crate::wire::vendors::{VENDORS, Vendor, chat};
use crate::wire::{Failures, delivered_in_pieces, has_recordings, recorded, report};

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn every_vendor_says_in_openais_dialect_what_was_recorded() {
    if !has_recordings() {
        return;
    }
    let bench = bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let recordings = recorded(vendor.folder);
        let passed = pass(&bench, vendor, &recordings, &mut failures).await;
        report("openai dialect", vendor.folder, recordings.len(), passed);
    }
    failures.none();
}

#[tokio::test]
async fn every_vendor_says_in_openais_dialect_what_its_documentation_says() {
    let bench = bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let exchanges = recording::recordings(&recording::exchanges().join(vendor.folder));
        pass(&bench, vendor, &exchanges, &mut failures).await;
        pass_in_pieces(&bench, vendor, &exchanges, &mut failures).await;
    }
    failures.none();
}

#[tokio::test]
async fn a_vendors_reply_survives_any_split_of_its_bytes() {
    if !has_recordings() {
        return;
    }
    let bench = bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let recordings = recorded(vendor.folder);
        pass_in_pieces(&bench, vendor, &recordings, &mut failures).await;
    }
    failures.none();
}

#[tokio::test]
async fn a_stream_that_ends_after_any_event_keeps_its_text_and_is_an_error() {
    let bench = bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let exchanges = recording::recordings(&recording::exchanges().join(vendor.folder));
        let early: Vec<_> = exchanges.iter().flat_map(Recording::ending_early).collect();
        pass(&bench, vendor, &early, &mut failures).await;
    }
    failures.none();
}

async fn bench() -> Bench {
    let plugins = ["anthropic", "google", "ollama", "openai"];
    Bench::start(Lane::First, &plugins, &VENDORS.map(|vendor| vendor.instance)).await
}

/// How many recordings pass in one piece.
async fn pass(
    bench: &Bench,
    vendor: &Vendor,
    recordings: &[Recording],
    failures: &mut Failures,
) -> usize {
    let mut passed = 0;
    for recording in recordings {
        let place = format!("{}/{}", vendor.folder, recording.id);
        passed += failures.add(&place, exchange(bench, vendor, recording, None).await);
    }
    passed
}

async fn pass_in_pieces(
    bench: &Bench,
    vendor: &Vendor,
    recordings: &[Recording],
    failures: &mut Failures,
) {
    for (recording, piece) in delivered_in_pieces(recordings) {
        let place = format!("{}/{} by {piece}", vendor.folder, recording.id);
        failures.add(&place, exchange(bench, vendor, recording, Some(piece)).await);
    }
}

async fn exchange(
    bench: &Bench,
    vendor: &Vendor,
    recording: &Recording,
    piece: Option<usize>,
) -> Vec<String> {
    let sent = Sent::new(PATH, vendor.client_request(recording));
    let exchange = bench.send(vendor.instance.name, sent, recording.reply(piece)).await;
    check(vendor, recording, &exchange)
}

fn check(vendor: &Vendor, recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    if let Some(received) = exchange.reached(&mut differences) {
        vendor.check_arrival(recording, received, &mut differences);
    }
    let answer = &exchange.answer;
    let expected = (vendor.read)(recording.status, &recording.reply);
    let got = Recorded::of(answer.header("content-type"), &answer.text);
    let actual = chat::read(answer.status, &got);
    compare(&expected, &actual, &answer.text, &mut differences);
    check_retry(recording, answer, &mut differences);
    if expected.error.is_some() && answer.text.contains("\"finish_reason\":\"") {
        differences.0.push(format!("it failed, and has ended all the same: {}", answer.text));
    }
    differences.0
}

/// Whether and when to ask again is known from the vendor's status and header.
fn check_retry(recording: &Recording, answer: &Answer, differences: &mut Differences) {
    let wait = recording.headers.get("retry-after");
    if let Some(wait) = wait.filter(|_| recording.status >= 400) {
        differences.equal("retry-after", wait, &answer.header("retry-after").into());
    }
    if [429, 503, 529].contains(&recording.status) {
        let advice = answer.header("x-should-retry");
        differences.equal("x-should-retry", &"true".into(), &advice.into());
    }
}
