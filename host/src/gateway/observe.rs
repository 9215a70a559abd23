//! One line of log for each request, and a panic turned into an answer.
//!
//! Requests that succeed are logged at debug level, those that fail at info or, where the fault is
//! not the client's, at warn. Bodies, keys and query strings are never logged.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use allos_plugin_api::ErrorKind;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::error::Failure;
use super::request_id::RequestId;

/// Runs a request and logs how it went.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let id = request.extensions().get::<RequestId>().cloned();
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answer.unwrap_or_else(|_| panicked());
    let id = id.as_ref().map_or("", RequestId::as_str);
    let status = response.status().as_u16();
    let reason = response.extensions().get::<Failure>().map_or("", Failure::for_log);
    let elapsed = started.elapsed().as_secs_f64() * 1000.0;
    match status {
        500.. => tracing::warn!("{method} {path} -> {status} in {elapsed:.1} ms [{id}] {reason}"),
        400.. => tracing::info!("{method} {path} -> {status} in {elapsed:.1} ms [{id}] {reason}"),
        _ => tracing::debug!("{method} {path} -> {status} in {elapsed:.1} ms [{id}]"),
    }
    response
}

fn panicked() -> Response {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let message = "the gateway failed on this request";
    let failure = Failure::new(status, ErrorKind::Other("gateway".to_owned()), message);
    failure.with_code("gateway_panicked").into_response()
}
