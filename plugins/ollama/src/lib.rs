//! Ollama's own API: chats, embeddings, and the models that a server has.
//!
//! The provider that `liballos_ollama.so` exports. Requests are built from the normalised form
//! (`request.rs`, `messages.rs`), replies are read by `response.rs`, failures by `error.rs`. The
//! plugin `openai` reaches the same server in its `OpenAI` dialect, which says less: it has no
//! `options`, no `keep_alive` and no context windows. Neither fetches a model or starts a server.
//!
//! - <https://docs.ollama.com/api/introduction>
//! - <https://github.com/ollama/ollama/blob/main/docs/api.md>

#![forbid(unsafe_code)]

mod config;
mod embeddings;
mod error;
mod messages;
mod models;
mod request;
mod response;

use allos_plugin_api::{
    ChatRequest, ChunkSink, EmbedRequest, EmbedResponse, Host, Model, Provider, ProviderConfig,
    ProviderError, ProviderResponse, provider,
};

use crate::config::Service;
use crate::response::Reader;

/// The name of this vocabulary in parts that only it has.
const FORMAT: &str = "ollama-chat";

/// One server.
#[derive(Debug)]
pub struct Ollama {
    service: Service,
}

#[provider(
    "ollama",
    base_url = "http://localhost:11434",
    options(
        keep_alive: any = "how long a model stays loaded after a request: `10m`, or seconds",
        num_ctx: integer = "the context window with which models are loaded, in tokens",
        think: any = "whether a model thinks where a request does not say: true, false or a level",
        model_options: table = "Ollama's `options` for every request, unless the request has them",
    ),
    presets(
        "ollama-cloud"(base_url = "https://ollama.com", api_key = "OLLAMA_API_KEY"),
    ),
)]
impl Provider for Ollama {
    fn new(config: ProviderConfig, host: Host) -> Result<Self, ProviderError> {
        Ok(Self { service: Service::new(config, host)? })
    }

    async fn chat(&self, request: ChatRequest) -> Result<ProviderResponse, ProviderError> {
        let (body, warnings) = request::write(&request, &self.service.options, false)?;
        let response = self.service.post("/api/chat", body, &request.model).await?;
        response.read_whole(Reader::default(), warnings).await
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let (body, warnings) = request::write(&request, &self.service.options, true)?;
        let response = self.service.post("/api/chat", body, &request.model).await?;
        response.read_lines(Reader::default(), warnings, chunks).await
    }

    async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        models::context_window(&self.service, model).await
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        models::list(&self.service).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, ProviderError> {
        let (body, warnings) = embeddings::write(&request, &self.service.options)?;
        let response = self.service.post("/api/embed", body, &request.model).await?;
        embeddings::read(response, &request, warnings).await
    }
}
