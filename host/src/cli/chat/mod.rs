//! `allos chat`: one question and its answer, or a conversation.
//!
//! Decides where the question comes from and which model answers. Answers are printed by
//! [`answer`], a conversation is led by [`conversation`].

mod answer;
mod conversation;
mod prompt;
mod summary;

use clap::Args;

use allos_plugin_api::Message;

use self::answer::{Answering, ModelInUse};
use super::exit::Exit;
use super::failure::Failure;
use super::start::start_host;
use super::{Global, interruptible};
use crate::config::ModelRef;
use crate::provider::ProviderHandle;
use crate::{Host, Target};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The model to ask; INSTANCE alone means its default model, and a route is a model too
    #[arg(short, long, value_name = "INSTANCE/MODEL")]
    model: Option<String>,
    /// What to tell the model before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Wait for the whole answer instead of showing it as it arrives
    #[arg(long)]
    no_stream: bool,
    /// The question; what is piped to stdin is added to it. Without either, on a terminal, a
    /// conversation begins
    #[arg(value_name = "PROMPT")]
    prompt: Vec<String>,
}

impl Arguments {
    /// The words of the prompt as one text.
    pub(super) fn prompt(&self) -> Option<String> {
        (!self.prompt.is_empty()).then(|| self.prompt.join(" "))
    }
}

pub(super) async fn run(global: &Global, arguments: Arguments) -> Result<(), Failure> {
    let host = start_host(global).await?;
    let model = model_in_use(&host, &arguments)?;
    let question = interruptible(prompt::question(arguments.prompt())).await?;
    let mut messages: Vec<Message> = arguments.system.into_iter().map(Message::system).collect();

    match question {
        None => conversation::lead(&model, messages).await,
        Some(question) => {
            messages.push(Message::user(question));
            interruptible(async { Answering::new().run(&model, messages).await.map(drop) }).await
        }
    }
}

fn model_in_use(host: &Host, arguments: &Arguments) -> Result<ModelInUse, Failure> {
    let name = match &arguments.model {
        Some(name) => name.clone(),
        None => only_default(host)?,
    };
    let target = resolve(host, &name)?;
    if let Some(failure) = Failure::unusable(&target.provider) {
        return Err(failure);
    }
    let name = format!("{}/{}", target.provider.name(), target.model);
    Ok(ModelInUse { target, name, streamed: !arguments.no_stream })
}

/// What a model's name means; a text that could name none is the caller's mistake.
fn resolve(host: &Host, name: &str) -> Result<Target, Failure> {
    host.resolve(name).map_err(|error| match name.parse::<ModelRef>() {
        Err(invalid) => invalid.into(),
        Ok(_) => Failure::unresolved(&error),
    })
}

/// The instance to ask where none is named: the only one that has a default model.
fn only_default(host: &Host) -> Result<String, Failure> {
    let registry = host.registry();
    let instances = || registry.instances();
    let mut defaults = instances().filter(|instance| instance.default_model().is_some());
    match (defaults.next(), defaults.next()) {
        (Some(instance), None) => Ok(instance.name().to_owned()),
        (None, _) => Err(choose(instances().map(ProviderHandle::name))),
        (Some(_), Some(_)) => Err(choose(
            instances()
                .filter(|instance| instance.default_model().is_some())
                .map(ProviderHandle::name),
        )),
    }
}

fn choose<'name>(instances: impl Iterator<Item = &'name str>) -> Failure {
    let names: Vec<&str> = instances.collect();
    Failure::new(Exit::Usage, "no model is named").with_hint(format!(
        "name one with -m INSTANCE/MODEL; the instances here are {}, and `allos models` lists \
         their models",
        names.join(", ")
    ))
}
