//! Why the gateway does not answer with what was asked, and for whom.
//!
//! There are two audiences. The client sees a status, a message and a code in the shape of its own
//! dialect, which each dialect's `error.rs` writes. The operator's log sees the same, and also which
//! provider failed, with what status and request id of the upstream. Neither sees a secret: the
//! host has removed them from whatever a plugin said.

use std::fmt;

use allos_plugin_api::{ErrorKind, ProviderError, RawBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::json::Invalid;
use super::reply;

/// Whether the official clients should ask again: they follow it over their own rules.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A request that failed, before a dialect gives it its shape.
#[derive(Clone)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Clone)]
struct Inner {
    status: StatusCode,
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    param: Option<String>,
    headers: HeaderMap,
    body: Option<RawBody>,
    for_log: Option<String>,
}

impl Failure {
    /// A failure of the gateway's own making.
    pub(crate) fn new(status: StatusCode, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            status,
            kind,
            message: message.into(),
            code: None,
            param: None,
            headers: HeaderMap::new(),
            body: None,
            for_log: None,
        }))
    }

    /// A request that the client has to change.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorKind::InvalidRequest, message)
    }

    /// The gateway stops before the answer is complete.
    pub(crate) fn shutting_down() -> Self {
        let message = "the gateway is shutting down";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Unavailable, message)
            .with_code("shutting_down")
    }

    /// Adds a word for programs.
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Adds a header to the response.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What went wrong.
    pub(crate) fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What went wrong, in one line for the client.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The word for programs, where there is one more precise than the kind.
    pub(crate) fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The member of the request that is wrong.
    pub(crate) fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// The upstream's JSON as it came.
    pub(crate) fn body(&self) -> Option<&RawBody> {
        self.0.body.as_ref()
    }

    /// What the log says.
    pub(crate) fn for_log(&self) -> &str {
        self.0.for_log.as_deref().unwrap_or(&self.0.message)
    }
}

/// A response without a body: `shape` reads the failure that travels beside it and writes it in the
/// dialect of the request.
impl IntoResponse for Failure {
    fn into_response(mut self) -> Response {
        let mut response = self.status().into_response();
        response.headers_mut().extend(std::mem::take(&mut self.0.headers));
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        let mut failure = Self::bad_request(invalid.message).with_code(invalid.code);
        failure.0.param = (!invalid.param.is_empty()).then_some(invalid.param);
        failure
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        let status = status(&error);
        let mut failure = Self::new(status, error.kind().clone(), message(&error));
        failure.0.code = error.code().map(str::to_owned);
        failure.0.param = error.param().map(str::to_owned);
        failure.0.headers = headers(&error, status);
        failure.0.for_log = Some(for_log(&error));
        failure.0.body = error.body().cloned();
        failure
    }
}

/// The upstream's own status where it is one of an error, else what the kind stands for.
fn status(error: &ProviderError) -> StatusCode {
    let of_upstream = error.status().filter(|status| (400..600).contains(status));
    let of_upstream = of_upstream.and_then(|status| StatusCode::from_u16(status).ok());
    of_upstream.unwrap_or(match error.kind() {
        ErrorKind::Authentication => StatusCode::UNAUTHORIZED,
        ErrorKind::Permission => StatusCode::FORBIDDEN,
        ErrorKind::RateLimit => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::ContextWindowExceeded
        | ErrorKind::InvalidRequest
        | ErrorKind::Unsupported
        | ErrorKind::ContentFiltered => StatusCode::BAD_REQUEST,
        ErrorKind::ModelNotFound => StatusCode::NOT_FOUND,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::MalformedReply => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    })
}

/// The upstream's words stay as they are, and a hint is a header; to words of our own it is added.
fn message(error: &ProviderError) -> String {
    match error.hint() {
        Some(hint) if error.status().is_none() => format!("{} (hint: {hint})", error.message()),
        _ => error.message().to_owned(),
    }
}

fn headers(error: &ProviderError, status: StatusCode) -> HeaderMap {
    let mut headers = reply::upstream_headers(error.headers(), error.upstream_request_id());
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.entry(header::RETRY_AFTER).or_insert(seconds.into());
    }
    if matches!(status.as_u16(), 408 | 409 | 429 | 500..) {
        let answer = if error.is_retryable() { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(answer));
    }
    if let Some(hint) = error.hint().filter(|_| error.status().is_some()) {
        reply::hint(&mut headers, hint);
    }
    headers
}

fn for_log(error: &ProviderError) -> String {
    let mut line = format!("{error} (kind: {}", error.kind());
    let status = error.status().map(|status| status.to_string());
    let facts = [
        ("upstream status", status.as_deref()),
        ("upstream request", error.upstream_request_id()),
        ("hint", error.hint()),
    ];
    for (name, fact) in facts {
        if let Some(fact) = fact {
            line.push_str(", ");
            line.push_str(name);
            line.push_str(": ");
            line.push_str(fact);
        }
    }
    line.push(')');
    line
}

impl fmt::Debug for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Failure")
            .field("status", &self.status())
            .field("kind", self.kind())
            .field("message", &self.message())
            .field("code", &self.code())
            .field("param", &self.param())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upstream_keeps_its_status_and_words() {
        let error = ProviderError::new(ErrorKind::Authentication, "Incorrect API key")
            .with_status(401)
            .with_hint("set OPENAI_API_KEY");
        let failure = Failure::from(error);
        assert_eq!(failure.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(failure.message(), "Incorrect API key");
        let hint = HeaderValue::from_static("set OPENAI_API_KEY");
        assert_eq!(failure.into_response().headers().get("x-allos-hint"), Some(&hint));
    }

    #[test]
    fn a_status_that_is_no_error_is_not_handed_on() {
        let error = ProviderError::malformed_reply("no JSON").with_status(200);
        assert_eq!(Failure::from(error).status(), StatusCode::BAD_GATEWAY);
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let wait = std::time::Duration::from_millis(1200);
        let error = ProviderError::new(ErrorKind::RateLimit, "slow down").with_retry_after(wait);
        let response = Failure::from(error).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get("retry-after"), Some(&HeaderValue::from(2)));
    }
}
