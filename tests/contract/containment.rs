//! A plugin that fails again and again is tripped, alone, with the reason, and tried again.
//!
//! What only a worker can bear is in `faults`.

use std::time::Duration;

use allos_host::{Host, InstanceState, InstanceStatus};
use allos_plugin_api::{ErrorKind, Event};
use futures_util::future::join_all;
use serde_json::json;

use crate::calls::{
    assert_neighbours_answer, beside_neighbours, chat, request, sixty_four, soon, stream,
};
use crate::client::Client;
use crate::folder::PluginFolder;
use crate::health::{
    BLOCKS_RECOVER, BLOCKS_TRIP, RECOVERS, TRIPS, assert_tripped, is_ready, is_tripped, status,
    until, until_gone, worker,
};
use crate::isolation::{Isolation, in_both_isolations};
use crate::process::Gateway;

in_both_isolations! {
    panics_in_a_row_trip_the_instance_with_the_reason,
    an_answer_between_two_panics_forgets_the_first,
    a_tripped_instance_is_tried_again_and_one_more_fault_trips_it,
    sixty_four_panics_at_once_trip_nobody_else,
    panics_in_destructors_are_counted_though_no_caller_hears_of_them,
    instances_of_one_plugin_are_tripped_each_for_itself,
    polls_that_block_trip_the_instance_and_free_those_who_wait,
    a_block_is_reported_while_it_lasts,
    drops_that_block_are_seen_and_waited_for_by_nobody,
    a_provider_whose_drop_blocks_delays_nobody,
    a_future_that_is_never_woken_is_a_timeout_and_no_fault,
    streams_without_end_end_at_the_deadline_with_the_text_so_far,
    a_stream_that_nobody_reads_waits_after_a_few_chunks,
    a_payload_of_a_gigabyte_is_refused_unread,
    text_that_is_not_utf8_is_a_malformed_reply,
    threads_that_a_plugin_starts_at_load_disturb_nobody,
}

async fn host(isolation: Isolation, fixture: &str, toml: &str) -> (PluginFolder, Host) {
    let folder = PluginFolder::with(&["echo", fixture]);
    folder.set_apart(fixture);
    let host = isolation.host(&folder, toml).await;
    (folder, host)
}

async fn panics_in_a_row_trip_the_instance_with_the_reason(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_chat", TRIPS).await;
    for faults in 1..=3 {
        assert!(is_ready(&status(&host, "panic-in-chat")));
        let error = chat(&host, "panic-in-chat", "panic").await.expect_err("it panics");
        assert_eq!(*error.kind(), ErrorKind::Panicked, "{error}");
        assert_eq!(status(&host, "panic-in-chat").faults, faults);
    }
    let reasons = ["3 times in a row", "the fixture panics in chat"];
    let error = chat(&host, "panic-in-chat", "calm").await.expect_err("it is tripped");
    assert_tripped(&error, &reasons);
    let error = stream(&host, "panic-in-chat", "calm").await.error.expect("it is tripped");
    assert_tripped(&error, &reasons);
    let status = status(&host, "panic-in-chat");
    assert!(is_tripped(&status), "{status:?}");
    assert_eq!((status.faults, status.calls_in_flight), (3, 0));
    assert_neighbours_answer(&host).await;
}

async fn an_answer_between_two_panics_forgets_the_first(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_chat", TRIPS).await;
    for _ in 0..4 {
        for _ in 0..2 {
            chat(&host, "panic-in-chat", "panic").await.expect_err("it panics");
        }
        chat(&host, "panic-in-chat", "calm").await.expect("it answers");
    }
    let status = status(&host, "panic-in-chat");
    assert!(is_ready(&status), "{status:?}");
    assert_eq!(status.faults, 8);
}

