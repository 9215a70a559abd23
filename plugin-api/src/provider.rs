//! The trait that a plugin implements, and the sink into which it streams.

use std::future::Future;

use crate::boundary::slot::Slot;
use crate::chunk::ProviderChunk;
use crate::collect::Collector;
use crate::config::ProviderConfig;
use crate::error::ProviderError;
use crate::host::Host;
use crate::model::Model;
use crate::request::{ChatRequest, EmbedRequest};
use crate::response::{EmbedResponse, ProviderResponse, TokenCount};

/// The service that a plugin exports.
///
/// Implement it on a type of your own, with `async fn` where the trait says `impl Future`, and put
/// [`#[provider("name")]`](crate::provider) on the implementation. The optional operations that
/// the implementation has are the capabilities that the plugin states.
///
/// Everything runs on a thread of the instance's own, made by the host. Dropping a call cancels it.
/// A panic ends the call that it happens in and nothing else.
pub trait Provider: Sized + Send + Sync + 'static {
    /// Makes an instance from its configuration. It should not talk to the vendor yet.
    ///
    /// # Errors
    ///
    /// A configuration that cannot work, by the name of what is wrong in it.
    fn new(config: ProviderConfig, host: Host) -> Result<Self, ProviderError>;

    /// Answers in one piece. Unless it is implemented, it collects what
    /// [`stream_chat`](Self::stream_chat) streams.
    fn chat(
        &self,
        request: ChatRequest,
    ) -> impl Future<Output = Result<ProviderResponse, ProviderError>> + Send {
        async move {
            let mut chunks = ChunkSink::collecting();
            self.stream_chat(request, &mut chunks).await?;
            chunks.into_response()
        }
    }

    /// Answers piece by piece, into the sink: for each choice one
    /// [`Finish`](crate::Event::Finish), and nothing but usage after the last.
    fn stream_chat(
        &self,
        request: ChatRequest,
        chunks: &mut ChunkSink,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;

    /// The most tokens of a prompt and its answer together; `None` where it is not known.
    fn context_window(
        &self,
        model: &str,
    ) -> impl Future<Output = Result<Option<u64>, ProviderError>> + Send;

    /// The models that the vendor offers.
    fn models(&self) -> impl Future<Output = Result<Vec<Model>, ProviderError>> + Send {
        async { Err(ProviderError::unsupported("listing models")) }
    }

    /// The embeddings of texts, one vector each.
    fn embed(
        &self,
        _request: EmbedRequest,
    ) -> impl Future<Output = Result<EmbedResponse, ProviderError>> + Send {
        async { Err(ProviderError::unsupported("embedding")) }
    }

    /// The number of tokens that a prompt would be.
    fn count_tokens(
        &self,
        _request: ChatRequest,
    ) -> impl Future<Output = Result<TokenCount, ProviderError>> + Send {
        async { Err(ProviderError::unsupported("counting tokens")) }
    }
}

/// Where a provider puts its chunks.
#[derive(Debug)]
pub struct ChunkSink(Target);

#[derive(Debug)]
enum Target {
    Consumer(Slot),
    Collector(Box<Collector>),
}

impl ChunkSink {
    /// A sink that hands each chunk to whoever polls the other side of the slot.
    pub(crate) fn to_consumer(slot: Slot) -> Self {
        Self(Target::Consumer(slot))
    }

    /// A sink that keeps everything, for an answer in one piece.
    pub fn collecting() -> Self {
        Self(Target::Collector(Box::default()))
    }

    /// What a [`collecting`](Self::collecting) sink has gathered.
    ///
    /// # Errors
    ///
    /// Where the chunks make no complete answer, or the sink was not made for collecting.
    pub fn into_response(self) -> Result<ProviderResponse, ProviderError> {
        match self.0 {
            Target::Collector(collector) => collector.into_response(),
            Target::Consumer(_) => Err(ProviderError::invalid_request("the sink does not collect")),
        }
    }

    /// Hands over a chunk, and waits until the consumer has room for it.
    ///
    /// Where the consumer is gone, the whole call is dropped here.
    pub async fn send(&mut self, chunk: impl Into<ProviderChunk> + Send) {
        match &mut self.0 {
            Target::Consumer(slot) => slot.put(chunk.into()).await,
            Target::Collector(collector) => collector.push(chunk.into()),
        }
    }
}
