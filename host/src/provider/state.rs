//! What state an instance is in, and what it is counted by.
//!
//! A fault is a panic, a time for which the plugin's code blocked its thread, or the end of its
//! worker. So many in a row, with no call between them that ended as it should, trip the instance:
//! it refuses calls until a pause is over. The first fault after that trips it again, the first call that ends well forgets.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use allos_plugin_api::{ErrorKind, ProviderError};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::redaction::Redaction;
use crate::config::ContainmentConfig;

/// The longest reason, in bytes: a part of it is the plugin's own.
const MAX_REASON: usize = 300;

/// Whether an instance can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// It can.
    Ready,
    /// It lacks what only the operator can give, such as its key.
    NotConfigured {
        /// What is missing.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It could not be made.
    Failed {
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Its plugin failed again and again; it refuses calls until it is tried again.
    Tripped {
        /// What its plugin did.
        reason: String,
        /// When it is tried again, or what to do about it.
        hint: Option<String>,
    },
}

/// An instance at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// Whether it can answer.
    pub state: InstanceState,
    /// Since when it is in this state.
    pub since: SystemTime,
    /// How often its plugin has panicked, blocked its thread or ended its worker.
    pub faults: u64,
    /// The calls that are running, or wait to run.
    pub calls_in_flight: usize,
    /// The threads of the host on which its plugin's code is: one, and those that have not come
    /// back. None for a worker.
    pub threads: usize,
    /// Its worker, where its plugin does not run in the host's process.
    pub worker: Option<WorkerStatus>,
}

/// The process in which an instance's plugin runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its process id, while it runs.
    pub process_id: Option<u32>,
    /// How often it was started again.
    pub restarts: u64,
}

/// The state and the counts of an instance that runs.
pub(crate) struct Health {
    instance: String,
    plugin: String,
    limits: ContainmentConfig,
    redaction: Redaction,
    current: Mutex<Current>,
    faults: AtomicU64,
    in_a_row: AtomicU32,
    calls: AtomicUsize,
    threads: AtomicUsize,
    watchdog: Notify,
    worker: Mutex<Option<WorkerStatus>>,
}

struct Current {
    tripped: Option<Trip>,
    since: SystemTime,
}

#[derive(Clone)]
struct Trip {
    reason: String,
    until: Instant,
    /// So many threads are stuck that it gets no further one.
    stuck: Option<usize>,
}

/// Something that is counted while it is there.
pub(crate) struct Counted {
    health: Arc<Health>,
    count: fn(&Health) -> &AtomicUsize,
}

impl Health {
    /// An instance without faults.
    pub(crate) fn new(
        instance: &str,
        plugin: &str,
        limits: &ContainmentConfig,
        redaction: Redaction,
    ) -> Arc<Self> {
        Arc::new(Self {
            instance: instance.to_owned(),
            plugin: plugin.to_owned(),
            limits: limits.clone(),
            redaction,
            current: Mutex::new(Current { tripped: None, since: SystemTime::now() }),
            faults: AtomicU64::new(0),
            in_a_row: AtomicU32::new(0),
            calls: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            watchdog: Notify::new(),
            worker: Mutex::default(),
        })
    }

    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    pub(crate) fn plugin(&self) -> &str {
        &self.plugin
    }

    pub(crate) fn limits(&self) -> &ContainmentConfig {
        &self.limits
    }

    /// The state and the counts, for whoever asks.
    pub(crate) fn status(&self) -> InstanceStatus {
        let (state, since) = {
            let current = self.current();
            let state = current.tripped.as_ref().map(|trip| self.tripped(trip));
            (state.unwrap_or(InstanceState::Ready), current.since)
        };
        InstanceStatus {
            state,
            since,
            faults: self.faults.load(Ordering::Relaxed),
            calls_in_flight: self.calls.load(Ordering::Relaxed),
            threads: self.threads.load(Ordering::Relaxed),
            worker: *self.worker(),
        }
    }

    /// Notes that a worker runs, the first or one more.
    pub(crate) fn worker_started(&self, process_id: Option<u32>) {
        let mut worker = self.worker();
        let restarts = worker.map_or(0, |before| before.restarts + 1);
        *worker = Some(WorkerStatus { process_id, restarts });
    }

    /// Notes that the worker is gone.
    pub(crate) fn worker_ended(&self) {
        self.worker().get_or_insert_default().process_id = None;
    }

    fn worker(&self) -> MutexGuard<'_, Option<WorkerStatus>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, unless the instance is tripped.
    pub(crate) fn begin_call(self: &Arc<Self>) -> Result<Counted, ProviderError> {
        self.refusal().map_or_else(|| Ok(self.count(|health| &health.calls)), Err)
    }

    /// Counts a thread until it ends.
    pub(crate) fn count_thread(self: &Arc<Self>) -> Counted {
        self.count(|health| &health.threads)
    }

    fn count(self: &Arc<Self>, count: fn(&Self) -> &AtomicUsize) -> Counted {
        count(self).fetch_add(1, Ordering::Relaxed);
        Counted { health: self.clone(), count }
    }

