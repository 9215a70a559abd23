//! A thread of an instance's own, on which its plugin's code runs and its values are dropped.
//!
//! A plugin that blocks or spins starves that instance alone: callers wait on channels, with
//! deadlines, on their own threads. The thread ends with the last that holds it, once the plugin's
//! code lets it, and nobody waits for that: neither a neighbour nor the end of the host.

use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use allos_plugin_api::{ErrorKind, ProviderError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::state::Health;

thread_local! {
    /// Whose thread this is.
    static OWNER: RefCell<Option<Arc<Health>>> = const { RefCell::new(None) };
}

/// A thread for a plugin's code.
pub(crate) struct PluginThread {
    runtime: Handle,
    pulse: Arc<Pulse>,
    given_up: OnceLock<ProviderError>,
    giving_up: Notify,
    /// Dropping it ends the thread.
    _alive: oneshot::Sender<()>,
}

/// Whether the plugin's code runs, as a number that moves: odd inside of it, even outside.
pub(crate) struct Pulse {
    beat: AtomicU64,
    tasks: AtomicUsize,
    health: Arc<Health>,
}

impl PluginThread {
    /// A thread for an instance.
    ///
    /// # Errors
    ///
    /// Where the system has no thread left.
    pub(crate) fn start(health: &Arc<Health>) -> Result<Arc<Self>, ProviderError> {
        let (alive, ended) = oneshot::channel::<()>();
        let runtime = run(health.clone(), ended).map_err(|error| {
            ProviderError::new(ErrorKind::Unavailable, format!("no thread for the plugin: {error}"))
        })?;
        let (beat, tasks) = (AtomicU64::new(0), AtomicUsize::new(0));
        Ok(Arc::new(Self {
            runtime,
            pulse: Arc::new(Pulse { beat, tasks, health: health.clone() }),
            given_up: OnceLock::new(),
            giving_up: Notify::new(),
            _alive: alive,
        }))
    }

    /// Has work done on the thread.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        if self.pulse.tasks.fetch_add(1, Ordering::Relaxed) == 0 {
            self.pulse.health.wake_watchdog();
        }
        let watched = Watched { work: Some(Box::pin(work)), pulse: self.pulse.clone() };
        self.runtime.spawn(watched).abort_handle()
    }

    /// For the watchdog: what the plugin's code does.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Ends the wait of all who wait for this thread, with this error.
    pub(crate) fn give_up(&self, error: ProviderError) {
        let _only_once = self.given_up.set(error);
        self.giving_up.notify_waiters();
    }

    /// Whether it was stuck for too long.
    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.get().is_some()
    }

    /// What comes of a wait for this thread, unless the thread is given up before.
    pub(crate) async fn unless_given_up<T>(
        &self,
        wait: impl Future<Output = T>,
    ) -> Result<T, ProviderError> {
        let giving_up = self.giving_up.notified();
        if self.given_up.get().is_none() {
            tokio::select! {
                biased;
                outcome = wait => return Ok(outcome),
                () = giving_up => {}
            }
        }
        let unknown = || ProviderError::new(ErrorKind::Unavailable, "the plugin's thread is stuck");
        Err(self.given_up.get().cloned().unwrap_or_else(unknown))
    }
}

/// Counts a fault of the instance on whose thread the caller is, if it is one.
pub(crate) fn fault_on_this_thread(what: &str) {
    if let Some(health) = OWNER.with_borrow(Clone::clone) {
        health.fault(what);
    }
}

fn run(health: Arc<Health>, ended: oneshot::Receiver<()>) -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().build()?;
    let handle = runtime.handle().clone();
    let counted = health.count_thread();
    std::thread::Builder::new().name(format!("plugin {}", health.instance())).spawn(move || {
        let _counted = counted;
        OWNER.set(Some(health));
        // The sender is never used: the wait ends when it is dropped.
        let _dropped = runtime.block_on(ended);
        runtime.shutdown_background();
    })?;
    Ok(handle)
}

impl Pulse {
    /// Whether there is anything to watch.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.load(Ordering::Relaxed) == 0
    }

    /// A number that is the same for as long as one poll or drop runs; `None` where none does.
    pub(crate) fn running(&self) -> Option<u64> {
        let beat = self.beat.load(Ordering::Relaxed);
        (beat % 2 == 1).then_some(beat)
    }

    fn enter(&self) -> Inside<'_> {
        self.beat.fetch_add(1, Ordering::Relaxed);
        Inside(self)
    }
}

struct Inside<'a>(&'a Pulse);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.beat.fetch_add(1, Ordering::Relaxed);
    }
}

/// Work whose every poll, and whose drop, the watchdog sees.
struct Watched<F> {
    work: Option<Pin<Box<F>>>,
    pulse: Arc<Pulse>,
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { work, pulse } = &mut *self;
        let Some(running) = work else { return Poll::Ready(()) };
        let _inside = pulse.enter();
        let polled = running.as_mut().poll(context);
        if polled.is_ready() {
            *work = None;
        }
        polled
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if self.work.is_some() {
            let _inside = self.pulse.enter();
            self.work = None;
        }
        self.pulse.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}
