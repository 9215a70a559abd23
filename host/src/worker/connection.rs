//! A connection between a host and its worker: many exchanges over one pair of pipes.
//!
//! Either side opens exchanges. The answer to one is a stream of items; a call's is a stream of one.
//! Each exchange has a window of its own in bytes, so that one that nobody reads holds up no other.
//! Frames are written by whoever has something to say; only what does not fit into the pipe waits,
//! for a task that writes when there is room.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use allos_plugin_api::boundary::payload::encode_error;
use allos_plugin_api::{ErrorKind, ProviderError};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;

use super::exchange::{Answer, Event, Exchange, Window};
use super::frame::{self, Frame, Kind};
use super::process::pipe;

/// Why a connection ends whose other side closes it, in order or not.
pub(super) const CLOSED: &str = "it closed its end";

/// How much is read at a time.
const READ: usize = 64 * 1024;

/// The memory that an idle connection keeps for writing.
const KEPT: usize = 256 * 1024;

/// One side of a connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    outbox: Outbox,
    opened: Mutex<HashMap<u32, Opened>>,
    answering: Mutex<HashMap<u32, Answering>>,
    last_opened: AtomicU32,
    sent: AtomicU64,
    lost: OnceLock<String>,
}

/// An exchange that this side has opened.
struct Opened {
    events: mpsc::UnboundedSender<Event>,
    window: Arc<Window>,
}

/// An exchange that the other side has opened.
struct Answering {
    window: Arc<Window>,
    bytes: usize,
    task: Option<AbortHandle>,
}

/// What this side does about what the other asks and says.
pub(crate) trait Attend: Send + Sync + 'static {
    /// How much the other side may ask at once; what is more fails.
    const LIMIT: Limit;

    /// Begins to answer; the task is stopped where the other side wants no more.
    fn open(&self, what: &str, payload: Bytes, answer: Answer) -> Option<AbortHandle>;

    /// Hears something that has no answer.
    fn tell(&self, what: &str, payload: Bytes);
}

/// How much may be asked and not yet answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) exchanges: usize,
    pub(crate) bytes: usize,
    /// With so many bytes that the other side has not read, nothing further is read of it.
    pub(crate) unread: usize,
}

/// Nothing is done for a process that only opens a file.
impl Attend for () {
    const LIMIT: Limit = Limit { exchanges: 0, bytes: 0, unread: READ };

    fn open(&self, _what: &str, _payload: Bytes, _answer: Answer) -> Option<AbortHandle> {
        None
    }

    fn tell(&self, _what: &str, _payload: Bytes) {}
}

/// An exchange that could not be opened, or cannot go on: the other side is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

impl Connection {
    /// A connection over these pipes, and its work, which ends with why the connection ended.
    pub(crate) fn new(
        to: pipe::Sender,
        from: pipe::Receiver,
        attend: impl Attend,
    ) -> (Self, impl Future<Output = String> + Send + 'static) {
        let connection = Self(Arc::new(Shared {
            outbox: Outbox {
                pipe: to,
                waiting: Mutex::default(),
                wake: Notify::new(),
                written: Notify::new(),
            },
            opened: Mutex::default(),
            answering: Mutex::default(),
            last_opened: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            lost: OnceLock::new(),
        }));
        let working = connection.clone();
        let work = async move {
            let why = tokio::select! {
                why = working.read(from, &attend) => why,
                why = working.0.outbox.write_when_there_is_room() => why,
            };
            working.lose(&why);
            why
        };
        (connection, work)
    }

    /// Asks for something.
    pub(crate) fn open(&self, what: &str, parts: &[&[u8]]) -> Result<Exchange, Lost> {
        let id = self.0.last_opened.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let (events, receiver) = mpsc::unbounded_channel();
        let window = Arc::new(Window::default());
        lock(&self.0.opened).insert(id, Opened { events, window: window.clone() });
        let exchange = Exchange::new(id, self.clone(), receiver, window);
        // Looked at after the exchange is listed: whoever loses the connection ends what is listed.
        if self.0.lost.get().is_some() {
            return Err(Lost);
        }
        self.write(Kind::Open, id, Some(what), parts);
        Ok(exchange)
    }

