//! Failures in Anthropic's shape. <https://docs.anthropic.com/en/api/errors>

use allos_plugin_api::{Dialect, ErrorKind};
use serde_json::{Value, json};

use crate::gateway::error::Failure;

/// The body of a failure, which is also its frame in a stream: the upstream's JSON as it came where
/// it is of this dialect.
pub(crate) fn json(failure: &Failure, request_id: &str) -> String {
    match failure.body() {
        Some(body) if body.dialect == Dialect::AnthropicMessages => body.json.clone(),
        _ => built(failure, request_id).to_string(),
    }
}

fn built(failure: &Failure, request_id: &str) -> Value {
    json!({
        "type": "error",
        "error": { "type": kind(failure), "message": failure.message() },
        "request_id": request_id,
    })
}

/// The word for a failure: by what went wrong, and where that says nothing, by the status.
fn kind(failure: &Failure) -> &'static str {
    let status = failure.status().as_u16();
    match (failure.kind(), status) {
        (ErrorKind::Authentication, _) => "authentication_error",
        (ErrorKind::Permission, _) => "permission_error",
        (ErrorKind::ModelNotFound, _) => "not_found_error",
        (_, 402) => "billing_error",
        (ErrorKind::RateLimit, _) => "rate_limit_error",
        (ErrorKind::Timeout, _) => "timeout_error",
        (_, 401) => "authentication_error",
        (_, 403) => "permission_error",
        (_, 404) => "not_found_error",
        (_, 413) => "request_too_large",
        (_, 529) => "overloaded_error",
        (_, ..500) => "invalid_request_error",
        _ => "api_error",
    }
}

#[cfg(test)]
mod tests {
    use allos_plugin_api::{ProviderError, RawBody};

    use super::*;

    #[test]
    fn an_error_of_the_same_dialect_comes_as_it_came() {
        let body = r#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#;
        let error = ProviderError::new(ErrorKind::Unavailable, "no")
            .with_body(RawBody::new(Dialect::AnthropicMessages, body));
        assert_eq!(json(&error.into(), "req_1"), body);
    }

    #[test]
    fn an_error_of_another_dialect_is_built_anew() {
        let body = RawBody::new(Dialect::OpenAiChat, "{}");
        let error = ProviderError::new(ErrorKind::RateLimit, "slow down").with_body(body);
        let expected = json!({
            "type": "error",
            "error": { "type": "rate_limit_error", "message": "slow down" },
            "request_id": "req_1",
        });
        assert_eq!(built(&error.into(), "req_1"), expected);
    }

    #[test]
    fn the_status_says_what_the_kind_does_not() {
        let word = |kind, status| {
            let error = ProviderError::new(kind, "no").with_status(status);
            super::kind(&error.into())
        };
        assert_eq!(word(ErrorKind::InvalidRequest, 413), "request_too_large");
        assert_eq!(word(ErrorKind::InvalidRequest, 422), "invalid_request_error");
        assert_eq!(word(ErrorKind::Unavailable, 529), "overloaded_error");
        assert_eq!(word(ErrorKind::Unavailable, 503), "api_error");
        assert_eq!(word(ErrorKind::RateLimit, 402), "billing_error");
        assert_eq!(word(ErrorKind::MalformedReply, 502), "api_error");
        assert_eq!(word(ErrorKind::Timeout, 504), "timeout_error");
    }
}
