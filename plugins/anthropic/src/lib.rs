//! Anthropic's Messages API: chats, token counting, the model list.
//!
//! The provider that `liballos_anthropic.so` exports. Requests are written and replies read by the
//! crate `allos-anthropic-messages`, which plugins of other services use too; this one knows the
//! address, the key, the headers and the models. Connections, timeouts and retries are not its
//! business.
//!
//! - <https://platform.claude.com/docs/en/api/messages>
//! - <https://platform.claude.com/docs/en/api/versioning>
//! - <https://platform.claude.com/docs/en/api/beta-headers>

#![forbid(unsafe_code)]

mod config;
mod models;

use allos_anthropic_messages::{Purpose, Reader, limits, token_count, write};
use allos_plugin_api::{
    ChatRequest, ChunkSink, Host, Model, Provider, ProviderConfig, ProviderError, ProviderResponse,
    TokenCount, provider,
};

use crate::config::Service;

/// Anthropic's API, with one key.
#[derive(Debug)]
pub struct Anthropic {
    service: Service,
}

#[provider(
    "anthropic",
    dialects = ["anthropic-messages"],
    api_key = "ANTHROPIC_API_KEY",
    base_url = "https://api.anthropic.com",
    options(
        beta: string = "beta features that every request asks for, separated by commas",
    ),
)]
impl Provider for Anthropic {
    fn new(config: ProviderConfig, host: Host) -> Result<Self, ProviderError> {
        Ok(Self { service: Service::new(&config, host)? })
    }

    async fn chat(&self, request: ChatRequest) -> Result<ProviderResponse, ProviderError> {
        let (body, warnings) = write(&request, Purpose::Answer)?;
        let response = self.service.post("/v1/messages", body, &request).await?;
        response.read_whole(Reader::default(), warnings).await
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let (body, warnings) = write(&request, Purpose::Stream)?;
        let response = self.service.post("/v1/messages", body, &request).await?;
        response.read_events(Reader::default(), warnings, chunks).await
    }

    async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        Ok(limits(model).map(|limits| limits.context_window))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        models::list(&self.service).await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount, ProviderError> {
        let (body, _) = write(&request, Purpose::Count)?;
        let response = self.service.post("/v1/messages/count_tokens", body, &request).await?;
        token_count(response).await
    }
}