    /// Says something that has no answer.
    pub(crate) fn tell(&self, what: &str, parts: &[&[u8]]) {
        self.write(Kind::Tell, 0, Some(what), parts);
    }

    /// How many exchanges this side has open.
    pub(crate) fn opened(&self) -> usize {
        lock(&self.0.opened).len()
    }

    /// How many frames this side has sent.
    pub(crate) fn sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    pub(super) fn send(&self, kind: Kind, exchange: u32, parts: &[&[u8]]) {
        self.write(kind, exchange, None, parts);
    }

    fn write(&self, kind: Kind, exchange: u32, name: Option<&str>, parts: &[&[u8]]) {
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        self.0.outbox.send(|waiting| frame::write(waiting, kind, exchange, name, parts));
    }

    /// Forgets an exchange that this side has opened; whether the other side still answers it.
    pub(super) fn forget_opened(&self, id: u32) -> bool {
        lock(&self.0.opened).remove(&id).is_some()
    }

    /// Forgets an exchange that the other side has opened, known by its window; whether it still
    /// wants the answer. It may have given it up, and opened another of the same number.
    pub(super) fn forget_answering(&self, id: u32, window: &Arc<Window>) -> bool {
        let mut answering = lock(&self.0.answering);
        let is_it = answering.get(&id).is_some_and(|it| Arc::ptr_eq(&it.window, window));
        is_it && answering.remove(&id).is_some()
    }

    async fn read<A: Attend>(&self, mut from: pipe::Receiver, attend: &A) -> String {
        let mut buffer = BytesMut::new();
        loop {
            self.0.outbox.below(A::LIMIT.unread).await;
            buffer.reserve(READ);
            match from.read_buf(&mut buffer).await {
                Ok(0) => return CLOSED.to_owned(),
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
            loop {
                match frame::read(&mut buffer) {
                    Ok(Some(frame)) => {
                        if let Err(why) = self.take(frame, attend) {
                            return why.to_owned();
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return format!("it sent {error}"),
                }
            }
        }
    }

    fn take(&self, frame: Frame, attend: &impl Attend) -> Result<(), &'static str> {
        let Frame { kind, exchange, payload } = frame;
        match kind {
            Kind::Open => self.answer(exchange, &payload, attend)?,
            Kind::Tell => {
                let (what, payload) = frame::named(&payload).ok_or("it told nothing")?;
                attend.tell(what, payload);
            }
            Kind::Item => self.pass_on(exchange, Event::Item(payload))?,
            Kind::Last => self.pass_on(exchange, Event::Last(payload))?,
            Kind::End => self.pass_on(exchange, Event::End)?,
            Kind::Failed => self.pass_on(exchange, Event::Failed(payload))?,
            Kind::Credit => {
                let bytes = payload.as_ref().try_into().map(u32::from_le_bytes);
                let bytes = bytes.map_err(|_| "it gave credit without a number")?;
                let answering = lock(&self.0.answering);
                if !answering.get(&exchange).is_none_or(|it| it.window.widen(bytes)) {
                    return Err("it gave more credit than it was sent for");
                }
            }
            Kind::Cancel => {
                let cancelled = lock(&self.0.answering).remove(&exchange);
                if let Some(task) = cancelled.and_then(|answering| answering.task) {
                    task.abort();
                }
            }
        }
        Ok(())
    }

    fn answer<A: Attend>(
        &self,
        exchange: u32,
        payload: &Bytes,
        attend: &A,
    ) -> Result<(), &'static str> {
        let (what, payload) =
            frame::named(payload).ok_or("it opened an exchange without a name")?;
        let (window, bytes) = (Arc::new(Window::default()), payload.len());
        let (exchanges, in_all) = {
            let mut answering = lock(&self.0.answering);
            let new = Answering { window: window.clone(), bytes, task: None };
            // The first stays listed, so that it is stopped with the connection.
            let Entry::Vacant(place) = answering.entry(exchange) else {
                return Err("it opened an exchange twice");
            };
            place.insert(new);
            let in_all: usize = answering.values().map(|asked| asked.bytes).sum();
            (answering.len(), in_all)
        };
        let answer = Answer::new(exchange, self.clone(), window);
        // One alone is answered whatever its length; a frame is bounded by itself.
        if exchanges > A::LIMIT.exchanges || in_all > A::LIMIT.bytes.max(bytes) {
            let error = ProviderError::new(ErrorKind::Unavailable, "too much is asked at once");
            answer.fail(&encode_error(&error));
            return Ok(());
        }
        let task = attend.open(what, payload, answer);
        let mut answering = lock(&self.0.answering);
        // It may have been answered meanwhile, or the connection been lost by another thread, which
        // has not seen this task.
        if let Some(answering) = answering.get_mut(&exchange)
            && self.0.lost.get().is_none()
        {
            answering.task = task;
        } else if let Some(task) = task {
            task.abort();
        }
        Ok(())
    }

    /// An exchange that is not there any more was given up while its answer was on its way.
    fn pass_on(&self, exchange: u32, event: Event) -> Result<(), &'static str> {
        let mut opened = lock(&self.0.opened);
        let Some(asked) = opened.get(&exchange) else { return Ok(()) };
        if let Event::Item(item) = &event
            && !asked.window.take(item.len())
        {
            return Err("it sent more than it was given credit for");
        }
        let is_last = !matches!(event, Event::Item(_));
        // Whoever does not listen any more has given the exchange up.
        let _unwanted = asked.events.send(event);
        if is_last {
            opened.remove(&exchange);
        }
        Ok(())
    }

