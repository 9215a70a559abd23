//! An answer piece by piece, held to the contract and to its deadlines.

use allos_plugin_api::{Event, ProviderChunk, ProviderError};
use tokio::time::Instant;

use super::contract::StreamContract;
use super::handle::{ProviderHandle, Settings};
use super::running::{Frames, timed_out};

/// The chunks of an answer. Dropping it cancels the call.
///
/// Exactly one finish comes for each choice, every part starts and ends, and an error is the last
/// item: see the crate's documentation.
pub struct ChunkStream {
    provider: ProviderHandle,
    state: State,
    contract: StreamContract,
    deadline: Instant,
}

enum State {
    Open(Frames),
    Failed(ProviderError),
    Ended,
}

impl ChunkStream {
    pub(crate) fn new(
        provider: ProviderHandle,
        frames: Result<Frames, ProviderError>,
        choices_asked: u32,
    ) -> Self {
        let state = frames.map_or_else(State::Failed, State::Open);
        let deadline = Instant::now() + provider.settings().timeout;
        Self { provider, state, contract: StreamContract::new(choices_asked), deadline }
    }

    /// The next chunk; `None` after the last one and after an error.
    pub async fn next(&mut self) -> Option<Result<ProviderChunk, ProviderError>> {
        loop {
            if let Some(chunk) = self.contract.next() {
                return Some(Ok(chunk));
            }
            match self.advance().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.state = State::Ended;
                    return Some(Err(self.provider.attribute(error)));
                }
            }
        }
    }

    /// Takes one item from the plugin; false at the end.
    async fn advance(&mut self) -> Result<bool, ProviderError> {
        let item = match &mut self.state {
            State::Open(frames) => wait(frames, self.deadline, self.provider.settings()).await?,
            State::Ended => return Ok(false),
            State::Failed(error) => return Err(error.clone()),
        };
        if let Some(chunk) = item {
            self.accept(chunk)?;
        } else {
            self.state = State::Ended;
            self.contract.end()?;
        }
        Ok(true)
    }

    fn accept(&mut self, mut chunk: ProviderChunk) -> Result<(), ProviderError> {
        if !self.provider.settings().passthrough && chunk.body.take().is_some() {
            // A heartbeat that only carried the upstream's frame is nothing without it.
            if matches!(chunk.event, Event::Heartbeat(_)) {
                return Ok(());
            }
        }
        self.contract.accept(chunk)
    }
}

async fn wait(
    frames: &mut Frames,
    deadline: Instant,
    settings: &Settings,
) -> Result<Option<ProviderChunk>, ProviderError> {
    let now = Instant::now();
    let idle = now + settings.idle_timeout;
    let (until, limit, what) = if idle < deadline {
        (idle, settings.idle_timeout, "no further chunk")
    } else {
        (deadline, settings.timeout, "the answer was not complete")
    };
    // A timeout alone would never end a stream whose next chunk is always there.
    if now >= deadline {
        return Err(timed_out(what, limit));
    }
    tokio::time::timeout_at(until, frames.next()).await.map_err(|_| timed_out(what, limit))?
}
