//! A storm: two good providers under steady load through the gateway, while workers crash and hang
//! and files are replaced, removed, broken and restored, at random from a seed.
//!
//! Not one request to the good providers fails, and nothing has grown when it is over. It takes
//! half a minute in all; `ALLOS_STORM_SECONDS` gives it longer, and `ALLOS_STORM_SEED` the random numbers of
//! another run. What it did, it writes to stderr.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::artifact;
use crate::client::Client;
use crate::folder::{PluginFolder, file_name};
use crate::process::{Gateway, serving};

/// The good providers run in the host and in a worker; those at fault in workers.
const CONFIG: &str = r#"
[reload]
poll_seconds = 1

[containment]
blocked_seconds = 0.2
faults = 4
pause_seconds = 0.5

[providers.echo]

[providers.good]
plugin = "echo"
isolation = "worker"

[providers.aborts-in-chat]
isolation = "worker"

[providers.spins-in-a-poll]
isolation = "worker"
timeout_seconds = 2

[providers.panic-in-chat]
isolation = "worker"
"#;

/// The plugins whose files are changed. Those of the good providers are never away.
const FAULTY: [&str; 3] = ["aborts_in_chat", "spins_in_a_poll", "panic_in_chat"];

/// How many contents each file has in turn.
const CONTENTS: usize = 3;

/// How many workers there are: one for each instance that has one.
const WORKERS: usize = 4;

/// How many requests to good providers run at any time.
const LOAD: usize = 4;

fn number_from(variable: &str, otherwise: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(otherwise, |text| text.parse().expect("a whole number"))
}

/// One request to a good provider, in one piece or as a stream; what was wrong with the answer.
async fn ask_good(client: &Client, url: &str, number: usize) -> Result<(), String> {
    let provider = ["echo", "good"][number % 2];
    let streamed = number % 4 >= 2;
    let text = format!("request {number}");
    let body = json!({
        "model": format!("{provider}/echo"),
        "messages": [{"role": "user", "content": text}],
        "stream": streamed,
    });
    let answer = client.post(url, &body).await;
    let said = match streamed {
        _ if answer.status != 200 => String::new(),
        true => answer.streamed_text(),
        false => answer.json()["choices"][0]["message"]["content"].as_str().unwrap_or("").into(),
    };
    if said == text {
        Ok(())
    } else {
        Err(format!("{provider}: {} {}", answer.status, answer.text))
    }
}

/// What the storm does, and how often it did it.
struct Storm {
    folder: PluginFolder,
    client: Client,
    gateway: Gateway,
    random: fastrand::Rng,
    counts: BTreeMap<&'static str, u64>,
    faulty_calls: JoinSet<u16>,
}

impl Storm {
    async fn rage(&mut self, until: Instant) {
        while Instant::now() < until {
            let library = FAULTY[self.random.usize(..FAULTY.len())];
            let number = self.random.usize(..CONTENTS);
            let what = match self.random.u32(..14) {
                0..5 => self.call_faulty(),
                5 => self.kill_worker().await,
                6 => self.replace(library, number),
                7 => self.replace("echo", number),
                8 => self.overwrite("echo", number),
                9 => self.break_file(library),
                10 => self.break_file("echo"),
                11 => self.remove(library),
                12 => self.reload().await,
                _ => self.break_configuration().await,
            };
            *self.counts.entry(what).or_default() += 1;
            tokio::time::sleep(Duration::from_millis(self.random.u64(1..80))).await;
        }
    }

