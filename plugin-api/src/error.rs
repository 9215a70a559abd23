//! How a provider fails: by kind, with what the upstream said, and never with a secret.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::raw::RawBody;
use crate::tagged::words;

/// The most of an upstream's body that an error keeps, in bytes.
pub const MAX_ERROR_BODY: usize = 16 * 1024;

words! {
    /// What went wrong, in one vocabulary for all vendors.
    pub enum ErrorKind {
        /// The key is missing or wrong.
        Authentication = "authentication",
        /// The key is right, and may not do this.
        Permission = "permission",
        /// Too many requests or tokens for now, or the quota is used up.
        RateLimit = "rate_limit",
        /// The prompt and the answer do not fit the model's context window.
        ContextWindowExceeded = "context_window_exceeded",
        /// The request is not one that the provider can carry out.
        InvalidRequest = "invalid_request",
        /// There is no such model.
        ModelNotFound = "model_not_found",
        /// The vendor refuses the prompt for what it says.
        ContentFiltered = "content_filtered",
        /// No answer within the time that was allowed.
        Timeout = "timeout",
        /// The vendor cannot be reached, fails, or is overloaded.
        Unavailable = "unavailable",
        /// The vendor's reply cannot be read, or ended before it was complete.
        MalformedReply = "malformed_reply",
        /// The provider does not offer this.
        Unsupported = "unsupported",
        /// The provider's configuration is wrong.
        Configuration = "configuration",
        /// The plugin panicked.
        Panicked = "panicked",
    }
}

impl ErrorKind {
    /// Whether the same request may succeed later, as far as the kind tells.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimit | Self::Timeout | Self::Unavailable)
    }

    /// The kind that an HTTP status stands for, where the vendor says nothing more precise.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 | 429 => Self::RateLimit,
            403 => Self::Permission,
            404 => Self::ModelNotFound,
            408 | 504 => Self::Timeout,
            400..=499 => Self::InvalidRequest,
            500..=599 => Self::Unavailable,
            _ => Self::MalformedReply,
        }
    }
}

/// Why a provider could not answer.
///
/// The message is one line, lower case, without a full stop. It and every other field may be shown
/// to whoever made the call.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderError(Box<Inner>);

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Inner {
    kind: ErrorKind,
    message: String,
    #[serde(default)]
    retryable: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream_request_id: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    upstream_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<RawBody>,
}

