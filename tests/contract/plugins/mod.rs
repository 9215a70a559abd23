//! Each plugin, opened by the program and asked over HTTP, in front of an upstream that answers in
//! its vendor's words as the vendor's documentation has them.

mod anthropic;
mod google;
mod ollama;
mod responses;

use object::read::File;
use object::{Object as _, ObjectSymbol as _};
use serde_json::Value;

use crate::artifact;
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

/// Whether a library can start a thread: only by what it takes from the system's.
fn starts_threads(name: &str) -> bool {
    let bytes = std::fs::read(artifact::library(name)).expect("a library that is built");
    let library = File::parse(&*bytes).expect("a shared library");
    let is_start = |name: Result<&str, _>| name.is_ok_and(|name| name == "pthread_create");
    library.dynamic_symbols().any(|symbol| symbol.is_undefined() && is_start(symbol.name()))
}

#[test]
fn none_of_our_plugins_starts_a_thread() {
    for name in ["anthropic", "echo", "google", "ollama", "openai"] {
        assert!(!starts_threads(name), "{name} can start a thread");
    }
    assert!(starts_threads("own_runtime"), "a plugin with a runtime of its own is told from these");
}
