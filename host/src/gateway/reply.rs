//! What an answer carries, whatever its dialect: a body of JSON, and headers beside it: the upstream's
//! rate limits and request id, and warnings.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// What a provider did otherwise than it was asked, one header a warning.
const WARNING: HeaderName = HeaderName::from_static("x-allos-warning");

/// What can be done about an error whose message is the upstream's own.
const HINT: HeaderName = HeaderName::from_static("x-allos-hint");

/// The upstream's own id of the request.
const UPSTREAM_REQUEST_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// The type of a body of JSON.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The most warnings of one answer that become headers.
const MOST_WARNINGS: usize = 16;

/// The longest text that becomes a header, in characters.
const LONGEST_TEXT: usize = 400;

/// JSON text as a response.
pub(crate) fn json(json: impl Into<String>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], json.into()).into_response()
}

/// The upstream's headers that the caller should see, and its request id.
pub(crate) fn upstream_headers(
    headers: &BTreeMap<String, String>,
    request_id: Option<&str>,
) -> HeaderMap {
    let mut written = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| is_for_clients(name)) {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            written.insert(name, value);
        }
    }
    if let Some(Ok(id)) = request_id.map(HeaderValue::from_str) {
        written.insert(UPSTREAM_REQUEST_ID, id);
    }
    written
}

/// Adds warnings.
pub(crate) fn warn(headers: &mut HeaderMap, warnings: &[String]) {
    for warning in warnings.iter().take(MOST_WARNINGS) {
        if let Ok(value) = HeaderValue::from_str(&header_text(warning)) {
            headers.append(WARNING, value);
        }
    }
}

/// Adds a hint.
pub(crate) fn hint(headers: &mut HeaderMap, hint: &str) {
    if let Ok(value) = HeaderValue::from_str(&header_text(hint)) {
        headers.insert(HINT, value);
    }
}

/// Rate limits and the like. What belongs to the connection, or to the gateway itself, is not a
/// provider's to set.
fn is_for_clients(name: &str) -> bool {
    let known = name.starts_with("x-") || name.contains("ratelimit") || name == "retry-after-ms";
    let ours = name == "x-request-id" || name.starts_with("x-allos-");
    (known || name == "retry-after") && !ours
}

/// Text as a header can carry it: printable ASCII on one line, not too long.
fn header_text(text: &str) -> String {
    let printable = |character| match character {
        ' '..='~' => character,
        _ if char::is_whitespace(character) => ' ',
        _ => '?',
    };
    text.chars().take(LONGEST_TEXT).map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_cannot_add_a_header() {
        let mut headers = HeaderMap::new();
        warn(&mut headers, &["seed\r\nset-cookie: é".to_owned()]);
        let value = HeaderValue::from_static("seed  set-cookie: ?");
        assert_eq!(headers.get(WARNING), Some(&value));
    }

    #[test]
    fn only_headers_meant_for_callers_are_handed_on() {
        let headers = ["x-ratelimit-limit-requests", "set-cookie", "x-request-id"];
        let headers = headers.map(|name| (name.to_owned(), "1".to_owned()));
        let written = upstream_headers(&headers.into(), Some("req-1"));
        let names: Vec<&str> = written.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-ratelimit-limit-requests", "x-upstream-request-id"]);
    }
}