async fn a_tripped_instance_is_tried_again_and_one_more_fault_trips_it(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_chat", RECOVERS).await;
    sixty_four(&host, "panic-in-chat", "panic").await;
    until(&host, "panic-in-chat", is_ready).await;
    let error = chat(&host, "panic-in-chat", "panic").await.expect_err("it panics");
    assert_eq!(*error.kind(), ErrorKind::Panicked, "{error}");
    let after = status(&host, "panic-in-chat");
    let recovered = until(&host, "panic-in-chat", is_ready).await;
    assert!(is_tripped(&after) || recovered.since >= after.since, "{after:?}");
    let answer = chat(&host, "panic-in-chat", "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
    chat(&host, "panic-in-chat", "panic").await.expect_err("it panics");
    chat(&host, "panic-in-chat", "calm").await.expect("the answer before it counts");
}

async fn sixty_four_panics_at_once_trip_nobody_else(isolation: Isolation) {
    for (fixture, name, model) in [
        ("panic_in_chat", "panic-in-chat", "panic"),
        ("panic_payload_panics", "panic-payload-panics", "panic"),
        ("panic_in_stream", "panic-in-stream", "any"),
    ] {
        let (_folder, host) = host(isolation, fixture, TRIPS).await;
        let errors = sixty_four(&host, name, model).await;
        let known = [ErrorKind::Panicked, ErrorKind::Unavailable];
        assert!(errors.iter().all(|error| known.contains(error.kind())), "{errors:?}");
        assert!(is_tripped(&status(&host, name)));
        assert_neighbours_answer(&host).await;
    }
}

async fn panics_in_destructors_are_counted_though_no_caller_hears_of_them(isolation: Isolation) {
    let (_folder, host) = host(isolation, "panic_in_call_drop", TRIPS).await;
    drop_sixty_four(&host, "panic-in-call-drop").await;
    let status = until(&host, "panic-in-call-drop", is_tripped).await;
    assert!(status.faults >= 3, "{status:?}");
    let error = chat(&host, "panic-in-call-drop", "calm").await.expect_err("it is tripped");
    assert_tripped(&error, &["panics while a call is dropped"]);
}

/// Begins 64 streams of the model `wait`, and drops them at once.
async fn drop_sixty_four(host: &Host, provider: &str) {
    let handle = host.provider(provider).expect("it is registered");
    let mut waiting: Vec<_> =
        (0..64).map(|_| handle.stream_chat(request("wait", "hello"))).collect();
    for stream in &mut waiting {
        assert!(soon(stream.next()).await.expect("a first chunk").is_ok());
    }
    drop(waiting);
}

async fn instances_of_one_plugin_are_tripped_each_for_itself(isolation: Isolation) {
    let toml = format!("{TRIPS}[providers.other]\nplugin = \"panic-in-chat\"\n");
    let (_folder, host) = host(isolation, "panic_in_chat", &toml).await;
    sixty_four(&host, "other", "panic").await;
    assert!(is_tripped(&status(&host, "other")));
    let answer = chat(&host, "panic-in-chat", "calm").await.expect("it is another instance");
    assert_eq!(answer.first_text(), "calm");
}

async fn polls_that_block_trip_the_instance_and_free_those_who_wait(isolation: Isolation) {
    for fixture in ["spins_in_a_poll", "sleeps_in_a_poll", "deadlocks", "poll_never_returns"] {
        let name = &*fixture.replace('_', "-");
        let toml = format!("{BLOCKS_TRIP}[providers.release]\nplugin = {name:?}\n");
        let (_folder, host) = host(isolation, fixture, &toml).await;
        for error in sixty_four(&host, name, "any").await {
            assert_tripped(&error, &["3 times in a row", "its code has blocked its thread for 0."]);
        }
        let error = chat(&host, name, "calm").await.expect_err("it is tripped");
        assert_tripped(&error, &["its code has blocked its thread for 0."]);
        assert!(is_tripped(&status(&host, name)), "{fixture}");
        if ["spins_in_a_poll", "sleeps_in_a_poll"].contains(&fixture) {
            chat(&host, "release", "release").await.expect("another instance has its own thread");
        }
        assert_neighbours_answer(&host).await;
        soon(async { drop(host) }).await;
    }
}

#[tokio::test]
async fn a_stuck_instance_recovers_on_a_new_thread_but_not_on_ever_more_of_them() {
    let toml = format!("{BLOCKS_RECOVER}[providers.release]\nplugin = \"sleeps-in-a-poll\"\n");
    let (_folder, host) = host(Isolation::InProcess, "sleeps_in_a_poll", &toml).await;
    let name = "sleeps-in-a-poll";
    let errors = sixty_four(&host, name, "any").await;
    assert!(errors.iter().all(|error| *error.kind() == ErrorKind::Unavailable), "{errors:?}");
    until(&host, name, is_ready).await;
    let answer = chat(&host, name, "calm").await.expect("it answers on a new thread");
    assert_eq!(answer.first_text(), "calm");
    assert_eq!(status(&host, name).threads, 2);

    sixty_four(&host, name, "any").await;
    let says_so = |status: &InstanceStatus| match &status.state {
        InstanceState::Tripped { hint: Some(hint), .. } => hint.starts_with("2 of its threads are"),
        _ => false,
    };
    until(&host, name, says_so).await;
    let error = chat(&host, name, "calm").await.expect_err("it stays tripped");
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");

    chat(&host, "release", "release").await.expect("another instance has its own thread");
    until(&host, name, is_ready).await;
    chat(&host, name, "calm").await.expect("it answers again");
    until(&host, name, |status| status.threads == 1).await;
}

#[tokio::test]
async fn a_stuck_worker_is_ended_and_a_new_one_takes_calls() {
    for fixture in ["spins_in_a_poll", "sleeps_in_a_poll", "deadlocks"] {
        let name = &*fixture.replace('_', "-");
        let (_folder, host) = host(Isolation::Worker, fixture, BLOCKS_RECOVER).await;
        for restarts in 1..=2 {
            let stuck = worker(&host, name).expect("it runs");
            for error in sixty_four(&host, name, "any").await {
                assert_tripped(&error, &["its code has blocked its thread for 0."]);
            }
            until_gone(stuck).await;
            let status = until(&host, name, is_ready).await;
            assert_eq!(status.worker.expect("a worker").restarts, restarts, "{fixture}");
            let answer = chat(&host, name, "calm").await.expect("the new worker answers");
            assert_eq!(answer.first_text(), "calm");
        }
    }
}

async fn a_block_is_reported_while_it_lasts(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "poll_never_returns"]);
    let toml = format!("{}{BLOCKS_TRIP}[gateway]\nshutdown_seconds = 0\n", isolation.toml());
    let gateway = Gateway::start(&folder, &toml).await;
    let (client, url) = (Client::new(), gateway.url("/v1/chat/completions"));
    let stuck = tokio::spawn(async move {
        let messages = json!([{"role": "user", "content": "hello"}]);
        let body = json!({"model": "poll-never-returns/any", "messages": messages});
        client.post(&url, &body).await.status
    });
    let (gateway, line) = tokio::task::spawn_blocking(move || {
        let line = gateway.process.wait_for("has blocked its thread for 0.");
        gateway.process.wait_for("tripped: the plugin failed 3 times in a row");
        (gateway, line)
    })
    .await
    .expect("the log says so");
    assert!(line.contains("plugin `poll-never-returns`"), "{line}");
    assert_eq!(soon(stuck).await.expect("a reply"), 503);
    gateway.process.signal(rustix::process::Signal::TERM);
    let (status, _) =
        tokio::task::spawn_blocking(move || gateway.process.end()).await.expect("end");
    assert_eq!(status.code(), Some(0), "the stuck thread is not waited for");
}

