//! The client's body: JSON, by its media type, within the limit, whole.
//!
//! What it means is each dialect's own.

use std::pin::pin;
use std::time::Duration;

use allos_plugin_api::ErrorKind;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use serde_json::Value;

use super::error::Failure;

/// From this size on, parsing moves off the threads that serve connections. In bytes.
const LARGE: usize = 512 * 1024;

/// How long a body that is too large is still read, so that its sender sees the answer.
const DRAIN: Duration = Duration::from_secs(5);

/// A body as it came, and as JSON.
#[derive(Debug)]
pub(crate) struct JsonBody {
    /// The text.
    pub(crate) text: String,
    /// The value.
    pub(crate) value: Value,
}

/// Reads the whole body of a request.
pub(crate) async fn read(request: Request, limit: usize) -> Result<JsonBody, Failure> {
    let (parts, body) = request.into_parts();
    check_type(&parts.headers)?;
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let expects = parts.headers.contains_key(header::EXPECT);
    if announced.is_some_and(|length| length > limit) && expects {
        return Err(too_large(limit));
    }
    let text = text(collect(body, limit, announced).await?)?;
    if text.len() < LARGE {
        return parse(text);
    }
    let parsed = tokio::task::spawn_blocking(|| parse(text)).await;
    parsed.unwrap_or_else(|_| Err(Failure::bad_request("the body cannot be parsed")))
}

/// Other types are refused, so that a web page cannot send a body without asking first.
fn check_type(headers: &HeaderMap) -> Result<(), Failure> {
    let of = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = of(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        let message = if media_type.is_empty() {
            "the request has no content-type (hint: send `content-type: application/json`)".into()
        } else {
            format!("content-type `{media_type}` is not supported (hint: send `application/json`)")
        };
        return Err(unsupported(message));
    }
    let encoding = of(header::CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(unsupported(format!(
            "content-encoding `{encoding}` is not supported (hint: send the body uncompressed)"
        )));
    }
    Ok(())
}

fn unsupported(message: String) -> Failure {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Failure::new(status, ErrorKind::InvalidRequest, message).with_code("unsupported_media_type")
}

async fn collect(body: Body, limit: usize, announced: Option<usize>) -> Result<Vec<u8>, Failure> {
    let mut frames = pin!(body.into_data_stream());
    let mut bytes = Vec::with_capacity(announced.unwrap_or_default().min(limit));
    while let Some(frame) = frames.next().await {
        let frame: Bytes = frame.map_err(|_| Failure::bad_request("the body ends early"))?;
        if bytes.len() + frame.len() > limit {
            drop(bytes);
            let rest = async { while let Some(Ok(_)) = frames.next().await {} };
            drop(tokio::time::timeout(DRAIN, rest).await);
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&frame);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Failure {
    let message = format!("the body is larger than {limit} bytes, the limit of this gateway");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::InvalidRequest, message)
        .with_code("request_too_large")
}

fn text(bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Failure::bad_request(format!("the body is not UTF-8 (at byte {offset})"))
            .with_code("invalid_json")
    })
}

fn parse(text: String) -> Result<JsonBody, Failure> {
    if text.trim_ascii().is_empty() {
        return Err(Failure::bad_request("the body is empty").with_code("invalid_json"));
    }
    match serde_json::from_str(&text) {
        Ok(value) => Ok(JsonBody { text, value }),
        Err(error) => {
            let message = format!("the body is not valid JSON: {error}");
            Err(Failure::bad_request(message).with_code("invalid_json"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_json(content_type: &str, body: &str, limit: usize) -> Result<JsonBody, Failure> {
        let request = Request::builder().header(header::CONTENT_TYPE, content_type);
        let request = request.body(Body::from(body.to_owned()));
        read(request.map_err(|error| Failure::bad_request(error.to_string()))?, limit).await
    }

    #[tokio::test]
    async fn broken_json_is_named_by_line_and_column() {
        let failure = read_json("application/json", "{\n\"a\": }", 99).await.err();
        let message = failure.as_ref().map_or("", Failure::message);
        assert_eq!(message, "the body is not valid JSON: expected value at line 2 column 6");
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_413() {
        let failure = read_json("application/json", "[1, 2, 3]", 5).await.err();
        assert_eq!(failure.map(|failure| failure.status()), Some(StatusCode::PAYLOAD_TOO_LARGE));
    }

    #[tokio::test]
    async fn another_media_type_is_415() {
        let failure = read_json("text/plain", "{}", 99).await.err();
        let status = failure.map(|failure| failure.status());
        assert_eq!(status, Some(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }

    #[tokio::test]
    async fn a_charset_beside_the_media_type_is_accepted() {
        assert!(read_json("Application/JSON; charset=utf-8", "{}", 99).await.is_ok());
    }
}
