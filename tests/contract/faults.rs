//! What ends a process, or reaches around the plugin's interface: only a worker can bear it.
//!
//! Each fault costs the calls that its worker has, with the reason, and no neighbour anything.

use std::path::{Path, PathBuf};

use allos_host::{Host, InstanceState};
use allos_plugin_api::{ErrorKind, ProviderError};
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::json;

use crate::calls::{
    assert_neighbours_answer, beside_neighbours, chat, request, sixty_four, stream,
};
use crate::client::Client;
use crate::folder::PluginFolder;
use crate::health::{
    BLOCKS_RECOVER, RECOVERS, TRIPS, assert_tripped, is_ready, is_tripped, status, until,
    until_gone, worker,
};
use crate::isolation::Isolation;
use crate::process::{Gateway, run, serving};

async fn host(fixture: &str, toml: &str) -> (PluginFolder, Host) {
    let folder = PluginFolder::with(&["echo", fixture]);
    let host = Isolation::Worker.host(&folder, toml).await;
    (folder, host)
}

/// The error of a call whose worker has ended, in this way.
fn assert_ended(error: &ProviderError, how: &str) {
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.is_retryable(), "{error}");
    let (during, tripped) = (format!("its worker {how} during the call"), error.retry_after());
    assert!(error.message() == during || tripped.is_some(), "{error}");
    assert!(error.message().contains(how), "{error}");
    assert!(error.hint().is_some(), "{error}");
}

