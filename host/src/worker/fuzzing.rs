//! What fuzz targets reach of workers. In an ordinary build this is not there.

use std::cell::OnceCell;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::net::unix::pipe;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use super::connection::{Attend, Connection, Limit};
use super::exchange::Answer;
use super::frame;

/// The frames in these pieces, and whether the last was none.
pub fn frames(pieces: &[&[u8]]) -> (Vec<(u8, u32, Vec<u8>)>, bool) {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match frame::read(&mut buffer) {
                Ok(Some(it)) => frames.push((it.kind as u8, it.exchange, it.payload.to_vec())),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
    }
    (frames, false)
}

/// Answers `e…` with its payload, `c…` with items without end, and everything else never.
#[derive(Default)]
struct Peer(Mutex<Vec<Answer>>);

impl Attend for Peer {
    const LIMIT: Limit = Limit { exchanges: 8, bytes: 2000, unread: usize::MAX };

    fn open(&self, what: &str, payload: Bytes, answer: Answer) -> Option<AbortHandle> {
        match what.chars().next() {
            Some('e') => answer.last(&payload),
            Some('c') => {
                let task = tokio::spawn(async move {
                    loop {
                        answer.item(&payload).await;
                        tokio::task::yield_now().await;
                    }
                });
                return Some(task.abort_handle());
            }
            _ => self.0.lock().unwrap_or_else(PoisonError::into_inner).push(answer),
        }
        None
    }

    fn tell(&self, _what: &str, _payload: Bytes) {}
}

/// Takes these bytes from the other side, on a connection with three exchanges of its own, up to
/// their end or to what breaks the protocol. More than a pipe holds is left out.
pub fn connection(bytes: &[u8]) -> io::Result<()> {
    thread_local!(static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() });
    RUNTIME.with(|runtime| {
        if runtime.get().is_none() {
            let _only_once = runtime.set(Builder::new_current_thread().enable_io().build()?);
        }
        let Some(runtime) = runtime.get() else { return Ok(()) };
        runtime.block_on(exchange(&bytes[..bytes.len().min(32 * 1024)]))
    })
}

async fn exchange(bytes: &[u8]) -> io::Result<()> {
    let (from, mut other_side) = io::pipe()?;
    let (_unread, to) = io::pipe()?;
    let to = pipe::Sender::from_owned_fd(OwnedFd::from(to))?;
    let from = pipe::Receiver::from_owned_fd(OwnedFd::from(from))?;
    let (connection, work) = Connection::new(to, from, Peer::default());
    let reading: Vec<_> = (0..3)
        .filter_map(|_| connection.open("it", &[]).ok())
        .map(|mut exchange| {
            tokio::spawn(async move { while let Ok(Some(Ok(_))) = exchange.next().await {} })
        })
        .collect();
    other_side.write_all(bytes)?;
    drop(other_side);
    let _why = work.await;
    for task in reading {
        let _ended = task.await;
    }
    Ok(())
}