    /// Ends every exchange: those who wait for an answer hear that there is none.
    pub(super) fn lose(&self, why: &str) {
        let _only_once = self.0.lost.set(why.to_owned());
        lock(&self.0.opened).clear();
        for (_, answering) in lock(&self.0.answering).drain() {
            if let Some(task) = answering.task {
                task.abort();
            }
        }
    }
}

/// What is to be written.
struct Outbox {
    pipe: pipe::Sender,
    waiting: Mutex<BytesMut>,
    wake: Notify,
    written: Notify,
}

impl Outbox {
    fn send(&self, write: impl FnOnce(&mut BytesMut)) {
        let mut waiting = lock(&self.waiting);
        let is_first = waiting.is_empty();
        write(&mut waiting);
        // A pipe that fails is found out by the task, which sees the same error.
        if is_first && !matches!(self.write_some(&mut waiting), Ok(())) || !waiting.is_empty() {
            self.wake.notify_one();
        }
    }

    fn write_some(&self, waiting: &mut BytesMut) -> io::Result<()> {
        while !waiting.is_empty() {
            match self.pipe.try_write(waiting) {
                Ok(written) => waiting.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        if waiting.capacity() > KEPT {
            *waiting = BytesMut::new();
        } else {
            waiting.clear();
        }
        Ok(())
    }

    /// Ends with why nothing can be written any more.
    async fn write_when_there_is_room(&self) -> String {
        loop {
            self.wake.notified().await;
            while !lock(&self.waiting).is_empty() {
                let room = self.pipe.writable().await;
                let written = room.and_then(|()| self.write_some(&mut lock(&self.waiting)));
                match written {
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return CLOSED.into();
                    }
                    Err(error) => return error.to_string(),
                    Ok(()) => self.written.notify_one(),
                }
            }
        }
    }

    /// Waits until less than so many bytes wait.
    async fn below(&self, bytes: usize) {
        while lock(&self.waiting).len() >= bytes {
            self.written.notified().await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
