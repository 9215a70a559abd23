//! The state of an instance that has faults, and waiting for it.
//!
//! The thresholds are small here, and tests wait for what must come about: none measures a time.

use std::time::Duration;

use allos_host::{Host, InstanceState, InstanceStatus};
use allos_plugin_api::{ErrorKind, ProviderError};
use rustix::process::Pid;

use crate::calls::{assert_neighbours_answer, soon};

/// Trips soon, and for longer than any test; not for a block, since a machine that is busy seems to.
pub(crate) const TRIPS: &str =
    "[containment]\nblocked_seconds = 60\nfaults = 3\npause_seconds = 600\n";

/// Trips as soon, and not for long.
pub(crate) const RECOVERS: &str =
    "[containment]\nblocked_seconds = 60\nfaults = 3\npause_seconds = 0.2\n";

/// Trips for a block, and for longer than any test.
pub(crate) const BLOCKS_TRIP: &str =
    "[containment]\nblocked_seconds = 0.2\nfaults = 3\npause_seconds = 600\nstuck_threads = 1\n";

/// Trips for a block, and not for long.
pub(crate) const BLOCKS_RECOVER: &str =
    "[containment]\nblocked_seconds = 0.2\nfaults = 3\npause_seconds = 0.2\nstuck_threads = 1\n";

/// The state and the counts of an instance.
pub(crate) fn status(host: &Host, provider: &str) -> InstanceStatus {
    host.provider(provider).expect("it is registered").status()
}

/// Waits until an instance is in some state, and tells which; its neighbours answer meanwhile.
pub(crate) async fn until(
    host: &Host,
    provider: &str,
    what: impl Fn(&InstanceStatus) -> bool,
) -> InstanceStatus {
    soon(async {
        loop {
            let status = status(host, provider);
            if what(&status) {
                return status;
            }
            assert_neighbours_answer(host).await;
        }
    })
    .await
}

pub(crate) fn is_tripped(status: &InstanceStatus) -> bool {
    matches!(status.state, InstanceState::Tripped { .. })
}

pub(crate) fn is_ready(status: &InstanceStatus) -> bool {
    status.state == InstanceState::Ready
}

/// The error of a call that a tripped instance refuses, or gave up.
pub(crate) fn assert_tripped(error: &ProviderError, reasons: &[&str]) {
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable(), "{error}");
    assert!(error.retry_after().is_some(), "{error}");
    for reason in reasons {
        assert!(error.message().contains(reason), "{error}");
    }
    let hint = error.hint().expect("a hint");
    assert!(hint.starts_with("it is tried again in "), "{hint}");
}

/// The process of an instance's worker, while it runs.
pub(crate) fn worker(host: &Host, instance: &str) -> Option<Pid> {
    let process = status(host, instance).worker.expect("it has a worker").process_id?;
    Pid::from_raw(process.cast_signed())
}

/// Waits until an instance has another worker than this one.
pub(crate) async fn until_restarted(host: &Host, instance: &str, old: Pid) -> Pid {
    soon(async {
        loop {
            match worker(host, instance) {
                Some(new) if new != old => return new,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await
}

/// Waits until a process that is not this one's child is gone; one that nobody has reaped yet is.
pub(crate) async fn until_gone(process: Pid) {
    soon(async {
        while is_running(process) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Whether a process is there and has not ended.
pub(crate) fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}
