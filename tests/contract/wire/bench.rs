//! The set-up of the wire tests: the gateway in front of some plugins, some instances of them, and
//! in place of each service an upstream that answers as it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::client::{Answer, Client, JsonBody as _};
use crate::folder::PluginFolder;
use crate::process::Gateway;
use crate::upstream::{Received, Reply, Upstream};
use crate::wire::difference::Differences;
use crate::wire::recording::{Recording, SERVICES, Service};

/// Which form of a request and a reply the host hands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// The bodies as they came.
    First,
    /// The normalised form alone.
    Second,
}

impl Lane {
    /// Its name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "first lane",
            Self::Second => "second lane",
        }
    }
}

/// An instance of a plugin, as the configuration names it.
#[derive(Clone, Copy)]
pub(super) struct Instance {
    pub(super) name: &'static str,
    /// Further lines of its table.
    pub(super) settings: &'static str,
    /// Where the service's API begins.
    pub(super) base: &'static str,
    pub(super) has_key: bool,
}

impl Instance {
    /// The instance of the plugin or the preset of this name.
    pub(super) const fn named(name: &'static str) -> Self {
        Self { name, settings: "", base: "", has_key: true }
    }

    fn table(&self, address: &str, lane: Lane) -> String {
        let Self { name, settings, .. } = self;
        let passthrough = lane == Lane::First;
        let key = self.has_key.then(|| format!("api_key = {:?}\n", key(name)));
        [
            format!("[providers.{name}]\nbase_url = {address:?}\n"),
            format!("passthrough = {passthrough}\n{settings}"),
            key.unwrap_or_default(),
        ]
        .concat()
    }
}

/// What a client sends.
pub(super) struct Sent {
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: Value,
}

impl Sent {
    /// A body for a path of the gateway; its model is that of the service.
    pub(super) fn new(path: &'static str, body: Value) -> Self {
        Self { path, headers: Vec::new(), body }
    }

    /// Adds a header.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What came of one exchange.
pub(super) struct Exchange {
    /// What reached the upstream, if anything did.
    pub(super) received: Option<Received>,
    /// What the client got.
    pub(super) answer: Answer,
}

/// The gateway and its upstreams.
pub(super) struct Bench {
    gateway: Gateway,
    client: Client,
    upstreams: BTreeMap<&'static str, Behind>,
    _folder: PluginFolder,
}

struct Behind {
    upstream: Upstream,
    reply: Arc<Mutex<Reply>>,
}

impl Bench {
    /// Starts everything.
    pub(super) async fn start(lane: Lane, plugins: &[&str], instances: &[Instance]) -> Self {
        let mut upstreams = BTreeMap::new();
        let mut config = Vec::new();
        for instance in instances {
            let service = Behind::start().await;
            config.push(instance.table(&service.upstream.url(instance.base), lane));
            upstreams.insert(instance.name, service);
        }
        let folder = PluginFolder::with(plugins);
        let gateway = Gateway::start(&folder, &config.concat()).await;
        Self { gateway, client: Client::new(), upstreams, _folder: folder }
    }

    /// Starts the `openai` plugin with an instance for each service of its dialect.
    pub(super) async fn of_services(lane: Lane) -> Self {
        let instances = SERVICES
            .map(|service| Instance { base: service.base, ..Instance::named(service.instance) });
        Self::start(lane, &["openai"], &instances).await
    }

    /// Sends a recorded request through the gateway; the upstream answers as recorded, in pieces
    /// of so many bytes if they are given.
    pub(super) async fn exchange(
        &self,
        instance: &str,
        recording: &Recording,
        piece: Option<usize>,
    ) -> Exchange {
        let sent = Sent::new("/v1/chat/completions", recording.request.clone());
        self.send(instance, sent, recording.reply(piece)).await
    }

    /// Sends a request through the gateway, to an upstream that answers with this.
    pub(super) async fn send(&self, instance: &str, sent: Sent, reply: Reply) -> Exchange {
        let service = &self.upstreams[instance];
        *service.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
        let mut body = sent.body;
        let model = body["model"].as_str().expect("a request names its model");
        body["model"] = Value::from(format!("{instance}/{model}"));
        let mut request = self.client.request("POST", &self.gateway.url(sent.path));
        for (name, value) in sent.headers {
            request = request.header(name, value);
        }
        let before = service.upstream.received().len();
        let answer = self.client.send(request.json_body(&body)).await;
        let received = service.upstream.received().into_iter().nth(before);
        Exchange { received, answer }
    }
}

impl Behind {
    async fn start() -> Self {
        let reply = Arc::new(Mutex::new(Reply::new(500, "text/plain", "nothing is recorded")));
        let current = reply.clone();
        let script =
            move |_: &Received| current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { upstream: Upstream::start(script).await, reply }
    }
}

/// The key of an instance.
pub(super) fn key(instance: &str) -> String {
    format!("key-of-{instance}")
}

/// The request as it arrived at the upstream, where it did: at the right path, with the right key.
pub(super) fn arrived(
    service: &Service,
    exchange: &Exchange,
    differences: &mut Differences,
) -> Option<Value> {
    let received = exchange.reached(differences)?;
    let expected = Value::from(format!("{}/chat/completions", service.base));
    differences.equal("path", &expected, &received.path.as_str().into());
    let expected = Value::from(format!("Bearer {}", key(service.instance)));
    differences.equal("authorization", &expected, &received.header("authorization").into());
    Some(received.json())
}

impl Exchange {
    /// What reached the upstream; that nothing did is a difference.
    pub(super) fn reached(&self, differences: &mut Differences) -> Option<&Received> {
        if self.received.is_none() {
            let answer = &self.answer.text;
            differences.0.push(format!("nothing reached the upstream, the client got {answer}"));
        }
        self.received.as_ref()
    }
}
