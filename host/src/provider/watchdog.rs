//! Watches the thread of one instance: says that the plugin's code blocks it while it does, and
//! brings a tripped instance back.
//!
//! It looks at a number that moves with each poll, a few times in the time that is allowed, and
//! only while there is work; the calls themselves pay for no clock. A thread that is stuck is given
//! up, never ended: nothing can end it but the plugin's code.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::in_process::Running;
use super::plugin_thread::PluginThread;
use super::state::Health;

/// How often it looks within the time for which a plugin may block.
const LOOKS: u32 = 4;

/// Watches until the instance is gone.
pub(super) async fn watch(running: Weak<Running>, health: Arc<Health>) {
    let mut blocking = None;
    while let Some(next) = look(&running, &health, &mut blocking).await {
        match next {
            Some(wait) => tokio::time::sleep(wait).await,
            None => health.work().await,
        }
    }
}

/// A poll or a drop that was running when it was looked at.
struct Poll {
    beat: u64,
    blocking: Blocking,
}

/// Code of a plugin's that has its thread and does not give it back.
pub(crate) struct Blocking {
    since: Instant,
    faults: u32,
}

/// Looks once, and says when to look again: after a time, or when there is work. `None` at the end.
async fn look(
    running: &Weak<Running>,
    health: &Health,
    blocking: &mut Option<Poll>,
) -> Option<Option<Duration>> {
    let running = running.upgrade()?;
    let often = health.limits().blocked / LOOKS;
    let thread = running.thread();
    see(health, &thread, blocking);
    match health.pause_left() {
        None => return Some((!thread.pulse().is_idle()).then_some(often)),
        Some(left) if !left.is_zero() => return Some(Some(left.min(often))),
        Some(_) => {}
    }
    let threads = health.status().threads;
    if thread.is_given_up() && threads > health.limits().stuck_threads {
        health.stay_tripped(threads);
    } else if let Err(error) = running.renew().await {
        health.trip(&format!("no new provider could be made: {}", error.message()));
    } else {
        *blocking = None;
        health.recover();
        tracing::info!("{}: takes calls again", health.instance());
    }
    Some(Some(often))
}

/// Sees a block, and gives the thread up where the instance is tripped for it.
fn see(health: &Health, thread: &PluginThread, blocking: &mut Option<Poll>) {
    let now = Instant::now();
    let beat = thread.pulse().running();
    if let Some(seen) = blocking.take_if(|seen| beat != Some(seen.beat)) {
        seen.blocking.ended(health, now);
    }
    let Some(beat) = beat else { return };
    let seen = blocking.get_or_insert(Poll { beat, blocking: Blocking::since(now) });
    if now < seen.blocking.next(health) {
        return;
    }
    seen.blocking.report(health, now);
    if let Some(refusal) = health.refusal() {
        thread.give_up(refusal);
    }
}

impl Blocking {
    /// Code that has run since a moment.
    pub(crate) fn since(since: Instant) -> Self {
        Self { since, faults: 0 }
    }

    /// When it will have run for too long once more.
    pub(crate) fn next(&self, health: &Health) -> Instant {
        self.since + health.limits().blocked.saturating_mul(self.faults.saturating_add(1))
    }

    /// Reports it while it lasts, and counts it as a fault.
    pub(crate) fn report(&mut self, health: &Health, now: Instant) {
        self.faults += 1;
        let seconds = (now - self.since).as_secs_f64();
        let what = format!("its code has blocked its thread for {seconds:.1} s");
        if self.faults.is_power_of_two() {
            tracing::warn!("{}: plugin `{}`: {what} so far", health.instance(), health.plugin());
        }
        health.fault(&what);
    }

    /// Says that it is over, where its beginning was reported.
    pub(crate) fn ended(&self, health: &Health, now: Instant) {
        if self.faults > 0 {
            let (instance, plugin) = (health.instance(), health.plugin());
            let seconds = (now - self.since).as_secs_f64();
            tracing::info!(
                "{instance}: plugin `{plugin}`: gave its thread back after {seconds:.1} s"
            );
        }
    }
}
