//! What a client gets where there is no answer, and that nothing is asked in vain.

use allos_plugin_api::ErrorKind;
use serde_json::{Value, json};

use super::{CHAT, MODEL, Served, always, block, events, hello, host, message, text};
use crate::calls::chat;
use crate::upstream::{Reply, Upstream};

fn error(kind: &str, message: &str) -> Value {
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": "req_1" })
}

#[tokio::test]
async fn a_missing_key_is_an_error_that_names_the_variable_before_any_request() {
    let upstream = Upstream::always(Reply::json(200, &message(&[text("ok")], "end_turn"))).await;
    let served = Served::start("anthropic", upstream, "", "").await;
    let (status, kind, _, said) = served.post(CHAT, &hello()).await.error();
    assert_eq!((status, kind.as_str()), (401, "authentication_error"));
    assert!(said.contains("ANTHROPIC_API_KEY"), "{said}");
    assert!(served.upstream.received().is_empty());
}

#[tokio::test]
async fn a_wrong_key_is_an_error_whose_hint_names_the_variable() {
    let refusal = error("authentication_error", "invalid x-api-key");
    let upstream = Upstream::always(Reply::json(401, &refusal)).await;
    let (_folder, host) = host(&upstream, "").await;
    let error = chat(&host, "anthropic", "claude-opus-4-8").await.expect_err("the key is wrong");
    assert_eq!((error.kind(), error.message()), (&ErrorKind::Authentication, "invalid x-api-key"));
    assert!(error.hint().is_some_and(|it| it.contains("ANTHROPIC_API_KEY")), "{error:?}");
    assert!(!format!("{error} {:?}", error.hint()).contains("key-of-the-upstream"));
}

#[tokio::test]
async fn each_error_of_the_vendor_keeps_its_status_and_words() {
    for (status, kind, said, code) in [
        (401, "authentication_error", "invalid x-api-key", "invalid_api_key"),
        (403, "permission_error", "not yours", "permission_denied"),
        (404, "not_found_error", "model: claude-sonet-4-5", "model_not_found"),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 210000 tokens > 200000 maximum",
            "context_length_exceeded",
        ),
        (413, "request_too_large", "too many bytes", "request_too_large"),
        (429, "rate_limit_error", "slow down", "rate_limit_exceeded"),
        (529, "overloaded_error", "Overloaded", "overloaded_error"),
    ] {
        let served = always(Reply::json(status, &error(kind, said))).await;
        for stream in [false, true] {
            let mut request = hello();
            request["stream"] = json!(stream);
            let answer = served.post(CHAT, &request).await;
            let (got, _, got_code, message) = answer.error();
            assert_eq!((got, got_code), (status, json!(code)), "{kind}: {answer:?}");
            assert_eq!(message, said);
            assert_eq!(answer.header("x-upstream-request-id"), "req_1");
            let hint = answer.header("x-allos-hint");
            assert_eq!(hint.contains("ANTHROPIC_API_KEY"), status == 401, "{kind}: {hint}");
            if status >= 429 {
                assert_eq!(answer.header("x-should-retry"), "true", "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn an_error_in_a_stream_comes_after_the_text_so_far() {
    let said = block(0, &text(""), &[json!({ "type": "text_delta", "text": "so far" })]);
    let start = json!({ "type": "message_start", "message": message(&[], "") });
    let cut = [vec![start], said].concat();
    let failed = [cut.clone(), vec![error("overloaded_error", "Overloaded")]].concat();
    for (frames, word) in [(failed, "Overloaded"), (cut, "ended before")] {
        let mut request = hello();
        request["stream"] = json!(true);
        let answer = always(events(&frames)).await.post(CHAT, &request).await;
        assert_eq!(answer.streamed_text(), "so far");
        let last = answer.frames().pop().expect("a frame");
        assert!(last["error"]["message"].as_str().is_some_and(|it| it.contains(word)), "{last}");
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_read_is_a_typed_error() {
    for reply in [
        Reply::new(200, "text/html", "<html>a proxy</html>"),
        Reply::new(200, "application/json", ""),
        Reply::new(200, "application/json", r#"{"content":[{"type":"te"#),
        Reply::json(200, &json!({ "id": "msg_1" })),
        Reply::json(200, &json!({ "content": [text("a")], "stop_reason": null })),
    ] {
        let served = always(reply).await;
        for stream in [false, true] {
            let mut request = hello();
            request["stream"] = json!(stream);
            let (status, _, code, _) = served.post(CHAT, &request).await.error();
            assert_eq!((status, code), (502, json!("malformed_reply")));
        }
    }
}

#[tokio::test]
async fn what_the_api_cannot_express_is_refused_before_any_request() {
    let served = always(Reply::json(200, &message(&[text("ok")], "end_turn"))).await;
    let audio =
        json!({ "type": "input_audio", "input_audio": { "data": "AA==", "format": "wav" } });
    let zip =
        json!({ "type": "file", "file": { "file_data": "data:application/zip;base64,AA==" } });
    let user = |content: Value| json!([{ "role": "user", "content": [content] }]);
    for (name, value, word) in [
        ("messages", user(audio), "sound in messages[0]"),
        ("messages", user(zip), "application/zip"),
        ("n", json!(2), "choices"),
        ("logprobs", json!(true), "logprobs"),
        ("response_format", json!({ "type": "json_object" }), "response_format"),
        ("tools", json!([{ "type": "web_search", "web_search": {} }]), "a tool in the words of"),
    ] {
        let mut request = hello();
        request[name] = value;
        let (status, _, _, said) = served.post(CHAT, &request).await.error();
        assert_eq!(status, 400, "{name}: {said}");
        assert!(said.contains(word), "{name}: {said}");
    }
    let embeddings = json!({ "model": MODEL, "input": "hello" });
    let (status, _, code, _) = served.post("/v1/embeddings", &embeddings).await.error();
    assert_eq!((status, code), (400, json!("unsupported")));
    assert!(served.upstream.received().is_empty());
}

#[tokio::test]
async fn what_only_tunes_the_answer_is_a_warning() {
    let served = always(Reply::json(200, &message(&[text("ok")], "end_turn"))).await;
    for (name, value) in [("seed", json!(1)), ("logit_bias", json!({ "1": 2 }))] {
        let mut request = hello();
        request[name] = value;
        let answer = served.post(CHAT, &request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("x-allos-warning"), format!("ignored: {name}"));
    }
}
