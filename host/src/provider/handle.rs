//! A provider instance: its name, its state, and the calls that it answers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use allos_plugin_api::{
    ChatRequest, Descriptor, EmbedRequest, EmbedResponse, Model, ProviderError, ProviderResponse,
    RawBody, TokenCount,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contract::check_response;
use super::prepare::{keep_lane, name_tool_results};
use super::redaction::Redaction;
use super::running::RunningProvider;
use super::state::{InstanceState, InstanceStatus};
use super::stream::ChunkStream;
use super::vtable::Operation;

/// A provider instance. Cheap to clone.
///
/// Every call must be made inside a tokio runtime, and is cancelled where its future is dropped:
/// the plugin stops, and so does what it asked of the upstream. An error names the instance and
/// holds none of its secrets.
#[derive(Clone)]
pub struct ProviderHandle(Arc<Instance>);

struct Instance {
    name: String,
    plugin: String,
    descriptor: Option<Arc<Descriptor>>,
    settings: Settings,
    redaction: Redaction,
    provider: Provider,
}

/// What answers the calls of an instance, or why nothing does.
enum Provider {
    Running(RunningProvider),
    Unusable(InstanceState, SystemTime),
}

/// How the host treats one instance.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The model to use where a request names none.
    pub(crate) model: Option<String>,
    /// How long a call may take.
    pub(crate) timeout: Duration,
    /// How long a stream may be silent.
    pub(crate) idle_timeout: Duration,
    /// Whether bodies travel as they came, beside the normalised form.
    pub(crate) passthrough: bool,
}

