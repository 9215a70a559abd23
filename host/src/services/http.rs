//! HTTP for plugins: one connection pool, one TLS stack, proxies from the environment.
//!
//! An exchange is one task on the host's runtime: it sends the request, hands over the head of the
//! response, and reads the body as fast as the plugin takes it. Dropping either end closes the
//! connection. Redirects are not followed: a key must not travel to where nobody sent it.

use std::task::{Context, Poll};
use std::time::Duration;

use allos_plugin_abi::abi_stable::sabi_trait::TD_Opaque;
use allos_plugin_abi::abi_stable::std_types::{ROption, RResult};
use allos_plugin_abi::async_ffi::{FfiContext, FfiPoll};
use allos_plugin_abi::{FrameStream, FrameStream_TO, HttpReply, Outcome};
use allos_plugin_api::boundary::payload::{decode, encode, encode_error};
use allos_plugin_api::{ErrorKind, ProviderError, RequestHead, ResponseHead};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::AbortOnDrop;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many pieces of a body wait for the plugin before the connection does.
const PIECES_AHEAD: usize = 8;

/// The client that all plugins of a host share.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    client_builder().tcp_nodelay(true).build()
}

/// What every client of this program is built on.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    // It fails only where the application has installed one already, which is then used.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("allos/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
}

type Piece = Result<bytes::Bytes, ProviderError>;

/// A request on its way.
pub(crate) struct Exchange {
    head: oneshot::Receiver<Result<ResponseHead, ProviderError>>,
    body: Body,
}

impl Exchange {
    /// Sends a request.
    pub(crate) fn start(
        runtime: &Handle,
        client: &reqwest::Client,
        head: &[u8],
        body: Vec<u8>,
    ) -> Self {
        let (head_sender, head_receiver) = oneshot::channel();
        let (pieces, receiver) = mpsc::channel(PIECES_AHEAD);
        let request = decode(head).and_then(|head| request(client, head, body));
        let client = client.clone();
        let task = runtime.spawn(async move {
            let sent = match request {
                Ok(request) => client.execute(request).await.map_err(|error| unreachable(&error)),
                Err(error) => Err(error),
            };
            match sent {
                Ok(response) => deliver(response, head_sender, pieces).await,
                // Nobody waits any more where this fails.
                Err(error) => drop(head_sender.send(Err(error))),
            }
        });
        let stop = AbortOnDrop(task.abort_handle());
        Self { head: head_receiver, body: Body { pieces: receiver, _stop: stop } }
    }

    /// Awaits the head of the response.
    pub(crate) async fn reply(self) -> Result<HttpReply, ProviderError> {
        let head = self.head.await.unwrap_or_else(|_| Err(shutting_down()))?;
        let body = FrameStream_TO::from_value(self.body, TD_Opaque);
        Ok(HttpReply { head: encode(&head)?, body })
    }
}

fn request(
    client: &reqwest::Client,
    head: RequestHead,
    body: Vec<u8>,
) -> Result<reqwest::Request, ProviderError> {
    let invalid = |what: &str| ProviderError::configuration(format!("{what} cannot be sent"));
    let method = head.method.parse().map_err(|_| invalid("the HTTP method"))?;
    let mut request = client.request(method, &head.url).body(body);
    for (name, value) in head.headers {
        let shown = format!("the header `{}`", name.escape_debug());
        let name = http::HeaderName::try_from(name).map_err(|_| invalid(&shown))?;
        let mut value = http::HeaderValue::try_from(value).map_err(|_| invalid(&shown))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    request.build().map_err(|error| {
        ProviderError::configuration(format!(
            "the upstream's address is not usable: {}",
            cause(&error)
        ))
        .with_hint("check `base_url`; it starts with http:// or https://")
    })
}

async fn deliver(
    mut response: reqwest::Response,
    head: oneshot::Sender<Result<ResponseHead, ProviderError>>,
    pieces: mpsc::Sender<Piece>,
) {
    let headers = response.headers().iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let sent = head
        .send(Ok(ResponseHead { status: response.status().as_u16(), headers: headers.collect() }));
    if sent.is_err() {
        return;
    }
    loop {
        let piece = match response.chunk().await {
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => return,
            Err(error) => Err(interrupted(&error)),
        };
        let last = piece.is_err();
        if pieces.send(piece).await.is_err() || last {
            return;
        }
    }
}

/// The body of a response, as a plugin polls it.
struct Body {
    pieces: mpsc::Receiver<Piece>,
    _stop: AbortOnDrop,
}

impl Body {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Outcome>> {
        self.pieces.poll_recv(context).map(|piece| {
            Some(match piece? {
                Ok(bytes) => RResult::ROk(bytes.as_ref().into()),
                Err(error) => RResult::RErr(encode_error(&error)),
            })
        })
    }
}

impl FrameStream for Body {
    fn poll_next(&mut self, context: &mut FfiContext<'_>) -> FfiPoll<ROption<Outcome>> {
        let polled = context.with_context(|context| self.poll(context));
        FfiPoll::from_poll(polled.map(ROption::from))
    }
}

fn unreachable(error: &reqwest::Error) -> ProviderError {
    let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unavailable };
    let place = error.url().map(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!(" at {}{port}", url.host_str().unwrap_or("an unknown host"))
    });
    let place = place.unwrap_or_default();
    ProviderError::new(kind, format!("the upstream{place} cannot be reached: {}", cause(error)))
}

fn interrupted(error: &reqwest::Error) -> ProviderError {
    ProviderError::new(
        ErrorKind::Unavailable,
        format!("the upstream's reply was cut off: {}", cause(error)),
    )
}

fn shutting_down() -> ProviderError {
    ProviderError::new(ErrorKind::Unavailable, "the host is shutting down")
}

/// The innermost cause, which says what happened; the outer ones may hold an address with a key.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) {
        return "it could not be sent".to_owned();
    }
    cause.to_string()
}
