//! What an operator asks of a host that runs: what is there and how it fares, and a reload.
//!
//! The rules of access are those of every route, and besides no page of any site may ask: a
//! browser on the operator's machine must not reload a host there.

use allos_plugin_api::ErrorKind;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::Failure;
use super::{Shared, reply};
use crate::config::ConfigError;
use crate::loader::{Candidate, CandidateState, Refusal};
use crate::provider::{InstanceState, InstanceStatus};
use crate::reload::{Made, Reloaded};

/// The paths of an operator.
pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/admin/plugins", get(plugins))
        .route("/admin/reload", post(reload))
        .layer(middleware::from_fn(refuse_pages))
}

async fn refuse_pages(request: Request, next: Next) -> Response {
    match refusal(request.headers()) {
        Some(failure) => failure.into_response(),
        None => next.run(request).await,
    }
}

/// Browsers send an origin with whatever a page asks that could change something.
fn refusal(headers: &HeaderMap) -> Option<Failure> {
    headers.contains_key(header::ORIGIN).then(|| {
        let message =
            "web pages may not ask this (hint: use a program, such as `allos list --url`)";
        let failure = Failure::new(StatusCode::FORBIDDEN, ErrorKind::Permission, message);
        failure.with_code("origin_not_allowed")
    })
}

/// Every file of the plugin folders with its instances, and the instances without a file. The
/// object is documented in `docs/gateway.md`.
async fn plugins(State(gateway): State<Shared>) -> Response {
    let state = gateway.host.state();
    let file_of = |made: &Made| {
        let plugin = state.plugins.iter().find(|it| it.name == made.handle.plugin())?;
        state.report.candidates.iter().position(|file| file.path() == plugin.path)
    };
    let of_file = |at: Option<usize>| -> Vec<Value> {
        let made = state.made.values().filter(|made| file_of(made) == at);
        made.map(instance).collect()
    };
    let files = state.report.candidates.iter().enumerate();
    let files: Vec<Value> = files.map(|(at, it)| file(it, &of_file(Some(at)))).collect();
    let overview = json!({
        "plugins": files,
        "instances": of_file(None),
        "warnings": state.report.warnings,
    });
    reply::json(overview.to_string())
}

fn file(file: &Candidate, instances: &[Value]) -> Value {
    let descriptor = file.descriptor();
    let mut facts = json!({
        "file": file.path().to_string_lossy(),
        "name": descriptor.map(|it| &it.name),
        "version": descriptor.map(|it| &it.plugin_version),
        "abi_version": descriptor.map(|it| it.abi_version),
        "sha256": file.hash(),
        "state": match file.state() {
            CandidateState::Candidate => "candidate",
            CandidateState::Loaded => "loaded",
            CandidateState::Quarantined(_) => "quarantined",
        },
    });
    let refusal = refused(file);
    for key in ["stage", "reason", "hint"] {
        facts[key] = refusal[key].clone();
    }
    facts["warnings"] = json!(file.warnings());
    facts["instances"] = json!(instances);
    facts
}

/// Why a file is not used, if it is not.
fn refused(file: &Candidate) -> Value {
    let refusal = file.refusal();
    json!({
        "file": file.path().to_string_lossy(),
        "stage": refusal.map(|it| it.stage().as_str()),
        "reason": refusal.map(Refusal::reason),
        "hint": refusal.and_then(Refusal::hint),
    })
}

fn instance(made: &Made) -> Value {
    let InstanceStatus { state, since, faults, calls_in_flight, threads, worker, .. } =
        made.handle.status();
    let (reason, hint) = state.reason().unzip();
    let (version, sha256) = made.origin.plugin().unzip();
    json!({
        "name": made.handle.name(),
        "plugin": made.handle.plugin(),
        "version": version,
        "sha256": sha256,
        "state": match state {
            InstanceState::Ready => "ready",
            InstanceState::NotConfigured { .. } => "not_configured",
            InstanceState::Failed { .. } => "failed",
            InstanceState::Tripped { .. } => "tripped",
        },
        "reason": reason,
        "hint": hint.flatten(),
        "since": OffsetDateTime::from(since).truncate_to_second().format(&Rfc3339).ok(),
        "isolation": made.origin.isolation(),
        "process_id": worker.and_then(|it| it.process_id),
        "restarts": worker.map_or(0, |it| it.restarts),
        "calls_in_flight": calls_in_flight,
        "faults": faults,
        "threads": threads,
    })
}

/// Takes over the configuration and the plugin folders as they are now. It goes on to its end where
/// the client goes away.
async fn reload(State(gateway): State<Shared>) -> Result<Response, Failure> {
    let (host, source) = (gateway.host.clone(), gateway.config_source.clone());
    let work = tokio::spawn(async move {
        match source {
            Some(source) => host.reload_from(&source).await,
            None => Ok(host.reload(None).await),
        }
    });
    let Reloaded { added, replaced, removed, kept, refused: files, warnings } =
        work.await.map_err(|_| broken())?.map_err(|error| wrong(&error))?;
    let told = json!({
        "added": added,
        "replaced": replaced,
        "removed": removed,
        "kept": kept,
        "refused": files.iter().map(refused).collect::<Vec<_>>(),
        "warnings": warnings,
    });
    Ok(reply::json(told.to_string()))
}

fn wrong(error: &ConfigError) -> Failure {
    let message = format!("nothing has changed: {error}");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let failure = Failure::new(status, ErrorKind::InvalidRequest, message);
    failure.with_code("invalid_configuration")
}

fn broken() -> Failure {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let kind = ErrorKind::Other("gateway".to_owned());
    Failure::new(status, kind, "the reload failed, and nothing has changed")
}
