//! What the host offers a plugin: http, log and sleep.
//!
//! A provider translates. The connection pool, TLS, proxies, timeouts and cancellation are the
//! host's, so that a plugin needs no runtime and starts no thread.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use allos_plugin_abi::abi_stable::std_types::{RResult, RStr};
use allos_plugin_abi::{FrameStreamBox, HostBox};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::boundary::frames::Frames as RawFrames;
use crate::boundary::{self, payload};
use crate::error::{ErrorKind, MAX_ERROR_BODY, ProviderError};
use crate::frames::{FrameDecoder, Frames};

/// The most of a reply that is read in one piece, in bytes.
pub const MAX_REPLY: usize = 64 * 1024 * 1024;

/// The host, as a plugin sees it. Cheap to clone; usable from any thread.
#[derive(Clone)]
pub struct Host(HostBox);

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Host")
    }
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum LogLevel {
    /// Something failed.
    Error = 1,
    /// Something is off.
    Warn = 2,
    /// Something happened that an operator wants to know.
    Info = 3,
    /// For whoever looks for a fault.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

impl Host {
    pub(crate) fn from_vtable(vtable: HostBox) -> Self {
        Self(vtable)
    }

    /// Sends an HTTP request and awaits the head of the response. Dropping the future, or the
    /// response before its end, closes the exchange.
    ///
    /// # Errors
    ///
    /// Of kind `unavailable` or `timeout` where there is no response. A response of any status is
    /// not an error here: see [`HttpResponse::error_for_status`].
    pub async fn http(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let HttpRequest { head, body } = request;
        match self.0.http(payload::encode(&head)?, body.into()).await {
            RResult::ROk(reply) => {
                let head: ResponseHead = payload::decode(&reply.head)?;
                Ok(HttpResponse { head, body: HttpBody::new(reply.body) })
            }
            RResult::RErr(error) => Err(payload::decode_error(&error)),
        }
    }

    /// Writes a line to the host's log, which names the plugin. Never put a secret in it.
    pub fn log(&self, level: LogLevel, message: impl fmt::Display) {
        if self.0.log_enabled(level as u8) {
            self.0.log(level as u8, RStr::from_str(&message.to_string()));
        }
    }

    /// Has the host count a panic that no caller will hear of.
    pub(crate) fn report_panic(&self, message: &str) {
        if let Ok(message) = payload::encode(message) {
            // The host counts at once, so there is nothing to wait for; an older one has no count.
            drop(self.0.call(RStr::from_str(boundary::REPORT_PANIC), message));
        }
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.0.sleep(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).await;
    }
}

/// An HTTP request.
pub struct HttpRequest {
    head: RequestHead,
    body: Vec<u8>,
}

/// What is said of a request before its body. It crosses the boundary as a payload.
#[doc(hidden)]
#[derive(Serialize, Deserialize)]
pub struct RequestHead {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
}

/// What is said of a response before its body. It crosses the boundary as a payload.
#[doc(hidden)]
#[derive(Serialize, Deserialize)]
pub struct ResponseHead {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

impl HttpRequest {
    fn new(method: &str, url: impl Into<String>) -> Self {
        let head = RequestHead { method: method.to_owned(), url: url.into(), headers: Vec::new() };
        Self { head, body: Vec::new() }
    }

    /// A GET request.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A POST request.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header; one of the same name that was set before is replaced.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.head.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.head.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a parameter to the address; its value may be any text.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let url = &mut self.head.url;
        url.push(if url.contains('?') { '&' } else { '?' });
        url.extend([name, "=", &escaped(value)]);
        self
    }

    /// Whether a header of this name is set.
    pub fn has_header(&self, name: &str) -> bool {
        self.head.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Sets the body, and its media type.
    #[must_use]
    pub fn body(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", media_type)
    }

    /// Sets a JSON body from its text.
    #[must_use]
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/json", body)
    }
}

/// A text as a part of an address: what has a meaning there is percent-encoded.
/// <https://www.rfc-editor.org/rfc/rfc3986#section-2.1>
pub fn escaped(text: &str) -> String {
    const MEANS_SOMETHING: AsciiSet =
        NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &MEANS_SOMETHING).to_string()
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.head.headers.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("HttpRequest")
            .field("method", &self.head.method)
            .field("url", &self.head.url)
            .field("headers", &names)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}

/// An HTTP response whose body is still arriving.
#[derive(Debug)]
pub struct HttpResponse {
    head: ResponseHead,
    body: HttpBody,
}

impl fmt::Debug for ResponseHead {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ResponseHead").field("status", &self.status).finish_non_exhaustive()
    }
}

impl HttpResponse {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The first header of a name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The headers that a caller should see: rate limits and when to retry. Names in lower case.
    pub fn caller_headers(&self) -> BTreeMap<String, String> {
        self.head
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .filter(|(name, _)| is_for_caller(name))
            .collect()
    }

