//! A provider that runs, in the host's process or in a worker: calls and streams, in types.
//!
//! This is the one place that knows of both. Each takes an encoded request and gives encoded
//! answers, which are the plugin's words; errors beside them are the host's own, and are no news of
//! the plugin.

use std::sync::Arc;
use std::time::Duration;

use allos_plugin_abi::abi_stable::std_types::RResult;
use allos_plugin_abi::{Outcome, Payload};
use allos_plugin_api::boundary::payload::{MAX_PAYLOAD, decode, decode_error, encode};
use allos_plugin_api::{ErrorKind, ProviderChunk, ProviderError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::in_process::{InProcess, ThreadFrames};
use super::state::{Counted, Health};
use super::vtable::Operation;
use crate::worker::{Worker, WorkerFrames};

/// Where the provider of an instance runs.
#[derive(Clone)]
pub(crate) enum RunningProvider {
    InProcess(InProcess),
    Worker(Worker),
}

impl RunningProvider {
    /// The state and the counts.
    pub(crate) fn health(&self) -> &Arc<Health> {
        match self {
            Self::InProcess(provider) => provider.health(),
            Self::Worker(worker) => worker.health(),
        }
    }

    /// Carries out an operation, within a time.
    pub(crate) async fn call<In: Serialize + ?Sized, Out: DeserializeOwned>(
        &self,
        operation: Operation<'static>,
        input: &In,
        timeout: Duration,
    ) -> Result<Out, ProviderError> {
        let _counted = self.health().begin_call()?;
        let input = encode_request(input)?;
        let outcome = match self {
            Self::InProcess(provider) => provider.call(operation, input, timeout).await,
            Self::Worker(worker) => worker.call(operation, &input, timeout).await,
        };
        let answer = match outcome? {
            RResult::ROk(output) => decode(&output),
            RResult::RErr(error) => Err(decode_error(&error)),
        };
        self.health().note(&answer);
        answer
    }

    /// Starts a stream. Dropping its frames ends it.
    pub(crate) fn stream_chat<In: Serialize>(&self, request: &In) -> Result<Frames, ProviderError> {
        let counted = self.health().begin_call()?;
        let request = encode_request(request)?;
        let source = match self {
            Self::InProcess(provider) => Source::Thread(provider.stream_chat(request)),
            Self::Worker(worker) => Source::Worker(worker.stream_chat(request)),
        };
        Ok(Frames { source, health: self.health().clone(), _counted: counted })
    }
}

/// The chunks of a stream as the plugin sends them.
pub(crate) struct Frames {
    source: Source,
    health: Arc<Health>,
    _counted: Counted,
}

enum Source {
    Thread(ThreadFrames),
    Worker(WorkerFrames),
}

impl Source {
    async fn next(&mut self) -> Result<Option<Outcome>, ProviderError> {
        match self {
            Self::Thread(frames) => frames.next().await,
            Self::Worker(frames) => frames.next().await,
        }
    }
}

impl Frames {
    /// The next one; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<ProviderChunk>, ProviderError> {
        let chunk = match self.source.next().await? {
            Some(RResult::ROk(frame)) => return decode(&frame).map(Some),
            Some(RResult::RErr(error)) => Err(decode_error(&error)),
            None => Ok(None),
        };
        self.health.note(&chunk);
        chunk
    }
}

/// A request that is too long is no fault of the plugin that would get it.
fn encode_request<In: Serialize + ?Sized>(input: &In) -> Result<Payload, ProviderError> {
    let payload = encode(input)?;
    if payload.len() > MAX_PAYLOAD {
        let limit = MAX_PAYLOAD / (1024 * 1024);
        let message = format!("the request is longer than {limit} MiB");
        return Err(ProviderError::invalid_request(message));
    }
    Ok(payload)
}

/// The error of something that did not happen within a time.
pub(crate) fn timed_out(what: &str, limit: Duration) -> ProviderError {
    ProviderError::new(ErrorKind::Timeout, format!("{what} within {} s", limit.as_secs_f64()))
}
