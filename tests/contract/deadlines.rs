//! Calls that take too long, block, are dropped, or come all at once.

use std::collections::BTreeSet;

use allos_plugin_api::{ErrorKind, Event};
use tokio::task::JoinSet;

use crate::calls::{assert_neighbours_answer, chat, request, soon, stream};
use crate::folder::PluginFolder;
use crate::isolation::{Isolation, in_both_isolations};
use crate::upstream::{Received, Reply, Upstream};

in_both_isolations! {
    a_provider_that_is_slow_to_answer_is_a_timeout,
    a_stream_that_never_finishes_is_a_timeout_after_the_text_so_far,
    signs_of_life_do_not_make_up_for_an_answer,
    a_poll_that_never_returns_starves_its_own_plugin_alone,
    a_poll_that_never_returns_is_a_timeout_to_its_caller,
    sixty_four_calls_run_at_once,
    dropping_a_stream_closes_the_upstream_connection,
    dropping_a_call_before_its_answer_closes_the_upstream_connection,
    a_timeout_closes_the_upstream_connection,
    an_upstream_that_breaks_off_or_is_not_there_is_unavailable,
    a_plugin_may_bring_a_runtime_of_its_own,
    two_instances_of_one_plugin_never_mix_their_keys,
}

async fn a_provider_that_is_slow_to_answer_is_a_timeout(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "slow_to_answer"]);
    let host = isolation.host(&folder, "[providers.slow-to-answer]\ntimeout_seconds = 1\n").await;
    let error = chat(&host, "slow-to-answer", "any").await.expect_err("it is too slow");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.is_retryable());
    let error = stream(&host, "slow-to-answer", "any").await.error.expect("it is too slow");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert_neighbours_answer(&host).await;
}

async fn a_stream_that_never_finishes_is_a_timeout_after_the_text_so_far(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "stream_never_finishes"]);
    let host = isolation
        .host(&folder, "[providers.stream-never-finishes]\nidle_timeout_seconds = 1\n")
        .await;
    let streamed = stream(&host, "stream-never-finishes", "any").await;
    assert_eq!(streamed.text, "one ");
    assert!(streamed.finishes.is_empty(), "no finish is invented");
    let error = streamed.error.expect("it is silent for too long");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert_neighbours_answer(&host).await;
}

async fn signs_of_life_do_not_make_up_for_an_answer(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "stream_never_finishes"]);
    let host =
        isolation.host(&folder, "[providers.stream-never-finishes]\ntimeout_seconds = 1\n").await;
    let streamed = stream(&host, "stream-never-finishes", "heartbeats").await;
    assert_eq!(streamed.text, "one ");
    let error = streamed.error.expect("it is not complete in time");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert_neighbours_answer(&host).await;
}

async fn a_poll_that_never_returns_starves_its_own_plugin_alone(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "poll_never_returns"]);
    let host = isolation.host(&folder, "").await;
    let stuck = host.provider("poll-never-returns").expect("it is registered");
    let mut calls = JoinSet::new();
    for _ in 0..4 {
        let stuck = stuck.clone();
        calls.spawn(async move { stuck.chat(request("any", "hello")).await });
    }
    for _ in 0..20 {
        assert_neighbours_answer(&host).await;
    }
    assert!(calls.try_join_next().is_none(), "the calls are still stuck");
}

async fn a_poll_that_never_returns_is_a_timeout_to_its_caller(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "poll_never_returns"]);
    let toml = "[providers.poll-never-returns]\ntimeout_seconds = 1\nidle_timeout_seconds = 1\n";
    let host = isolation.host(&folder, toml).await;
    let error = chat(&host, "poll-never-returns", "any").await.expect_err("it is stuck");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    let error = stream(&host, "poll-never-returns", "any").await.error.expect("it is stuck");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    assert_neighbours_answer(&host).await;
    soon(async { drop(host) }).await;
}

async fn sixty_four_calls_run_at_once(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "all_at_once"]);
    let host = isolation.host(&folder, "").await;
    let provider = host.provider("all-at-once").expect("it is registered");
    let mut calls = JoinSet::new();
    for number in 0..64 {
        let provider = provider.clone();
        calls.spawn(async move {
            if number % 2 == 0 {
                return provider.chat(request("any", "hello")).await.map(|it| it.first_text());
            }
            let mut stream = provider.stream_chat(request("any", "hello"));
            let mut text = String::new();
            while let Some(chunk) = stream.next().await {
                if let Event::TextDelta(delta) = chunk?.event {
                    text += &delta.text;
                }
            }
            Ok(text)
        });
    }
    let answers = soon(calls.join_all()).await;
    assert_eq!(answers.len(), 64);
    assert!(answers.iter().all(|it| it.as_deref() == Ok("calm")), "{answers:?}");
    assert_neighbours_answer(&host).await;
}

fn upstream_config(upstream: &Upstream) -> String {
    format!("[providers.calls-upstream]\nbase_url = {:?}\n", upstream.url("/"))
}