impl fmt::Debug for ProviderHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ProviderHandle")
            .field("name", &self.0.name)
            .field("plugin", &self.0.plugin)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl ProviderHandle {
    /// An instance whose plugin has made its provider.
    pub(crate) fn ready(
        name: &str,
        descriptor: Arc<Descriptor>,
        settings: Settings,
        redaction: Redaction,
        running: RunningProvider,
    ) -> Self {
        Self(Arc::new(Instance {
            name: name.to_owned(),
            plugin: descriptor.name.clone(),
            descriptor: Some(descriptor),
            settings,
            redaction,
            provider: Provider::Running(running),
        }))
    }

    /// An instance that cannot answer.
    pub(crate) fn unusable(
        name: &str,
        plugin: &str,
        descriptor: Option<Arc<Descriptor>>,
        settings: Settings,
        state: InstanceState,
    ) -> Self {
        Self(Arc::new(Instance {
            name: name.to_owned(),
            plugin: plugin.to_owned(),
            descriptor,
            settings,
            redaction: Redaction::default(),
            provider: Provider::Unusable(state, SystemTime::now()),
        }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The plugin behind it; several instances may share one.
    pub fn plugin(&self) -> &str {
        &self.0.plugin
    }

    /// What its plugin states about itself; absent where there is no such plugin.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        self.0.descriptor.as_deref()
    }

    /// Whether it can answer.
    pub fn state(&self) -> InstanceState {
        self.status().state
    }

    /// Whether it can answer, since when, and what is counted of it.
    pub fn status(&self) -> InstanceStatus {
        match &self.0.provider {
            Provider::Running(provider) => provider.health().status(),
            Provider::Unusable(state, since) => InstanceStatus::unusable(state.clone(), *since),
        }
    }

    /// The model to use where a request names none.
    pub fn default_model(&self) -> Option<&str> {
        self.settings().model.as_deref()
    }

    /// Whether bodies travel as they came, beside the normalised form.
    pub fn passthrough(&self) -> bool {
        self.settings().passthrough
    }

    /// Answers in one piece.
    ///
    /// # Errors
    ///
    /// What the provider or its upstream says; `timeout` where it says nothing in time;
    /// `malformed_reply` where it breaks its contract.
    pub async fn chat(&self, request: ChatRequest) -> Result<ProviderResponse, ProviderError> {
        let answer = async {
            let request = self.prepare(request)?;
            let mut response: ProviderResponse = self.call(Operation::Chat, &request).await?;
            check_response(&mut response, choices_asked(&request))?;
            self.keep_reply_lane(&mut response.body);
            Ok(response)
        };
        answer.await.map_err(|error| self.attribute(error))
    }

    /// Answers piece by piece. What could go wrong at once is the stream's first item.
    pub fn stream_chat(&self, request: ChatRequest) -> ChunkStream {
        let request = self.prepare(request);
        let choices_asked = request.as_ref().map_or(1, choices_asked);
        let frames = request.and_then(|request| self.running()?.stream_chat(&request));
        ChunkStream::new(self.clone(), frames, choices_asked)
    }

    /// The most tokens of a prompt and its answer together; `None` where it is not known.
    ///
    /// # Errors
    ///
    /// As [`chat`](Self::chat).
    pub async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        self.attributed_call(Operation::ContextWindow, model).await
    }

    /// The models that it offers.
    ///
    /// # Errors
    ///
    /// As [`chat`](Self::chat); `unsupported` where it cannot list them.
    pub async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        self.attributed_call(Operation::Optional("models"), &()).await
    }

    /// The embeddings of texts.
    ///
    /// # Errors
    ///
    /// As [`chat`](Self::chat); `unsupported` where it has none; `malformed_reply` where there is
    /// not one vector for each input.
    pub async fn embed(&self, mut request: EmbedRequest) -> Result<EmbedResponse, ProviderError> {
        self.prepare_model(&mut request.model, &mut request.body)
            .map_err(|error| self.attribute(error))?;
        let mut response: EmbedResponse =
            self.attributed_call(Operation::Optional("embed"), &request).await?;
        let (asked, got) = (request.inputs.len(), response.embeddings.len());
        if asked != got {
            let message = format!("{got} embeddings came for {asked} inputs");
            return Err(self.attribute(ProviderError::malformed_reply(message)));
        }
        self.keep_reply_lane(&mut response.body);
        Ok(response)
    }

    /// The number of tokens that a prompt would be.
    ///
    /// # Errors
    ///
    /// As [`chat`](Self::chat); `unsupported` where it cannot count them.
    pub async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount, ProviderError> {
        let request = self.prepare(request).map_err(|error| self.attribute(error))?;
        self.attributed_call(Operation::Optional("count_tokens"), &request).await
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// An error of this instance: named, and without secrets.
    pub(crate) fn attribute(&self, error: ProviderError) -> ProviderError {
        let error = self.0.redaction.error(error.with_provider(&self.0.name));
        if self.passthrough() { error } else { error.without_body() }
    }

    fn prepare(&self, mut request: ChatRequest) -> Result<ChatRequest, ProviderError> {
        self.prepare_model(&mut request.model, &mut request.body)?;
        name_tool_results(&mut request);
        Ok(request)
    }

    fn prepare_model(
        &self,
        model: &mut String,
        body: &mut Option<RawBody>,
    ) -> Result<(), ProviderError> {
        if model.is_empty() {
            *model = self.default_model().map(str::to_owned).ok_or_else(|| {
                ProviderError::invalid_request("no model is named").with_hint(format!(
                    "write {name}/MODEL, or set `model` in [providers.{name}]",
                    name = self.name()
                ))
            })?;
        }
        let dialects = self.descriptor().map_or(&[][..], |descriptor| &descriptor.dialects);
        keep_lane(body, if self.passthrough() { dialects } else { &[] });
        Ok(())
    }

    fn keep_reply_lane(&self, body: &mut Option<RawBody>) {
        if !self.passthrough() {
            *body = None;
        }
    }

    async fn attributed_call<In: Serialize + ?Sized, Out: DeserializeOwned>(
        &self,
        operation: Operation<'static>,
        input: &In,
    ) -> Result<Out, ProviderError> {
        self.call(operation, input).await.map_err(|error| self.attribute(error))
    }

    async fn call<In: Serialize + ?Sized, Out: DeserializeOwned>(
        &self,
        operation: Operation<'static>,
        input: &In,
    ) -> Result<Out, ProviderError> {
        self.running()?.call(operation, input, self.settings().timeout).await
    }

    fn running(&self) -> Result<&RunningProvider, ProviderError> {
        match &self.0.provider {
            Provider::Running(provider) => Ok(provider),
            Provider::Unusable(state, _) => Err(state.to_error()),
        }
    }
}

fn choices_asked(request: &ChatRequest) -> u32 {
    request.choices.unwrap_or(1).max(1)
}
