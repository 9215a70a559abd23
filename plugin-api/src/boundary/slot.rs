//! One place for one chunk, between an author's `send` and the host's poll.
//!
//! A provider's future and the stream that the host polls are one object on one thread, as a rule.
//! An author with a runtime of their own may send from another thread, so both sides leave a waker.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::chunk::ProviderChunk;

/// A place for one chunk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    chunk: Option<ProviderChunk>,
    producer: Option<Waker>,
    consumer: Option<Waker>,
}

impl Slot {
    /// Puts a chunk in as soon as the slot is empty.
    pub(crate) async fn put(&self, chunk: ProviderChunk) {
        let mut chunk = Some(chunk);
        poll_fn(|context| self.poll_put(context, &mut chunk)).await;
    }

    fn poll_put(&self, context: &mut Context<'_>, chunk: &mut Option<ProviderChunk>) -> Poll<()> {
        let mut state = self.lock();
        if state.chunk.is_some() {
            state.producer = Some(context.waker().clone());
            return Poll::Pending;
        }
        state.chunk = chunk.take();
        if let Some(consumer) = state.consumer.take() {
            consumer.wake();
        }
        Poll::Ready(())
    }

    /// Takes the chunk, if there is one, and lets the producer go on.
    pub(crate) fn take(&self) -> Option<ProviderChunk> {
        let mut state = self.lock();
        let chunk = state.chunk.take();
        if let Some(producer) = state.producer.take().filter(|_| chunk.is_some()) {
            producer.wake();
        }
        chunk
    }

    /// Asks to be woken when a chunk is put in.
    pub(crate) fn register(&self, consumer: &Waker) {
        self.lock().consumer = Some(consumer.clone());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
