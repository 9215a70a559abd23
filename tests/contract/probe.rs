//! The probe: a content that nobody knows is opened in a process of its own first. What becomes of
//! that process is the reason that is shown, then and at every start until it is forgotten.

use std::path::{Path, PathBuf};
use std::time::Duration;

use allos_host::Host;
use serde_json::Value;

use crate::calls::{assert_neighbours_answer, chat, soon};
use crate::folder::{PluginFolder, file_name};
use crate::process::{Said, run};

/// For the fixture that never finishes; enough for any other.
const SOON: &str = "[containment]\nprobe_seconds = 5\n";

/// Longer than any fixture takes that finishes, on the slowest machine.
const PATIENT: &str = "[containment]\nprobe_seconds = 60\n";

/// Nothing is opened in the process of these tests.
const IN_WORKERS: &str = "isolation = \"worker\"\n";

const FORGET: &str = "to have it tried again";

/// A folder of which the commands use the cache that the hosts use.
fn folder(libraries: &[&str]) -> PluginFolder {
    let folder = PluginFolder::with(libraries);
    folder.configure("cache_dir = \"cache\"\n");
    folder
}

/// Why the only refused file of a host is refused.
fn refusal(host: &Host) -> String {
    let report = host.report();
    let mut refused = report.quarantined();
    let line = refused.next().expect("a file is refused").to_string();
    assert_eq!(refused.count(), 0, "only one is refused");
    line
}

/// The row of a plugin in what a command prints as JSON.
fn row(folder: &PluginFolder, command: &[&str], library: &str) -> Value {
    let said = run(folder, command);
    let rows: Vec<Value> = serde_json::from_str(&said.stdout).expect("JSON");
    let file = file_name(library);
    let of_file = |row: &Value| row["file"].as_str().is_some_and(|it| it.ends_with(&file));
    rows.into_iter().find(of_file).unwrap_or_else(|| panic!("no {file}: {said:?}"))
}

/// The only verdict on plugins of a name.
fn verdict(folder: &PluginFolder, name: &str) -> (PathBuf, Value) {
    let entries = std::fs::read_dir(folder.cache().join("verdicts")).expect("there are verdicts");
    let mut of_name = entries.filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let text = std::fs::read(&path).expect("a verdict");
        let verdict: Value = serde_json::from_slice(&text).expect("JSON");
        (verdict["name"] == name).then_some((path, verdict))
    });
    let found = of_name.next().unwrap_or_else(|| panic!("no verdict on {name}"));
    assert_eq!(of_name.count(), 0, "one verdict on {name}");
    found
}

/// Changes what is kept. What a start then says tells whether it has tried the content again.
fn change_verdict(folder: &PluginFolder, name: &str, key: &str, value: &str) {
    let (path, mut verdict) = verdict(folder, name);
    verdict[key] = value.into();
    std::fs::write(path, verdict.to_string()).expect("the verdict is written");
}

/// The fixture is refused for this reason when it is tried, at the next start, and where somebody
/// only looks; a neighbour answers.
async fn assert_ends(fixture: &str, deadline: &str, reason: &str, hint: &str) {
    let name = fixture.replace('_', "-");
    let folder = folder(&["echo", fixture]);
    let hint = format!("{hint}; run `allos trust forget {name}` {FORGET}");
    for _ in 0..2 {
        let host = folder.host(deadline).await;
        let file = file_name(fixture);
        let expected = format!("{file}: quarantined at probe: {reason} (hint: {hint})");
        assert_eq!(refusal(&host), expected);
        assert_neighbours_answer(&host).await;
    }
    assert_eq!(verdict(&folder, &name).1["verdict"], "ended");
    assert_eq!(verdict(&folder, "echo").1["verdict"], "passed");
    for command in [["list", "--json"].as_slice(), &["trust", "verify", "--json"]] {
        let row = row(&folder, command, fixture);
        assert_eq!(row["stage"], "probe", "{row}");
        assert_eq!((&row["reason"], &row["hint"]), (&reason.into(), &hint.as_str().into()));
    }
    assert_nothing_is_left(&folder).await;
}

