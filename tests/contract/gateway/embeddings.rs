//! Embeddings through the gateway, as numbers and as base64.

use serde_json::{Value, json};

use super::Served;
use crate::upstream::{Received, Reply, Upstream};

const EMBEDDINGS: &str = "/v1/embeddings";
/// `[0.5, -0.25]` as 32-bit floats, the lowest byte first, in base64.
const BASE64: &str = "AAAAPwAAgL4=";

async fn upstream() -> Upstream {
    Upstream::start(|request: &Received| {
        let base64 = request.json()["encoding_format"] == "base64";
        let vector = if base64 { json!(BASE64) } else { json!([0.5, -0.25]) };
        let inputs = number_of(&request.json()["input"]);
        let item = |index| json!({"object": "embedding", "index": index, "embedding": vector});
        Reply::json(
            200,
            &json!({
                "object": "list",
                "data": (0..inputs).map(item).collect::<Vec<_>>(),
                "model": "embed-script",
                "usage": {"prompt_tokens": 4, "total_tokens": 4},
            }),
        )
    })
    .await
}

/// A text is one input, and so is a list of tokens.
fn number_of(input: &Value) -> usize {
    let items = input.as_array().filter(|items| !items[0].is_number());
    items.map_or(1, Vec::len)
}

/// In both lanes: as it came, and from the normalised form.
async fn each_lane(check: impl AsyncFn(&Served, &Upstream)) {
    let upstream = upstream().await;
    for passthrough in [true, false] {
        let provider = format!(
            "[providers.openai]\napi_key = \"key\"\nbase_url = {:?}\npassthrough = {passthrough}\n",
            upstream.url("/v1")
        );
        check(&Served::start(&["openai", "echo"], &provider).await, &upstream).await;
    }
}

fn vectors(body: &Value) -> Vec<&Value> {
    let data = body["data"].as_array().expect("a list");
    data.iter().map(|item| &item["embedding"]).collect()
}

#[tokio::test]
async fn embeddings_come_in_the_form_that_was_asked() {
    each_lane(async |served, _| {
        for (format, expected) in [
            (Value::Null, json!([0.5, -0.25])),
            (json!("float"), json!([0.5, -0.25])),
            (json!("base64"), json!(BASE64)),
        ] {
            let mut request = json!({"model": "openai/embed", "input": ["one", "two"]});
            if !format.is_null() {
                request["encoding_format"] = format;
            }
            let answer = served.post(EMBEDDINGS, &request).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let body = answer.json();
            assert_eq!(vectors(&body), [&expected, &expected], "{body}");
            assert_eq!((&body["object"], &body["data"][1]["index"]), (&"list".into(), &1.into()));
            assert_eq!(body["usage"]["prompt_tokens"], 4);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_asked_reaches_the_upstream() {
    each_lane(async |served, upstream| {
        for input in [json!("one"), json!(["one", "two"]), json!([1, 2, 3]), json!([[1, 2], [3]])] {
            let request = json!({"model": "openai/embed", "input": input, "dimensions": 2});
            let answer = served.post(EMBEDDINGS, &request).await;
            assert_eq!(vectors(&answer.json()).len(), number_of(&input), "{answer:?}");
            let sent = upstream.last();
            assert_eq!(sent.path, EMBEDDINGS);
            let sent = sent.json();
            assert_eq!((&sent["model"], &sent["dimensions"]), (&"embed".into(), &2.into()));
            let as_a_list = json!([input]);
            assert!(sent["input"] == input || sent["input"] == as_a_list, "{sent} for {input}");
        }
    })
    .await;
}

#[tokio::test]
async fn bad_requests_for_embeddings_are_refused() {
    each_lane(async |served, _| {
        for (request, status) in [
            (json!({"model": "openai/embed"}), 400),
            (json!({"input": "one"}), 400),
            (json!({"model": "openai/embed", "input": []}), 400),
            (json!({"model": "openai/embed", "input": {"a": 1}}), 400),
            (json!({"model": "openai/embed", "input": "a", "encoding_format": "hex"}), 400),
            (json!({"model": "nobody/embed", "input": "a"}), 404),
            (json!({"model": "echo/echo", "input": "a"}), 400),
        ] {
            let answer = served.post(EMBEDDINGS, &request).await;
            assert_eq!(answer.error().0, status, "{request}: {answer:?}");
        }
    })
    .await;
}
