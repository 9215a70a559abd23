//! Which dialect a request is written in, and failures in the shape of that dialect.
//!
//! Routes, the rules of access and the pages for what does not exist all fail in the same way. Here,
//! around all of them, a failure gets its body.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::Failure;
use super::request_id::RequestId;
use super::{anthropic, openai, reply};

/// The header that every client of Anthropic's sends.
const ANTHROPIC_VERSION: &str = "anthropic-version";

/// Where Anthropic's clients look for the id of a request.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// The dialect that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoken {
    OpenAi,
    Anthropic,
}

impl Spoken {
    /// By the path where one dialect alone has it, else by the header that only one dialect sends.
    pub(crate) fn by(path: &str, headers: &HeaderMap) -> Self {
        let is_under = |top: &str| {
            path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let of_openai = ["/v1/chat", "/v1/embeddings"].into_iter().any(is_under);
        if is_under("/v1/messages") || (!of_openai && headers.contains_key(ANTHROPIC_VERSION)) {
            Self::Anthropic
        } else {
            Self::OpenAi
        }
    }
}

/// Gives failures their body, and Anthropic's clients the id of the request where they look for it.
pub(crate) async fn shape(request: Request, next: Next) -> Response {
    let spoken = Spoken::by(request.uri().path(), request.headers());
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        let json = match spoken {
            Spoken::OpenAi => openai::error::json(&failure),
            Spoken::Anthropic => {
                anthropic::error::json(&failure, id.as_ref().map_or("", RequestId::as_str))
            }
        };
        *response.body_mut() = Body::from(json);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, reply::JSON);
    }
    if let (Spoken::Anthropic, Some(RequestId(id))) = (spoken, id) {
        response.headers_mut().insert(ANTHROPIC_REQUEST_ID, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_path_decides_and_then_the_header() {
        let plain = HeaderMap::new();
        let version = HeaderName::from_static(ANTHROPIC_VERSION);
        let named = HeaderMap::from_iter([(version, HeaderValue::from_static("2023-06-01"))]);
        for path in ["/v1/messages", "/v1/messages/count_tokens", "/v1/messages/x"] {
            assert_eq!(Spoken::by(path, &plain), Spoken::Anthropic, "{path}");
        }
        for path in ["/v1/models", "/v1/messages-of-mine", "/x"] {
            assert_eq!(Spoken::by(path, &plain), Spoken::OpenAi, "{path}");
            assert_eq!(Spoken::by(path, &named), Spoken::Anthropic, "{path}");
        }
        assert_eq!(Spoken::by("/v1/chat/completions", &named), Spoken::OpenAi);
    }
}
