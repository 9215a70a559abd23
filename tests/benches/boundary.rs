//! What the boundary costs: the provider `echo` called as plain Rust, over the vtable on the same
//! thread, through a host on the plugin's own thread, and through a host in a worker, all in one
//! run.
//!
//! Read the ratios and the differences, not the figures: `vtable` less `plain` is encoding, vtable
//! and decoding; `host` less `vtable` is the hop to the plugin's thread and back; `worker` is to be
//! compared with `pipe`, which sends as many bytes to another process (`cat`) and reads them again.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a bench may panic

#[path = "../contract/artifact.rs"]
#[allow(dead_code)] // the contract tests use the rest
mod artifact;

use std::hint::black_box;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use allos_echo::Echo;
use allos_host::config::Isolation;
use allos_host::worker::WorkerProgram;
use allos_host::{Config, Host, ProviderHandle};
use allos_plugin_api::boundary::abi::abi_stable::sabi_trait::TD_Opaque;
use allos_plugin_api::boundary::abi::abi_stable::std_types::{ROption, RResult, RStr};
use allos_plugin_api::boundary::abi::async_ffi::{ContextExt, FfiFuture, FfiPoll};
use allos_plugin_api::boundary::abi::{
    HostVtable, HostVtable_TO, HttpReply, Outcome, Payload, ProviderBox,
};
use allos_plugin_api::boundary::{self, payload};
use allos_plugin_api::{
    ChatRequest, ChunkSink, Message, Provider, ProviderChunk, ProviderConfig, ProviderResponse,
};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;

criterion_group!(benches, chats, chunks);
criterion_main!(benches);

fn chats(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (provider, (_folder, handle)) = (over_the_vtable(), runtime.block_on(through_a_host()));
    let (_other_folder, worker) = runtime.block_on(through_a_worker());
    let mut pipe = Pipe::new();
    for (name, request) in
        [("2 messages", conversation(2, 8)), ("20 messages", conversation(20, 80))]
    {
        let mut group = criterion.benchmark_group(format!("chat, {name}"));
        group.bench_function("plain", |bencher| {
            bencher.iter(|| Echo.chat(black_box(request.clone())).now_or_never().unwrap().unwrap());
        });
        group.bench_function("encode and decode the request", |bencher| {
            bencher.iter(|| {
                let payload = payload::encode(black_box(&request)).unwrap();
                payload::decode::<ChatRequest>(&payload).unwrap()
            });
        });
        group.bench_function("vtable", |bencher| bencher.iter(|| chat(&provider, &request)));
        group.bench_function("host", |bencher| {
            bencher.iter_custom(|times| runtime.block_on(calls(&handle, &request, times)));
        });
        group.bench_function("pipe", |bencher| {
            let request = payload::encode(&request).unwrap();
            bencher.iter(|| pipe.round_trip(black_box(&request)));
        });
        group.bench_function("worker", |bencher| {
            bencher.iter_custom(|times| runtime.block_on(calls(&worker, &request, times)));
        });
        group.finish();
    }
}

fn chunks(criterion: &mut Criterion) {
    const WORDS: usize = 1000;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (provider, (_folder, handle)) = (over_the_vtable(), runtime.block_on(through_a_host()));
    let (_other_folder, worker) = runtime.block_on(through_a_worker());
    let request = conversation(1, WORDS);
    let mut group: BenchmarkGroup<'_, _> = criterion.benchmark_group("stream, for each chunk");
    group.throughput(Throughput::Elements(WORDS as u64));
    group.bench_function("plain", |bencher| {
        bencher.iter(|| {
            let mut sink = ChunkSink::collecting();
            Echo.stream_chat(black_box(request.clone()), &mut sink)
                .now_or_never()
                .unwrap()
                .unwrap();
            sink
        });
    });
    group.bench_function("vtable", |bencher| bencher.iter(|| stream(&provider, &request)));
    for (name, handle) in [("host", handle), ("worker", worker)] {
        group.bench_function(name, |bencher| {
            bencher.to_async(&runtime).iter(|| async {
                let mut stream = handle.stream_chat(black_box(request.clone()));
                while let Some(chunk) = stream.next().await {
                    black_box(chunk.unwrap());
                }
            });
        });
    }
    group.finish();
}

