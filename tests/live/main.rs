//! The real services behind the real gateway: a test program without a harness, because it says
//! what it skipped and why.
//!
//! It asks nobody unless `ALLOS_LIVE_TESTS` is 1. Then each provider whose key is set gets a
//! gateway of its own, and one line for each thing that was tried. It never shows a key.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking
#![allow(clippy::print_stdout)] // a test program says on stdout how it went

// What the contract is tested with serves here too; this program does not use all of it.
#[path = "../contract/artifact.rs"]
#[allow(dead_code)]
mod artifact;
mod checks;
#[path = "../contract/client.rs"]
#[allow(dead_code)]
mod client;
#[path = "../contract/folder.rs"]
#[allow(dead_code)]
mod folder;
#[path = "../contract/process.rs"]
#[allow(dead_code)]
mod process;
mod providers;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use checks::{Asked, Check};
use providers::{PROVIDERS, Provider};

/// More than any single answer takes.
const PATIENCE: Duration = Duration::from_mins(3);

/// What came of a check.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    // What tools ask to learn which tests a harness has: this one has none by name.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let filters: Vec<_> = arguments.iter().filter(|it| !it.starts_with('-')).collect();
    let is_wanted = |provider: &&Provider| {
        let name = format!("live::{}", provider.name);
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut has_failed = false;
    for provider in PROVIDERS.iter().filter(is_wanted) {
        match provider.reason_to_skip() {
            Some(reason) => println!("live: {}: skipped ({reason})", provider.name),
            None => has_failed |= !runtime.block_on(try_all(provider)),
        }
    }
    if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Tries everything with one provider, and tells whether all of it went well.
async fn try_all(provider: &'static Provider) -> bool {
    let Ok(asked) = AssertUnwindSafe(Asked::start(provider)).catch_unwind().await else {
        println!("live: {}: failed: the gateway does not start", provider.name);
        return false;
    };
    let mut is_fine = true;
    for check in Check::ALL {
        if let Some(reason) = check.reason_to_skip(provider) {
            println!("live: {}: {}: skipped ({reason})", provider.name, check.name());
            continue;
        }
        let began = Instant::now();
        let outcome = outcome(check, &asked).await;
        let seconds = began.elapsed().as_secs_f32();
        is_fine &= outcome.is_ok();
        let said = match outcome {
            Ok(()) => format!("passed ({seconds:.1} s)"),
            Err(reason) => format!("failed: {reason}"),
        };
        println!("live: {}: {}: {said}", provider.name, check.name());
    }
    is_fine
}

/// Runs a check; one that panics or takes too long has failed.
async fn outcome(check: Check, asked: &Asked) -> Outcome {
    let running = AssertUnwindSafe(check.run(asked)).catch_unwind();
    match tokio::time::timeout(PATIENCE, running).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => Err("it panicked, as is said on stderr".to_owned()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