async fn dropping_a_stream_closes_the_upstream_connection(isolation: Isolation) {
    let reply = Reply::new(200, "text/plain", "the first words").then_nothing();
    let mut upstream = Upstream::always(reply).await;
    let folder = PluginFolder::with(&["echo", "calls_upstream"]);
    let host = isolation.host(&folder, &upstream_config(&upstream)).await;
    let provider = host.provider("calls-upstream").expect("it is registered");
    let mut stream = provider.stream_chat(request("any", "hello"));
    loop {
        let chunk = soon(stream.next()).await.expect("the first words come").expect("no error");
        if let Event::TextDelta(delta) = chunk.event {
            assert_eq!(delta.text, "the first words");
            break;
        }
    }
    drop(stream);
    soon(upstream.closed()).await;
    assert_neighbours_answer(&host).await;
}

async fn dropping_a_call_before_its_answer_closes_the_upstream_connection(isolation: Isolation) {
    let mut upstream = Upstream::always(Reply::silence()).await;
    let folder = PluginFolder::with(&["echo", "calls_upstream"]);
    let host = isolation.host(&folder, &upstream_config(&upstream)).await;
    let provider = host.provider("calls-upstream").expect("it is registered");
    let call = tokio::spawn(async move { provider.chat(request("any", "hello")).await });
    soon(upstream.arrived()).await;
    call.abort();
    soon(upstream.closed()).await;
    assert_neighbours_answer(&host).await;
}

async fn a_timeout_closes_the_upstream_connection(isolation: Isolation) {
    let mut upstream = Upstream::always(Reply::silence()).await;
    let folder = PluginFolder::with(&["echo", "calls_upstream"]);
    let host = isolation
        .host(&folder, &format!("{}timeout_seconds = 1\n", upstream_config(&upstream)))
        .await;
    let error = chat(&host, "calls-upstream", "any").await.expect_err("there is no answer");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    soon(upstream.closed()).await;
    assert_neighbours_answer(&host).await;
}

async fn an_upstream_that_breaks_off_or_is_not_there_is_unavailable(isolation: Isolation) {
    let reply = Reply::new(200, "text/plain", "the first words").then_cut();
    let upstream = Upstream::always(reply).await;
    let folder = PluginFolder::with(&["echo", "calls_upstream"]);
    let host = isolation.host(&folder, &upstream_config(&upstream)).await;
    let streamed = stream(&host, "calls-upstream", "any").await;
    assert_eq!(streamed.text, "the first words");
    let error = streamed.error.expect("the connection was closed");
    assert!(error.is_retryable(), "{error}");
    drop(upstream);
    let error = chat(&host, "calls-upstream", "any").await.expect_err("nobody listens");
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert_neighbours_answer(&host).await;
}

async fn a_plugin_may_bring_a_runtime_of_its_own(isolation: Isolation) {
    let upstream = Upstream::always(Reply::new(200, "text/plain", "fetched")).await;
    let folder = PluginFolder::with(&["echo", "own_runtime"]);
    let toml = format!(
        "[worker]\nnetwork = true\n[providers.own-runtime]\nbase_url = {:?}\n",
        upstream.url("")
    );
    let host = isolation.host(&folder, &toml).await;
    let answer = chat(&host, "own-runtime", "any").await.expect("it answers");
    assert!(answer.first_text().contains("fetched"), "{answer:?}");
    drop(host);
    let host = isolation.host(&folder, &toml).await;
    assert_neighbours_answer(&host).await;
}

async fn two_instances_of_one_plugin_never_mix_their_keys(isolation: Isolation) {
    let upstream =
        Upstream::start(|request: &Received| Reply::json(200, &completion(request))).await;
    let folder = PluginFolder::with(&["openai"]);
    let instance = |name: &str| {
        format!(
            "[providers.{name}]\nplugin = \"openai\"\napi_key = \"key-of-{name}\"\n\
             base_url = {:?}\nheaders = {{ x-instance = \"{name}\" }}\n",
            upstream.url("/v1")
        )
    };
    let host = isolation.host(&folder, &format!("{}{}", instance("one"), instance("two"))).await;
    let mut calls = JoinSet::new();
    for name in ["one", "two"].repeat(16) {
        let provider = host.provider(name).expect("it is registered");
        calls.spawn(async move { provider.chat(request(&format!("model-of-{name}"), "hi")).await });
    }
    for answer in soon(calls.join_all()).await {
        assert_eq!(answer.expect("an answer").first_text(), "scripted");
    }
    let received = upstream.received();
    assert_eq!(received.len(), 32);
    let seen: BTreeSet<_> = received
        .iter()
        .map(|request| {
            let model = request.json()["model"].as_str().unwrap_or_default().to_owned();
            (
                model,
                request.header("authorization").to_owned(),
                request.header("x-instance").to_owned(),
            )
        })
        .collect();
    let expected = ["one", "two"]
        .map(|name| (format!("model-of-{name}"), format!("Bearer key-of-{name}"), name.to_owned()));
    assert_eq!(seen, BTreeSet::from(expected));
}

/// A completion as an upstream of the `openai` plugin gives it.
fn completion(request: &Received) -> serde_json::Value {
    serde_json::json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": request.json()["model"],
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "scripted"},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    })
}
