//! What Anthropic says when it fails, as a [`ProviderError`].
//!
//! An error has the same shape in a response and in a stream:
//! `{"type": "error", "error": {"type", "message"}, "request_id"}`. Its type tells more than the
//! status, and two conditions are told by the message alone.
//!
//! - <https://platform.claude.com/docs/en/api/errors>

use allos_plugin_api::json::text;
use allos_plugin_api::{Dialect, ErrorKind, ProviderError, RawBody};
use serde_json::Value;

/// Types of errors that say what the kind says.
const KINDS: [&str; 5] = [
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "not_found_error",
    "rate_limit_error",
];
/// How an invalid request is said to be longer than the model's context window.
const TOO_LONG: [&str; 3] = ["prompt is too long", "exceed context limit", "context window"];
/// How an invalid request is said to be one that is not paid for.
const NOT_PAID: [&str; 2] = ["credit balance is too low", "api usage limits"];

/// Adds what the body means to the error of a response that was not a success.
pub fn refine(error: ProviderError) -> ProviderError {
    let body = error.upstream_text().unwrap_or_default().to_owned();
    match serde_json::from_str(&body) {
        Ok(reply) => describe(error, &reply, &body),
        Err(_) => error,
    }
}

/// The error that a reply or a frame is, although its status was a success.
pub fn in_reply(reply: &Value, body: &str) -> Option<ProviderError> {
    let is_error = reply["type"] == "error" || reply["error"].is_object();
    is_error.then(|| describe(ProviderError::in_reply(&Value::Null, body), reply, body))
}

fn describe(mut error: ProviderError, reply: &Value, body: &str) -> ProviderError {
    let said = &reply["error"];
    if !said.is_object() {
        return error;
    }
    let word = text(&said["type"]).unwrap_or_default();
    let message = text(&said["message"]).unwrap_or_default();
    error = refine_kind(error, word, &message.to_lowercase());
    if !word.is_empty() && !KINDS.contains(&word) {
        error = error.with_code(word);
    }
    if !message.is_empty() {
        error = error.with_message(message);
    }
    if let (None, Some(id)) = (error.upstream_request_id(), text(&reply["request_id"])) {
        error = error.with_upstream_request_id(id);
    }
    error.with_body(RawBody::new(Dialect::AnthropicMessages, body))
}

fn refine_kind(error: ProviderError, word: &str, message: &str) -> ProviderError {
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    let kind = match word {
        "invalid_request_error" if says(&TOO_LONG) => ErrorKind::ContextWindowExceeded,
        "billing_error" => return unpaid(error),
        "invalid_request_error" if says(&NOT_PAID) => return unpaid(error),
        "authentication_error" => ErrorKind::Authentication,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" if message.contains("model") => ErrorKind::ModelNotFound,
        "invalid_request_error" | "not_found_error" | "request_too_large" => {
            ErrorKind::InvalidRequest
        }
        "rate_limit_error" => ErrorKind::RateLimit,
        "timeout_error" => ErrorKind::Timeout,
        "api_error" | "overloaded_error" => ErrorKind::Unavailable,
        _ => return error,
    };
    error.with_kind(kind)
}

/// A quota that is used up is a rate limit that waiting does not lift.
fn unpaid(error: ProviderError) -> ProviderError {
    error.with_kind(ErrorKind::RateLimit).retryable(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refined(status: u16, word: &str, message: &str) -> ProviderError {
        let body = json!({
            "type": "error", "error": { "type": word, "message": message }, "request_id": "req_1",
        });
        let error = ProviderError::new(ErrorKind::from_status(status), "the upstream failed");
        refine(error.with_status(status).with_upstream_text(&body.to_string()))
    }

    #[test]
    fn each_type_of_error_has_its_kind() {
        for (status, word, message, kind, retryable) in [
            (400, "invalid_request_error", "max_tokens: required", "invalid_request", false),
            (400, "invalid_request_error", "Your credit balance is too low", "rate_limit", false),
            (401, "authentication_error", "invalid x-api-key", "authentication", false),
            (402, "billing_error", "see your plan", "rate_limit", false),
            (403, "permission_error", "not yours", "permission", false),
            (404, "not_found_error", "model: claude-sonet-4-5", "model_not_found", false),
            (404, "not_found_error", "container: c", "invalid_request", false),
            (413, "request_too_large", "too many bytes", "invalid_request", false),
            (429, "rate_limit_error", "slow down", "rate_limit", true),
            (500, "api_error", "internal", "unavailable", true),
            (504, "timeout_error", "too slow", "timeout", true),
            (529, "overloaded_error", "Overloaded", "unavailable", true),
            (418, "error_of_tomorrow", "new", "invalid_request", false),
        ] {
            let error = refined(status, word, message);
            let got = (error.kind().as_str(), error.is_retryable(), error.status());
            assert_eq!(got, (kind, retryable, Some(status)), "{word}: {message}");
            let code = (!KINDS.contains(&word)).then_some(word);
            assert_eq!((error.message(), error.code()), (message, code));
            assert_eq!(error.upstream_request_id(), Some("req_1"));
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_is_recognised() {
        for message in [
            "prompt is too long: 210000 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 199000 + 4096 > 200000",
        ] {
            let error = refined(400, "invalid_request_error", message);
            assert_eq!(error.kind(), &ErrorKind::ContextWindowExceeded, "{message}");
        }
    }

    #[test]
    fn a_body_that_is_no_error_changes_nothing() {
        for body in ["<html>bad gateway</html>", "", "null", "[]", r#"{"error":"no"}"#] {
            let error = ProviderError::new(ErrorKind::Unavailable, "status 502");
            let error = error.with_upstream_text(body);
            assert_eq!(refine(error.clone()), error, "{body}");
        }
    }

    #[test]
    fn an_error_in_a_stream_is_told_from_an_answer() {
        let frame = json!({ "type": "error", "error": { "type": "overloaded_error" } });
        let error = in_reply(&frame, &frame.to_string()).unwrap();
        assert_eq!((error.kind(), error.is_retryable()), (&ErrorKind::Unavailable, true));
        assert_eq!(error.body().unwrap().json, frame.to_string());
        assert!(in_reply(&json!({ "type": "message", "content": [] }), "").is_none());
    }
}