/// So many calls, one after another, as a task of the runtime: that is where a gateway's calls run.
async fn calls(handle: &ProviderHandle, request: &ChatRequest, times: u64) -> Duration {
    let (handle, request) = (handle.clone(), request.clone());
    let calls = tokio::spawn(async move {
        let start = Instant::now();
        for _ in 0..times {
            black_box(handle.chat(black_box(request.clone())).await.unwrap());
        }
        start.elapsed()
    });
    calls.await.unwrap()
}

/// So many messages, the last of the user's, each of so many words.
fn conversation(messages: usize, words: usize) -> ChatRequest {
    let text = "lorem ".repeat(words);
    let message = |index: usize| match (messages - index) % 2 {
        1 => Message::user(text.as_str()),
        _ => Message::assistant(text.as_str()),
    };
    ChatRequest::new("echo", (0..messages).map(message).collect())
}

fn chat(provider: &ProviderBox, request: &ChatRequest) -> ProviderResponse {
    let request = payload::encode(black_box(request)).unwrap();
    match provider.chat(request).now_or_never().unwrap() {
        RResult::ROk(response) => payload::decode(&response).unwrap(),
        RResult::RErr(error) => panic!("{}", payload::decode_error(&error)),
    }
}

fn stream(provider: &ProviderBox, request: &ChatRequest) {
    let mut frames = provider.stream_chat(payload::encode(black_box(request)).unwrap());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while let FfiPoll::Ready(ROption::RSome(RResult::ROk(frame))) =
        context.with_ffi_context(|context| frames.poll_next(context))
    {
        black_box(payload::decode::<ProviderChunk>(&frame).unwrap());
    }
}

fn over_the_vtable() -> ProviderBox {
    let config = payload::encode(&ProviderConfig::default()).unwrap();
    let host = HostVtable_TO::from_value(NoServices, TD_Opaque);
    boundary::create::<Echo>(&config, host).unwrap()
}

async fn through_a_host() -> (tempfile::TempDir, ProviderHandle) {
    through(Config::default()).await
}

async fn through_a_worker() -> (tempfile::TempDir, ProviderHandle) {
    through(Config { isolation: Isolation::Worker, ..Config::default() }).await
}

async fn through(config: Config) -> (tempfile::TempDir, ProviderHandle) {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join(artifact::library("echo").file_name().unwrap());
    std::fs::copy(artifact::library("echo"), plugin).unwrap();
    let host = Host::builder()
        .config(config)
        .worker_program(WorkerProgram::new(artifact::allos()).argument("worker"))
        .plugin_dir(folder.path())
        .cache_dir(folder.path().join("cache"))
        .build()
        .await
        .unwrap();
    (folder, host.provider("echo").unwrap())
}

/// Another process that sends back whatever it gets.
struct Pipe {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    buffer: Vec<u8>,
}

impl Pipe {
    fn new() -> Self {
        let mut cat = Command::new("cat");
        let mut child = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, to, from, buffer: Vec::new() }
    }

    fn round_trip(&mut self, bytes: &[u8]) {
        self.buffer.resize(bytes.len(), 0);
        self.to.write_all(bytes).unwrap();
        self.from.read_exact(&mut self.buffer).unwrap();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A host for a provider that asks nothing of it.
#[derive(Clone)]
struct NoServices;

impl HostVtable for NoServices {
    fn http(&self, _head: Payload, _body: Payload) -> FfiFuture<RResult<HttpReply, Payload>> {
        FfiFuture::new(std::future::pending())
    }

    fn log_enabled(&self, _level: u8) -> bool {
        false
    }

    fn log(&self, _level: u8, _message: RStr<'_>) {}

    fn sleep(&self, _milliseconds: u64) -> FfiFuture<()> {
        FfiFuture::new(std::future::pending())
    }

    fn call(&self, _service: RStr<'_>, _payload: Payload) -> FfiFuture<Outcome> {
        FfiFuture::new(std::future::pending())
    }
}
