//! Calls over the vtable, each as a task on the plugin's own thread.
//!
//! Payloads are encoded and decoded by the caller, so that the plugin's thread does the plugin's
//! work alone. Whoever drops a call stops its task, and the plugin's future is dropped where it
//! was polled.

use std::sync::Arc;
use std::time::Duration;

use allos_plugin_abi::abi_stable::std_types::{ROption, RResult, RStr};
use allos_plugin_abi::async_ffi::{ContextExt, FfiFuture, FfiPoll};
use allos_plugin_abi::{FrameStreamBox, Outcome, Payload, PluginRef, ProviderBox};
use allos_plugin_api::boundary::payload::{decode, decode_error, encode};
use allos_plugin_api::{ErrorKind, ProviderConfig, ProviderError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use super::plugin_thread::PluginThread;
use crate::services::{AbortOnDrop, Services};

/// How long a plugin may take to make a provider.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many chunks wait for the caller before the plugin does.
const CHUNKS_AHEAD: usize = 32;

/// A provider that a plugin has made, on the plugin's thread.
#[derive(Clone)]
pub(crate) struct RunningProvider {
    provider: Arc<OnThread>,
    thread: Arc<PluginThread>,
}

/// An operation of a provider, as the vtable has it.
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Chat,
    ContextWindow,
    Optional(&'static str),
}

impl Operation {
    fn start(self, provider: &ProviderBox, input: Payload) -> FfiFuture<Outcome> {
        match self {
            Self::Chat => provider.chat(input),
            Self::ContextWindow => provider.context_window(input),
            Self::Optional(name) => provider.call(RStr::from_str(name), input),
        }
    }
}

impl RunningProvider {
    /// Has a plugin make a provider.
    pub(crate) async fn create(
        module: PluginRef,
        thread: Arc<PluginThread>,
        config: &ProviderConfig,
        services: Services,
    ) -> Result<Self, ProviderError> {
        let config = encode(config)?;
        let made = run(&thread, async move {
            (module.create())(config, services.into_vtable()).into_result()
        })?;
        let provider = made
            .within(CREATE_TIMEOUT, "the plugin did not make a provider")
            .await?
            .map_err(|error| decode_error(&error))?;
        let provider = Arc::new(OnThread { provider: Some(provider), thread: thread.clone() });
        Ok(Self { provider, thread })
    }

    /// Carries out an operation, within a time.
    pub(crate) async fn call<In: Serialize + ?Sized, Out: DeserializeOwned>(
        &self,
        operation: Operation,
        input: &In,
        timeout: Duration,
    ) -> Result<Out, ProviderError> {
        let input = encode(input)?;
        let provider = self.provider.clone();
        let running = run(&self.thread, async move {
            let future = operation.start(provider.get()?, input);
            Ok::<_, ProviderError>(finish(future).await)
        })?;
        match running.within(timeout, "no answer").await?? {
            Ok(RResult::ROk(output)) => decode(&output),
            Ok(RResult::RErr(error)) => Err(decode_error(&error)),
            Err(error) => Err(error),
        }
    }

    /// Starts a stream; its frames wait in the channel. Dropping the channel and the guard ends it.
    pub(crate) fn stream_chat<In: Serialize>(&self, request: &In) -> Result<Frames, ProviderError> {
        let request = encode(request)?;
        let provider = self.provider.clone();
        let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
        let runtime = self.thread.runtime().map_err(|error| no_thread(&error))?;
        let task = runtime.spawn(async move {
            if let Ok(provider) = provider.get() {
                pump(provider.stream_chat(request), sender).await;
            }
        });
        Ok(Frames { receiver, _stop: AbortOnDrop(task.abort_handle()) })
    }
}

/// The chunks of a stream, still encoded.
pub(crate) struct Frames {
    receiver: mpsc::Receiver<Outcome>,
    _stop: AbortOnDrop,
}

impl Frames {
    /// The next one; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Outcome> {
        self.receiver.recv().await
    }
}

async fn pump(mut frames: FrameStreamBox, sender: mpsc::Sender<Outcome>) {
    loop {
        let polled = std::future::poll_fn(|context| {
            let polled = context.with_ffi_context(|context| frames.poll_next(context));
            match polled {
                FfiPoll::Ready(item) => std::task::Poll::Ready(Some(item)),
                FfiPoll::Pending => std::task::Poll::Pending,
                FfiPoll::Panicked => std::task::Poll::Ready(None),
            }
        })
        .await;
        let item = match polled {
            Some(ROption::RSome(item)) => item,
            Some(ROption::RNone) => return,
            None => RResult::RErr(encode(&panicked()).unwrap_or_default()),
        };
        let last = item.is_err();
        if sender.send(item).await.is_err() || last {
            return;
        }
    }
}

/// Awaits a future of the plugin's. Such a future panics where its poll did.
async fn finish(future: FfiFuture<Outcome>) -> Result<Outcome, ProviderError> {
    use futures_util::FutureExt;
    std::panic::AssertUnwindSafe(future).catch_unwind().await.map_err(|_| panicked())
}

fn panicked() -> ProviderError {
    ProviderError::new(ErrorKind::Panicked, "the plugin panicked across its boundary")
}

fn no_thread(error: &std::io::Error) -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, format!("no thread for the plugin: {error}"))
}

/// A task on the plugin's thread, whose result the caller awaits.
struct Running<T> {
    result: oneshot::Receiver<T>,
    _stop: AbortOnDrop,
}

fn run<T: Send + 'static>(
    thread: &PluginThread,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<Running<T>, ProviderError> {
    let (sender, result) = oneshot::channel();
    let runtime = thread.runtime().map_err(|error| no_thread(&error))?;
    let task = runtime.spawn(async move {
        // Nobody waits any more where this fails.
        let _unwanted = sender.send(work.await);
    });
    Ok(Running { result, _stop: AbortOnDrop(task.abort_handle()) })
}

impl<T> Running<T> {
    async fn within(self, limit: Duration, otherwise: &str) -> Result<T, ProviderError> {
        match tokio::time::timeout(limit, self.result).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => {
                Err(ProviderError::new(ErrorKind::Unavailable, "the plugin's thread has ended"))
            }
            Err(_) => Err(timed_out(otherwise, limit)),
        }
    }
}

/// The error of something that did not happen within a time.
pub(crate) fn timed_out(what: &str, limit: Duration) -> ProviderError {
    ProviderError::new(ErrorKind::Timeout, format!("{what} within {} s", limit.as_secs_f64()))
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
        if let Ok(runtime) = self.thread.runtime() {
            let provider = self.provider.take();
            runtime.spawn(async move { drop(provider) });
        }
    }
}