    /// Learns from the outcome of a call.
    pub(crate) fn note<T>(&self, outcome: &Result<T, ProviderError>) {
        match outcome {
            Err(error) if *error.kind() == ErrorKind::Panicked => self.fault(error.message()),
            _ if self.in_a_row.load(Ordering::Relaxed) == 0 => {}
            _ => self.in_a_row.store(0, Ordering::Relaxed),
        }
    }

    /// Counts a fault; the last of too many in a row trips the instance.
    pub(crate) fn fault(&self, what: &str) {
        self.faults.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // Of several at once, one is the last.
        if in_a_row != self.limits.faults || self.refusal().is_some() {
            return;
        }
        self.trip(&format!("the plugin failed {in_a_row} times in a row, the last time: {what}"));
    }

    /// Refuses calls from now on, until a pause is over.
    pub(crate) fn trip(&self, reason: &str) {
        let reason = self.redaction.text(reason.lines().next().unwrap_or_default());
        let reason = reason[..reason.floor_char_boundary(MAX_REASON)].to_owned();
        let trip = Trip { reason, until: self.end_of_pause(), stuck: None };
        self.tell(&trip);
        let mut current = self.current();
        if current.tripped.replace(trip).is_none() {
            current.since = SystemTime::now();
        }
        drop(current);
        self.wake_watchdog();
    }

    /// Refuses calls for one more pause, because so many threads are stuck.
    pub(crate) fn stay_tripped(&self, stuck: usize) {
        let until = self.end_of_pause();
        let Some(before) = self.current().tripped.clone() else { return };
        let trip = Trip { until, stuck: Some(stuck), ..before };
        if before.stuck.is_none() {
            self.tell(&trip);
        }
        self.current().tripped = Some(trip);
    }

    fn end_of_pause(&self) -> Instant {
        Instant::now() + self.limits.pause
    }

    fn tell(&self, trip: &Trip) {
        let Self { instance, plugin, .. } = self;
        let hint = self.hint(trip);
        tracing::error!("{instance}: plugin `{plugin}`: tripped: {} (hint: {hint})", trip.reason);
    }

    /// Takes calls again. The next fault trips it at once.
    pub(crate) fn recover(&self) {
        *self.current() = Current { tripped: None, since: SystemTime::now() };
        self.in_a_row.store(self.limits.faults.saturating_sub(1), Ordering::Relaxed);
    }

    /// The faults since the last call that ended as it should.
    pub(crate) fn faults_in_a_row(&self) -> u32 {
        self.in_a_row.load(Ordering::Relaxed)
    }

    /// How long it stays tripped.
    pub(crate) fn pause_left(&self) -> Option<Duration> {
        self.current().tripped.as_ref().map(Trip::left)
    }

    /// Why a call is refused, if it is.
    pub(crate) fn refusal(&self) -> Option<ProviderError> {
        let trip = self.current().tripped.clone()?;
        Some(self.tripped(&trip).to_error().with_retry_after(trip.left()))
    }

    /// Has the watchdog look.
    pub(crate) fn wake_watchdog(&self) {
        self.watchdog.notify_one();
    }

    /// Waits until the watchdog must look.
    pub(crate) async fn work(&self) {
        self.watchdog.notified().await;
    }

    fn tripped(&self, trip: &Trip) -> InstanceState {
        InstanceState::Tripped { reason: trip.reason.clone(), hint: Some(self.hint(trip)) }
    }

    fn hint(&self, trip: &Trip) -> String {
        match trip.stuck {
            None => format!(
                "it is tried again in {:.0} s; the log tells of each fault",
                trip.left().as_secs_f64().ceil()
            ),
            Some(threads) => format!(
                "{threads} of its threads are stuck, so it is not tried again before one comes \
                 back; replace the plugin `{}`, or restart the host",
                self.plugin
            ),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InstanceStatus {
    /// An instance that has never run.
    pub(crate) fn unusable(state: InstanceState, since: SystemTime) -> Self {
        Self { state, since, faults: 0, calls_in_flight: 0, threads: 0, worker: None }
    }
}

impl Trip {
    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.health).fetch_sub(1, Ordering::Relaxed);
    }
}

impl InstanceState {
    /// Why it cannot answer, and what to do about it; `None` where it can.
    pub fn reason(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Ready => None,
            Self::NotConfigured { reason, hint }
            | Self::Failed { reason, hint }
            | Self::Tripped { reason, hint } => Some((reason, hint.as_deref())),
        }
    }

    /// What a call is answered with.
    pub(crate) fn to_error(&self) -> ProviderError {
        let kind = match self {
            Self::NotConfigured { .. } => ErrorKind::Authentication,
            Self::Failed { .. } => ErrorKind::Configuration,
            Self::Ready | Self::Tripped { .. } => ErrorKind::Unavailable,
        };
        let (reason, hint) = self.reason().unwrap_or(("the provider is gone", None));
        let error = ProviderError::new(kind, reason);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
