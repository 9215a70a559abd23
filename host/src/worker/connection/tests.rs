//! Both sides of a connection in one process, over real pipes.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;

/// More than any other test leaves unread.
const UNREAD: usize = 16 * 1024 * 1024;

/// Answers `echo` with its payload, `count` with ever more items, `never` never.
struct Peer {
    told: mpsc::UnboundedSender<(String, Bytes)>,
    sent: Arc<AtomicUsize>,
}

/// Counts down when an answer is dropped.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_add(1_000_000, Ordering::Relaxed);
    }
}

impl Attend for Peer {
    const LIMIT: Limit = Limit { exchanges: 8, bytes: 2000, unread: UNREAD };

    fn open(&self, what: &str, payload: Bytes, answer: Answer) -> Option<AbortHandle> {
        match what {
            "echo" => answer.last(&payload),
            "refuse" => answer.fail(&payload),
            "drop" => drop(answer),
            "count" => {
                let (sent, running) = (self.sent.clone(), Running(self.sent.clone()));
                let task = tokio::spawn(async move {
                    let _running = running;
                    loop {
                        answer.item(&payload).await;
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
                return Some(task.abort_handle());
            }
            _ => std::mem::forget(answer),
        }
        None
    }

    fn tell(&self, what: &str, payload: Bytes) {
        let _ = self.told.send((what.to_owned(), payload));
    }
}

struct Pair {
    near: Connection,
    far: Connection,
    told: mpsc::UnboundedReceiver<(String, Bytes)>,
    sent: Arc<AtomicUsize>,
}

fn pair() -> Pair {
    let (near_to, far_from) = pipe::pipe().unwrap();
    let (far_to, near_from) = pipe::pipe().unwrap();
    let (sender, told) = mpsc::unbounded_channel();
    let sent = Arc::new(AtomicUsize::new(0));
    let peer = || Peer { told: sender.clone(), sent: sent.clone() };
    let (near, near_work) = Connection::new(near_to, near_from, peer());
    let (far, far_work) = Connection::new(far_to, far_from, peer());
    tokio::spawn(near_work);
    tokio::spawn(far_work);
    Pair { near, far, told, sent }
}

async fn answer(connection: &Connection, what: &str, payload: &[u8]) -> Result<Bytes, Bytes> {
    connection.open(what, &[payload]).unwrap().next().await.unwrap().unwrap()
}

#[tokio::test]
async fn either_side_asks_and_is_answered() {
    let mut pair = pair();
    assert_eq!(answer(&pair.near, "echo", b"near").await.unwrap(), "near");
    assert_eq!(answer(&pair.far, "echo", b"far").await.unwrap(), "far");
    assert_eq!(answer(&pair.near, "refuse", b"no").await.unwrap_err(), "no");
    assert_eq!(answer(&pair.near, "drop", b"no").await.unwrap_err(), "");
    pair.near.tell("log", &[b"a ", b"line"]);
    assert_eq!(pair.told.recv().await.unwrap(), ("log".to_owned(), Bytes::from("a line")));
    assert_eq!((pair.near.opened(), pair.far.opened()), (0, 0));
}

#[tokio::test]
async fn payloads_larger_than_a_pipe_cross_both_ways_at_once() {
    let pair = pair();
    let large = vec![7; 9 * 1024 * 1024];
    let (one, other) =
        tokio::join!(answer(&pair.near, "echo", &large), answer(&pair.far, "echo", &large));
    assert_eq!(one.unwrap().len(), large.len());
    assert_eq!(other.unwrap().len(), large.len());
}

#[tokio::test]
async fn an_answer_that_nobody_takes_waits_and_holds_up_no_other() {
    let pair = pair();
    let mut unread = pair.near.open("count", &[&[0; 1000]]).unwrap();
    let mut sent = 0;
    for _ in 0..1000 {
        assert_eq!(answer(&pair.near, "echo", b"still").await.unwrap(), "still");
        sent = pair.sent.load(Ordering::Relaxed);
    }
    assert_eq!(sent, 62, "a window of items, and no more");
    for _ in 0..1000 {
        assert_eq!(unread.next().await.unwrap().unwrap().unwrap().len(), 1000);
    }
}

#[tokio::test]
async fn what_is_asked_beyond_the_limit_fails_and_the_rest_is_answered() {
    let pair = pair();
    let open = |bytes| pair.near.open("never", &[&vec![0; bytes]]).unwrap();
    let unanswered: Vec<Exchange> = (0..8).map(|_| open(1)).collect();
    let error = answer(&pair.near, "echo", b"one more").await.unwrap_err();
    assert!(String::from_utf8_lossy(&error).contains("too much is asked at once"));
    drop(unanswered);
    let unanswered = [open(1000), open(1000)];
    answer(&pair.near, "echo", b"one more").await.unwrap_err();
    drop(unanswered);
    assert_eq!(answer(&pair.near, "echo", b"now").await.unwrap(), "now");
}

#[tokio::test]
async fn an_exchange_that_is_dropped_stops_its_answer() {
    let pair = pair();
    let mut counting = pair.near.open("count", &[b"item"]).unwrap();
    counting.next().await.unwrap().unwrap().unwrap();
    drop(counting);
    while pair.sent.load(Ordering::Relaxed) < 1_000_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(pair.near.opened(), 0);
    assert_eq!(answer(&pair.near, "echo", b"still").await.unwrap(), "still");
}

/// A connection to somebody who writes these bytes and is gone; and why it ended.
async fn alone(bytes: &[u8]) -> (Result<Option<Result<Bytes, Bytes>>, Lost>, String) {
    let (to, _from) = pipe::pipe().unwrap();
    let (raw, from) = pipe::pipe().unwrap();
    let (told, _) = mpsc::unbounded_channel();
    let (connection, work) = Connection::new(to, from, Peer { told, sent: Arc::default() });
    let mut asked = connection.open("stream", &[]).unwrap();
    let work = tokio::spawn(work);
    let mut left = bytes;
    while !left.is_empty() {
        raw.writable().await.unwrap();
        match raw.try_write(left) {
            Ok(length) => left = &left[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    drop(raw);
    let why = work.await.unwrap();
    assert!(connection.open("echo", &[]).is_err());
    let heard = asked.next().await;
    assert_eq!(connection.opened(), 0);
    (heard, why)
}

#[tokio::test]
async fn those_who_wait_hear_that_the_other_side_is_gone() {
    assert_eq!(alone(b"").await, (Err(Lost), "it closed its end".to_owned()));
}

#[tokio::test]
async fn what_is_no_frame_or_without_credit_ends_the_connection() {
    fn frames(kind: Kind, parts: &[&[u8]], times: usize) -> BytesMut {
        let mut buffer = BytesMut::new();
        (0..times).for_each(|_| frame::write(&mut buffer, kind, 1, None, parts));
        buffer
    }
    for (bytes, why) in [
        (b"what a plugin prints".as_slice(), "it sent a frame of 1952540791 bytes, which is none"),
        (&frames(Kind::Item, &[&[0; 8192]], 20), "it sent more than it was given credit for"),
        (&frames(Kind::Open, &[b"never\0"], 2), "it opened an exchange twice"),
        (&frames(Kind::Credit, &[b"1"], 1), "it gave credit without a number"),
    ] {
        assert_eq!(alone(bytes).await.1, why);
    }
}

#[tokio::test]
async fn an_exchange_that_is_opened_anew_is_not_forgotten_with_the_one_before() {
    let Pair { near, far: _far, told: _told, sent } = pair();
    let open = || near.send(Kind::Open, 9, &[b"count\0item"]);
    open();
    near.send(Kind::Cancel, 9, &[]);
    open();
    // The second one runs, and it can still be given up.
    while !(1_000_001..2_000_000).contains(&sent.load(Ordering::Relaxed)) {
        tokio::task::yield_now().await;
    }
    near.send(Kind::Cancel, 9, &[]);
    while sent.load(Ordering::Relaxed) < 2_000_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_exchange_that_is_opened_twice_is_stopped_with_its_connection() {
    let Pair { near, far: _far, told: _told, sent } = pair();
    for _ in 0..2 {
        near.send(Kind::Open, 9, &[b"count\0item"]);
    }
    while sent.load(Ordering::Relaxed) < 1_000_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn credit_for_what_was_not_sent_ends_the_connection() {
    let pair = pair();
    let mut counting = pair.near.open("count", &[&[0; 1000]]).unwrap();
    counting.next().await.unwrap();
    pair.near.send(Kind::Credit, 1, &[&u32::MAX.to_le_bytes()]);
    // It reads no further, and asks nothing any more.
    while pair.far.open("echo", &[]).is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_one_who_does_not_read_nothing_further_is_read() {
    let (to, unread) = pipe::pipe().unwrap();
    let (raw, from) = pipe::pipe().unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    let (connection, work) = Connection::new(to, from, Peer { told, sent: Arc::default() });
    let work = tokio::spawn(work);
    let mut frames = BytesMut::new();
    frame::write(&mut frames, Kind::Open, 1, Some("echo"), &[&[0; 1000]]);
    frame::write(&mut frames, Kind::Tell, 0, Some("log"), &[]);
    connection.tell("log", &[&vec![0; 2 * UNREAD]]);
    raw.writable().await.unwrap();
    raw.try_write(&frames).unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(heard.try_recv().is_err(), "it waits until what was sent is read");
    let mut buffer = vec![0; 64 * 1024];
    while heard.try_recv().is_err() {
        let _empty = unread.try_read(&mut buffer);
        tokio::task::yield_now().await;
    }
    drop(raw);
    assert_eq!(work.await.unwrap(), CLOSED);
}
