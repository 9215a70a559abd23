//! An instance whose provider is in a worker: its calls and streams.
//!
//! A call goes to the worker that is there. Where one is being started it waits for that, as long
//! as its own deadline allows; once it was sent, it ends with the worker that got it.

use std::sync::Arc;
use std::time::Duration;

use allos_plugin_abi::abi_stable::std_types::RResult;
use allos_plugin_abi::{Outcome, Payload};
use allos_plugin_api::{ErrorKind, ProviderError};
use tokio::sync::{oneshot, watch};

use super::exchange::Exchange;
use super::operations::{STREAM_CHAT, name_of};
use super::supervisor::{self, Link, Recipe, View};
use crate::provider::{Health, Operation, timed_out};

/// The provider of an instance, in a worker. Cheap to clone; the last one ends the worker.
#[derive(Clone)]
pub(crate) struct Worker(Arc<Inner>);

struct Inner {
    view: watch::Receiver<View>,
    health: Arc<Health>,
    /// Dropping it ends the supervisor, and that the worker.
    _wanted: oneshot::Sender<()>,
}

impl Worker {
    /// Starts a worker, and a new one whenever it ends.
    ///
    /// # Errors
    ///
    /// Where the plugin cannot be opened there, or makes no provider. A worker that crashes or
    /// hangs instead is a fault of the instance, and is started again.
    pub(crate) async fn create(recipe: Recipe, health: Arc<Health>) -> Result<Self, ProviderError> {
        let (sender, view) = watch::channel(View::new());
        let (wanted, unwanted) = oneshot::channel();
        let (first, begun) = oneshot::channel();
        tokio::spawn(supervisor::run(recipe, health.clone(), sender, first, unwanted));
        begun.await.map_err(|_| stopped())??;
        Ok(Self(Arc::new(Inner { view, health, _wanted: wanted })))
    }

    /// The state and the counts.
    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.0.health
    }

    /// Carries out an operation, within a time. An error is the host's own.
    pub(crate) async fn call(
        &self,
        operation: Operation<'static>,
        input: &Payload,
        timeout: Duration,
    ) -> Result<Outcome, ProviderError> {
        let answer = async {
            let mut asked = self.ask(&name_of(operation), input).await?;
            let answer = self.answer_to(&mut asked).await?;
            answer.ok_or_else(|| ProviderError::malformed_reply("the worker gave no answer"))
        };
        let answer = tokio::time::timeout(timeout, answer).await;
        answer.map_err(|_| timed_out("no answer", timeout))?
    }

    /// Starts a stream. Dropping its frames ends it.
    pub(crate) fn stream_chat(&self, request: Payload) -> WorkerFrames {
        WorkerFrames { worker: self.clone(), state: State::Asking(request) }
    }

    /// Sends a request to the worker that is there, or is there next.
    async fn ask(&self, what: &str, input: &[u8]) -> Result<Asked, ProviderError> {
        let mut view = self.0.view.clone();
        loop {
            let (generation, connection) = {
                let view = view.wait_for(|view| !matches!(view.link, Link::Starting)).await;
                let view = view.map_err(|_| stopped())?;
                match &view.link {
                    Link::Up(connection) => (view.generation, connection.clone()),
                    Link::Starting | Link::Down => {
                        return Err(self.0.health.refusal().unwrap_or_else(stopped));
                    }
                }
            };
            if let Ok(exchange) = connection.open(what, &[input]) {
                return Ok(Asked { exchange, generation });
            }
            // That worker is gone, and was not sent the request: its successor is.
            view.wait_for(|view| view.generation > generation).await.map_err(|_| stopped())?;
        }
    }

    /// The next item of an answer; where its worker is gone, how that went.
    async fn answer_to(&self, asked: &mut Asked) -> Result<Option<Outcome>, ProviderError> {
        if let Ok(answer) = asked.exchange.next().await {
            return Ok(answer.map(outcome));
        }
        let mut view = self.0.view.clone();
        let gone = view.wait_for(|view| view.generation > asked.generation).await;
        Err(gone.ok().and_then(|view| view.ended.clone()).unwrap_or_else(stopped))
    }
}

/// A request that a worker has got.
struct Asked {
    exchange: Exchange,
    generation: u64,
}

fn outcome(answer: Result<bytes::Bytes, bytes::Bytes>) -> Outcome {
    match answer {
        Ok(payload) => RResult::ROk(Payload::from(&*payload)),
        Err(error) => RResult::RErr(Payload::from(&*error)),
    }
}

fn stopped() -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, "the host is shutting down")
}

/// The frames of a stream that a worker makes.
pub(crate) struct WorkerFrames {
    worker: Worker,
    state: State,
}

enum State {
    Asking(Payload),
    Answered(Asked),
}

impl WorkerFrames {
    /// The next one; `None` at the end. An error is the host's own.
    pub(crate) async fn next(&mut self) -> Result<Option<Outcome>, ProviderError> {
        if let State::Asking(request) = &self.state {
            self.state = State::Answered(self.worker.ask(STREAM_CHAT, request).await?);
        }
        match &mut self.state {
            State::Answered(asked) => self.worker.answer_to(asked).await,
            State::Asking(_) => Ok(None),
        }
    }
}
