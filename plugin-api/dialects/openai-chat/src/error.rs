//! What an upstream says when it fails, as a [`ProviderError`].
//!
//! The host has already made an error from the status and the headers; this reads the body, in
//! each of the shapes in which services of this dialect write one.
//!
//! - <https://platform.openai.com/docs/guides/error-codes/api-errors>
//! - <https://openrouter.ai/docs/api-reference/errors>
//! - <https://docs.mistral.ai/api/>

use allos_plugin_api::json::items;
use allos_plugin_api::{Dialect, ErrorKind, ProviderError, RawBody};
use serde_json::Value;

/// Phrases by which services without a code of their own say that a prompt is too long.
const TOO_LONG: [&str; 6] = [
    "maximum context length",
    "context window",
    "context length",
    "context size",
    "reduce the length of the messages",
    "prompt is too long",
];

/// Adds what the body means to the error of a response that was not a success.
#[must_use]
pub fn refine(error: ProviderError) -> ProviderError {
    let text = error.upstream_text().unwrap_or_default().to_owned();
    match serde_json::from_str(&text) {
        Ok(Value::Object(body)) => describe(error, &Value::Object(body), &text),
        Ok(Value::Array(bodies)) if !bodies.is_empty() => describe(error, &bodies[0], &text),
        _ => error,
    }
}

/// The error that a reply or a frame carries although its status was a success.
pub fn in_reply(reply: &Value, text: &str) -> Option<ProviderError> {
    std::iter::once(reply)
        .chain(items(&reply["choices"]))
        .find(|body| is_error(&body["error"]) || body["object"] == "error")
        .map(|body| of_body(body, reply, text))
}

/// The error that a frame is by its name.
pub(crate) fn in_frame(frame: &Value, text: &str) -> ProviderError {
    of_body(frame, frame, text)
}

/// An error of which only the body is known. The text that it came in goes along where a client
/// of this dialect sees by it that it is an error.
fn of_body(body: &Value, reply: &Value, text: &str) -> ProviderError {
    let code = if body["error"]["code"].is_null() { &body["code"] } else { &body["error"]["code"] };
    let error = describe(ProviderError::in_reply(code, text), body, text);
    if is_error(&reply["error"]) { error } else { error.without_body() }
}

fn is_error(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::String(text) => !text.is_empty(),
        _ => false,
    }
}

/// Reads `{"error": {…}}`, `{"error": "…"}`, `{"message": …}` and `{"detail": …}`.
fn describe(mut error: ProviderError, body: &Value, text: &str) -> ProviderError {
    let object = if body["error"].is_object() { &body["error"] } else { body };
    let message = [&object["message"], &body["error"], &object["detail"]]
        .into_iter()
        .find_map(words)
        .unwrap_or_default();
    let code = words(&object["code"]).unwrap_or_default();
    let kind = words(&object["type"]).unwrap_or_default();
    error = refine_kind(error, &code, &kind, &message.to_lowercase());
    if object["metadata"]["flagged_input"].is_string() {
        error = error.with_kind(ErrorKind::ContentFiltered);
    }
    if !message.is_empty() {
        error = error.with_message(message);
    }
    if !code.is_empty() {
        error = error.with_code(code);
    }
    if let Some(param) = words(&object["param"]) {
        error = error.with_param(param);
    }
    if let Some(raw) = words(&object["metadata"]["raw"]) {
        let vendor = object["metadata"]["provider_name"].as_str().unwrap_or("the vendor behind it");
        error = error.with_hint(format!("{vendor} said: {raw}"));
    }
    error.with_body(RawBody::new(Dialect::OpenAiChat, text))
}

/// A value in words: text as it is, anything else as JSON; nothing where there is nothing.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        other => Some(other.to_string()),
    }
}