async fn drops_that_block_are_seen_and_waited_for_by_nobody(isolation: Isolation) {
    let (_folder, host) = host(isolation, "blocks_in_a_drop", BLOCKS_TRIP).await;
    drop_sixty_four(&host, "blocks-in-a-drop").await;
    until(&host, "blocks-in-a-drop", is_tripped).await;
    let error = chat(&host, "blocks-in-a-drop", "calm").await.expect_err("it is tripped");
    assert_tripped(&error, &["its code has blocked its thread for 0."]);
    soon(async { drop(host) }).await;
}

async fn a_provider_whose_drop_blocks_delays_nobody(isolation: Isolation) {
    let (folder, host) = host(isolation, "blocks_in_a_drop", BLOCKS_TRIP).await;
    let answer = chat(&host, "blocks-in-a-drop", "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
    soon(async { drop(host) }).await;
    let host = isolation.host(&folder, BLOCKS_TRIP).await;
    chat(&host, "blocks-in-a-drop", "calm").await.expect("the next one answers");
    assert_neighbours_answer(&host).await;
}

async fn a_future_that_is_never_woken_is_a_timeout_and_no_fault(isolation: Isolation) {
    let toml = format!("{TRIPS}[providers.never-woken]\ntimeout_seconds = 1\n");
    let (_folder, host) = host(isolation, "never_woken", &toml).await;
    for error in sixty_four(&host, "never-woken", "any").await {
        assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().contains("no answer within 1 s"), "{error}");
    }
    let error = stream(&host, "never-woken", "any").await.error.expect("it is silent");
    assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
    let status = status(&host, "never-woken");
    assert!(is_ready(&status), "{status:?}");
    assert_eq!((status.faults, status.calls_in_flight), (0, 0));
}

