//! One exchange of a connection, from the side that asks and from the side that answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use super::connection::{Connection, Lost};
use super::frame::Kind;

/// The bytes that an answer may be ahead of whoever takes it.
const WINDOW: i64 = 64 * 1024;

/// What each item takes of a window beside its own bytes, so that empty ones are bounded too.
const ITEM: i64 = 64;

/// How many bytes may be on their way. The item that takes the last of them may be of any size.
pub(crate) struct Window {
    left: AtomicI64,
    widened: Notify,
}

impl Default for Window {
    fn default() -> Self {
        Self { left: AtomicI64::new(WINDOW), widened: Notify::new() }
    }
}

fn cost(bytes: usize) -> i64 {
    ITEM.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX))
}

impl Window {
    /// Takes an item's bytes; false where there was no room for it.
    pub(super) fn take(&self, bytes: usize) -> bool {
        self.left.fetch_sub(cost(bytes), Ordering::Relaxed) > 0
    }

    /// Gives room for what was taken out of it; false where more is given than was ever taken.
    pub(super) fn widen(&self, bytes: u32) -> bool {
        let bytes = i64::from(bytes);
        let before = self.left.fetch_add(bytes, Ordering::Relaxed);
        self.widened.notify_one();
        before.saturating_add(bytes) <= WINDOW
    }

    async fn room(&self) {
        while self.left.load(Ordering::Relaxed) <= 0 {
            self.widened.notified().await;
        }
    }
}

/// What comes for whoever has asked.
pub(super) enum Event {
    Item(Bytes),
    Last(Bytes),
    End,
    Failed(Bytes),
}

/// Something that was asked. Dropping it tells the other side that no answer is wanted any more.
pub(crate) struct Exchange {
    id: u32,
    connection: Connection,
    events: mpsc::UnboundedReceiver<Event>,
    window: Arc<Window>,
    taken: i64,
    ended: bool,
}

impl Exchange {
    pub(super) fn new(
        id: u32,
        connection: Connection,
        events: mpsc::UnboundedReceiver<Event>,
        window: Arc<Window>,
    ) -> Self {
        Self { id, connection, events, window, taken: 0, ended: false }
    }

    /// The next item, or the error in its place; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Result<Bytes, Bytes>>, Lost> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The same, for those who poll.
    pub(crate) fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<Option<Result<Bytes, Bytes>>, Lost>> {
        if self.ended {
            return std::task::Poll::Ready(Ok(None));
        }
        self.events.poll_recv(context).map(|event| {
            let Some(event) = event else {
                self.ended = true;
                return Err(Lost);
            };
            self.ended = !matches!(event, Event::Item(_));
            Ok(match event {
                Event::Item(item) => {
                    self.give_credit(item.len());
                    Some(Ok(item))
                }
                Event::Last(item) => Some(Ok(item)),
                Event::Failed(error) => Some(Err(error)),
                Event::End => None,
            })
        })
    }

    /// Lets the other side send more, not for each item, but once there is room for half a window.
    fn give_credit(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(cost(bytes));
        if self.taken >= WINDOW / 2 {
            let bytes = u32::try_from(self.taken).unwrap_or(u32::MAX);
            self.taken -= i64::from(bytes);
            self.window.widen(bytes);
            self.connection.send(Kind::Credit, self.id, &[&bytes.to_le_bytes()]);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.connection.forget_opened(self.id) {
            self.connection.send(Kind::Cancel, self.id, &[]);
        }
    }
}

/// Something that the other side has asked. Dropped without an end, it has failed.
pub(crate) struct Answer {
    id: u32,
    connection: Connection,
    window: Arc<Window>,
}

impl Answer {
    pub(super) fn new(id: u32, connection: Connection, window: Arc<Window>) -> Self {
        Self { id, connection, window }
    }

    /// Sends an item once there is room for it.
    pub(crate) async fn item(&self, item: &[u8]) {
        self.window.room().await;
        self.window.take(item.len());
        self.connection.send(Kind::Item, self.id, &[item]);
    }

    /// Sends an item, and ends.
    pub(crate) fn last(self, item: &[u8]) {
        self.finish(Kind::Last, &[item]);
    }

    /// Ends.
    pub(crate) fn end(self) {
        self.finish(Kind::End, &[]);
    }

    /// Ends with an error.
    pub(crate) fn fail(self, error: &[u8]) {
        self.finish(Kind::Failed, &[error]);
    }

    fn finish(&self, kind: Kind, parts: &[&[u8]]) {
        if self.connection.forget_answering(self.id, &self.window) {
            self.connection.send(kind, self.id, parts);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.finish(Kind::Failed, &[]);
    }
}
