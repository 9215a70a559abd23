//! Embeddings: what OpenAI's recordings say in both lanes, and what the documentation of other
//! vendors says, all at the one path `/v1/embeddings`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::wire::bench::{Bench, Exchange, Instance, Lane, Sent};
use crate::wire::difference::{Differences, without_nulls};
use crate::wire::recording::{self, Recorded, Recording};
use crate::wire::{Failures, has_recordings, recorded, report};

const PATH: &str = "/v1/embeddings";
const FOLDER: &str = "openai-embeddings";
const OPENAI: Instance = Instance { base: "/v1", ..Instance::named("openai") };

/// How another vendor's embeddings are read.
struct Vendor {
    /// The folder of its exchanges.
    folder: &'static str,
    instance: Instance,
    /// A list of vectors, or one vector.
    vectors: [&'static str; 2],
    tokens: &'static str,
}

const VENDORS: [Vendor; 2] = [
    // <https://ai.google.dev/api/embeddings>
    Vendor {
        folder: "google-embeddings",
        instance: Instance::named("google"),
        vectors: ["/embeddings", "/embedding"],
        tokens: "/usageMetadata/promptTokenCount",
    },
    // <https://docs.ollama.com/api/embed>
    Vendor {
        folder: "ollama-embeddings",
        instance: Instance { has_key: false, ..Instance::named("ollama") },
        vectors: ["/embeddings", "/embedding"],
        tokens: "/prompt_eval_count",
    },
];

#[tokio::test]
async fn recorded_embeddings_pass_both_lanes() {
    if !has_recordings() {
        return;
    }
    let mut failures = Failures::default();
    for lane in [Lane::First, Lane::Second] {
        let bench = Bench::start(lane, &["openai"], &[OPENAI]).await;
        let recordings = recorded(FOLDER);
        let mut passed = 0;
        for recording in &recordings {
            let sizes = super::PIECES.map(Some);
            let mut differences = Vec::new();
            for piece in [None].into_iter().chain(sizes) {
                let sent = Sent::new(PATH, recording.request.clone());
                let exchange = bench.send(OPENAI.name, sent, recording.reply(piece)).await;
                differences.extend(check(lane, recording, &exchange));
            }
            let place = format!("{}, {FOLDER}/{}", lane.name(), recording.id);
            passed += failures.add(&place, differences);
        }
        report(&format!("openai dialect, {}", lane.name()), FOLDER, recordings.len(), passed);
    }
    failures.none();
}

#[tokio::test]
async fn vendors_embed_as_their_documentation_says() {
    let instances = VENDORS.map(|vendor| vendor.instance);
    let bench = Bench::start(Lane::First, &["google", "ollama"], &instances).await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        for exchange in recording::recordings(&recording::exchanges().join(vendor.folder)) {
            for encoding in ["float", "base64"] {
                let mut client = exchange.client.clone().expect("what a client asks");
                client["encoding_format"] = encoding.into();
                let sent = Sent::new(PATH, client);
                let went = bench.send(vendor.instance.name, sent, exchange.reply(Some(7))).await;
                let place = format!("{}/{} as {encoding}", vendor.folder, exchange.id);
                failures.add(&place, vendor.check(&exchange, &went));
            }
        }
    }
    failures.none();
}

fn check(lane: Lane, recording: &Recording, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    if let Some(received) = exchange.reached(&mut differences) {
        differences.equal("path", &"/v1/embeddings".into(), &received.path.as_str().into());
        let sent = received.json();
        for name in ["model", "input", "dimensions", "user"] {
            differences.equal(name, &recording.request[name], &sent[name]);
        }
        if lane == Lane::First {
            let expected = without_nulls(&recording.request);
            differences.equal("request", &expected, &without_nulls(&sent));
        }
    }
    let answer = &exchange.answer;
    differences.equal("status", &recording.status.into(), &answer.status.into());
    let Recorded::Json(expected) = &recording.reply else { return differences.0 };
    let actual = answer.json();
    if lane == Lane::First || recording.status >= 400 {
        differences.contained_deep("reply", expected, &actual);
    }
    for place in ["/model", "/usage/prompt_tokens", "/error/message"] {
        let at = |body: &Value| body.pointer(place).cloned().unwrap_or_default();
        differences.equal(place, &at(expected), &at(&actual));
    }
    same_vectors(&vectors(expected), &vectors(&actual), &mut differences);
    differences.0
}

impl Vendor {
    fn check(&self, recording: &Recording, exchange: &Exchange) -> Vec<String> {
        let mut differences = Differences::default();
        if let Some(received) = exchange.reached(&mut differences) {
            let path = received.path.as_str();
            differences.equal("path", &recording.path.as_str().into(), &path.into());
            differences.contained_deep("request", &recording.request, &received.json());
        }
        let Recorded::Json(reply) = &recording.reply else { return differences.0 };
        let answer = exchange.answer.json();
        differences.equal("status", &recording.status.into(), &exchange.answer.status.into());
        if recording.status >= 400 {
            let message = reply.pointer("/error/message").unwrap_or(&reply["error"]);
            differences.equal("error", message, &answer["error"]["message"]);
            return differences.0;
        }
        if let Some(tokens) = reply.pointer(self.tokens) {
            differences.equal("usage", tokens, &answer["usage"]["prompt_tokens"]);
        }
        same_vectors(&self.vectors(reply), &vectors(&answer), &mut differences);
        differences.0
    }

    fn vectors(&self, reply: &Value) -> Vec<Vec<f64>> {
        let [list, one] = self.vectors.map(|place| reply.pointer(place));
        let vectors = list.and_then(Value::as_array).cloned();
        let vectors = vectors.or_else(|| one.map(|one| vec![one.clone()])).unwrap_or_default();
        vectors.iter().map(|it| numbers(it.get("values").unwrap_or(it))).collect()
    }
}

/// The vectors of a reply in OpenAI's shape, in the order of their indexes.
fn vectors(reply: &Value) -> Vec<Vec<f64>> {
    let mut data = reply["data"].as_array().cloned().unwrap_or_default();
    data.sort_by_key(|it| it["index"].as_u64());
    data.iter().map(|it| numbers(&it["embedding"])).collect()
}

/// A vector, as a list or as base64 of little-endian 32-bit floats.
fn numbers(vector: &Value) -> Vec<f64> {
    let Some(base64) = vector.as_str() else {
        return vector.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    };
    let bytes = STANDARD.decode(base64).expect("base64");
    let (floats, _) = bytes.as_chunks::<4>();
    floats.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect()
}

/// Vectors are the same where their 32-bit floats are.
fn same_vectors(expected: &[Vec<f64>], actual: &[Vec<f64>], differences: &mut Differences) {
    let sizes = |vectors: &[Vec<f64>]| json!(vectors.iter().map(Vec::len).collect::<Vec<_>>());
    differences.equal("vectors", &sizes(expected), &sizes(actual));
    let pairs = expected.iter().flatten().zip(actual.iter().flatten());
    if pairs.into_iter().any(|(expected, actual)| (expected - actual).abs() > 1e-6) {
        differences.0.push("vectors: other numbers".to_owned());
    }
}
