//! What Google says when it fails, as a [`ProviderError`].
//!
//! The host has already made an error from the status and the headers; this reads the body, which
//! has the form of all of Google's APIs. A wrong key is a bad request here, so the details decide.
//!
//! - <https://ai.google.dev/gemini-api/docs/troubleshooting>
//! - <https://cloud.google.com/apis/design/errors>
//! - <https://ai.google.dev/gemini-api/docs/rate-limits>

use std::time::Duration;

use allos_plugin_api::json::{items, text};
use allos_plugin_api::{ErrorKind, ProviderError};
use serde_json::Value;

/// The word for what does not exist.
pub const NOT_FOUND: &str = "NOT_FOUND";

/// Adds what the body means to the error of a response that was not a success.
pub fn refine(error: ProviderError) -> ProviderError {
    let body = error.upstream_text().and_then(|text| serde_json::from_str(text).ok());
    match body.as_ref().and_then(find) {
        Some(object) => describe(error, object),
        None => error,
    }
}

/// The error that a reply or a frame carries although its status was a success.
pub fn in_reply(reply: &Value, body: &str) -> Option<ProviderError> {
    let object = find(reply)?;
    Some(describe(ProviderError::in_reply(&object["code"], body), object))
}

/// `{"error": {…}}`, alone or in a list.
fn find(body: &Value) -> Option<&Value> {
    let body = items(body).first().unwrap_or(body);
    body["error"].is_object().then(|| &body["error"])
}

fn describe(mut error: ProviderError, object: &Value) -> ProviderError {
    let message = text(&object["message"]).unwrap_or_default();
    let status = text(&object["status"]).unwrap_or_default();
    let details = items(&object["details"]);
    let kind = kind(status, message, details).unwrap_or_else(|| error.kind().clone());
    error = error.with_kind(kind);
    if details.iter().any(is_daily) {
        error = error.retryable(false);
    }
    if !message.is_empty() {
        error = error.with_message(message);
    }
    if !status.is_empty() {
        error = error.with_code(status);
    }
    let mut violations = details.iter().flat_map(|detail| items(&detail["fieldViolations"]));
    if let Some(field) = violations.find_map(|violation| text(&violation["field"])) {
        error = error.with_param(field);
    }
    match details.iter().find_map(|detail| seconds(&detail["retryDelay"])) {
        Some(wait) => error.with_retry_after(wait),
        None => error,
    }
}

/// What the word for the failure stands for. Nothing where the HTTP status says as much.
fn kind(status: &str, message: &str, details: &[Value]) -> Option<ErrorKind> {
    let has_reason = |reason: &str| details.iter().any(|detail| detail["reason"] == reason);
    let says = |phrase: &str| message.contains(phrase);
    if has_reason("API_KEY_INVALID") || says("API key not valid") || says("API key expired") {
        return Some(ErrorKind::Authentication);
    }
    Some(match status {
        "UNAUTHENTICATED" => ErrorKind::Authentication,
        "PERMISSION_DENIED" if says("unregistered callers") => ErrorKind::Authentication,
        // What is told so is that the service is not offered where the caller is, or not for free.
        "PERMISSION_DENIED" | "FAILED_PRECONDITION" => ErrorKind::Permission,
        NOT_FOUND => ErrorKind::ModelNotFound,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "INVALID_ARGUMENT" if says("token count") && says("exceeds") => {
            ErrorKind::ContextWindowExceeded
        }
        "INVALID_ARGUMENT" | "OUT_OF_RANGE" => ErrorKind::InvalidRequest,
        "UNAVAILABLE" | "INTERNAL" | "ABORTED" => ErrorKind::Unavailable,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// Whether a quota is used up until the next day: waiting a little does not help.
fn is_daily(detail: &Value) -> bool {
    let quotas = items(&detail["violations"]).iter().filter_map(|it| text(&it["quotaId"]));
    quotas.into_iter().any(|quota| quota.contains("PerDay"))
}

/// A duration as Google writes it: `34.07s`.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = text(value)?.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refined(status: u16, body: &Value) -> ProviderError {
        let error = ProviderError::new(ErrorKind::from_status(status), "the upstream failed");
        refine(error.with_status(status).with_upstream_text(&body.to_string()))
    }

    fn kind_of(status: u16, word: &str, message: &str) -> ErrorKind {
        let body = json!({ "error": { "code": status, "message": message, "status": word } });
        refined(status, &body).kind().clone()
    }

    #[test]
    fn a_word_says_more_than_the_status() {
        let too_long =
            "The input token count (9) exceeds the maximum number of tokens allowed (8).";
        for (status, word, message, kind) in [
            (400, "INVALID_ARGUMENT", "bad", ErrorKind::InvalidRequest),
            (400, "INVALID_ARGUMENT", too_long, ErrorKind::ContextWindowExceeded),
            (400, "INVALID_ARGUMENT", "API key not valid.", ErrorKind::Authentication),
            (400, "FAILED_PRECONDITION", "location", ErrorKind::Permission),
            (403, "PERMISSION_DENIED", "no", ErrorKind::Permission),
            (404, NOT_FOUND, "no", ErrorKind::ModelNotFound),
            (429, "RESOURCE_EXHAUSTED", "slow", ErrorKind::RateLimit),
            (500, "INTERNAL", "oops", ErrorKind::Unavailable),
            (504, "DEADLINE_EXCEEDED", "late", ErrorKind::Timeout),
            (418, "NEW", "tea", ErrorKind::InvalidRequest),
        ] {
            assert_eq!(kind_of(status, word, message), kind, "{word}");
        }
    }

    #[test]
    fn details_tell_a_wrong_key_when_to_retry_and_a_quota_of_the_day() {
        let reason = json!([{ "@type": "ErrorInfo", "reason": "API_KEY_INVALID" }]);
        let body = |status: &str, details: &Value| json!([{ "error": { "status": status, "details": details } }]);
        let error = refined(400, &body("INVALID_ARGUMENT", &reason));
        assert_eq!(error.kind(), &ErrorKind::Authentication);
        let error = refined(429, &body("RESOURCE_EXHAUSTED", &json!([{ "retryDelay": "34.5s" }])));
        assert_eq!(error.retry_after(), Some(Duration::from_millis(34_500)));
        assert!(error.is_retryable());
        let quota = json!([{ "violations": [{ "quotaId": "RequestsPerDayPerProject" }] }]);
        assert!(!refined(429, &body("RESOURCE_EXHAUSTED", &quota)).is_retryable());
    }

    #[test]
    fn an_error_in_a_stream_takes_its_status_from_the_code() {
        let frame = json!({ "error": { "code": 503, "message": "busy", "status": "UNAVAILABLE" } });
        let error = in_reply(&frame, &frame.to_string()).unwrap();
        assert_eq!((error.status(), error.message()), (Some(503), "busy"));
        assert_eq!((error.kind(), error.code()), (&ErrorKind::Unavailable, Some("UNAVAILABLE")));
        assert!(in_reply(&json!({ "candidates": [] }), "").is_none());
    }
}
