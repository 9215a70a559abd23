//! The HTTP surface: what a client of a vendor's API speaks, in front of the registry.
//!
//! A request passes from here through `request_id`, `observe` (the log and panics) and `access` to
//! a route. Each dialect is a folder whose files have the same names: `request` reads it into the
//! normalised form, `response` and `stream` write that form, `error` gives failures its shape. What
//! dialects share of an answer is in `answer`; which of them a request speaks, `shape` tells.
//! Nothing here knows a plugin: a route resolves the model's name to a provider and asks it.
//!
//! Beside the body a response carries
//! - `x-request-id`: the client's own id where it is sane, else a new one; it is in the log too,
//! - `x-upstream-request-id` and the upstream's rate limits, where the provider told them,
//! - `x-allos-warning`: what was asked and not done, one header each,
//! - `x-allos-hint`: what can be done about an error whose message is the upstream's own,
//! - `retry-after` and `x-should-retry` on errors where asking again is a question.

mod access;
mod admin;
mod answer;
mod anthropic;
mod body;
mod call_by_call;
mod closing;
mod error;
mod health;
mod json;
mod models;
mod observe;
mod openai;
mod reply;
mod request_id;
mod shape;
mod sse;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use allos_plugin_api::{ErrorKind, Secret};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use tokio::net::TcpListener;

use crate::config::{GatewayConfig, LoadOptions, SecretError, SecretSource};
use crate::{Host, Target};
use access::Access;
use closing::Closing;
use error::Failure;

/// How the gateway treats those who ask.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The key that every request must carry; absent where everyone who reaches the gateway may ask.
    pub api_key: Option<Secret>,
    /// The largest body of a request, in bytes.
    pub max_body_bytes: usize,
    /// How long answers in flight may go on once the gateway is told to stop.
    pub shutdown: Duration,
    /// Where `POST /admin/reload` reads the configuration anew; where absent, it stays as it is.
    pub config_source: Option<LoadOptions>,
}

impl Settings {
    /// The settings that a configuration gives.
    ///
    /// # Errors
    ///
    /// Where the key's variable or file cannot be read.
    pub fn from_config(config: &GatewayConfig) -> Result<Self, SecretError> {
        let api_key = config.api_key.as_ref().map(SecretSource::resolve).transpose()?;
        let max_body_bytes = config.max_body_bytes;
        let shutdown = config.shutdown;
        Ok(Self { api_key, max_body_bytes, shutdown, config_source: None })
    }
}

/// What every route shares.
struct Gateway {
    host: Host,
    access: Access,
    max_body_bytes: usize,
    config_source: Option<LoadOptions>,
    closing: Closing,
}

impl Gateway {
    /// The provider and the model that a name in a request's body means.
    fn resolve(&self, name: &str) -> Result<Target, Failure> {
        self.host.resolve(name).map_err(|error| error.with_param("model").into())
    }
}

type Shared = Arc<Gateway>;

/// Serves the gateway until `shutdown` is ready, and then at most [`Settings::shutdown`] longer,
/// while answers in flight come to their end. Those that do not are cut off with an error.
///
/// # Errors
///
/// Where the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    host: Host,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (closing, closer) = closing::channel();
    let gateway = Gateway {
        host,
        access: Access::new(settings.api_key.as_ref()),
        max_body_bytes: settings.max_body_bytes,
        config_source: settings.config_source,
        closing,
    };
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!("a connection keeps its delay: {error}");
        }
    });
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, router(Arc::new(gateway)));
    let server = server.with_graceful_shutdown(async move {
        shutdown.await;
        let _ = stopping.send(());
    });
    closer.bound(server.into_future(), stopped, settings.shutdown).await
}

fn router(gateway: Shared) -> Router {
    Router::new()
        .merge(openai::routes())
        .merge(anthropic::routes())
        .merge(models::routes())
        .merge(admin::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), guard))
        .merge(health::routes())
        .layer(middleware::from_fn(observe::observe))
        .layer(middleware::from_fn(shape::shape))
        .layer(middleware::from_fn(request_id::identify))
        .with_state(gateway)
}

/// Lets a request pass only by the rules of access, and ends it when the gateway closes.
async fn guard(State(gateway): State<Shared>, request: Request, next: Next) -> Response {
    if let Err(failure) = gateway.access.check(request.headers()) {
        return failure.into_response();
    }
    tokio::select! {
        response = next.run(request) => response,
        () = gateway.closing.closed() => Failure::shutting_down().into_response(),
    }
}

async fn unknown_path(method: Method, uri: Uri) -> Failure {
    let message = format!(
        "there is no {method} {} (hint: the gateway has /v1/chat/completions, /v1/embeddings, \
         /v1/messages, /v1/messages/count_tokens, /v1/models, /admin/plugins, /admin/reload, \
         /healthz and /readyz)",
        uri.path()
    );
    let failure = Failure::new(StatusCode::NOT_FOUND, ErrorKind::InvalidRequest, message);
    failure.with_code("unknown_url")
}

async fn wrong_method(method: Method, uri: Uri) -> Failure {
    let message = format!("{} does not answer {method}", uri.path());
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let failure = Failure::new(status, ErrorKind::InvalidRequest, message);
    failure.with_code("method_not_allowed")
}

#[cfg(test)]
mod tests;