async fn streams_without_end_end_at_the_deadline_with_the_text_so_far(isolation: Isolation) {
    for fixture in ["streams_without_end", "streams_faster_than_read"] {
        let name = &*fixture.replace('_', "-");
        let toml = format!("{TRIPS}[providers.{name}]\ntimeout_seconds = 1\n");
        let (_folder, host) = host(isolation, fixture, &toml).await;
        let streams = join_all((0..64).map(|_| stream(&host, name, "any")));
        let streams = beside_neighbours(&host, streams).await;
        assert!(streams.iter().any(|streamed| !streamed.text.is_empty()));
        for streamed in streams {
            assert!(streamed.finishes.is_empty());
            let error = streamed.error.expect("it has no end");
            assert_eq!(*error.kind(), ErrorKind::Timeout, "{error}");
            assert!(error.message().contains("not complete within 1 s"), "{error}");
        }
        assert_neighbours_answer(&host).await;
    }
}

async fn a_stream_that_nobody_reads_waits_after_a_few_chunks(isolation: Isolation) {
    // In-process 32 chunks wait, in a worker 64 KiB; each chunk is 5 KB.
    let ahead = if isolation == Isolation::InProcess { 40 } else { 16 };
    let (_folder, host) = host(isolation, "streams_faster_than_read", TRIPS).await;
    let handle = host.provider("streams-faster-than-read").expect("it is registered");
    let mut streams: Vec<_> =
        (0..64).map(|_| handle.stream_chat(request("any", "hello"))).collect();
    for stream in &mut streams {
        let first = soon(stream.next()).await.expect("a chunk").expect("no error");
        assert!(matches!(first.event, Event::TextStart(_)), "{first:?}");
    }
    let made = || async { soon(handle.context_window("any")).await.expect("a count") };
    let mut before = None;
    soon(async {
        while before != made().await {
            before = made().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(before.is_some_and(|made| made <= 64 * ahead), "{before:?} chunks were made");
    assert_eq!(status(&host, "streams-faster-than-read").calls_in_flight, 64);
    assert_neighbours_answer(&host).await;
    drop(streams);
    until(&host, "streams-faster-than-read", |status| status.calls_in_flight == 0).await;
}

async fn a_payload_of_a_gigabyte_is_refused_unread(isolation: Isolation) {
    // A worker may not reserve as much as 64 of these by default, and would end.
    let memory = format!("{TRIPS}[worker]\nmemory_mb = 131072\n");
    let (_folder, host) = host(isolation, "payload_of_a_gigabyte", &memory).await;
    let name = "payload-of-a-gigabyte";
    let handle = host.provider(name).expect("it is registered");
    let told = [
        chat(&host, name, "any").await.expect_err("it is too long"),
        stream(&host, name, "any").await.error.expect("it is too long"),
        soon(handle.context_window("any")).await.expect_err("it is too long"),
        soon(handle.models()).await.expect_err("it is too long"),
    ];
    for error in told.into_iter().chain(sixty_four(&host, name, "any").await) {
        assert_eq!(*error.kind(), ErrorKind::MalformedReply, "{error}");
        assert!(error.message().contains("1024 MiB crossed the plugin boundary"), "{error}");
    }
}

async fn text_that_is_not_utf8_is_a_malformed_reply(isolation: Isolation) {
    let (_folder, host) = host(isolation, "invalid_utf8", TRIPS).await;
    let handle = host.provider("invalid-utf8").expect("it is registered");
    let told = [
        chat(&host, "invalid-utf8", "any").await.expect_err("it is no text"),
        stream(&host, "invalid-utf8", "any").await.error.expect("it is no text"),
        soon(handle.context_window("any")).await.expect_err("it is no text"),
    ];
    for error in told.into_iter().chain(sixty_four(&host, "invalid-utf8", "any").await) {
        assert_eq!(*error.kind(), ErrorKind::MalformedReply, "{error}");
        assert!(
            error.message().contains("cannot be read: string found to be invalid utf8"),
            "{error}"
        );
    }
}

async fn threads_that_a_plugin_starts_at_load_disturb_nobody(isolation: Isolation) {
    let (folder, host) = host(isolation, "threads_at_load", TRIPS).await;
    let answer = chat(&host, "threads-at-load", "any").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
    let threads = usize::from(isolation == Isolation::InProcess);
    assert_eq!(status(&host, "threads-at-load").threads, threads, "the host's own are counted");
    soon(async { drop(host) }).await;
    assert_neighbours_answer(&isolation.host(&folder, TRIPS).await).await;
}
