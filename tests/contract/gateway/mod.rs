//! The gateway over real HTTP, as the program serves it: `chat`, `messages` and `embeddings`, the
//! pages around them, every kind of bad request, and connections that end early.

mod chat;
mod connections;
mod embeddings;
mod messages;
mod pages;
mod refusals;

use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::folder::PluginFolder;
use crate::process::Gateway;
use crate::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";

/// A gateway on a folder of its own, and a client of it.
struct Served {
    gateway: Gateway,
    client: Client,
    folder: PluginFolder,
}

impl Served {
    async fn start(libraries: &[&str], toml: &str) -> Self {
        let folder = PluginFolder::with(libraries);
        let gateway = Gateway::start(&folder, toml).await;
        Self { gateway, client: Client::new(), folder }
    }

    /// `echo` alone, with nothing configured.
    async fn echo() -> Self {
        Self::start(&["echo"], "").await
    }

    /// `openai` in front of an upstream.
    async fn openai(upstream: &Upstream) -> Self {
        let provider = format!(
            "[providers.openai]\napi_key = \"key-of-the-upstream\"\nbase_url = {:?}\n",
            upstream.url("/v1")
        );
        Self::start(&["openai"], &provider).await
    }

    fn url(&self, path: &str) -> String {
        self.gateway.url(path)
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.post(&self.url(path), body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.client.get(&self.url(path)).await
    }
}

/// A request with one message.
fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello there"}]})
}

/// The same, to be streamed.
fn streamed(model: &str) -> Value {
    json!({
        "model": model,
        "messages": [{"role": "user", "content": "hello there"}],
        "stream": true,
    })
}

/// A completion as OpenAI gives it.
fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-script-2026",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        "system_fingerprint": "fp_1",
    })
}

/// A chunk of a stream as OpenAI gives it.
fn chunk(delta: &Value, finish: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-script-2026",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    })
}