fn refine_kind(error: ProviderError, code: &str, kind: &str, message: &str) -> ProviderError {
    let status = error.status();
    let says = |word: &str| code == word || kind == word;
    if says("context_length_exceeded") || says("exceed_context_size_error") {
        return error.with_kind(ErrorKind::ContextWindowExceeded);
    }
    if says("insufficient_quota") || says("insufficient_balance") || status == Some(402) {
        return error.with_kind(ErrorKind::RateLimit).retryable(false);
    }
    if says("rate_limit_exceeded") || says("capacity_exceeded") || status == Some(498) {
        return error.with_kind(ErrorKind::RateLimit);
    }
    if says("invalid_api_key") {
        return error.with_kind(ErrorKind::Authentication);
    }
    if says("model_not_found") {
        return error.with_kind(ErrorKind::ModelNotFound);
    }
    if says("content_filter") || says("content_policy_violation") {
        return error.with_kind(ErrorKind::ContentFiltered);
    }
    let invalid = matches!(status, Some(400 | 413 | 422)) || says("invalid_request_error");
    if invalid && TOO_LONG.iter().any(|phrase| message.contains(phrase)) {
        return error.with_kind(ErrorKind::ContextWindowExceeded);
    }
    if status.is_none() && says("invalid_request_error") {
        return error.with_kind(ErrorKind::InvalidRequest);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refined(status: u16, body: &str) -> ProviderError {
        let error = ProviderError::new(ErrorKind::from_status(status), "the upstream failed");
        refine(error.with_status(status).with_upstream_text(body))
    }

    #[test]
    fn every_shape_of_an_error_gives_its_message() {
        for (status, body, message) in [
            (400, r#"{"error":{"message":"no","type":"x","param":null,"code":null}}"#, "no"),
            (400, r#"{"error":"no"}"#, "no"),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#,
                r#"[{"loc":["body"],"msg":"no"}]"#,
            ),
            (400, r#"{"object":"error","message":"no","code":"1500"}"#, "no"),
            (400, r#"[{"error":{"code":400,"message":"no"}}]"#, "no"),
            (502, "<html>bad gateway</html>", "the upstream failed"),
            (500, "", "the upstream failed"),
        ] {
            let error = refined(status, body);
            assert_eq!((error.message(), error.status()), (message, Some(status)), "{body}");
        }
    }

    #[test]
    fn a_code_is_more_precise_than_a_status() {
        for (status, code, kind, retryable) in [
            (400, "context_length_exceeded", ErrorKind::ContextWindowExceeded, false),
            (429, "insufficient_quota", ErrorKind::RateLimit, false),
            (429, "rate_limit_exceeded", ErrorKind::RateLimit, true),
            (400, "content_filter", ErrorKind::ContentFiltered, false),
            (400, "model_not_found", ErrorKind::ModelNotFound, false),
            (529, "overloaded", ErrorKind::Unavailable, true),
        ] {
            let error =
                refined(status, &format!(r#"{{"error":{{"message":"m","code":"{code}"}}}}"#));
            assert_eq!((error.kind(), error.is_retryable()), (&kind, retryable), "{code}");
        }
    }

    #[test]
    fn a_prompt_that_is_too_long_is_recognised_by_its_message() {
        let body = r#"{"message":"Prompt contains 9 tokens, too large for model with 8 maximum context length"}"#;
        assert_eq!(refined(400, body).kind(), &ErrorKind::ContextWindowExceeded);
    }

    #[test]
    fn an_error_with_status_200_takes_its_status_from_the_code() {
        let text = r#"{"error":{"code":429,"message":"slow down"},"choices":[]}"#;
        let error = in_reply(&serde_json::from_str(text).unwrap(), text).unwrap();
        assert_eq!((error.kind(), error.status()), (&ErrorKind::RateLimit, Some(429)));
        assert_eq!(error.body().unwrap().json, text);
        let text = r#"{"choices":[{"error":{"message":"lost"}}]}"#;
        let error = in_reply(&serde_json::from_str(text).unwrap(), text).unwrap();
        assert_eq!((error.message(), error.body()), ("lost", None));
        assert!(in_reply(&serde_json::json!({"error": null, "choices": []}), "").is_none());
    }
}
