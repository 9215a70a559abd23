//! A host that runs while its plugin folder changes: files come, change, break and go, and calls go
//! on.
//!
//! Two plugins export `echo`: the one of that name says what it is told, `duplicate_name` says
//! "calm". Which of them serves, an answer tells. Nothing here measures a time.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use allos_host::{Config, Host, InstanceState};
use tokio::task::JoinSet;

use crate::artifact;
use crate::calls::{request, soon, stream};
use crate::folder::{PluginFolder, file_name, set_mode};
use crate::isolation::{Isolation, in_both_isolations};

in_both_isolations! {
    a_call_in_flight_ends_on_the_plugin_that_is_removed,
    the_same_content_under_a_new_time_changes_nothing,
}

/// Only what the system tells of changes makes a host look.
const EVENTS: &str = "[reload]\npoll_seconds = 3600\n";

/// Looks by itself, and often.
const POLL: &str = "[reload]\nwatch = \"poll\"\npoll_seconds = 0.05\n";

/// What a provider says to `hello`, or why it says nothing.
async fn says(host: &Host, provider: &str) -> Result<String, String> {
    let provider = host.provider(provider).map_err(|error| error.to_string())?;
    let answer = soon(provider.chat(request("echo", "hello"))).await;
    answer.map(|answer| answer.first_text()).map_err(|error| error.to_string())
}

/// Waits until a provider says something.
async fn until_says(host: &Host, provider: &str, text: &str) {
    until(async || says(host, provider).await == Ok(text.to_owned())).await;
}

/// Waits until something is so.
async fn until(is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(wait).await;
}

fn is_registered(host: &Host, provider: &str) -> bool {
    host.provider(provider).is_ok()
}

/// What is said of the file of a plugin: that it was refused, and what else.
fn said_of(host: &Host, library: &str) -> (String, Vec<String>) {
    let file = file_name(library);
    let report = host.report();
    let found = report.candidates.iter().find(|it| it.path().ends_with(&file));
    let found = found.expect("the file is in the report");
    (found.to_string(), found.warnings().to_vec())
}

/// The content of a plugin or a fixture.
fn content(library: &str) -> Vec<u8> {
    fs::read(artifact::library(library)).expect("the library is built")
}

/// Puts a file in the place of another one, as package managers do.
fn replace(folder: &PluginFolder, library: &str, bytes: &[u8]) {
    folder.write(".new", bytes);
    let new = folder.plugins().join(".new");
    fs::rename(new, folder.plugins().join(file_name(library))).expect("it is renamed");
}

fn link(target: impl AsRef<Path>, place: &Path) {
    std::os::unix::fs::symlink(target, place).expect("a link");
}

#[tokio::test]
async fn a_file_that_comes_is_registered_and_one_that_goes_is_gone() {
    for reload in [EVENTS, POLL] {
        let folder = PluginFolder::with(&["panic_in_chat"]);
        let host = folder.host(reload).await;
        let _watching = host.watch();
        folder.add_as("echo", &file_name("echo"));
        until_says(&host, "echo", "hello").await;
        fs::remove_file(folder.plugins().join(file_name("echo"))).expect("it is there");
        until(async || !is_registered(&host, "echo")).await;
        assert!(is_registered(&host, "panic-in-chat"));
    }
}

#[tokio::test]
async fn a_file_that_is_replaced_takes_over() {
    for reload in [EVENTS, POLL] {
        let folder = PluginFolder::with(&["echo"]);
        let host = folder.host(reload).await;
        let before = host.provider("echo").expect("it is registered");
        let _watching = host.watch();
        replace(&folder, "echo", &content("duplicate_name"));
        until_says(&host, "echo", "calm").await;
        replace(&folder, "echo", &content("echo"));
        until_says(&host, "echo", "hello").await;
        let answer = before.chat(request("echo", "the first one")).await.expect("it still answers");
        assert_eq!(answer.first_text(), "the first one");
    }
}

#[tokio::test]
async fn a_file_of_another_name_takes_over_where_the_first_is_removed() {
    let folder = PluginFolder::with(&["echo", "duplicate_name"]);
    let host = folder.host("").await;
    assert!(said_of(&host, "echo").0.contains("exports `echo`"));
    fs::remove_file(folder.plugins().join(file_name("duplicate_name"))).expect("it is there");
    let reloaded = host.reload(None).await;
    assert_eq!(reloaded.replaced, ["echo"]);
    assert_eq!(says(&host, "echo").await, Ok("hello".to_owned()));
}

