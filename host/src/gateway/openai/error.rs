//! Failures in `OpenAI`'s shape. <https://platform.openai.com/docs/guides/error-codes>

use allos_plugin_api::{Dialect, ErrorKind};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::gateway::error::Failure;

/// The body of a failure, which is also its frame in a stream.
pub(crate) fn json(failure: &Failure) -> String {
    match failure.body() {
        Some(body) if body.dialect == Dialect::OpenAiChat => body.json.clone(),
        _ => built(failure).to_string(),
    }
}

fn built(failure: &Failure) -> Value {
    let (kind, code) = words(failure);
    json!({
        "error": {
            "message": failure.message(),
            "type": kind,
            "param": failure.param(),
            "code": failure.code().or(code),
        }
    })
}

/// The type of a failure, and its code where nobody gave a more precise one.
fn words(failure: &Failure) -> (&'static str, Option<&'static str>) {
    match failure.kind() {
        ErrorKind::Authentication => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Permission => ("permission_error", Some("permission_denied")),
        ErrorKind::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::ContextWindowExceeded => {
            ("invalid_request_error", Some("context_length_exceeded"))
        }
        ErrorKind::ModelNotFound => ("invalid_request_error", Some("model_not_found")),
        ErrorKind::ContentFiltered => ("invalid_request_error", Some("content_filter")),
        ErrorKind::Unsupported => ("invalid_request_error", Some("unsupported")),
        ErrorKind::Timeout => ("server_error", Some("timeout")),
        ErrorKind::Unavailable => ("server_error", Some("unavailable")),
        ErrorKind::MalformedReply => ("server_error", Some("malformed_reply")),
        ErrorKind::Configuration => ("server_error", Some("configuration")),
        ErrorKind::Panicked => ("server_error", Some("plugin_panicked")),
        _ if failure.status() < StatusCode::INTERNAL_SERVER_ERROR => {
            ("invalid_request_error", None)
        }
        _ => ("server_error", None),
    }
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{ProviderError, RawBody};

    use super::*;

    #[test]
    fn an_error_of_the_same_dialect_comes_as_it_came() {
        let body = r#"{"error":{"message":"no","code":429,"metadata":{}}}"#;
        let error = ProviderError::new(ErrorKind::RateLimit, "no")
            .with_body(RawBody::new(Dialect::OpenAiChat, body));
        assert_eq!(json(&error.into()), body);
    }

    #[test]
    fn an_error_of_another_dialect_is_built_anew() {
        let body = RawBody::new(Dialect::AnthropicMessages, "{}");
        let error = ProviderError::new(ErrorKind::RateLimit, "slow down").with_body(body);
        let expected = json!({"error": {
            "message": "slow down",
            "type": "rate_limit_error",
            "param": null,
            "code": "rate_limit_exceeded",
        }});
        assert_eq!(built(&error.into()), expected);
    }
}
