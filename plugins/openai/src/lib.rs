//! OpenAI's chat completions, models and embeddings, and the services that speak their dialect.
//!
//! The provider that `liballos_openai.so` exports. Chats are written and read by the crate
//! `allos-openai-chat`, which plugins of other services use too, or, where `api` is `responses`, by
//! `responses/`. The presets below say in what each
//! service differs; all of it can be configured for a service that is not listed. Connections,
//! timeouts and retries are not its business.
//!
//! - <https://platform.openai.com/docs/api-reference>
//! - The presets' own pages: <https://console.groq.com/docs/openai>, <https://docs.mistral.ai/api/>,
//!   <https://openrouter.ai/docs/api-reference/overview>, <https://api-docs.deepseek.com>,
//!   <https://docs.together.ai/docs/openai-api-compatibility>,
//!   <https://inference-docs.cerebras.ai/resources/openai>,
//!   <https://docs.ollama.com/api/openai-compatibility>.
//! - Presets that no recording has exercised: <https://docs.fireworks.ai/tools-sdks/openai-compatibility>,
//!   <https://docs.x.ai/docs/api-reference>, <https://docs.perplexity.ai/guides/chat-completions-guide>,
//!   <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>,
//!   <https://github.com/ggml-org/llama.cpp/tree/master/tools/server>,
//!   <https://lmstudio.ai/docs/developer/openai-compat>.

#![forbid(unsafe_code)]

mod config;
mod embeddings;
mod models;

use allos_openai_chat::{self as chat, Options, error};
use allos_openai_responses as responses;
use allos_plugin_api::{
    ChatRequest, ChunkSink, EmbedRequest, EmbedResponse, Host, HttpRequest, HttpResponse, Model,
    Provider, ProviderConfig, ProviderError, ProviderResponse, TokenCount, Upstream, Warnings,
    provider,
};

use crate::config::{Api, Config};

/// One service that speaks the dialect.
#[derive(Debug)]
pub struct OpenAi {
    upstream: Upstream,
    api: Api,
    /// Whether the Responses API stores answers.
    store: Option<bool>,
    options: Options,
}

#[provider(
    "openai",
    dialects = ["openai-chat"],
    api_key = "OPENAI_API_KEY",
    base_url = "https://api.openai.com/v1",
    options(
        organization: string = "the organization that is billed",
        project: string = "the project that is billed",
        api: string = "the API that answers chats: `chat` completions (unless said) or `responses`",
        store: boolean = "whether the Responses API stores answers; false unless said",
        stream_options: boolean = "whether the service takes `stream_options`; true unless said",
        top_k: boolean = "whether the service takes `top_k`; false unless said",
        anthropic_members: boolean = "whether the service takes `cache_control` and other members \
            of Anthropic's; false unless said",
        max_tokens_field: string = "`max_completion_tokens` (unless said) or `max_tokens`",
        seed_field: string = "`seed` (unless said) or `random_seed`",
        reasoning_field: string = "how earlier reasoning is sent back: `none` (unless said), \
            `reasoning_content`, `reasoning`, `reasoning_details` or `thinking`",
        file_part: string = "how documents are sent: `file` (unless said) or `document_url`",
    ),
    presets(
        groq(
            base_url = "https://api.groq.com/openai/v1",
            api_key = "GROQ_API_KEY",
            options(reasoning_field = "reasoning"),
        ),
        mistral(
            base_url = "https://api.mistral.ai/v1",
            api_key = "MISTRAL_API_KEY",
            options(
                stream_options = false,
                max_tokens_field = "max_tokens",
                seed_field = "random_seed",
                reasoning_field = "thinking",
                file_part = "document_url",
            ),
        ),
        openrouter(
            base_url = "https://openrouter.ai/api/v1",
            api_key = "OPENROUTER_API_KEY",
            options(
                top_k = true,
                anthropic_members = true,
                reasoning_field = "reasoning_details",
            ),
        ),
        deepseek(
            base_url = "https://api.deepseek.com",
            api_key = "DEEPSEEK_API_KEY",
            options(max_tokens_field = "max_tokens", reasoning_field = "reasoning_content"),
        ),
        together(
            base_url = "https://api.together.xyz/v1",
            api_key = "TOGETHER_API_KEY",
            options(top_k = true, max_tokens_field = "max_tokens", reasoning_field = "reasoning"),
        ),
        cerebras(
            base_url = "https://api.cerebras.ai/v1",
            api_key = "CEREBRAS_API_KEY",
            options(reasoning_field = "reasoning"),
        ),
        ollama(
            base_url = "http://localhost:11434/v1",
            api_key = none,
            options(max_tokens_field = "max_tokens", reasoning_field = "reasoning"),
        ),
        fireworks(
            base_url = "https://api.fireworks.ai/inference/v1",
            api_key = "FIREWORKS_API_KEY",
            options(
                top_k = true,
                max_tokens_field = "max_tokens",
                reasoning_field = "reasoning_content",
            ),
        ),
        xai(
            base_url = "https://api.x.ai/v1",
            api_key = "XAI_API_KEY",
            options(reasoning_field = "reasoning_content"),
        ),
        perplexity(
            base_url = "https://api.perplexity.ai",
            api_key = "PERPLEXITY_API_KEY",
            options(stream_options = false, top_k = true, max_tokens_field = "max_tokens"),
        ),
        vllm(
            base_url = "http://localhost:8000/v1",
            api_key = none,
            options(top_k = true, max_tokens_field = "max_tokens", reasoning_field = "reasoning"),
        ),
        "llama-cpp"(
            base_url = "http://localhost:8080/v1",
            api_key = none,
            options(
                top_k = true,
                max_tokens_field = "max_tokens",
                reasoning_field = "reasoning_content",
            ),
        ),
        "lm-studio"(
            base_url = "http://localhost:1234/v1",
            api_key = none,
            options(
                top_k = true,
                max_tokens_field = "max_tokens",
                reasoning_field = "reasoning_content",
            ),
        ),
    ),
)]
impl Provider for OpenAi {
    fn new(config: ProviderConfig, host: Host) -> Result<Self, ProviderError> {
        let own = Config::read(&config)?;
        let upstream = own.upstream(&config, host);
        Ok(Self { upstream, api: own.api, store: own.store, options: own.chat })
    }

