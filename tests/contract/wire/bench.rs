//! The set-up of the wire tests: the gateway in front of the `openai` plugin, one instance per
//! service, and in place of each service an upstream that serves its recordings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::client::{Answer, Client};
use crate::folder::PluginFolder;
use crate::process::Gateway;
use crate::upstream::{Received, Reply, Upstream};
use crate::wire::difference::Differences;
use crate::wire::recording::{Recorded, Recording, SERVICES};

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
    upstreams: BTreeMap<&'static str, Service>,
    _folder: PluginFolder,
}

struct Service {
    upstream: Upstream,
    reply: Arc<Mutex<Reply>>,
}

impl Bench {
    /// Starts everything. The paths are those of the services' recordings.
    pub(super) async fn start(lane: Lane, paths: &BTreeMap<&'static str, String>) -> Self {
        let mut upstreams = BTreeMap::new();
        let mut config = Vec::new();
        for (_, instance) in SERVICES {
            let Some(path) = paths.get(instance) else { continue };
            let service = Service::start().await;
            let base = path.trim_end_matches("/chat/completions");
            config.push(format!(
                "[providers.{instance}]\nbase_url = {:?}\napi_key = \"{}\"\npassthrough = {}\n",
                service.upstream.url(base),
                key(instance),
                lane == Lane::First,
            ));
            upstreams.insert(instance, service);
        }
        let folder = PluginFolder::with(&["openai"]);
        let gateway = Gateway::start(&folder, &config.concat()).await;
        Self { gateway, client: Client::new(), upstreams, _folder: folder }
    }

    /// Sends a recorded request through the gateway; the upstream answers as recorded, in pieces
    /// of so many bytes if they are given.
    pub(super) async fn exchange(
        &self,
        instance: &str,
        recording: &Recording,
        piece: Option<usize>,
    ) -> Exchange {
        let service = &self.upstreams[instance];
        let reply = recorded_reply(recording);
        let reply = piece.map_or_else(|| reply.clone(), |bytes| reply.clone().in_pieces_of(bytes));
        *service.reply.lock().unwrap_or_else(PoisonError::into_inner) = reply;
        let mut request = recording.request.clone();
        let model = request["model"].as_str().expect("a request names its model");
        request["model"] = Value::from(format!("{instance}/{model}"));
        let url = self.gateway.url("/v1/chat/completions");
        let before = service.upstream.received().len();
        let answer = self.client.post(&url, &request).await;
        let received = service.upstream.received().into_iter().nth(before);
        Exchange { received, answer }
    }
}

impl Service {
    async fn start() -> Self {
        let reply = Arc::new(Mutex::new(Reply::new(500, "text/plain", "nothing is recorded")));
        let current = reply.clone();
        let script =
            move |_: &Received| current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { upstream: Upstream::start(script).await, reply }
    }
}

/// The key of an instance.
fn key(instance: &str) -> String {
    format!("key-of-{instance}")
}

fn recorded_reply(recording: &Recording) -> Reply {
    let body = match &recording.reply {
        Recorded::Json(body) => body.to_string(),
        Recorded::Events(text) => text.clone(),
    };
    let headers = recording.headers.iter().filter(|(name, _)| *name != "content-type");
    headers
        .fold(Reply::new(recording.status, &recording.media_type, body), |reply, (name, value)| {
            reply.header(name, value.as_str().unwrap_or_default())
        })
}

/// The request as it arrived at the upstream, where it did: at the right path, with the right key.
pub(super) fn arrived(
    instance: &str,
    recording: &Recording,
    exchange: &Exchange,
    differences: &mut Differences,
) -> Option<Value> {
    let Some(received) = &exchange.received else {
        let answer = &exchange.answer.text;
        differences.0.push(format!("nothing reached the upstream, the client got {answer}"));
        return None;
    };
    let expected = Value::from(recording.path.as_str());
    differences.equal("path", &expected, &received.path.as_str().into());
    let expected = Value::from(format!("Bearer {}", key(instance)));
    differences.equal("authorization", &expected, &received.header("authorization").into());
    Some(received.json())
}