#[tokio::test]
async fn overwriting_a_file_in_place_again_and_again_disturbs_no_call() {
    for isolation in ["in-process", "worker"] {
        overwrite_again_and_again(isolation).await;
    }
}

async fn overwrite_again_and_again(isolation: &str) {
    let folder = PluginFolder::with(&["echo"]);
    let host = folder.host(&format!("isolation = \"{isolation}\"\n{EVENTS}")).await;
    let _watching = host.watch();
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for number in 0..8 {
        let (host, over) = (host.clone(), over.clone());
        callers.spawn(async move {
            let mut calls = 0;
            while !over.load(Ordering::Relaxed) {
                let text = if number % 2 == 0 {
                    says(&host, "echo").await.expect("every call is answered")
                } else {
                    let streamed = stream(&host, "echo", "echo").await;
                    assert!(streamed.error.is_none(), "{streamed:?}");
                    streamed.text
                };
                assert!(["hello", "calm"].contains(&text.as_str()), "{text}");
                calls += 1;
            }
            calls
        });
    }
    let contents = [content("duplicate_name"), content("echo")];
    for turn in 0..4 {
        let [new, text] = [&contents[turn % 2][..], [&b"calm"[..], b"hello"][turn % 2]];
        for _ in 0..20 {
            // In pieces, so that whoever reads it meanwhile finds a part.
            folder.write(&file_name("echo"), &new[..new.len() / 3]);
            tokio::time::sleep(Duration::from_millis(2)).await;
            folder.write(&file_name("echo"), new);
            tokio::task::yield_now().await;
        }
        until_says(&host, "echo", std::str::from_utf8(text).expect("text")).await;
    }
    over.store(true, Ordering::Relaxed);
    let calls: usize = callers.join_all().await.into_iter().sum();
    assert!(calls >= 8, "there was load: {calls} calls");
}

async fn a_call_in_flight_ends_on_the_plugin_that_is_removed(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "waits_for_a_file"]);
    let host = isolation.host(&folder, "").await;
    let file = folder.path().join("go on");
    let provider = host.provider("waits-for-a-file").expect("it is registered");
    let mut stream = provider.stream_chat(request(&file.to_string_lossy(), "the end"));
    let mut next_is = async |text: &str| loop {
        let chunk = soon(stream.next()).await.expect("a chunk").expect("no error");
        if let allos_plugin_api::Event::TextDelta(delta) = chunk.event {
            assert_eq!(delta.text, text);
            break;
        }
    };
    next_is("waiting ").await;
    drop(provider);
    fs::remove_file(folder.plugins().join(file_name("waits_for_a_file"))).expect("it is there");
    let reloaded = host.reload(None).await;
    assert_eq!(
        (reloaded.removed, reloaded.kept),
        (vec!["waits-for-a-file".into()], vec!["echo".into()])
    );
    assert!(!is_registered(&host, "waits-for-a-file"));
    fs::write(&file, "").expect("a file");
    next_is("the end").await;
    while let Some(chunk) = soon(stream.next()).await {
        chunk.expect("no error");
    }
}

#[tokio::test]
async fn a_replacement_that_is_not_whole_is_refused_until_it_is_and_the_old_one_serves() {
    let folder = PluginFolder::with(&["echo"]);
    let host = folder.host("").await;
    let new = content("duplicate_name");
    for part in [0, 1000, new.len() / 2, new.len() - 1] {
        folder.write(&file_name("echo"), &new[..part]);
        let reloaded = host.reload(None).await;
        assert_eq!((reloaded.refused.len(), reloaded.kept), (1, vec!["echo".to_owned()]));
        assert_eq!(says(&host, "echo").await, Ok("hello".to_owned()));
        let (line, warnings) = said_of(&host, "echo");
        assert!(line.contains("quarantined at descriptor: "), "{line}");
        assert!(warnings.iter().any(|it| it.contains("`echo`") && it.contains("goes on serving")));
        assert!(reloaded.warnings.iter().any(|it| it.contains("goes on serving")));
    }
    folder.write(&file_name("echo"), &new);
    let reloaded = host.reload(None).await;
    assert_eq!((reloaded.replaced, reloaded.refused.len()), (vec!["echo".to_owned()], 0));
    assert_eq!(says(&host, "echo").await, Ok("calm".to_owned()));
}

