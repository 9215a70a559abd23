//! A plugin in a process of its own: it answers as in-process, and its end is nobody else's.
//!
//! What holds in both isolations is tested for both where it stands (`containment`, `panics`,
//! `streams`, …); here is what only a worker can bear, and what it is.

use std::time::{Duration, Instant};

use allos_host::{ChunkStream, InstanceState};
use allos_plugin_api::{ErrorKind, Event, ProviderError};
use rustix::process::{Signal, kill_process};
use serde_json::json;
use tokio::task::JoinSet;

use crate::calls::{assert_neighbours_answer, chat, request, soon, stream};
use crate::client::{Client, JsonBody};
use crate::folder::PluginFolder;
use crate::health::{is_running, until_gone, until_restarted, worker};
use crate::isolation::Isolation;
use crate::process::Gateway;

#[tokio::test]
async fn a_worker_answers_as_the_plugin_does_in_process() {
    let folder = PluginFolder::with(&["echo"]);
    let host = folder.host("[providers.echo]\nisolation = \"worker\"\n").await;
    assert_neighbours_answer(&host).await;
    let echo = host.provider("echo").expect("it is registered");
    assert_eq!(soon(echo.context_window("echo")).await.expect("it answers"), Some(8192));
    assert_eq!(soon(echo.models()).await.expect("it answers").len(), 1);
    let error = soon(echo.chat(request("other", "hello"))).await.expect_err("no such model");
    assert_eq!(*error.kind(), ErrorKind::ModelNotFound, "{error}");
    assert!(host.report().loaded().count() == 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_costs_its_calls_and_is_started_again() {
    let folder = PluginFolder::with(&["echo", "slow_to_answer"]);
    let host = folder.host("[providers.slow-to-answer]\nisolation = \"worker\"\n").await;
    let slow = host.provider("slow-to-answer").expect("it is registered");
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let slow = slow.clone();
        calls.spawn(async move { slow.chat(request("any", "hello")).await });
    }
    soon(async {
        while slow.status().calls_in_flight < 64 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_neighbours_answer(&host).await;
    let old = worker(&host, "slow-to-answer").expect("it runs");
    kill_process(old, Signal::KILL).expect("it is there");
    for answer in soon(calls.join_all()).await {
        let error = answer.expect_err("its worker is gone");
        assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
        assert_eq!(error.message(), "its worker was killed by SIGKILL during the call");
    }
    until_restarted(&host, "slow-to-answer", old).await;
    let status = slow.status();
    assert_eq!((status.state, status.faults), (InstanceState::Ready, 1));
    assert_eq!(status.worker.expect("a worker").restarts, 1);
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn streams_of_a_worker_that_is_killed_keep_their_text_and_hear_of_it() {
    let folder = PluginFolder::with(&["echo", "stream_never_finishes"]);
    let host = Isolation::Worker.host(&folder, "").await;
    let name = "stream-never-finishes";
    let handle = host.provider(name).expect("it is registered");
    let mut streams: Vec<_> =
        (0..64).map(|_| handle.stream_chat(request("any", "hello"))).collect();
    for stream in &mut streams {
        while !matches!(next_event(stream).await, Some(Ok(Event::TextDelta(_)))) {}
    }
    let old = worker(&host, name).expect("it runs");
    kill_process(old, Signal::KILL).expect("it is there");
    for stream in &mut streams {
        let error = next_event(stream).await.expect("an end").expect_err("its worker is gone");
        assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
        assert_eq!(error.message(), "its worker was killed by SIGKILL during the call");
        assert_eq!(next_event(stream).await, None, "an error is the last item");
    }
    until_restarted(&host, name, old).await;
    assert_eq!((handle.status().calls_in_flight, handle.status().faults), (0, 1));
    assert_neighbours_answer(&host).await;
}

async fn next_event(stream: &mut ChunkStream) -> Option<Result<Event, ProviderError>> {
    soon(stream.next()).await.map(|item| item.map(|chunk| chunk.event))
}

#[tokio::test]
async fn calls_that_come_while_a_worker_is_started_wait_for_it() {
    let folder = PluginFolder::with(&["echo"]);
    let toml = "[providers.other]\nplugin = \"echo\"\nisolation = \"worker\"\n";
    let host = folder.host(toml).await;
    for _ in 0..3 {
        let old = worker(&host, "other").expect("it runs");
        kill_process(old, Signal::KILL).expect("it is there");
        until_restarted(&host, "other", old).await;
        let answer = chat(&host, "other", "echo").await.expect("the new worker answers");
        assert_eq!(answer.first_text(), "hello");
        assert_eq!(stream(&host, "other", "echo").await.text, "hello");
    }
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn a_worker_ends_with_its_instance() {
    let folder = PluginFolder::with(&["echo"]);
    let host = folder.host("isolation = \"worker\"").await;
    let process = worker(&host, "echo").expect("it runs");
    drop(host);
    until_gone(process).await;
}

#[tokio::test]
async fn no_worker_outlives_a_host_that_is_killed() {
    let plugins = ["echo", "installs_a_signal_handler", "sleeps_in_a_poll", "spins_in_a_poll"];
    let folder = PluginFolder::with(&plugins);
    let toml = "isolation = \"worker\"\n[containment]\nblocked_seconds = 0.2\nfaults = 1000\n";
    let gateway = Gateway::start(&folder, toml).await;
    let (client, url) = (Client::new(), gateway.url("/v1/chat/completions"));
    let mut stuck = JoinSet::new();
    for model in ["sleeps-in-a-poll/any", "spins-in-a-poll/any"] {
        let messages = json!([{"role": "user", "content": "hello"}]);
        let body = json!({"model": model, "messages": messages});
        let request = client.request("POST", &url).json_body(&body);
        stuck.spawn(async move { request.send().await.is_err() });
    }
    let gateway = tokio::task::spawn_blocking(move || {
        for name in ["sleeps-in-a-poll", "spins-in-a-poll"] {
            gateway.process.wait_for(&format!("{name}`: its code has blocked its thread"));
        }
        gateway
    });
    let gateway = gateway.await.expect("the log says so");
    let workers = gateway.process.children();
    assert_eq!(workers.len(), plugins.len(), "each instance has a worker");

    gateway.process.signal(Signal::KILL);
    let killed = Instant::now();
    while workers.iter().any(|process| is_running(*process)) {
        assert!(killed.elapsed() < Duration::from_secs(2), "they outlive their host");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(soon(stuck.join_all()).await, [true, true], "no answer came");
}