    fn call_faulty(&mut self) -> &'static str {
        let instance = FAULTY[self.random.usize(..FAULTY.len())].replace('_', "-");
        let body = json!({
            "model": format!("{instance}/panic"),
            "messages": [{"role": "user", "content": "hello"}],
        });
        let (client, url) = (Client::new(), self.gateway.url("/v1/chat/completions"));
        self.faulty_calls.spawn(async move { client.post(&url, &body).await.status });
        "calls into a fault"
    }

    async fn kill_worker(&mut self) -> &'static str {
        let plugins = self.plugins().await;
        // A good provider's worker may not be killed: its calls would end with it.
        let instances = instances(&plugins);
        let workers = instances.filter(|it| it["name"] != "good");
        let workers: Vec<i64> = workers.filter_map(|it| it["process_id"].as_i64()).collect();
        if let Some(worker) = self.random.choice(workers) {
            let process = i32::try_from(worker).ok().and_then(Pid::from_raw).expect("a process");
            // It may have ended meanwhile.
            let _gone = kill_process(process, Signal::KILL);
        }
        "workers killed"
    }

    fn replace(&self, library: &str, number: usize) -> &'static str {
        let new = self.folder.plugins().join(".new");
        fs::write(&new, content(library, number)).expect("it is written");
        fs::rename(new, self.file(library)).expect("it is renamed");
        "files replaced"
    }

    fn overwrite(&self, library: &str, number: usize) -> &'static str {
        fs::write(self.file(library), content(library, number)).expect("it is written");
        "files overwritten in place"
    }

    fn break_file(&mut self, library: &str) -> &'static str {
        let mut bytes = content(library, 0);
        bytes.truncate(self.random.usize(..bytes.len()));
        fs::write(self.file(library), bytes).expect("it is written");
        "files broken"
    }

    fn remove(&self, library: &str) -> &'static str {
        // It may be away already.
        let _away = fs::remove_file(self.file(library));
        "files removed"
    }

    async fn reload(&self) -> &'static str {
        let answer = self.post_reload().await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        "reloads on demand"
    }

    async fn break_configuration(&self) -> &'static str {
        self.folder.configure("isolation = ");
        let answer = self.post_reload().await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
        self.folder.configure(CONFIG);
        "broken configurations"
    }

    async fn post_reload(&self) -> crate::client::Answer {
        self.client.post(&self.gateway.url("/admin/reload"), &json!({})).await
    }

    async fn plugins(&self) -> Value {
        self.client.get(&self.gateway.url("/admin/plugins")).await.json()
    }

    /// Puts every file back, and waits until every instance is ready.
    async fn calm(&mut self) {
        while self.faulty_calls.join_next().await.is_some() {}
        for library in ["echo"].iter().chain(&FAULTY) {
            self.replace(library, 0);
        }
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            self.reload().await;
            let plugins = self.plugins().await;
            let mut all = instances(&plugins);
            if instances(&plugins).count() >= 5 && all.all(|it| it["state"] == "ready") {
                return;
            }
            assert!(Instant::now() < deadline, "it does not recover: {plugins:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn file(&self, library: &str) -> std::path::PathBuf {
        self.folder.plugins().join(file_name(library))
    }

    /// What the gateway holds once the workers of what was replaced are gone.
    async fn usage(&self) -> Usage {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let usage = Usage::of(self.gateway.process.id());
            if usage.children.len() == WORKERS || Instant::now() > deadline {
                return usage;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One of the contents that a library's file has in turn.
fn content(library: &str, number: usize) -> Vec<u8> {
    let mut bytes = fs::read(artifact::library(library)).expect("the library is built");
    bytes.extend(std::iter::repeat_n(b' ', number));
    bytes
}

/// All instances that the gateway tells of.
fn instances(plugins: &Value) -> impl Iterator<Item = &Value> {
    let files = plugins["plugins"].as_array().into_iter().flatten();
    files.flat_map(|file| file["instances"].as_array().into_iter().flatten())
}

/// What a process holds.
#[derive(Debug)]
struct Usage {
    descriptors: usize,
    threads: usize,
    children: Vec<String>,
    libraries: BTreeSet<String>,
    kilobytes: usize,
}

impl Usage {
    fn summary(&self) -> String {
        format!(
            "{} descriptors, {} threads, {} workers, {} libraries, {} kB",
            self.descriptors,
            self.threads,
            self.children.len(),
            self.libraries.len(),
            self.kilobytes
        )
    }

    fn of(process: u32) -> Self {
        let path = |name: &str| format!("/proc/{process}/{name}");
        let count = |name: &str| fs::read_dir(path(name)).expect("it runs").count();
        let maps = fs::read_to_string(path("maps")).expect("it runs");
        let mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        let status = fs::read_to_string(path("status")).expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|it| it.split_whitespace().next()?.parse().ok());
        let tasks = fs::read_dir(path("task")).expect("it runs").flatten();
        let children = tasks
            .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
            .flat_map(|children| {
                let state = |child: &str| {
                    fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default()
                };
                children.split_whitespace().map(state).collect::<Vec<_>>()
            });
        Self {
            descriptors: count("fd"),
            threads: count("task"),
            children: children.collect(),
            libraries: mapped.filter(|it| it.contains("/cache/")).map(str::to_owned).collect(),
            kilobytes: resident.expect("a number"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_faults_and_changes_costs_the_good_providers_nothing() {
    let seconds = number_from("ALLOS_STORM_SECONDS", 20);
    let seed = number_from("ALLOS_STORM_SEED", 4);
    let folder =
        PluginFolder::with(&["echo", "aborts_in_chat", "spins_in_a_poll", "panic_in_chat"]);
    let mut command = serving(&folder, &folder.configure(CONFIG));
    // glibc then gives back at once what is freed, so that what is left has grown.
    command.env("MALLOC_MMAP_THRESHOLD_", "65536").env("MALLOC_ARENA_MAX", "1");
    let gateway = Gateway::start_command(command).await;
    let url = gateway.url("/v1/chat/completions");

    let mut storm = Storm {
        folder,
        client: Client::new(),
        gateway,
        random: fastrand::Rng::with_seed(seed),
        counts: BTreeMap::new(),
        faulty_calls: JoinSet::new(),
    };
    // Once through everything, so that what grows once has grown.
    storm.rage(Instant::now() + Duration::from_secs(3)).await;
    storm.calm().await;
    let before = storm.usage().await;

    let over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for first in 0..LOAD {
        let (client, url, over) = (Client::new(), url.clone(), over.clone());
        load.spawn(async move {
            let (mut answered, mut failed) = (0_u64, Vec::new());
            let mut number = first;
            while !over.load(Ordering::Relaxed) {
                match ask_good(&client, &url, number).await {
                    Ok(()) => answered += 1,
                    Err(error) => failed.push(error),
                }
                number += LOAD + 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (answered, failed)
        });
    }
    storm.rage(Instant::now() + Duration::from_secs(seconds)).await;
    over.store(true, Ordering::Relaxed);
    let load = load.join_all().await;
    storm.calm().await;
    let after = storm.usage().await;

    let answered: u64 = load.iter().map(|(answered, _)| answered).sum();
    let failed: Vec<_> = load.into_iter().flat_map(|(_, failed)| failed).collect();
    let counts = &storm.counts;
    let _ = writeln!(
        std::io::stderr(),
        "storm of {seconds} s, seed {seed}: {answered} requests to good providers answered, \
         {} failed; {counts:?}; before {}, after {}",
        failed.len(),
        before.summary(),
        after.summary(),
    );
    assert_eq!(failed, Vec::<String>::new());
    assert!(answered > 0);
    assert!(counts.len() >= 8, "the storm did too little: {counts:?}");
    assert!(after.libraries.len() <= CONTENTS, "one mapping for each content: {after:?}");
    assert_eq!(after.children.len(), WORKERS, "{after:?}");
    assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
    assert!(after.descriptors <= before.descriptors + 8, "{before:?} {after:?}");
    assert!(after.kilobytes <= before.kilobytes + 24 * 1024, "{before:?} {after:?}");
}
