//! A provider in the host's process: calls over the vtable, each a task on the instance's own thread.
//!
//! Payloads are encoded and decoded by the caller, so that the plugin's thread does the plugin's
//! work alone. Whoever drops a call stops its task, and the plugin's future is dropped where it
//! was polled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use allos_plugin_abi::abi_stable::std_types::RResult;
use allos_plugin_abi::{FrameStreamBox, Outcome, Payload, PluginRef, ProviderBox};
use allos_plugin_api::boundary::payload::{decode_error, encode};
use allos_plugin_api::{ErrorKind, ProviderConfig, ProviderError};
use tokio::sync::{mpsc, oneshot};

use super::plugin_thread::PluginThread;
use super::running::timed_out;
use super::state::Health;
use super::vtable::{Operation, finish, next_frame, panicked};
use super::watchdog;
use crate::services::{AbortOnDrop, Services};

/// How long a plugin may take to make a provider.
pub(crate) const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many chunks wait for the caller before the plugin does.
const CHUNKS_AHEAD: usize = 32;

/// A provider that a plugin has made, on a thread of its own.
#[derive(Clone)]
pub(crate) struct InProcess(Arc<Running>);

/// What the calls and the watchdog of an instance share.
pub(super) struct Running {
    recipe: Recipe,
    health: Arc<Health>,
    provider: Mutex<Arc<OnThread>>,
}

/// What a provider is made of.
pub(crate) struct Recipe {
    pub(crate) module: PluginRef,
    pub(crate) config: ProviderConfig,
    pub(crate) services: Services,
}

impl InProcess {
    /// Has a plugin make a provider, and watches it from now on.
    pub(crate) async fn create(recipe: Recipe, health: Arc<Health>) -> Result<Self, ProviderError> {
        let provider = recipe.make(PluginThread::start(&health)?).await?;
        let provider = Mutex::new(Arc::new(provider));
        let running = Arc::new(Running { recipe, health: health.clone(), provider });
        tokio::spawn(watchdog::watch(Arc::downgrade(&running), health));
        Ok(Self(running))
    }

    /// The state and the counts.
    pub(super) fn health(&self) -> &Arc<Health> {
        &self.0.health
    }

    /// Carries out an operation, within a time. An error is the host's own.
    pub(super) async fn call(
        &self,
        operation: Operation<'static>,
        input: Payload,
        timeout: Duration,
    ) -> Result<Outcome, ProviderError> {
        let provider = self.0.provider().clone();
        let running = run(&provider.thread.clone(), async move {
            let future = operation.start(provider.get()?, input);
            Ok::<_, ProviderError>(finish(future).await)
        });
        running.within(timeout, "no answer").await?
    }

    /// Starts a stream; its frames wait in the channel. Dropping them ends it.
    pub(super) fn stream_chat(&self, request: Payload) -> ThreadFrames {
        let provider = self.0.provider().clone();
        let thread = provider.thread.clone();
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let stop = thread.spawn(async move {
            if let Ok(provider) = provider.get() {
                pump(provider.stream_chat(request), sender).await;
            }
        });
        ThreadFrames { receiver, thread, _stop: AbortOnDrop(stop) }
    }
}

impl Running {
    /// The thread that calls go to.
    pub(super) fn thread(&self) -> Arc<PluginThread> {
        self.provider().thread.clone()
    }

    /// Has the plugin make its provider once more, on a new thread where the old one is stuck.
    pub(super) async fn renew(&self) -> Result<(), ProviderError> {
        let old = self.thread();
        let thread = if old.is_given_up() { PluginThread::start(&self.health)? } else { old };
        let made = Arc::new(self.recipe.make(thread).await?);
        *self.provider() = made;
        Ok(())
    }

    fn provider(&self) -> MutexGuard<'_, Arc<OnThread>> {
        self.provider.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The watchdog then sees that there is nothing left to watch.
        self.health.wake_watchdog();
    }
}

impl Recipe {
    async fn make(&self, thread: Arc<PluginThread>) -> Result<OnThread, ProviderError> {
        let config = encode(&self.config)?;
        let (module, services) = (self.module, self.services.clone());
        let on_thread = thread.clone();
        let made = run(&thread, async move {
            let made = (module.create())(config, services.into_vtable()).into_result();
            made.map(|provider| OnThread { provider: Some(provider), thread: on_thread })
        });
        let made = made.within(CREATE_TIMEOUT, "the plugin did not make a provider").await?;
        made.map_err(|error| decode_error(&error))
    }
}

/// The frames of a stream that a plugin's thread makes.
pub(super) struct ThreadFrames {
    receiver: mpsc::Receiver<Outcome>,
    thread: Arc<PluginThread>,
    _stop: AbortOnDrop,
}

impl ThreadFrames {
    /// The next one; `None` at the end. An error is the host's own.
    pub(super) async fn next(&mut self) -> Result<Option<Outcome>, ProviderError> {
        self.thread.unless_given_up(self.receiver.recv()).await
    }
}

async fn pump(mut frames: FrameStreamBox, sender: mpsc::Sender<Outcome>) {
    while let Some(frame) = next_frame(&mut frames).await {
        let last = matches!(frame, RResult::RErr(_));
        if sender.send(frame).await.is_err() || last {
            return;
        }
    }
}

/// A task on the plugin's thread, whose result the caller awaits.
struct Task<T> {
    result: oneshot::Receiver<T>,
    thread: Arc<PluginThread>,
    _stop: AbortOnDrop,
}

fn run<T: Send + 'static>(
    thread: &Arc<PluginThread>,
    work: impl Future<Output = T> + Send + 'static,
) -> Task<T> {
    let (sender, result) = oneshot::channel();
    let stop = thread.spawn(async move {
        // Nobody waits any more where this fails.
        let _unwanted = sender.send(work.await);
    });
    Task { result, thread: thread.clone(), _stop: AbortOnDrop(stop) }
}

impl<T> Task<T> {
    async fn within(self, limit: Duration, otherwise: &str) -> Result<T, ProviderError> {
        match tokio::time::timeout(limit, self.thread.unless_given_up(self.result)).await {
            Ok(Ok(Ok(result))) => Ok(result),
            Ok(Err(given_up)) => Err(given_up),
            Ok(Ok(Err(_))) => {
                Err(ProviderError::new(ErrorKind::Unavailable, "the plugin's thread has ended"))
            }
            Err(_) => Err(timed_out(otherwise, limit)),
        }
    }
}

/// A provider whose last owner has it dropped on the plugin's thread.
struct OnThread {
    provider: Option<ProviderBox>,
    thread: Arc<PluginThread>,
}

impl OnThread {
    fn get(&self) -> Result<&ProviderBox, ProviderError> {
        self.provider.as_ref().ok_or_else(panicked)
    }
}

impl Drop for OnThread {
    fn drop(&mut self) {
        if let Some(provider) = self.provider.take() {
            self.thread.spawn(async move { drop(provider) });
        }
    }
}
