//! `allos models`: what the providers say about their models. It asks all of them at once.
//!
//! A provider that cannot say is named on stderr and does not hide the others.

use allos_plugin_api::{ErrorKind, Model, ProviderError};
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use super::exit::Exit;
use super::failure::Failure;
use super::output::{write_json, write_table};
use super::start::start_host;
use super::{Global, interruptible};
use crate::Host;
use crate::provider::ProviderHandle;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The provider instance to ask, instead of all
    instance: Option<String>,
    /// Print JSON: an array with an object for each model
    #[arg(long)]
    json: bool,
}

/// One model. Documented in `docs/cli.md`.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    instance: String,
    model: String,
    display_name: Option<String>,
    context_window: Option<u64>,
    max_output_tokens: Option<u64>,
    created: Option<u64>,
    owned_by: Option<String>,
}

pub(super) async fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let host = start_host(global).await?;
    interruptible(show(&host, arguments)).await
}

async fn show(host: &Host, arguments: &Arguments) -> Result<(), Failure> {
    let rows = match &arguments.instance {
        Some(name) => {
            let instance = host.provider(name).map_err(|error| Failure::unresolved(&error))?;
            rows_of(&instance).await?
        }
        None => rows_of_all(host.registry().instances()).await?,
    };
    if arguments.json {
        return write_json(&rows);
    }
    write_table(["MODEL", "CONTEXT WINDOW", "MAX OUTPUT"], rows.iter().map(Row::cells))
}

async fn rows_of_all<'a>(
    instances: impl Iterator<Item = &'a ProviderHandle>,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    let mut listed_any = false;
    for result in join_all(instances.map(rows_of)).await {
        match result {
            Ok(more) => {
                listed_any = true;
                rows.extend(more);
            }
            Err(failure) => failure.warn(),
        }
    }
    if listed_any {
        return Ok(rows);
    }
    Err(Failure::new(Exit::Provider, "no provider could list its models"))
}

async fn rows_of(instance: &ProviderHandle) -> Result<Vec<Row>, Failure> {
    let models = match instance.models().await {
        Ok(models) => models,
        Err(error) => default_model(instance, error)?,
    };
    Ok(models.into_iter().map(|model| Row::new(instance.name(), model)).collect())
}

/// A provider that lists no models may still have one that is configured.
fn default_model(
    instance: &ProviderHandle,
    error: ProviderError,
) -> Result<Vec<Model>, ProviderError> {
    match instance.default_model() {
        Some(model) if *error.kind() == ErrorKind::Unsupported => Ok(vec![Model::new(model)]),
        _ => Err(error),
    }
}

impl Row {
    fn new(instance: &str, model: Model) -> Self {
        Self {
            id: format!("{instance}/{}", model.id),
            instance: instance.to_owned(),
            model: model.id,
            display_name: model.display_name,
            context_window: model.context_window,
            max_output_tokens: model.max_output_tokens,
            created: model.created,
            owned_by: model.owned_by,
        }
    }

    fn cells(&self) -> [String; 3] {
        let number = |number: Option<u64>| number.map_or_else(|| "-".into(), |it| it.to_string());
        [self.id.clone(), number(self.context_window), number(self.max_output_tokens)]
    }
}
