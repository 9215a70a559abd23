//! Chats through the gateway, in one piece and streamed.

use serde_json::{Value, json};

use super::{CHAT, Served, chunk, completion, hello, streamed};
use crate::upstream::{Reply, Upstream};

#[tokio::test]
async fn a_chat_is_answered_in_openais_shape() {
    let served = Served::echo().await;
    let answer = served.post(CHAT, &hello("echo/echo")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-request-id").is_empty());
    let body = answer.json();
    assert_eq!(body["object"], "chat.completion");
    assert!(body["id"].as_str().is_some_and(|id| !id.is_empty()), "{body}");
    assert!(body["created"].as_u64().is_some_and(|it| it > 1_700_000_000), "{body}");
    assert_eq!(body["choices"][0]["index"], 0);
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let message = &body["choices"][0]["message"];
    assert_eq!(
        (&message["role"], &message["content"]),
        (&"assistant".into(), &"hello there".into())
    );
    let usage = &body["usage"];
    assert_eq!(usage["completion_tokens"], 2);
    let sum = ["prompt_tokens", "completion_tokens"].map(|name| usage[name].as_u64().unwrap_or(0));
    assert_eq!(usage["total_tokens"].as_u64(), Some(sum.iter().sum()), "{usage}");
}

#[tokio::test]
async fn a_stream_says_the_same_as_the_answer_in_one_piece() {
    let served = Served::echo().await;
    let answer = served.post(CHAT, &streamed("echo/echo")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("content-type").starts_with("text/event-stream"));
    assert_eq!(answer.streamed_text(), "hello there");
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"));
    let frames = answer.frames();
    assert!(frames.iter().all(|it| it["object"] == "chat.completion.chunk"), "{answer:?}");
    assert!(frames.iter().all(|it| it["id"] == frames[0]["id"]), "{answer:?}");
    assert_eq!(frames[0]["choices"][0]["delta"]["role"], "assistant");
    let finishes = frames.iter().map(|it| &it["choices"][0]["finish_reason"]);
    assert_eq!(finishes.filter(|it| it.is_string()).collect::<Vec<_>>(), ["stop"]);
    assert!(frames.iter().all(|it| it["usage"].is_null()), "usage was not asked for: {answer:?}");
}

#[tokio::test]
async fn usage_ends_a_stream_where_it_is_asked_for() {
    let served = Served::echo().await;
    let mut request = streamed("echo/echo");
    request["stream_options"] = json!({"include_usage": true});
    let frames = served.post(CHAT, &request).await.frames();
    let last = frames.last().expect("a frame");
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 2);
    assert!(frames[..frames.len() - 1].iter().all(|it| it["usage"].is_null()), "{frames:?}");
}

#[tokio::test]
async fn usage_is_asked_of_the_upstream_and_kept_from_a_client_that_did_not_ask() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let mut last = chunk(&json!({}), None);
    last["choices"] = json!([]);
    last["usage"] = usage.clone();
    let events = [
        chunk(&json!({"role": "assistant", "content": "hi"}), None).to_string(),
        chunk(&json!({}), Some("stop")).to_string(),
        last.to_string(),
        "[DONE]".to_owned(),
    ];
    let upstream = Upstream::always(Reply::events(events)).await;
    let served = Served::openai(&upstream).await;
    let answer = served.post(CHAT, &streamed("openai/gpt")).await;
    assert_eq!(upstream.last().json()["stream_options"]["include_usage"], true);
    assert!(answer.frames().iter().all(|it| it["usage"].is_null()), "{answer:?}");
    let mut request = streamed("openai/gpt");
    request["stream_options"] = json!({"include_usage": true});
    let answer = served.post(CHAT, &request).await;
    assert_eq!(answer.frames().last().expect("a frame")["usage"], usage);
}

#[tokio::test]
async fn a_route_answers_to_a_model_that_a_client_has_hard_coded() {
    let routes = "[providers.parrot]\nplugin = \"echo\"\nmodel = \"echo\"\n\
                  [routes]\n\"gpt-4o\" = \"echo/echo\"\nparrot-route = \"parrot\"\n";
    let served = Served::start(&["echo"], routes).await;
    for model in ["gpt-4o", "parrot-route", "parrot", "echo/echo"] {
        let answer = served.post(CHAT, &hello(model)).await;
        assert_eq!(answer.status, 200, "{model}: {answer:?}");
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "hello there");
    }
}

#[tokio::test]
async fn the_keys_of_client_and_upstream_never_meet() {
    let upstream = Upstream::always(Reply::json(200, &completion("hi"))).await;
    let provider = format!(
        "[gateway]\napi_key = \"key-of-the-gateway\"\n\
         [providers.openai]\napi_key = \"key-of-the-upstream\"\nbase_url = {:?}\n",
        upstream.url("/v1")
    );
    let served = Served::start(&["openai"], &provider).await;
    let request = served.client.request("POST", &served.url(CHAT));
    let request = request
        .header("authorization", "Bearer key-of-the-gateway")
        .header("x-api-key", "key-of-the-gateway")
        .header("cookie", "session=key-of-the-gateway")
        .header("content-type", "application/json")
        .body(hello("openai/gpt").to_string());
    let answer = served.client.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!format!("{answer:?}").contains("key-of"), "{answer:?}");
    let received = upstream.last();
    assert_eq!(received.header("authorization"), "Bearer key-of-the-upstream");
    assert!(!format!("{:?}", received.headers).contains("key-of-the-gateway"));
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", CHAT));
}

