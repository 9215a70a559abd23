//! What no vendor should answer, and some day does: a typed error, never an empty success.

use serde_json::{Value, json};

use crate::upstream::Reply;
use crate::wire::Failures;
use crate::wire::bench::{Bench, Exchange, Instance, Lane, Sent};
use crate::wire::recording::{self, Recorded, Recording, events};
use crate::wire::vendors::{Asked, VENDORS};

const HTML: &str = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>";
const EVENTS: &str = "text/event-stream";

type InDialect = fn(&Asked) -> Value;

/// The paths at which a client may ask, each with the body that asks there.
const DIALECTS: [(&str, InDialect); 2] = [
    ("/v1/chat/completions", Asked::in_openai_dialect),
    ("/v1/messages", Asked::in_anthropic_dialect),
];

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_an_error() {
    let bench = bench().await;
    let mut failures = Failures::default();
    for instance in instances() {
        for (name, reply) in unreadable() {
            for stream in [false, true] {
                for exchange in ask(&bench, instance.name, stream, &reply).await {
                    let place = format!("{}: {name}, streamed: {stream}", instance.name);
                    failures.add(&place, is_no_error(&exchange));
                }
            }
        }
    }
    failures.none();
}

#[tokio::test]
async fn a_stream_that_is_cut_or_ends_early_is_an_error() {
    let bench = bench().await;
    let mut failures = Failures::default();
    for vendor in &VENDORS {
        let folder = recording::exchanges().join(vendor.folder);
        let exchanges = recording::recordings(&folder);
        let whole = |it: &&Recording| {
            it.reply.is_stream() && (vendor.read)(it.status, &it.reply).error.is_none()
        };
        let stream = exchanges.iter().find(whole).expect("a stream that is whole");
        let text = stream.reply.text();
        let half = &text.as_bytes()[..text.len() / 2];
        let ends = Reply::new(200, &stream.media_type, half);
        for (name, reply) in [("ends", ends.clone()), ("is cut", ends.then_cut())] {
            for exchange in ask(&bench, vendor.instance.name, true, &reply).await {
                let place = format!("{}: a stream that {name}", vendor.instance.name);
                failures.add(&place, is_no_error(&exchange));
            }
        }
    }
    failures.none();
}

#[tokio::test]
async fn a_page_of_a_proxy_keeps_its_status() {
    let bench = bench().await;
    let mut failures = Failures::default();
    for instance in instances() {
        for stream in [false, true] {
            let reply = Reply::new(502, "text/html", HTML);
            for exchange in ask(&bench, instance.name, stream, &reply).await {
                let place = format!("{}, streamed: {stream}", instance.name);
                let mut wrong = is_no_error(&exchange);
                if exchange.answer.status != 502 {
                    wrong.push(format!("the status is {}", exchange.answer.status));
                }
                failures.add(&place, wrong);
            }
        }
    }
    failures.none();
}

#[tokio::test]
async fn embeddings_that_cannot_be_read_are_an_error() {
    let bench = bench().await;
    let mut failures = Failures::default();
    for instance in ["openai", "google", "ollama"] {
        for (name, reply) in unreadable().into_iter().chain(without_vectors()) {
            let body = json!({"model": "a-model", "input": ["hello", "world"]});
            let exchange = bench.send(instance, Sent::new("/v1/embeddings", body), reply).await;
            failures.add(&format!("{instance}: {name}"), is_no_error(&exchange));
        }
    }
    failures.none();
}

/// Replies about two texts in which vectors are missing.
fn without_vectors() -> [(&'static str, Reply); 3] {
    let reply = |vectors: Value, data: Value| {
        Reply::json(200, &json!({"object": "list", "embeddings": vectors, "data": data}))
    };
    let of_google = json!([{"values": [0.5]}]);
    let of_openai = json!([{"object": "embedding", "index": 0, "embedding": [0.5]}]);
    [
        ("no vectors", reply(json!([]), json!([]))),
        ("one vector", reply(of_google, of_openai)),
        ("one bare vector", reply(json!([[0.5]]), json!([]))),
    ]
}

/// Replies with status 200 of which none is an answer.
fn unreadable() -> Vec<(&'static str, Reply)> {
    let json = "application/json";
    let reply = |media_type, body: &str| Reply::new(200, media_type, body);
    vec![
        ("nothing", reply(json, "")),
        ("a page", reply("text/html", HTML)),
        ("a page that is called JSON", reply(json, HTML)),
        ("half a reply", reply(json, r#"{"id": "1", "choices": [{"message": {"con"#)),
        ("an empty object", reply(json, "{}")),
        ("an empty list", reply(json, "[]")),
        ("null", reply(json, "null")),
        ("a number", reply(json, "42")),
        ("an error of no known shape", reply(json, r#"{"detail": "out of order"}"#)),
        ("a stream of nothing", reply(EVENTS, "")),
        ("a stream of comments", reply(EVENTS, ": hello\n\n: still here\n\n")),
        ("a page that is called a stream", reply(EVENTS, HTML)),
        ("frames that are no JSON", reply(EVENTS, "data: {oops\n\ndata: [DONE]\n\n")),
        ("frames of nothing", reply(EVENTS, "data: {}\n\ndata: null\n\n")),
        ("no lines", reply("application/x-ndjson", "")),
        ("lines that are no JSON", reply("application/x-ndjson", "oops\noops\n")),
        ("lines of nothing", reply("application/x-ndjson", "{}\n{}\n")),
    ]
}

fn instances() -> Vec<Instance> {
    let chat = Instance { base: "/v1", ..Instance::named("openai") };
    VENDORS.iter().map(|vendor| vendor.instance).chain([chat]).collect()
}

async fn bench() -> Bench {
    let plugins = ["anthropic", "google", "ollama", "openai"];
    Bench::start(Lane::First, &plugins, &instances()).await
}

/// What a client of each dialect gets.
async fn ask(bench: &Bench, instance: &str, stream: bool, reply: &Reply) -> Vec<Exchange> {
    let text = "hello".to_owned();
    let asked = Asked { model: "a-model".to_owned(), text, tools: Vec::new(), stream };
    let mut exchanges = Vec::new();
    for (path, body) in DIALECTS {
        let sent = Sent::new(path, body(&asked));
        exchanges.push(bench.send(instance, sent, reply.clone()).await);
    }
    exchanges
}

/// What is wrong with an answer that must be an error with a status of a failing upstream, or the
/// end of a stream that says so.
fn is_no_error(exchange: &Exchange) -> Vec<String> {
    let answer = &exchange.answer;
    let error = match Recorded::of(answer.header("content-type"), &answer.text) {
        Recorded::Json(body) if answer.status >= 500 => body["error"].clone(),
        Recorded::Events(stream) => {
            let last = events(&stream).pop().map(|frame| frame.data).unwrap_or_default();
            serde_json::from_str::<Value>(&last).unwrap_or_default()["error"].clone()
        }
        _ => json!(null),
    };
    let says = |name: &str| error[name].as_str().is_some_and(|text| !text.is_empty());
    if says("message") && says("type") {
        return Vec::new();
    }
    vec![format!("is no error: {} {}", answer.status, answer.text)]
}