async fn the_same_content_under_a_new_time_changes_nothing(isolation: Isolation) {
    let folder = PluginFolder::with(&["echo", "panic_in_chat"]);
    let host = isolation.host(&folder, "").await;
    let panics = || host.provider("panic-in-chat").expect("it is registered");
    panics().chat(request("panic", "hello")).await.expect_err("it panics");
    let before = panics().status();
    assert_eq!(before.faults, 1);
    for library in ["echo", "panic_in_chat"] {
        replace(&folder, library, &content(library));
    }
    let reloaded = host.reload(None).await;
    assert_eq!(reloaded.kept, ["echo", "panic-in-chat"]);
    assert_eq!(panics().status(), before);
}

#[tokio::test]
async fn files_behind_a_link_that_is_swapped_are_noticed() {
    let folder = PluginFolder::with(&[]);
    let (plugins, file) = (folder.plugins(), file_name("echo"));
    for (version, library) in [("..1", "echo"), ("..2", "duplicate_name")] {
        let version = plugins.join(version);
        fs::create_dir(&version).expect("a folder");
        set_mode(&version, 0o755);
        fs::copy(artifact::library(library), version.join(&file)).expect("a copy");
        set_mode(&version.join(&file), 0o644);
    }
    link("..1", &plugins.join("..data"));
    link(Path::new("..data").join(&file), &plugins.join(&file));
    let host = folder.host(EVENTS).await;
    let _watching = host.watch();
    until_says(&host, "echo", "hello").await;
    link("..2", &plugins.join("..new"));
    fs::rename(plugins.join("..new"), plugins.join("..data")).expect("the swap");
    until_says(&host, "echo", "calm").await;
}

#[tokio::test]
async fn a_folder_that_is_made_later_is_noticed() {
    for reload in [EVENTS, POLL] {
        let folder = PluginFolder::with(&["echo"]);
        let aside = folder.path().join("aside");
        fs::rename(folder.plugins(), &aside).expect("it is renamed");
        let host = folder.host(reload).await;
        assert_eq!(host.report().warnings.len(), 1);
        let _watching = host.watch();
        fs::rename(&aside, folder.plugins()).expect("it is renamed");
        until_says(&host, "echo", "hello").await;
        assert!(host.report().warnings.is_empty());
    }
}

#[tokio::test]
async fn a_file_whose_permissions_are_mended_comes_in() {
    let folder = PluginFolder::with(&["echo"]);
    let file = folder.plugins().join(file_name("echo"));
    set_mode(&file, 0o666);
    let host = folder.host(EVENTS).await;
    assert!(!is_registered(&host, "echo"));
    let _watching = host.watch();
    set_mode(&file, 0o644);
    until_says(&host, "echo", "hello").await;
}

#[tokio::test]
async fn an_instance_is_made_anew_where_its_table_or_its_key_changes_and_its_neighbours_stay() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    let key = folder.path().join("key");
    fs::write(&key, "k1").expect("a key");
    let parse = |toml: &str| {
        let config = Config::parse(toml, &folder.path().join("allos.toml"));
        config.expect("a configuration")
    };
    let one = "[providers.openai]\napi_key = { file = \"key\" }\n";
    let host = folder.host(one).await;
    assert_eq!(host.reload(None).await.kept, ["echo", "openai"]);
    fs::write(&key, "k2").expect("a key");
    assert_eq!(host.reload(None).await.replaced, ["openai"]);

    let two = format!("{one}model = \"gpt-4o\"\n[providers.second]\nplugin = \"echo\"\n");
    let reloaded = host.reload(Some(parse(&two))).await;
    assert_eq!((reloaded.added, reloaded.replaced), (vec!["second".into()], vec!["openai".into()]));
    assert_eq!(reloaded.kept, ["echo"]);
    assert_eq!(says(&host, "second").await, Ok("hello".to_owned()));
    assert_eq!(host.resolve("openai").expect("a default model").model, "gpt-4o");

    fs::remove_file(&key).expect("it is there");
    let reloaded = host.reload(None).await;
    assert_eq!(reloaded.kept, ["echo", "openai", "second"]);
    assert!(reloaded.warnings.iter().any(|it| it.contains("the old one stays")), "{reloaded:?}");
    let warnings = said_of(&host, "openai").1;
    assert!(warnings.iter().any(|it| it.contains("the old one stays")), "{warnings:?}");
    assert_eq!(host.provider("openai").expect("it is there").state(), InstanceState::Ready);
    fs::write(&key, "k2").expect("a key");
    assert!(host.reload(None).await.warnings.is_empty());
    assert!(said_of(&host, "openai").1.is_empty());

    assert_eq!(host.reload(Some(parse(""))).await.removed, ["second"]);
}

