//! An API that wants each request signed and answers in binary frames, as Amazon Bedrock does: a
//! plugin decides every byte that is sent, knows the time, and reads a body in a framing of its own.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::SystemTime;

use allos_plugin_api::{ErrorKind, ProviderError};
use serde_json::{Value, json};

use crate::calls::{Streamed, chat, stream};
use crate::folder::PluginFolder;
use crate::upstream::{Received, Reply, Upstream};

const PLUGIN: &str = "signs-and-frames";
const KEY: &str = "key-of-the-signature";

/// A frame whose lengths are bytes that no text holds.
fn frame(name: &str, json: &Value) -> Vec<u8> {
    let json = json.to_string();
    let length = |text: &str| u32::try_from(text.len()).expect("a short text").to_be_bytes();
    [&length(name)[..], &length(&json), name.as_bytes(), json.as_bytes()].concat()
}

fn frames(frames: &[(&str, &str)]) -> Reply {
    let bytes = frames.iter().map(|(name, text)| frame(name, &json!({"text": text})));
    Reply::new(200, "application/vnd.amazon.eventstream", bytes.collect::<Vec<_>>().concat())
}

/// What the signature of a request must be, from what has arrived.
fn signature(request: &Received) -> String {
    let address = format!("http://{}", request.header("host"));
    let body = String::from_utf8(request.body.clone()).expect("a body of text");
    let mut hasher = DefaultHasher::new();
    (KEY, &address, &request.path, request.header("x-date"), &body).hash(&mut hasher);
    format!("SIGNED {:x}", hasher.finish())
}

/// Answers only what is signed.
async fn upstream(reply: Reply) -> Upstream {
    Upstream::start(move |request| {
        if request.header("authorization") == signature(request) {
            reply.clone()
        } else {
            Reply::json(403, &json!({"message": "the signature does not match"}))
        }
    })
    .await
}

async fn streamed(upstream: &Upstream) -> Streamed {
    let folder = PluginFolder::with(&["signs_and_frames"]);
    let address = upstream.url("");
    let table = format!("[providers.{PLUGIN}]\nbase_url = {address:?}\napi_key = {KEY:?}\n");
    let host = folder.host(&table).await;
    let streamed = stream(&host, PLUGIN, "vendor.model-v1:0").await;
    let whole = chat(&host, PLUGIN, "vendor.model-v1:0").await;
    assert_eq!(whole.is_ok(), streamed.error.is_none(), "{whole:?}");
    streamed
}

#[tokio::test]
async fn a_plugin_signs_what_is_sent_and_reads_binary_frames_in_pieces_of_any_size() {
    for bytes in [1, 7, 1_000] {
        let reply = frames(&[("start", ""), ("delta", "größ"), ("delta", "er"), ("stop", "")]);
        let upstream = upstream(reply.in_pieces_of(bytes)).await;
        let streamed = streamed(&upstream).await;
        assert_eq!((streamed.text.as_str(), streamed.finishes.len()), ("größer", 1));
        let received = upstream.last();
        assert_eq!(received.path, "/model/vendor.model-v1:0/stream");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the time");
        let said: u64 = received.header("x-date").parse().expect("seconds");
        assert!(now.as_secs().abs_diff(said) < 60, "{said}");
    }
}

#[tokio::test]
async fn an_exception_among_the_frames_and_a_stream_that_is_cut_off_are_errors() {
    let exception = [("start", ""), ("delta", "a"), ("throttlingException", "slow down")];
    for (sent, kind, message) in [
        (&exception[..], ErrorKind::RateLimit, "slow down"),
        (&exception[..2], ErrorKind::MalformedReply, ProviderError::truncated().message()),
    ] {
        let streamed = streamed(&upstream(frames(sent)).await).await;
        assert_eq!((streamed.text.as_str(), streamed.finishes.len()), ("a", 0));
        let error = streamed.error.expect("an error");
        assert_eq!((error.kind(), error.message()), (&kind, message));
    }
}