/// Sixty-four calls run into the fault at once, and more until its instance is tripped: each hears
/// why. Then it takes calls again, in a new worker, and is tripped by the next fault.
async fn assert_contained(fixture: &str, how: &str) {
    let name = &*fixture.replace('_', "-");
    let limits = format!("{RECOVERS}[providers.{name}.worker]\nmemory_mb = 256\n");
    let (_folder, host) = host(fixture, &limits).await;
    let first = worker(&host, name).expect("it runs");
    for error in sixty_four(&host, name, "any").await {
        assert_ended(&error, how);
    }
    until_gone(first).await;
    let error = stream(&host, name, "any").await.error.expect("there is no answer");
    assert_ended(&error, how);
    let (reason, hint) = loop {
        if let InstanceState::Tripped { reason, hint } = status(&host, name).state {
            break (reason, hint.expect("a hint"));
        }
        let error = chat(&host, name, "any").await.expect_err("there is no answer");
        assert_ended(&error, how);
        assert_neighbours_answer(&host).await;
    };
    let in_a_row = "the plugin failed 3 times in a row, the last time";
    assert_eq!(reason, format!("{in_a_row}: its worker {how}"));
    assert!(hint.starts_with("it is tried again in "), "{hint}");

    until(&host, name, is_ready).await;
    let answer = chat(&host, name, "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
    let status = status(&host, name);
    assert!(status.faults >= 3, "{status:?}");
    assert!(status.worker.is_some_and(|worker| worker.restarts >= 1), "{status:?}");
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn a_worker_that_never_comes_to_take_calls_is_tried_after_each_pause_and_no_sooner() {
    let (_folder, host) = host("aborts_in_new", RECOVERS).await;
    let how = "its worker was killed by SIGABRT";
    let tripped = |reason: String| {
        move |status: &allos_host::InstanceStatus| {
            let why = status.state.reason().map(|(why, _)| why.to_owned());
            is_tripped(status) && why.as_ref() == Some(&reason)
        }
    };
    let in_a_row = format!("the plugin failed 3 times in a row, the last time: {how}");
    until(&host, "aborts-in-new", tripped(in_a_row)).await;
    // A trial that fails is a reason, and a pause, of its own.
    let once = until(&host, "aborts-in-new", tripped(how.to_owned())).await;
    until(&host, "aborts-in-new", |status| status.faults > once.faults).await;
    let error = chat(&host, "aborts-in-new", "any").await.expect_err("it is tripped");
    assert_eq!(error.message(), how);
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn an_abort_in_chat_ends_its_worker_alone() {
    assert_contained("aborts_in_chat", "was killed by SIGABRT").await;
}

#[tokio::test]
async fn a_segfault_in_chat_ends_its_worker_alone() {
    assert_contained("segfaults_in_chat", "was killed by SIGSEGV").await;
}

#[tokio::test]
async fn an_exit_in_chat_ends_its_worker_alone() {
    assert_contained("exits_in_chat", "exited with status 3").await;
}

#[tokio::test]
async fn a_stack_that_overflows_in_chat_ends_its_worker_alone() {
    assert_contained("overflows_its_stack_in_chat", "was killed by SIGABRT").await;
}

#[tokio::test]
async fn a_panic_while_panicking_ends_its_worker_alone() {
    assert_contained("panics_while_panicking", "was killed by SIGABRT").await;
}

#[tokio::test]
async fn memory_without_end_ends_its_worker_alone() {
    assert_contained("allocates_without_end", "was killed by SIGABRT").await;
}

#[tokio::test]
async fn garbage_in_every_descriptor_ends_its_worker_alone() {
    let how = "broke its protocol: it sent a frame of 4294967295 bytes, which is none";
    assert_contained("writes_to_all_descriptors", how).await;
}

#[tokio::test]
async fn descriptors_that_are_all_closed_end_their_worker_alone() {
    let (_folder, host) = host("closes_all_descriptors", RECOVERS).await;
    let name = "closes-all-descriptors";
    let first = worker(&host, name).expect("it runs");
    for error in sixty_four(&host, name, "any").await {
        assert_ended(&error, "broke its protocol: it closed its end");
    }
    until_gone(first).await;
    let answer = chat(&host, name, "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
}

#[tokio::test]
async fn a_crash_costs_the_calls_of_its_instance_alone() {
    let toml = format!("{TRIPS}[providers.other]\nplugin = \"aborts-in-chat\"\n");
    let (_folder, host) = host("aborts_in_chat", &toml).await;
    let other = worker(&host, "other");
    while !is_tripped(&status(&host, "aborts-in-chat")) {
        let _it_aborts = chat(&host, "aborts-in-chat", "any").await;
        chat(&host, "other", "calm").await.expect("it has a worker of its own");
    }
    let error = chat(&host, "aborts-in-chat", "calm").await.expect_err("it is tripped");
    assert_tripped(&error, &["3 times in a row", "its worker was killed by SIGABRT"]);
    assert_eq!(worker(&host, "aborts-in-chat"), None, "no worker runs for nobody");
    assert_eq!(worker(&host, "other"), other);
}

#[tokio::test]
async fn a_call_beside_a_crash_is_answered_or_hears_of_it() {
    let (_folder, host) = host("aborts_in_chat", TRIPS).await;
    let handle = host.provider("aborts-in-chat").expect("it is registered");
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..64 {
        let handle = handle.clone();
        let model = if number == 32 { "any" } else { "calm" };
        calls.spawn(async move { handle.chat(request(model, "hello")).await });
    }
    let answers = beside_neighbours(&host, calls.join_all()).await;
    let mut ended = 0;
    for answer in answers {
        match answer {
            Ok(answer) => assert_eq!(answer.first_text(), "calm"),
            Err(error) => {
                assert_ended(&error, "was killed by SIGABRT");
                ended += 1;
            }
        }
    }
    assert!(ended > 0, "one of them aborts");
    assert_eq!(status(&host, "aborts-in-chat").faults, 1);
}

#[tokio::test]
async fn a_worker_that_is_stopped_is_stuck_and_is_ended() {
    let (_folder, host) = host("installs_a_signal_handler", BLOCKS_RECOVER).await;
    let name = "installs-a-signal-handler";
    let stopped = worker(&host, name).expect("it runs");
    for error in sixty_four(&host, name, "stop").await {
        assert_tripped(&error, &["its code has blocked its thread for 0."]);
    }
    until_gone(stopped).await;
    until(&host, name, is_ready).await;
    chat(&host, name, "calm").await.expect("the new worker answers");
}

#[tokio::test]
async fn a_worker_that_handles_every_signal_ends_with_its_host_which_still_hears_its_own() {
    let folder = PluginFolder::with(&["echo", "installs_a_signal_handler"]);
    let gateway = Gateway::start(&folder, Isolation::Worker.toml()).await;
    assert_eq!(ask(&gateway, "installs-a-signal-handler/any").await, "calm");
    assert_eq!(ask(&gateway, "echo/echo").await, "hello");
    let workers = gateway.process.children();
    assert_eq!(workers.len(), 1, "echo is not in a worker");
    gateway.process.signal(Signal::TERM);
    let ended = tokio::task::spawn_blocking(move || gateway.process.end()).await;
    let (status, _) = ended.expect("it ends");
    assert_eq!(status.code(), Some(0), "the host shuts down in order");
    until_gone(workers[0]).await;
}

#[tokio::test]
async fn a_worker_cannot_copy_itself_to_live_on() {
    let (_folder, host) = host("forks_in_chat", TRIPS).await;
    for model in ["any", "calm"] {
        let answer = chat(&host, "forks-in-chat", model).await.expect("an answer");
        let expected = if model == "calm" { "calm" } else { "permission denied" };
        assert_eq!(answer.first_text(), expected);
    }
    assert_eq!(status(&host, "forks-in-chat").faults, 0);
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn descriptors_that_leak_run_out_for_their_worker_alone() {
    let toml = format!("{TRIPS}[providers.leaks-descriptors.worker]\nopen_files = 64\n");
    let (_folder, host) = host("leaks_descriptors", &toml).await;
    let name = "leaks-descriptors";
    let first = worker(&host, name).expect("it runs");
    let handle = host.provider(name).expect("it is registered");
    let calls = (0..64).map(|_| handle.chat(request("any", "hello")));
    for answer in Box::pin(beside_neighbours(&host, join_all(calls))).await {
        let text = answer.expect("it says what came of it").first_text();
        let (count, why) = text.split_once(" files are open: ").expect("a count");
        assert!(count.parse::<usize>().is_ok_and(|count| count < 64), "{text}");
        assert!(why.starts_with("Too many open files"), "{text}");
    }
    let answer = chat(&host, name, "calm").await.expect("it goes on without any");
    assert_eq!(answer.first_text(), "calm");
    assert_eq!((worker(&host, name), status(&host, name).faults), (Some(first), 0));
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn a_worker_changes_no_file_of_the_host_or_of_another_provider() {
    let (folder, host) = host("writes_others_files", TRIPS).await;
    let mut files = vec![folder.configure("# the operator's words")];
    for place in [folder.plugins(), folder.cache()] {
        collect(&place, &mut files);
    }
    let staged = files.iter().filter(|file| file.starts_with(folder.cache())).count();
    assert!(staged >= 2, "the copies that are open are among them: {files:?}");
    let read = |file| std::fs::read(file).expect("it is there");
    let before: Vec<_> = files.iter().map(read).collect();
    for file in &files {
        let path = file.to_str().expect("a path in UTF-8");
        let answer = chat(&host, "writes-others-files", path).await.expect("an answer");
        let refused = "append: permission denied\nreplace: permission denied\n\
                       remove: permission denied\n";
        assert_eq!(answer.first_text(), refused, "{path}");
        assert_neighbours_answer(&host).await;
    }
    let after: Vec<_> = files.iter().map(read).collect();
    assert!(before == after, "a file was changed");
}

/// All files in a folder and in those below.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.path() {
            below if below.is_dir() => collect(&below, files),
            file => files.push(file),
        }
    }
}

#[tokio::test]
async fn a_worker_finds_nothing_of_the_hosts_environment_but_what_it_is_granted() {
    let folder = PluginFolder::with(&["echo", "reads_the_environment"]);
    let granted = "[providers.reads-the-environment.worker]\nenv = [\"GRANTED\"]\n";
    let config = folder.configure(&format!("{}{granted}", Isolation::Worker.toml()));
    let mut command = serving(&folder, &config);
    command.env("GRANTED", "for the worker").env("SECRET", "the host's alone");
    let gateway = Gateway::start_command(command).await;
    for (model, expected) in [
        ("own", "GRANTED=for the worker"),
        ("host", "refused: permission denied"),
        ("all", "refused: permission denied"),
    ] {
        let text = ask(&gateway, &format!("reads-the-environment/{model}")).await;
        assert!(text.contains(expected), "{model}: {text}");
        assert!(!text.contains("the host's alone"), "{model}: {text}");
        assert_eq!(ask(&gateway, "echo/echo").await, "hello");
    }
}

/// Asks a gateway for an answer.
async fn ask(gateway: &Gateway, model: &str) -> String {
    let messages = json!([{"role": "user", "content": "hello"}]);
    let body = json!({"model": model, "messages": messages});
    let answer = Client::new().post(&gateway.url("/v1/chat/completions"), &body).await.json();
    let text = answer["choices"][0]["message"]["content"].as_str();
    text.unwrap_or_else(|| panic!("no answer but {answer}")).to_owned()
}

#[tokio::test]
async fn a_flood_of_output_reaches_neither_stdout_nor_more_than_a_little_of_the_log() {
    let folder = PluginFolder::with(&["echo", "floods_its_output"]);
    let gateway = Gateway::start(&folder, Isolation::Worker.toml()).await;
    assert_eq!(ask(&gateway, "floods-its-output/any").await, "calm");
    let ended = tokio::task::spawn_blocking(move || {
        let log = gateway.process.lines_until(" more lines within a second");
        gateway.process.signal(Signal::TERM);
        (log, gateway.process.end())
    });
    let (log, (_, stdout)) = ended.await.expect("it says that there were more, and ends");
    assert_eq!(stdout, "");
    let printed = log.iter().filter(|line| line.contains("the fixture ")).count();
    assert!((1..=50).contains(&printed), "{log:#?}");
}

#[test]
fn what_a_worker_prints_while_it_opens_its_plugin_is_in_the_log() {
    let folder = PluginFolder::with(&["prints_while_opened"]);
    folder.configure(Isolation::Worker.toml());
    let said = run(&folder, &["--log", "info", "chat", "-m", "prints-while-opened/any", "hello"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "calm\n"), "{said:?}");
    assert!(said.stderr.contains("the fixture writes to stdout"), "{said:?}");
}