    /// The vendor's id of this exchange, in the headers that vendors use for it.
    pub fn request_id(&self) -> Option<&str> {
        ["x-request-id", "request-id", "x-goog-request-id", "cf-ray"]
            .into_iter()
            .find_map(|name| self.header(name))
    }

    /// This response where its status is a success, else an error made from the status, the
    /// headers and the body, to which a provider adds what the body means in its dialect.
    ///
    /// # Errors
    ///
    /// Of the kind that the status stands for; [`ProviderError::upstream_text`] is the body.
    pub async fn error_for_status(self) -> Result<Self, ProviderError> {
        if (200..300).contains(&self.head.status) { Ok(self) } else { Err(self.into_error().await) }
    }

    async fn into_error(mut self) -> ProviderError {
        let mut body = Vec::new();
        while let Ok(Some(piece)) = self.body.next().await {
            body.extend_from_slice(&piece);
            if body.len() >= MAX_ERROR_BODY {
                break;
            }
        }
        let status = self.head.status;
        let mut error = self
            .annotate(ProviderError::new(
                ErrorKind::from_status(status),
                format!("the upstream answered with status {status}"),
            ))
            .with_status(status)
            .with_upstream_text(&String::from_utf8_lossy(&body));
        if let Some(wait) = self.retry_after() {
            error = error.with_retry_after(wait);
        }
        error
    }

    /// Adds this response's request id and headers to an error.
    fn annotate(&self, error: ProviderError) -> ProviderError {
        let error = error.with_headers(self.caller_headers());
        match self.request_id() {
            Some(id) => error.with_upstream_request_id(id),
            None => error,
        }
    }

    /// How long the vendor asks to wait: `retry-after-ms`, or `retry-after` in seconds.
    fn retry_after(&self) -> Option<Duration> {
        let milliseconds = self.header("retry-after-ms").and_then(|value| value.parse().ok());
        let seconds = || {
            let seconds: f64 = self.header("retry-after")?.parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()
        };
        milliseconds.map(Duration::from_millis).or_else(seconds)
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// Where the connection ends early, or the body is longer than [`MAX_REPLY`].
    pub async fn bytes(&mut self) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(piece) = self.body.next().await? {
            if body.len() + piece.len() > MAX_REPLY {
                return Err(ProviderError::malformed_reply(format!(
                    "the upstream's reply is longer than {} MiB",
                    MAX_REPLY / (1024 * 1024)
                )));
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The whole body as text.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes), and where the body is not UTF-8.
    pub async fn text(&mut self) -> Result<String, ProviderError> {
        String::from_utf8(self.bytes().await?)
            .map_err(|_| self.malformed("the upstream's reply is not UTF-8", ""))
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text), and where the body is not JSON of this type; the error keeps the
    /// start of the body.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, ProviderError> {
        let text = self.text().await?;
        self.parse(&text)
    }

    /// Reads JSON text that came in this response.
    ///
    /// # Errors
    ///
    /// Where it is not JSON of this type; the error keeps the start of the text.
    pub fn parse<T: DeserializeOwned>(&self, text: &str) -> Result<T, ProviderError> {
        serde_json::from_str(text).map_err(|error| {
            let message = if text.trim().is_empty() {
                "the upstream's reply is empty".to_owned()
            } else {
                format!("the upstream's reply is not the JSON that was expected: {error}")
            };
            self.malformed(message, text)
        })
    }

    fn malformed(&self, message: impl Into<String>, text: &str) -> ProviderError {
        self.annotate(ProviderError::malformed_reply(message))
            .with_status(self.head.status)
            .with_upstream_text(text)
    }

    /// The body as it arrives.
    pub fn into_body(self) -> HttpBody {
        self.body
    }

    /// The body as frames, in the framing of the decoder.
    pub fn into_frames<D: FrameDecoder>(self, decoder: D) -> Frames<D> {
        Frames::new(self.body, decoder)
    }
}

fn is_for_caller(name: &str) -> bool {
    name.starts_with("x-ratelimit-")
        || name.starts_with("anthropic-ratelimit-")
        || matches!(name, "retry-after" | "retry-after-ms")
}

/// The body of a response, as it arrives.
#[derive(Debug)]
pub struct HttpBody(RawFrames);

impl HttpBody {
    fn new(frames: FrameStreamBox) -> Self {
        Self(RawFrames::new(frames))
    }

    /// The next piece, of any size; `None` at the end.
    ///
    /// # Errors
    ///
    /// Where the connection ends early or nothing comes for too long.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ProviderError> {
        self.0.next().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_cannot_change_the_address() {
        let request = HttpRequest::get("https://e.x/models").query("limit", "10");
        let request = request.query("after", "a-b_c.1&x=é/?");
        let expected = "https://e.x/models?limit=10&after=a-b_c.1%26x%3D%C3%A9%2F%3F";
        assert_eq!(request.head.url, expected);
    }
}
