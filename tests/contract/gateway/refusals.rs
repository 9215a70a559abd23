//! Every kind of request that cannot be answered: a status and an error of OpenAI's shape.

use serde_json::{Value, json};

use super::{CHAT, Served, chunk, completion, hello, streamed};
use crate::calls::soon;
use crate::client::Answer;
use crate::upstream::{Reply, Upstream};

/// A request body that is sent as it stands here.
async fn send(served: &Served, media_type: &str, body: impl Into<String>) -> Answer {
    let request = served.client.request("POST", &served.url(CHAT));
    let request = request.header("content-type", media_type).body(body.into());
    soon(served.client.send(request)).await
}

#[tokio::test]
async fn a_body_that_is_no_request_is_400_and_says_where() {
    let served = Served::echo().await;
    let user = r#"{"role":"user","content":"hi"}"#;
    let with = |members: &str| format!(r#"{{"model":"echo/echo","messages":[{user}],{members}}}"#);
    let messages = |items: &str| format!(r#"{{"model":"echo/echo","messages":{items}}}"#);
    for (body, words) in [
        (String::new(), &["empty"][..]),
        ("{".to_owned(), &["line 1"]),
        ("[]".to_owned(), &["object"]),
        ("null".to_owned(), &["object"]),
        (r#"{"model":"echo/echo"}"#.to_owned(), &["messages"]),
        (format!(r#"{{"messages":[{user}]}}"#), &["model"]),
        (format!(r#"{{"model":"","messages":[{user}]}}"#), &["model"]),
        (format!(r#"{{"model":7,"messages":[{user}]}}"#), &["model"]),
        (messages("[]"), &["messages"]),
        (messages("\"hi\""), &["messages"]),
        (messages("[7]"), &["messages[0]"]),
        (messages(r#"[{"content":"hi"}]"#), &["messages[0]", "role"]),
        (messages(r#"[{"role":"user","content":7}]"#), &["messages[0].content"]),
        (messages(r#"[{"role":"user","content":[{"type":"text"}]}]"#), &["messages[0].content[0]"]),
        (with(r#""stream":"yes""#), &["stream"]),
        (with(r#""temperature":"hot""#), &["temperature"]),
        (with(r#""n":0"#), &["n"]),
        (with(r#""n":-1"#), &["n"]),
        (with(r#""max_tokens":1.5"#), &["max_tokens"]),
        (with(r#""tools":{}"#), &["tools"]),
        (with(r#""stop":7"#), &["stop"]),
    ] {
        let answer = send(&served, "application/json", body.clone()).await;
        let (status, kind, _, message) = answer.error();
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{body}: {answer:?}");
        let said = format!("{message} {}", answer.json()["error"]["param"]);
        for word in words {
            assert!(said.contains(word), "{body}: {said:?} says nothing of {word:?}");
        }
    }
    assert_eq!(served.post(CHAT, &hello("echo/echo")).await.status, 200, "it is alive");
}

#[tokio::test]
async fn deep_and_broken_text_is_400() {
    let served = Served::echo().await;
    for body in [
        "[".repeat(100_000),
        format!("{{\"model\":{}", "{\"a\":".repeat(50_000)),
        "\u{0}\u{1}".to_owned(),
    ] {
        assert_eq!(send(&served, "application/json", body).await.error().0, 400);
    }
    let request = served.client.request("POST", &served.url(CHAT));
    let request = request.header("content-type", "application/json").body(vec![0xff, 0xfe]);
    assert_eq!(served.client.send(request).await.error().0, 400);
}

#[tokio::test]
async fn another_media_type_is_415() {
    let served = Served::echo().await;
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let answer = send(&served, media_type, hello("echo/echo").to_string()).await;
        assert_eq!(answer.error().0, 415, "{media_type}: {answer:?}");
    }
    let answer = send(&served, "application/json; charset=utf-8", hello("echo/echo").to_string());
    assert_eq!(answer.await.status, 200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_413() {
    let served = Served::start(&["echo"], "[gateway]\nmax_body_bytes = 1000\n").await;
    let mut request = hello("echo/echo");
    request["messages"][0]["content"] = "a".repeat(2000).into();
    let answer = send(&served, "application/json", request.to_string()).await;
    let (status, _, _, message) = answer.error();
    assert_eq!(status, 413);
    assert!(message.contains("1000"), "{message}");
    assert_eq!(served.post(CHAT, &hello("echo/echo")).await.status, 200, "it is alive");
}

#[tokio::test]
async fn a_megabyte_of_any_text_comes_back_as_it_was() {
    let served = Served::echo().await;
    let text = "🦀 \u{0} \"quoted\" \\ ünï\u{202e}cødé\n".repeat(30_000);
    let mut request = hello("echo/echo");
    request["messages"][0]["content"] = text.as_str().into();
    let answer = soon(served.post(CHAT, &request)).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["choices"][0]["message"]["content"] == text.as_str());
}

#[tokio::test]
async fn unknown_models_and_paths_are_404_and_other_methods_405() {
    let served = Served::echo().await;
    for model in ["nobody/model", "nobody", "echo", "/", "echo/", "gpt-4o", "../etc/passwd"] {
        for request in [hello(model), streamed(model)] {
            let answer = served.post(CHAT, &request).await;
            let (status, _, code, message) = answer.error();
            assert_eq!((status, code), (404, Value::from("model_not_found")), "{model}");
            assert!(message.contains("echo"), "{model}: {message}");
            assert_eq!(answer.json()["error"]["param"], "model");
        }
    }
    for path in ["/", "/v1", "/v2/chat/completions", "/v1/chat/completions/more"] {
        assert_eq!(served.post(path, &json!({})).await.error().0, 404, "{path}");
    }
    for (method, path) in [("GET", CHAT), ("DELETE", CHAT), ("POST", "/v1/models")] {
        let request = served.client.request(method, &served.url(path));
        let answer = served.client.send(request).await;
        assert_eq!(answer.error().0, 405, "{method} {path}: {answer:?}");
        assert!(!answer.header("allow").is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn a_missing_or_wrong_key_is_401() {
    let served = Served::start(&["echo"], "[gateway]\napi_key = \"key-of-the-gateway\"\n").await;
    for key in ["", "Bearer", "Bearer wrong", "Basic key-of-the-gateway", "key-of-the-gateway"] {
        let request = served.client.request("POST", &served.url(CHAT));
        let request = request
            .header("authorization", key)
            .header("content-type", "application/json")
            .body(hello("echo/echo").to_string());
        let answer = served.client.send(request).await;
        let (status, _, code, message) = answer.error();
        assert_eq!((status, code), (401, Value::from("invalid_api_key")), "{key}");
        assert!(!message.contains("key-of-the-gateway"), "{message}");
    }
}

#[tokio::test]
async fn an_upstream_error_keeps_status_message_and_code() {
    for (status, code) in [
        (400, "invalid_value"),
        (401, "invalid_api_key"),
        (403, "forbidden"),
        (404, "model_not_found"),
        (408, "timeout"),
        (409, "conflict"),
        (422, "unprocessable"),
        (429, "rate_limit_exceeded"),
        (500, "internal"),
        (503, "overloaded"),
        (529, "overloaded"),
    ] {
        let error = json!({"error": {
            "message": "the vendor says no", "type": "some_error", "param": null, "code": code,
        }});
        let reply = Reply::json(status, &error)
            .header("retry-after", "7")
            .header("x-ratelimit-remaining-requests", "0");
        let upstream = Upstream::always(reply).await;
        let served = Served::openai(&upstream).await;
        for request in [hello("openai/gpt"), streamed("openai/gpt")] {
            let answer = served.post(CHAT, &request).await;
            let (got, _, got_code, message) = answer.error();
            assert_eq!((got, got_code), (status, Value::from(code)), "{answer:?}");
            assert!(message.contains("the vendor says no"), "{answer:?}");
            assert_eq!(answer.header("retry-after"), "7", "{answer:?}");
            assert_eq!(answer.header("x-ratelimit-remaining-requests"), "0", "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_makes_no_sense_is_a_server_error() {
    for reply in [
        Reply::new(200, "application/json", "{\"half\":"),
        Reply::new(200, "application/json", ""),
        Reply::new(200, "text/html", "<html>a proxy's own page</html>"),
        Reply::new(502, "text/html", "<html>bad gateway</html>"),
        Reply::new(200, "application/json", "{\"half\":").then_cut(),
    ] {
        let upstream = Upstream::always(reply).await;
        let served = Served::openai(&upstream).await;
        for request in [hello("openai/gpt"), streamed("openai/gpt")] {
            let answer = soon(served.post(CHAT, &request)).await;
            let failed = match answer.status {
                200 => answer.frames().pop().is_some_and(|it| it["error"].is_object()),
                _ => answer.error().0 >= 500,
            };
            assert!(failed, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_error_that_comes_with_status_200_is_an_error() {
    let error = json!({"error": {"message": "no credit left", "code": 402}, "user_id": "u"});
    let text = json!({"error": "no credit left"});
    for body in [error, text] {
        for (request, reply) in [
            (hello("openai/gpt"), Reply::json(200, &body)),
            (streamed("openai/gpt"), Reply::json(200, &body)),
            (streamed("openai/gpt"), Reply::events([&body])),
        ] {
            let upstream = Upstream::always(reply).await;
            let served = Served::openai(&upstream).await;
            let answer = soon(served.post(CHAT, &request)).await;
            let failed = match answer.status {
                200 => answer.frames().pop().is_some_and(|it| !it["error"].is_null()),
                status => status >= 400,
            };
            assert!(failed && answer.text.contains("no credit left"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_answers_in_the_other_manner_is_understood_or_an_error() {
    let events = [
        chunk(&json!({"role": "assistant", "content": "hi"}), None).to_string(),
        chunk(&json!({}), Some("stop")).to_string(),
        "[DONE]".to_owned(),
    ];
    let other = [
        (hello("openai/gpt"), Reply::events(events)),
        (streamed("openai/gpt"), Reply::json(200, &completion("hi"))),
    ];
    for (request, reply) in other {
        let upstream = Upstream::always(reply).await;
        let served = Served::openai(&upstream).await;
        let answer = soon(served.post(CHAT, &request)).await;
        let (whole, streamed) = match answer.status {
            200 if request["stream"] == true => (false, answer.streamed_text() == "hi"),
            200 => (answer.json()["choices"][0]["message"]["content"] == "hi", false),
            _ => (false, false),
        };
        let failed = answer.text.contains("\"error\"");
        assert!(whole || streamed || failed, "{answer:?}");
    }
}

#[tokio::test]
async fn a_key_that_the_upstream_repeats_is_not_shown() {
    let error = json!({"error": {
        "message": "wrong key: key-of-the-upstream", "type": "x", "param": null, "code": "x",
    }});
    let upstream = Upstream::always(Reply::json(401, &error)).await;
    let served = Served::openai(&upstream).await;
    for request in [hello("openai/gpt"), streamed("openai/gpt")] {
        let answer = served.post(CHAT, &request).await;
        assert_eq!(answer.error().0, 401);
        assert!(!format!("{answer:?}").contains("key-of-the-upstream"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_provider_without_its_key_says_so_and_is_asked_nothing() {
    let served = Served::start(&["echo", "openai"], "").await;
    let (status, _, _, message) = served.post(CHAT, &hello("openai/gpt")).await.error();
    assert_eq!(status, 401);
    assert!(message.contains("OPENAI_API_KEY"), "{message}");
    assert_eq!(served.post(CHAT, &hello("echo/echo")).await.status, 200);
}

#[tokio::test]
async fn faults_of_plugins_are_server_errors() {
    let toml = "[providers.slow-to-answer]\ntimeout_seconds = 1\n\
                [providers.poll-never-returns]\ntimeout_seconds = 1\n";
    let faults =
        ["echo", "panic_in_chat", "slow_to_answer", "poll_never_returns", "malformed_payload"];
    let served = Served::start(&faults, toml).await;
    for (model, status) in [
        ("panic-in-chat/panic", 500),
        ("slow-to-answer/any", 504),
        ("poll-never-returns/any", 504),
        ("malformed-payload/any", 502),
    ] {
        let (got, kind, ..) = served.post(CHAT, &hello(model)).await.error();
        assert_eq!((got, kind.as_str()), (status, "server_error"), "{model}");
        assert_eq!(served.post(CHAT, &hello("echo/echo")).await.status, 200, "after {model}");
    }
}
