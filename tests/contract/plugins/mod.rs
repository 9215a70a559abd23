//! Each plugin, opened by the program and asked over HTTP, in front of an upstream that answers in
//! its vendor's words as the vendor's documentation has them.

mod anthropic;
mod google;
mod ollama;
mod responses;

use serde_json::Value;

use crate::client::{Answer, Client};
use crate::folder::PluginFolder;
use crate::process::Gateway;
use crate::upstream::Upstream;

const CHAT: &str = "/v1/chat/completions";

/// The gateway with one plugin in front of an upstream.
struct Served {
    gateway: Gateway,
    client: Client,
    upstream: Upstream,
    _folder: PluginFolder,
}

impl Served {
    /// A plugin whose vendor is at a path of the upstream; `more` is what its table says besides.
    async fn start(plugin: &str, upstream: Upstream, path: &str, more: &str) -> Self {
        let folder = PluginFolder::with(&[plugin]);
        let address = upstream.url(path);
        let toml = format!("[providers.{plugin}]\nbase_url = {address:?}\n{more}");
        let gateway = Gateway::start(&folder, &toml).await;
        Self { gateway, client: Client::new(), upstream, _folder: folder }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.client.post(&self.gateway.url(path), body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.client.get(&self.gateway.url(path)).await
    }

    /// What the upstream was asked last, as JSON.
    fn asked(&self) -> Value {
        self.upstream.last().json()
    }
}
