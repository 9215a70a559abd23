//! A scripted upstream: an HTTP/1.1 server on loopback that answers what the test says, keeps what
//! it was asked, and tells when a client closes a connection before its answer was complete.
//!
//! It is written on bare sockets, so that a test sees the connection itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By name in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a request body of JSON")
    }

    /// The value of a header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the upstream answers.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    pieces: Vec<Vec<u8>>,
    end: End,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// As it should.
    Complete,
    /// Never: the connection stays open, and the body incomplete.
    Never,
    /// The connection is closed in the middle of the body.
    Cut,
    /// Nothing is answered at all: the connection stays open.
    Silence,
}

impl Reply {
    /// A whole body.
    pub(crate) fn new(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".to_owned(), media_type.to_owned())];
        Self { status, headers, pieces: vec![body.into()], end: End::Complete }
    }

    /// A body of JSON.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A stream of these server-sent events' data.
    pub(crate) fn events<T: ToString>(events: impl IntoIterator<Item = T>) -> Self {
        let text = events.into_iter().map(|data| format!("data: {}\n\n", data.to_string()));
        Self::new(200, "text/event-stream", text.collect::<String>())
    }

    /// No answer at all.
    pub(crate) fn silence() -> Self {
        Self { end: End::Silence, ..Self::new(200, "text/plain", "") }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sends the body in pieces of so many bytes.
    pub(crate) fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(bytes).map(<[u8]>::to_vec).collect();
        self
    }

    /// Sends the body and then nothing more, without ending it.
    pub(crate) fn then_nothing(mut self) -> Self {
        self.end = End::Never;
        self
    }

    /// Closes the connection after the body, without ending it.
    pub(crate) fn then_cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

struct Shared {
    script: Box<Script>,
    received: Mutex<Vec<Received>>,
    arrived: mpsc::UnboundedSender<()>,
    closed: mpsc::UnboundedSender<()>,
}

/// A server that answers by a script. Dropping it closes it and its connections.
pub(crate) struct Upstream {
    address: String,
    shared: Arc<Shared>,
    arrived: mpsc::UnboundedReceiver<()>,
    closed: mpsc::UnboundedReceiver<()>,
    _server: JoinSet<()>,
}

impl Upstream {
    /// Starts a server.
    pub(crate) async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
        let address = listener.local_addr().expect("its address").to_string();
        let (arrived_sender, arrived) = mpsc::unbounded_channel();
        let (closed_sender, closed) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            received: Mutex::default(),
            arrived: arrived_sender,
            closed: closed_sender,
        });
        let mut server = JoinSet::new();
        server.spawn(accept(listener, shared.clone()));
        Self { address, shared, arrived, closed, _server: server }
    }

    /// A server with one answer for everything.
    pub(crate) async fn always(reply: Reply) -> Self {
        Self::start(move |_| reply.clone()).await
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that was asked so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Received {
        self.received().pop().expect("a request reached the upstream")
    }

    /// Waits until one more request has arrived.
    pub(crate) async fn arrived(&mut self) {
        self.arrived.recv().await.expect("the server is running");
    }

    /// Waits until one more client has closed its connection before its answer was complete.
    pub(crate) async fn closed(&mut self) {
        self.closed.recv().await.expect("the server is running");
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(serve(connection, shared.clone()));
    }
}

/// Serves one connection, until either side closes it.
async fn serve(connection: TcpStream, shared: Arc<Shared>) {
    let _small_pieces_at_once = connection.set_nodelay(true);
    let (reader, mut writer) = connection.into_split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = read(&mut reader).await {
        let reply = (shared.script)(&request);
        let last = request.header("connection") == "close";
        shared.received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let _test_may_have_ended = shared.arrived.send(());
        if write(&mut writer, &reply).await.is_err() {
            let _test_may_have_ended = shared.closed.send(());
            return;
        }
        match reply.end {
            End::Complete if last => return,
            End::Complete => {}
            End::Cut => return,
            End::Never | End::Silence => {
                let _closed = reader.read(&mut [0]).await;
                let _test_may_have_ended = shared.closed.send(());
                return;
            }
        }
    }
}

async fn read(reader: &mut BufReader<OwnedReadHalf>) -> Option<Received> {
    let first = line(reader).await?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let line = line(reader).await?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).await.ok()?;
    Some(Received { method, path, headers, body })
}

async fn line(reader: &mut BufReader<OwnedReadHalf>) -> Option<String> {
    let mut line = String::new();
    let length = reader.read_line(&mut line).await.ok()?;
    (length > 0).then(|| line.trim_end().to_owned())
}

async fn write(writer: &mut OwnedWriteHalf, reply: &Reply) -> std::io::Result<()> {
    if matches!(reply.end, End::Silence) {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\ntransfer-encoding: chunked\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    writer.write_all(head.as_bytes()).await?;
    for piece in reply.pieces.iter().filter(|piece| !piece.is_empty()) {
        let size = format!("{:x}\r\n", piece.len());
        writer.write_all(&[size.as_bytes(), piece, b"\r\n"].concat()).await?;
    }
    if matches!(reply.end, End::Complete) {
        writer.write_all(b"0\r\n\r\n").await?;
    }
    writer.flush().await
}