    async fn chat(&self, request: ChatRequest) -> Result<ProviderResponse, ProviderError> {
        let mut warnings = Warnings::default();
        if self.api == Api::Responses {
            let body = responses::unstreamed(&request, self.store, &mut warnings)?;
            let response = self.send(self.upstream.post("/responses", body)).await?;
            return response.read_whole(responses::Reader::default(), warnings).await;
        }
        let body = chat::unstreamed(&request, &self.options, &mut warnings)?;
        let response = self.send(self.upstream.post("/chat/completions", body)).await?;
        response.read_whole(chat::Reader::default(), warnings).await
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let mut warnings = Warnings::default();
        if self.api == Api::Responses {
            let body = responses::streamed(&request, self.store, &mut warnings)?;
            let request = self.upstream.post("/responses", body);
            let response = self.send(request.header("accept", "text/event-stream")).await?;
            return response.read_events(responses::Reader::default(), warnings, chunks).await;
        }
        let body = chat::streamed(&request, &self.options, &mut warnings)?;
        let request = self.upstream.post("/chat/completions", body);
        let response = self.send(request.header("accept", "text/event-stream")).await?;
        response.read_events(chat::Reader::default(), warnings, chunks).await
    }

    async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        Ok(models::limits(model).map(|limits| limits.context_window))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        models::read(self.send(self.upstream.get("/models")).await?).await
    }

    async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, ProviderError> {
        let (body, warnings) = embeddings::write(&request)?;
        let response = self.send(self.upstream.post("/embeddings", body)).await?;
        embeddings::read(response, warnings).await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount, ProviderError> {
        if self.api == Api::Chat {
            let error = ProviderError::unsupported("counting tokens with chat completions");
            return Err(
                error.with_hint("set `options = { api = \"responses\" }`, whose API counts them")
            );
        }
        let body = responses::counted(&request, self.store)?;
        let request = self.upstream.post("/responses/input_tokens", body);
        responses::read_count(self.send(request).await?).await
    }
}

impl OpenAi {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let sent = self.upstream.send(request).await;
        sent.map_err(|error| self.upstream.advise(error::refine(error)))
    }
}