#[tokio::test]
async fn an_instance_that_lacked_its_key_or_its_plugin_is_tried_again() {
    let folder = PluginFolder::with(&["openai"]);
    let key = folder.path().join("key");
    let table = "[providers.openai]\napi_key = { file = \"key\" }\n[providers.echo]\n";
    let host = folder.host(table).await;
    let state = |name: &str| host.provider(name).expect("it is there").state();
    for name in ["echo", "openai"] {
        assert!(matches!(state(name), InstanceState::Failed { .. }), "{name}");
    }
    assert_eq!(host.reload(None).await.kept, ["echo", "openai"]);
    fs::write(&key, "k1").expect("a key");
    folder.add_as("echo", &file_name("echo"));
    let reloaded = host.reload(None).await;
    assert_eq!((reloaded.added, reloaded.replaced), (vec!["echo".into()], vec!["openai".into()]));
    assert_eq!([state("echo"), state("openai")], [InstanceState::Ready, InstanceState::Ready]);
}

#[tokio::test]
async fn a_policy_that_no_longer_trusts_a_plugin_ends_its_service_and_a_broken_pin_does_not() {
    let folder = PluginFolder::with(&["echo"]);
    let host = folder.host("").await;
    let pinned = "[trust]\npolicy = \"pinned\"\n";
    let config = Config::parse(pinned, &folder.path().join("allos.toml"));
    let config = config.expect("a configuration");
    let removed = host.reload(Some(config)).await;
    assert_eq!((removed.removed, removed.refused.len()), (vec!["echo".to_owned()], 1));
    assert!(!is_registered(&host, "echo"));

    let whole = content("echo");
    let open = Config::parse("", &folder.path().join("allos.toml")).expect("a configuration");
    assert_eq!(host.reload(Some(open)).await.added, ["echo"]);
    folder.write(&file_name("echo"), &whole[..1000]);
    let config = Config::parse(pinned, &folder.path().join("allos.toml"));
    let removed = host.reload(Some(config.expect("a configuration"))).await.removed;
    assert_eq!(removed, ["echo"], "nothing has judged it by the new rules");
    folder.write(&file_name("echo"), &whole);

    folder.configure(pinned);
    assert_eq!(crate::process::run(&folder, &["trust", "pin", "echo"]).code, Some(0));
    assert_eq!(host.reload(None).await.added, ["echo"]);
    folder.write(&file_name("echo"), &artifact::of_version("echo", "9.9.9"));
    assert_eq!(host.reload(None).await.kept, ["echo"]);
    let (line, warnings) = said_of(&host, "echo");
    assert!(line.contains("quarantined at trust: "), "{line}");
    assert!(warnings.iter().any(|it| it.contains("goes on serving")), "{warnings:?}");
    let echo = host.provider("echo").expect("it serves");
    let version = echo.descriptor().map(|it| it.plugin_version.clone());
    assert_eq!(version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn reloads_that_are_asked_for_at_once_follow_each_other() {
    let folder = PluginFolder::with(&["echo"]);
    let host = folder.host("").await;
    folder.write(&file_name("echo"), &content("duplicate_name"));
    let reloads = (0..8).map(|_| host.reload(None));
    let replaced: Vec<_> =
        futures_util::future::join_all(reloads).await.into_iter().map(|it| it.replaced).collect();
    assert_eq!(replaced.concat(), ["echo"]);
    assert_eq!(says(&host, "echo").await, Ok("calm".to_owned()));
}
