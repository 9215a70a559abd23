//! Google's Gemini API: `generateContent`, its stream, models, embeddings, token counts.
//!
//! The provider that `liballos_google.so` exports. Requests are written and replies read by the crate
//! `allos-google-generate`, which plugins of other services use too; this one knows the address, the
//! key, the models and the embeddings. Connections, timeouts and retries are not its business.
//!
//! - <https://ai.google.dev/api/generate-content>
//! - <https://ai.google.dev/api/all-methods>
//! - <https://ai.google.dev/gemini-api/docs/api-key>

#![forbid(unsafe_code)]

mod embeddings;
mod models;

use allos_google_generate::{Reader, count, error, write};
use allos_plugin_api::{
    ChatRequest, ChunkSink, EmbedRequest, EmbedResponse, Host, HttpRequest, HttpResponse, Model,
    Provider, ProviderConfig, ProviderError, ProviderResponse, TokenCount, Upstream, provider,
};

/// The address that Google's own SDKs take.
const BASE_URL: &str = "https://generativelanguage.googleapis.com";
/// The variable that holds a key for it.
const KEY_VARIABLE: &str = "GEMINI_API_KEY";

/// Gemini, with one key.
#[derive(Debug)]
pub struct Google {
    upstream: Upstream,
}

#[provider(
    "google",
    api_key = "GEMINI_API_KEY",
    base_url = "https://generativelanguage.googleapis.com"
)]
impl Provider for Google {
    fn new(config: ProviderConfig, host: Host) -> Result<Self, ProviderError> {
        let upstream = Upstream::new(&config, host, BASE_URL).with_key(
            &config,
            "x-goog-api-key",
            "",
            KEY_VARIABLE,
        );
        Ok(Self { upstream })
    }

    async fn chat(&self, request: ChatRequest) -> Result<ProviderResponse, ProviderError> {
        let (body, warnings) = write(&request)?;
        let path = models::path(&request.model, ":generateContent");
        let response = self.send(self.upstream.post(&path, body.to_string())).await?;
        response.read_whole(Reader::default(), warnings).await
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let (body, warnings) = write(&request)?;
        let path = models::path(&request.model, ":streamGenerateContent?alt=sse");
        let request = self.upstream.post(&path, body.to_string());
        let response = self.send(request.header("accept", "text/event-stream")).await?;
        response.read_events(Reader::default(), warnings, chunks).await
    }

    async fn context_window(&self, model: &str) -> Result<Option<u64>, ProviderError> {
        match self.send(self.upstream.get(&models::path(model, ""))).await {
            Ok(response) => models::read_window(response).await,
            Err(error) if error.code() == Some(error::NOT_FOUND) => Ok(None),
            Err(error) => match models::limits(model) {
                Some(limits) => Ok(Some(limits.context_window)),
                None => Err(error),
            },
        }
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        let mut models = Vec::new();
        let page = self.upstream.get("/v1beta/models?pageSize=1000");
        let mut next = models::read_page(self.send(page).await?, &mut models).await?;
        while let Some(token) = next {
            let page = self.upstream.get("/v1beta/models?pageSize=1000");
            let page = self.send(page.query("pageToken", &token)).await?;
            next = models::read_page(page, &mut models).await?.filter(|next| *next != token);
        }
        Ok(models)
    }

    async fn embed(&self, request: EmbedRequest) -> Result<EmbedResponse, ProviderError> {
        let (body, warnings) = embeddings::write(&request)?;
        let path = models::path(&request.model, ":batchEmbedContents");
        let response = self.send(self.upstream.post(&path, body.to_string())).await?;
        embeddings::read(response, request.inputs.len(), warnings).await
    }

    async fn count_tokens(&self, request: ChatRequest) -> Result<TokenCount, ProviderError> {
        let body = count(&request)?;
        let path = models::path(&request.model, ":countTokens");
        let response = self.send(self.upstream.post(&path, body.to_string())).await?;
        models::read_count(response).await
    }
}

impl Google {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let sent = self.upstream.send(request).await;
        sent.map_err(|error| self.upstream.advise(error::refine(error)))
    }
}
