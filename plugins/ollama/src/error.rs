//! What a server says when it fails, as a [`ProviderError`].
//!
//! The host has already made an error from the status and the headers; this reads the body, which
//! is `{"error": "…"}`, and says what an operator can do. In a stream the same object is a line.
//!
//! - <https://docs.ollama.com/api/errors>

use allos_plugin_api::json::text;
use allos_plugin_api::{ErrorKind, ProviderError};
use serde_json::Value;

/// Adds what the body means to the error of a response that was not a success.
pub(crate) fn refine(error: ProviderError, instance: &str, model: &str) -> ProviderError {
    let body = error.upstream_text().and_then(|text| serde_json::from_str(text).ok());
    let body: Value = body.unwrap_or_default();
    let is_found_by_name = !model.is_empty() && message(&body).is_some();
    let error = describe(error, &body);
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Timeout if error.status().is_none() => error.with_hint(
            "see that the server runs (`ollama serve`) and that `base_url` is its address",
        ),
        ErrorKind::ModelNotFound if is_found_by_name => {
            error.with_hint(format!("`ollama pull {model}` fetches it"))
        }
        ErrorKind::Authentication => error.with_hint(key_hint(instance, &body)),
        _ => error,
    }
}

/// The error that a reply or a line is although the status was a success.
pub(crate) fn in_reply(reply: &Value, text: &str) -> Option<ProviderError> {
    message(reply)?;
    // What a server hands on from Ollama's cloud has the status of there.
    Some(describe(ProviderError::in_reply(&reply["StatusCode"], text), reply))
}

fn describe(error: ProviderError, body: &Value) -> ProviderError {
    let Some(message) = message(body) else { return error };
    let error = error.with_message(message);
    if is_too_long(&message.to_lowercase()) {
        return error.with_kind(ErrorKind::ContextWindowExceeded);
    }
    match error.status() {
        Some(402) => error.retryable(false),
        _ => error,
    }
}

/// The words of an error; servers in front of Ollama put them into an object.
fn message(body: &Value) -> Option<&str> {
    text(&body["error"]).or_else(|| text(&body["error"]["message"]))
}

fn is_too_long(message: &str) -> bool {
    message.contains("prompt too long")
        || (message.contains("context length") && message.contains("exceed"))
}

fn key_hint(instance: &str, body: &Value) -> String {
    let key = format!("set `api_key = {{ env = \"OLLAMA_API_KEY\" }}` in [providers.{instance}]");
    match text(&body["signin_url"]) {
        Some(url) => format!("sign the server in at {url}, or {key}"),
        None => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refined(status: u16, body: &str) -> ProviderError {
        let error = ProviderError::new(ErrorKind::from_status(status), "the upstream failed");
        refine(error.with_status(status).with_upstream_text(body), "ollama", "gemma3")
    }

    #[test]
    fn a_model_that_is_not_there_can_be_pulled() {
        let error = refined(404, r#"{"error":"model 'gemma3' not found"}"#);
        assert_eq!(error.kind(), &ErrorKind::ModelNotFound);
        assert_eq!(error.message(), "model 'gemma3' not found");
        assert_eq!(error.hint(), Some("`ollama pull gemma3` fetches it"));
        assert_eq!(refined(404, "404 page not found").hint(), None);
    }

    #[test]
    fn a_prompt_that_is_too_long_is_recognised() {
        for message in [
            "prompt too long; exceeded max context length by 4 tokens",
            "the input length exceeds the context length",
            "input exceeds maximum context length",
        ] {
            let error = refined(400, &format!(r#"{{"error":"{message}"}}"#));
            assert_eq!(error.kind(), &ErrorKind::ContextWindowExceeded, "{message}");
        }
        let error = refined(400, r#"{"error":"\"gemma3\" does not support tools"}"#);
        assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    }

    #[test]
    fn a_server_that_is_not_there_may_not_run() {
        let error = ProviderError::new(ErrorKind::Unavailable, "it cannot be reached");
        assert!(refine(error, "ollama", "m").hint().unwrap().contains("ollama serve"));
        assert_eq!(refined(503, r#"{"error":"server busy"}"#).hint(), None);
    }

    #[test]
    fn a_key_that_is_missing_can_be_set_and_a_server_signed_in() {
        let body = r#"{"error":"unauthorized","signin_url":"https://ollama.com/connect"}"#;
        let error = refined(401, body);
        assert_eq!(error.kind(), &ErrorKind::Authentication);
        let hint = error.hint().unwrap();
        for part in ["OLLAMA_API_KEY", "[providers.ollama]", "https://ollama.com/connect"] {
            assert!(hint.contains(part), "{hint}");
        }
        let error = refined(402, r#"{"error":"upgrade to go on"}"#);
        assert_eq!((error.kind(), error.is_retryable()), (&ErrorKind::RateLimit, false));
    }

    #[test]
    fn a_line_that_is_an_error_takes_its_status_from_where_it_comes_from() {
        let read = |text: &str| in_reply(&serde_json::from_str(text).unwrap(), text);
        let error = read(r#"{"error":"the model failed to generate a response"}"#).unwrap();
        assert_eq!((error.kind(), error.status()), (&ErrorKind::Unavailable, None));
        let error = read(r#"{"StatusCode":429,"error":"slow down"}"#).unwrap();
        assert_eq!((error.kind(), error.status()), (&ErrorKind::RateLimit, Some(429)));
        assert_eq!(read(r#"{"error":"","message":{}}"#), None);
    }
}
