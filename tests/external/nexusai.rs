//! A plugin as its author writes it, in a crate of its own outside the workspace.
//!
//! The contract tests build it against `allos-plugin-api` by path alone, once as it is and once
//! under another version.

#![forbid(unsafe_code)]

use allos_plugin_api::{
    ChatRequest, ChunkSink, FinishReason, Host, Message, Model, Provider, ProviderChunk,
    ProviderConfig, ProviderError, provider,
};

struct NexusAi {
    greeting: String,
}

#[provider("nexusai", options(greeting: string = "what every answer begins with"))]
impl Provider for NexusAi {
    fn new(config: ProviderConfig, _host: Host) -> Result<Self, ProviderError> {
        let greeting = config.options.get("greeting").and_then(|it| it.as_str());
        Ok(Self { greeting: greeting.unwrap_or("nexus heard").to_owned() })
    }

    async fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> Result<(), ProviderError> {
        let heard = request.messages.last().map(Message::text).unwrap_or_default();
        chunks.send(ProviderChunk::text(format!("{}: ", self.greeting))).await;
        chunks.send(ProviderChunk::text(heard)).await;
        chunks.send(ProviderChunk::finish(FinishReason::STOP)).await;
        Ok(())
    }

    async fn context_window(&self, _model: &str) -> Result<Option<u64>, ProviderError> {
        Ok(Some(128_000))
    }

    async fn models(&self) -> Result<Vec<Model>, ProviderError> {
        Ok(vec![Model::new("nexus-pro")])
    }
}
