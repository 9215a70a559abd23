//! Calls of a host's providers, as an application makes them, and what came of them.

use std::future::Future;
use std::time::Duration;

use allos_host::Host;
use allos_plugin_api::{
    ChatRequest, Event, FinishReason, Message, ProviderError, ProviderResponse,
};
use tokio::task::JoinSet;

/// More than any answer here takes, on the slowest machine; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a stream gave until it ended.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) text: String,
    pub(crate) finishes: Vec<FinishReason>,
    pub(crate) error: Option<ProviderError>,
}

/// A request with one message.
pub(crate) fn request(model: &str, text: &str) -> ChatRequest {
    ChatRequest::new(model, vec![Message::user(text)])
}

/// Asks a provider, which must exist, for an answer in one piece.
pub(crate) async fn chat(
    host: &Host,
    provider: &str,
    model: &str,
) -> Result<ProviderResponse, ProviderError> {
    let handle = host.provider(provider).expect("the provider is registered");
    soon(handle.chat(request(model, "hello"))).await
}

/// Asks a provider for a stream, and reads it to its end.
pub(crate) async fn stream(host: &Host, provider: &str, model: &str) -> Streamed {
    let handle = host.provider(provider).expect("the provider is registered");
    let mut stream = handle.stream_chat(request(model, "hello"));
    let mut streamed = Streamed::default();
    while let Some(item) = soon(stream.next()).await {
        assert!(streamed.error.is_none(), "an error is the last item, but {item:?} followed");
        match item.map(|chunk| chunk.event) {
            Ok(Event::TextDelta(delta)) => streamed.text += &delta.text,
            Ok(Event::Finish(reason)) => streamed.finishes.push(reason),
            Ok(_) => {}
            Err(error) => streamed.error = Some(error),
        }
    }
    streamed
}

/// Runs 64 calls of a model into its fault, while the neighbours answer as before.
pub(crate) async fn sixty_four(
    host: &Host,
    provider: &str,
    model: &'static str,
) -> Vec<ProviderError> {
    let handle = host.provider(provider).expect("it is registered");
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let handle = handle.clone();
        calls.spawn(async move { handle.chat(request(model, "hello")).await });
    }
    let calls = calls.join_all();
    let answers = beside_neighbours(host, calls).await;
    answers.into_iter().map(|answer| answer.expect_err("no call is answered")).collect()
}

/// What comes of something during which the neighbours answer.
pub(crate) async fn beside_neighbours<T>(host: &Host, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = assert_neighbours_answer(host) => {}
        }
    }
}

/// The host is alive, and so are the providers beside the one that is at fault.
pub(crate) async fn assert_neighbours_answer(host: &Host) {
    let echo = host.provider("echo").expect("echo is registered");
    let answer = soon(echo.chat(request("echo", "still here"))).await;
    assert_eq!(answer.expect("echo answers").first_text(), "still here");
    assert_eq!(stream(host, "echo", "echo").await.text, "hello");
}

/// The result of something that must not take for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it does not hang")
}