#[tokio::test]
async fn rate_limits_and_request_ids_come_back() {
    let reply = Reply::json(200, &completion("hi"))
        .header("x-ratelimit-remaining-requests", "41")
        .header("x-request-id", "req-of-the-upstream")
        .header("set-cookie", "a=b")
        .header("server", "vendor");
    let upstream = Upstream::always(reply).await;
    let served = Served::openai(&upstream).await;
    for request in [hello("openai/gpt"), streamed("openai/gpt")] {
        let request = served
            .client
            .request("POST", &served.url(CHAT))
            .header("x-request-id", "req-of-the-client")
            .header("content-type", "application/json")
            .body(request.to_string());
        let answer = served.client.send(request).await;
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), "41", "{answer:?}");
        assert_eq!(answer.header("x-request-id"), "req-of-the-client");
        assert_eq!(answer.header("x-upstream-request-id"), "req-of-the-upstream");
        assert_eq!((answer.header("set-cookie"), answer.header("server")), ("", ""));
        assert!(answer.headers.keys().all(|it| !it.starts_with("access-control")));
    }
}

#[tokio::test]
async fn what_a_provider_cannot_honour_is_a_warning_or_a_refusal_never_dropped() {
    let served = Served::echo().await;
    let mut request = hello("echo/echo");
    request["temperature"] = json!(0.5);
    let answer = served.post(CHAT, &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("x-allos-warning").contains("temperature"), "{answer:?}");
    for (name, value) in [
        ("n", json!(2)),
        ("logprobs", json!(true)),
        ("response_format", json!({"type": "json_object"})),
        ("tools", json!([{"type": "function", "function": {"name": "weather"}}])),
    ] {
        let mut request = hello("echo/echo");
        request[name] = value;
        let (status, ..) = served.post(CHAT, &request).await.error();
        assert_eq!(status, 400, "{name}");
    }
}

#[tokio::test]
async fn the_first_lane_keeps_what_nobody_models_and_the_second_says_what_it_drops() {
    let mut reply = completion("hi");
    reply["vendors_own"] = json!({"a": 1});
    let upstream = Upstream::always(Reply::json(200, &reply)).await;
    let instance = |name: &str, passthrough: bool| {
        format!(
            "[providers.{name}]\nplugin = \"openai\"\napi_key = \"key\"\nbase_url = {:?}\n\
             passthrough = {passthrough}\n",
            upstream.url("/v1")
        )
    };
    let toml = format!("{}{}", instance("first", true), instance("second", false));
    let served = Served::start(&["openai"], &toml).await;
    for (instance, passes) in [("first", true), ("second", false)] {
        let mut request = hello(&format!("{instance}/gpt"));
        request["clients_own"] = json!({"b": 2});
        let answer = served.post(CHAT, &request).await;
        assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi");
        let (sent, got) = (upstream.last().json(), answer.json());
        let kept = [&sent["clients_own"], &got["vendors_own"]].map(Value::is_object);
        assert_eq!(kept, [passes, passes], "{instance}: sent {sent}, got {got}");
        let warning = answer.header("x-allos-warning");
        assert_eq!(warning.contains("clients_own"), !passes, "{instance}: {warning:?}");
    }
}

#[tokio::test]
async fn an_error_in_a_stream_is_a_frame_after_the_text_so_far() {
    let served = Served::start(&["error_in_stream", "panic_in_stream"], "").await;
    for (model, message, code) in [
        ("error-in-stream/any", "the upstream is overloaded", "overloaded"),
        ("panic-in-stream/any", "panics in the middle of a stream", "plugin_panicked"),
    ] {
        let answer = served.post(CHAT, &streamed(model)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.streamed_text(), "one two ");
        let frames = answer.frames();
        let last = frames.last().expect("a frame");
        let said = last["error"]["message"].as_str().unwrap_or_default();
        assert!(said.contains(message), "{last}");
        assert_eq!(last["error"]["code"], code);
        let finishes = frames.iter().map(|it| &it["choices"][0]["finish_reason"]);
        assert!(finishes.into_iter().all(Value::is_null), "no finish is invented: {frames:?}");
    }
}

#[tokio::test]
async fn the_upstreams_own_error_in_a_stream_reaches_the_client() {
    let events = [
        chunk(&json!({"role": "assistant", "content": "so far"}), None).to_string(),
        json!({"error": {"message": "it broke", "type": "server_error", "code": "broken"}})
            .to_string(),
    ];
    let upstream = Upstream::always(Reply::events(events)).await;
    let served = Served::openai(&upstream).await;
    let answer = served.post(CHAT, &streamed("openai/gpt")).await;
    assert_eq!(answer.streamed_text(), "so far");
    let last = answer.frames().pop().expect("a frame");
    assert_eq!(last["error"]["message"], "it broke");
    assert_eq!(last["error"]["code"], "broken");
}

#[tokio::test]
async fn a_stream_that_the_upstream_cuts_off_is_an_error() {
    let first = chunk(&json!({"role": "assistant", "content": "so far"}), None);
    for reply in [Reply::events([&first]).then_cut(), Reply::events([&first])] {
        let upstream = Upstream::always(reply).await;
        let served = Served::openai(&upstream).await;
        let answer = served.post(CHAT, &streamed("openai/gpt")).await;
        assert_eq!(answer.streamed_text(), "so far");
        let frames = answer.frames();
        assert!(frames.last().is_some_and(|it| it["error"]["message"].is_string()), "{answer:?}");
        assert!(frames.iter().all(|it| it["choices"][0]["finish_reason"].is_null()), "{answer:?}");
    }
}