impl ProviderError {
    /// An error of a kind, with one line of message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            retryable: kind.is_transient(),
            kind,
            message: message.into(),
            provider: None,
            hint: None,
            status: None,
            code: None,
            param: None,
            retry_after_ms: None,
            upstream_request_id: None,
            headers: BTreeMap::new(),
            upstream_text: None,
            body: None,
        }))
    }

    /// The provider does not offer an operation, a parameter or a kind of content.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("{what} is not supported"))
    }

    /// The configuration is wrong.
    pub fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    /// The request cannot be carried out.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// The vendor's reply cannot be read.
    pub fn malformed_reply(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::MalformedReply, message)
    }

    /// The vendor failed although the status of its reply was a success. A code in the reply that is
    /// the status of an error, as a number or as text, counts instead; `text` is the reply.
    pub fn in_reply(code: &Value, text: &str) -> Self {
        let number = code.as_u64().or_else(|| code.as_str()?.parse().ok());
        let status = number.and_then(|code| u16::try_from(code).ok());
        let error = Self::new(ErrorKind::Unavailable, "the upstream failed");
        let error = match status.filter(|status| (400..=599).contains(status)) {
            Some(status) => error.with_kind(ErrorKind::from_status(status)).with_status(status),
            None => error,
        };
        error.with_upstream_text(text)
    }

    /// The vendor's reply ended before it was complete. Asking again may help.
    pub fn truncated() -> Self {
        Self::malformed_reply("the stream ended before the answer was complete").retryable(true)
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// What went wrong, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the same request may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The provider instance that failed.
    pub fn provider(&self) -> Option<&str> {
        self.0.provider.as_deref()
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The upstream's HTTP status.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The upstream's own code.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The part of the request that is wrong, in the upstream's words.
    pub fn param(&self) -> Option<&str> {
        self.0.param.as_deref()
    }

    /// How long the upstream asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after_ms.map(Duration::from_millis)
    }

    /// The vendor's id of the HTTP request.
    pub fn upstream_request_id(&self) -> Option<&str> {
        self.0.upstream_request_id.as_deref()
    }

    /// Headers of the upstream that the caller should see.
    pub fn headers(&self) -> &BTreeMap<String, String> {
        &self.0.headers
    }

    /// The start of the upstream's body, as text of any kind.
    pub fn upstream_text(&self) -> Option<&str> {
        self.0.upstream_text.as_deref()
    }

    /// The upstream's JSON as it came, where its dialect is known.
    pub fn body(&self) -> Option<&RawBody> {
        self.0.body.as_ref()
    }

    /// Sets what went wrong, and whether a retry helps accordingly.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.retryable = kind.is_transient();
        self.0.kind = kind;
        self
    }

    /// Sets what went wrong, in one line.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    /// Sets whether the same request may succeed later.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Names the provider instance, unless it is named already.
    #[must_use]
    pub fn with_provider(mut self, provider: &str) -> Self {
        self.0.provider.get_or_insert_with(|| provider.to_owned());
        self
    }

    /// Says what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the upstream's HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    /// Keeps the upstream's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// Keeps which part of the request is wrong.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// Keeps how long the upstream asks to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after_ms = u64::try_from(wait.as_millis()).ok();
        self
    }

    /// Keeps the vendor's id of the HTTP request.
    #[must_use]
    pub fn with_upstream_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.upstream_request_id = Some(id.into());
        self
    }

    /// Keeps headers of the upstream that the caller should see.
    #[must_use]
    pub fn with_headers(mut self, headers: BTreeMap<String, String>) -> Self {
        self.0.headers = headers;
        self
    }

    /// Keeps the start of the upstream's body: at most [`MAX_ERROR_BODY`] bytes.
    #[must_use]
    pub fn with_upstream_text(mut self, text: &str) -> Self {
        let end = text.floor_char_boundary(MAX_ERROR_BODY);
        self.0.upstream_text = Some(text[..end].to_owned());
        self
    }

    /// Keeps the upstream's JSON as it came, if it is not longer than [`MAX_ERROR_BODY`].
    #[must_use]
    pub fn with_body(mut self, body: RawBody) -> Self {
        self.0.body = (body.json.len() <= MAX_ERROR_BODY).then_some(body);
        self
    }

    /// Drops the upstream's JSON, so that only the normalised form remains.
    #[must_use]
    pub fn without_body(mut self) -> Self {
        self.0.body = None;
        self
    }

    /// Rewrites every text that came from outside: the host removes secrets with it.
    #[doc(hidden)]
    #[must_use]
    pub fn map_text(mut self, mut rewrite: impl FnMut(&mut String)) -> Self {
        let inner = &mut *self.0;
        rewrite(&mut inner.message);
        for text in [&mut inner.hint, &mut inner.code, &mut inner.param, &mut inner.upstream_text] {
            text.iter_mut().for_each(&mut rewrite);
        }
        inner.headers.values_mut().for_each(&mut rewrite);
        inner.body.iter_mut().for_each(|body| rewrite(&mut body.json));
        self
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(provider) = self.provider() {
            write!(formatter, "{provider}: ")?;
        }
        formatter.write_str(self.message())
    }
}

impl fmt::Debug for ProviderError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProviderError")
            .field("kind", self.kind())
            .field("message", &self.message())
            .field("provider", &self.provider())
            .field("status", &self.status())
            .field("code", &self.code())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for ProviderError {}