/// No other process has anything of the folder open.
async fn assert_nothing_is_left(folder: &PluginFolder) {
    let cache = folder.cache().to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    let left = || {
        let processes = std::fs::read_dir("/proc").expect("processes");
        let mut others =
            processes.filter_map(|it| Some(it.ok()?.path())).filter(|it| !it.ends_with(&own));
        others
            .any(|it| std::fs::read_to_string(it.join("maps")).is_ok_and(|it| it.contains(&cache)))
    };
    soon(async {
        while left() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_crash_in_a_constructor_is_the_reason() {
    let reason = "killed by SIGSEGV while opening";
    assert_ends("crashes_in_constructor", PATIENT, reason, "tell its author").await;
}

#[tokio::test]
async fn an_abort_in_a_constructor_is_the_reason() {
    let reason = "killed by SIGABRT while opening";
    assert_ends("aborts_in_constructor", PATIENT, reason, "tell its author").await;
}

#[tokio::test]
async fn an_exit_in_a_constructor_is_the_reason() {
    let reason = "exited with status 3 while opening";
    assert_ends("exits_in_constructor", PATIENT, reason, "tell its author").await;
}

#[tokio::test]
async fn a_constructor_that_hangs_is_ended_at_the_deadline() {
    let reason = "did not finish opening within 5 s";
    let hint = "give it longer with `probe_seconds` in [containment]";
    assert_ends("hangs_in_constructor", SOON, reason, hint).await;
}

#[tokio::test]
async fn what_a_constructor_forks_is_ended_with_it_and_holds_nothing_up() {
    let reason = "exited with status 0 while opening";
    assert_ends("forks_and_exits", PATIENT, reason, "tell its author").await;
}

#[tokio::test]
async fn a_process_that_a_constructor_starts_is_the_reason_where_it_can_start_one() {
    let folder = folder(&["echo", "forks_in_constructor"]);
    let host = folder.host("").await;
    let reason = "quarantined at probe: it started another process while it was opened (hint: ";
    assert!(refusal(&host).contains(reason), "{}", refusal(&host));
    assert_neighbours_answer(&host).await;
    assert_nothing_is_left(&folder).await;

    // A worker cannot; and what was found out counts for where the plugin was to run.
    let host = folder.host(IN_WORKERS).await;
    let answer = chat(&host, "forks-in-constructor", "calm").await.expect("it answers");
    assert_eq!(answer.first_text(), "calm");
}

#[tokio::test]
async fn a_replacement_that_ends_its_process_leaves_the_old_one_serving() {
    let folder = folder(&["echo"]);
    let host = folder.host("").await;
    folder.add_as("crashes_in_constructor", &file_name("echo"));
    host.reload(None).await;
    let reason = "quarantined at probe: killed by SIGSEGV while opening";
    assert!(refusal(&host).contains(reason), "{}", refusal(&host));
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn a_flood_of_output_neither_stops_the_process_nor_is_kept() {
    let reason = "exited with status 7 while opening";
    assert_ends("floods_output_while_opened", PATIENT, reason, "tell its author").await;
}

#[tokio::test]
async fn many_are_tried_side_by_side_and_the_sound_ones_answer() {
    let faulty = [
        "aborts_in_constructor",
        "crashes_in_constructor",
        "exits_in_constructor",
        "forks_and_exits",
        "hangs_in_constructor",
        "panic_in_entry",
    ];
    let folder = folder(&faulty);
    for sound in ["echo", "prints_while_opened", "threads_at_load", "openai", "ollama"] {
        folder.add_as(sound, &file_name(sound));
    }
    let host = folder.host(&format!("{IN_WORKERS}{SOON}")).await;
    let refused: Vec<String> = host.report().quarantined().map(ToString::to_string).collect();
    assert_eq!(refused.len(), faulty.len(), "{refused:#?}");
    for (line, fixture) in refused.iter().zip(faulty) {
        let start = format!("{}: quarantined at probe: ", file_name(fixture));
        assert!(line.starts_with(&start), "{line}");
    }
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn a_content_that_ended_its_process_is_not_tried_again_until_it_is_forgotten() {
    let folder = folder(&["echo", "exits_in_constructor"]);
    let name = "exits-in-constructor";
    folder.host("").await;
    change_verdict(&folder, name, "reason", "was seen before");
    assert!(refusal(&folder.host("").await).contains("was seen before"));
    assert!(
        refusal(&folder.host_without_program("").await).contains("was seen before"),
        "whoever opens it"
    );

    let said = run(&folder, &["trust", "forget", name]);
    assert_forgotten(&said, name);
    assert_eq!(row(&folder, &["list", "--json"], "exits_in_constructor")["state"], "candidate");
    let tried = refusal(&folder.host("").await);
    assert!(tried.contains("exited with status 3"), "{tried}");

    change_verdict(&folder, name, "reason", "was seen before");
    let file = folder.plugins().join(file_name("exits_in_constructor"));
    let said = run(&folder, &["trust", "forget", &file.to_string_lossy(), "nobody"]);
    assert_eq!((said.code, said.stdout.lines().count()), (Some(4), 1), "{said:?}");
    assert!(said.stderr.contains("nothing is known of `nobody`"), "{said:?}");
    let tried = refusal(&folder.host("").await);
    assert!(tried.contains("exited with status 3"), "{tried}");
}

fn assert_forgotten(said: &Said, name: &str) {
    assert_eq!(said.code, Some(0), "{said:?}");
    let words: Vec<&str> = said.stdout.split_whitespace().collect();
    assert_eq!((words.len(), words[0], words[3]), (4, name, "forgotten"), "{said:?}");
}

#[tokio::test]
async fn another_content_and_another_host_are_tried_anew() {
    let folder = folder(&["echo"]);
    folder.host(IN_WORKERS).await;
    change_verdict(&folder, "echo", "verdict", "ended");
    change_verdict(&folder, "echo", "reason", "was seen before");
    assert!(refusal(&folder.host(IN_WORKERS).await).contains("was seen before"));

    change_verdict(&folder, "echo", "host", "0.0.1");
    assert_eq!(row(&folder, &["list", "--json"], "echo")["state"], "candidate");
    assert_neighbours_answer(&folder.host(IN_WORKERS).await).await;
    assert_eq!(verdict(&folder, "echo").1["verdict"], "passed");

    change_verdict(&folder, "echo", "verdict", "ended");
    change_verdict(&folder, "echo", "reason", "was seen before");
    folder.set_apart("echo");
    assert_neighbours_answer(&folder.host(IN_WORKERS).await).await;
}

#[tokio::test]
async fn a_file_that_says_why_it_cannot_be_opened_is_tried_again_at_the_next_start() {
    let folder = folder(&["echo", "layout_mismatch"]);
    let why = "quarantined at probe: built with allos-plugin-abi 0.1.0, this host has 1.0.0";
    let refused = refusal(&folder.host("").await);
    assert!(refused.contains(why), "{refused}");
    change_verdict(&folder, "layout-mismatch", "reason", "was seen before");
    let listed = row(&folder, &["list", "--json"], "layout_mismatch");
    assert_eq!(listed["reason"], "was seen before");
    let hint = listed["hint"].as_str().unwrap_or_default();
    assert!(hint.ends_with("; the next start tries it again"), "{hint}");
    let host = folder.host("").await;
    assert!(refusal(&host).contains(why));
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn without_a_worker_program_nothing_is_tried_beforehand() {
    let folder = folder(&["echo"]);
    assert_neighbours_answer(&folder.host_without_program("").await).await;
    assert!(!folder.cache().join("verdicts").read_dir().is_ok_and(|mut it| it.next().is_some()));
}

#[tokio::test]
async fn a_worker_program_that_is_none_is_no_fault_of_a_plugin() {
    let folder = folder(&["echo"]);
    for program in ["/nowhere/allos", "/bin/true"] {
        let host = folder.host_with_program(Path::new(program), "").await;
        let line = refusal(&host);
        assert!(line.contains("quarantined at probe: it cannot be tried"), "{line}");
        assert!(line.contains(program), "{line}");
        assert!(line.contains("(hint: see that the worker program"), "{line}");
    }
    assert_neighbours_answer(&folder.host("").await).await;
}
