//! `allos list --url`: what a host that runs says of its files and instances.
//!
//! The host is asked directly, and its answer comes from outside: it is read up to a size, and
//! nothing of it is believed to be there.

use std::error::Error;
use std::time::Duration;

use allos_plugin_api::Secret;
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::output::{note, one_line, write_json, write_table};
use super::super::start::load_config;
use super::super::{Global, interruptible};
use crate::config::SecretSource;
use crate::services::client_builder;

/// The variable with the key of the host that is asked.
const KEY: &str = "ALLOS_GATEWAY_KEY";

/// More than a host takes for its answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Asks, and shows the answer.
pub(super) async fn run(global: &Global, url: &str, json: bool) -> Result<(), Failure> {
    let key = key(global)?;
    let overview = interruptible(ask(url, key.as_ref())).await?;
    if json {
        return write_json(&overview);
    }
    for warning in list(&overview, "warnings").iter().filter_map(Value::as_str) {
        note(&format!("warning: {}", one_line(warning)));
    }
    let header = [
        "FILE",
        "INSTANCE",
        "VERSION",
        "ISOLATION",
        "STATE",
        "CALLS",
        "FAULTS",
        "RESTARTS",
        "REASON",
    ];
    write_table(header, rows(&overview))
}

/// The variable's, else that of the configuration. One that is wrong, which a running host has
/// perhaps just refused, is no reason not to ask it.
fn key(global: &Global) -> Result<Option<Secret>, Failure> {
    let of_variable = SecretSource::Env(KEY.to_owned());
    let source = match of_variable.resolve() {
        Err(error) if error.is_missing() => match load_config(global) {
            Ok(config) => config.gateway.api_key,
            Err(failure) => {
                failure.warn();
                None
            }
        },
        _ => Some(of_variable),
    };
    source.map(|source| source.resolve()).transpose().map_err(|error| {
        let message = format!("the gateway's key: {}", error.reason());
        Failure::new(Exit::Configuration, message).with_hint(error.hint())
    })
}

async fn ask(url: &str, key: Option<&Secret>) -> Result<Value, Failure> {
    let place = place(url)?;
    let client = client_builder().no_proxy().timeout(PATIENCE).build();
    let client = client.map_err(|error| Failure::new(Exit::Other, cause(&error)))?;
    let mut request = client.get(format!("{place}/admin/plugins"));
    if let Some(key) = key {
        request = request.bearer_auth(key.expose());
    }
    let response = request.send().await.map_err(|error| unreachable(&place, &error))?;
    let status = response.status();
    let answer = read(response).await.map_err(|error| unreachable(&place, &error))?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    match status {
        StatusCode::OK if answer["plugins"].is_array() => Ok(answer),
        StatusCode::UNAUTHORIZED if key.is_some() => {
            let message = format!("the host at {place} refuses the key");
            let hint = format!("check {KEY}, or `api_key` in [gateway] of the configuration");
            Err(Failure::new(Exit::Configuration, message).with_hint(hint))
        }
        StatusCode::UNAUTHORIZED => {
            let message = format!("the host at {place} asks for its key");
            let hint = format!("export {KEY}=…, or name its configuration with --config");
            Err(Failure::new(Exit::Configuration, message).with_hint(hint))
        }
        _ => Err(stranger(&place, status, &answer)),
    }
}

/// The address of a host, without what may follow it. A scheme may be left out.
fn place(url: &str) -> Result<String, Failure> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let is_http = ["http://", "https://"].iter().any(|scheme| with_scheme.starts_with(scheme));
    match reqwest::Url::parse(&with_scheme) {
        Ok(parsed) if is_http && parsed.username().is_empty() && parsed.password().is_none() => {
            Ok(parsed.origin().ascii_serialization())
        }
        // It is not shown, for it may hold a password.
        _ => Err(Failure::new(Exit::Usage, "--url is not the address of a host")
            .with_hint("write it like http://127.0.0.1:8080")),
    }
}

/// An answer up to the longest; of a longer one the rest is missing, so that it is no JSON.
async fn read(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut answer = Vec::new();
    while let Some(piece) = response.chunk().await? {
        answer.extend_from_slice(&piece);
        if answer.len() > MAX_ANSWER {
            break;
        }
    }
    Ok(answer)
}

fn unreachable(place: &str, error: &reqwest::Error) -> Failure {
    let reason = if error.is_timeout() {
        format!("no answer within {} s", PATIENCE.as_secs())
    } else {
        cause(error)
    };
    Failure::new(Exit::Other, format!("the host at {place} cannot be asked: {reason}"))
        .with_hint("`allos serve` says where it listens")
}

/// The innermost cause, without the number that the system gives it.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn stranger(place: &str, status: StatusCode, answer: &Value) -> Failure {
    let status = status.as_u16();
    match answer["error"]["message"].as_str() {
        Some(message) if status != 404 => {
            let message = format!("the host at {place} answers with status {status}: {message}");
            Failure::new(Exit::Other, message)
        }
        _ => {
            let message = format!("what answers at {place} is no allos host (status {status})");
            Failure::new(Exit::Other, message)
                .with_hint("`allos serve` of this version or a later one answers there")
        }
    }
}

/// A row for each file, and below it one for each of its instances.
fn rows(overview: &Value) -> Vec<[String; 9]> {
    let mut rows = Vec::new();
    for file in list(overview, "plugins") {
        let path = text(file, "file");
        rows.push(row(&path, "-", file));
        let instances = list(file, "instances");
        rows.extend(instances.iter().map(|it| row(&path, &text(it, "name"), it)));
    }
    let others = list(overview, "instances");
    rows.extend(others.iter().map(|it| row("-", &text(it, "name"), it)));
    rows
}

fn row(file: &str, instance: &str, facts: &Value) -> [String; 9] {
    let [version, isolation, state] = ["version", "isolation", "state"].map(|it| text(facts, it));
    let [calls, faults, restarts] =
        ["calls_in_flight", "faults", "restarts"].map(|it| text(facts, it));
    let reason = reason(facts);
    let (file, instance) = (file.to_owned(), instance.to_owned());
    [file, instance, version, isolation, state, calls, faults, restarts, reason]
}

/// Why it is not used or cannot answer, with what is to be done, and its warnings.
fn reason(facts: &Value) -> String {
    let member = |name: &str| facts[name].as_str();
    let stage = member("stage").map(|stage| format!("{stage}: ")).unwrap_or_default();
    let hint = member("hint").map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    let refused = member("reason").map(|reason| format!("{stage}{reason}{hint}"));
    let warnings = list(facts, "warnings").iter().filter_map(Value::as_str);
    let warnings = warnings.map(|warning| format!("warning: {warning}"));
    refused.into_iter().chain(warnings).collect::<Vec<_>>().join("; ")
}

fn list<'a>(facts: &'a Value, name: &str) -> &'a [Value] {
    facts[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(facts: &Value, name: &str) -> String {
    match &facts[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_no_scheme_and_is_nothing_but_an_address() {
        for (url, expected) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:1/", "http://localhost:1"),
            ("https://allos.example.com/v1", "https://allos.example.com"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(place(url).unwrap(), expected);
        }
        for url in ["", "ftp://a", "http://", "a b", "http://me:secret@host"] {
            assert_eq!(place(url).unwrap_err().exit(), Exit::Usage, "{url}");
        }
    }
}
