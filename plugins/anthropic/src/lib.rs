//! Anthropic's Messages API: chats, token counting, the model list.
//!
//! The provider that `liballos_anthropic.so` exports. A request that arrives in this dialect is
//! sent on as it came, but for its model and `stream`; any other is built from the normalised form
//! (`request.rs`, `messages.rs`, `thinking.rs`). Replies are read by `stream.rs` and `response.rs`,
//! failures by `error.rs`. Connections, timeouts and retries are not its business.
//!
//! - <https://platform.claude.com/docs/en/api/messages>
//! - <https://platform.claude.com/docs/en/api/versioning>
//! - <https://platform.claude.com/docs/en/api/beta-headers>

#![forbid(unsafe_code)]

mod config;
mod error;
mod messages;
mod models;
mod request;
mod response;
mod source;
mod stream;
mod thinking;

use allos_plugin_api::{
    ChatRequest, ChunkSink, Host, Model, Provider, ProviderConfig, ProviderError, ProviderResponse,
    TokenCount, provider,
};

use crate::config::Service;
use crate::request::Purpose;
use crate::stream::Reader;

/// The name of this vocabulary in parts that only it has.
const FORMAT: &str = "anthropic-messages";
/// Whose signatures and redacted thoughts these are.
const REASONING_FORMAT: &str = "anthropic-claude-v1";

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
        let (body, warnings) = request::write(&request, Purpose::Answer)?;
        let response = self.service.post("/v1/messages", body, &request).await?;
        response.read_whole(Reader::default(), warnings).await
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let (body, warnings) = request::write(&request, Purpose::Stream)?;
        let response = self.service.post("/v1/messages", body, &request).await?;
        response.read_events(Reader::default(), warnings, chunks).await
    }

    async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        Ok(models::limits(model).map(|limits| limits.context_window))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        models::list(&self.service).await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount, ProviderError> {
        let (body, _) = request::write(&request, Purpose::Count)?;
        let response = self.service.post("/v1/messages/count_tokens", body, &request).await?;
        response::token_count(response).await
    }
}
