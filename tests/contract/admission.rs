//! From a file to a provider: every file that cannot become one is refused with one clear line, and
//! nothing else is harmed.

use allos_host::{Host, InstanceState};

use crate::artifact;
use crate::calls::{assert_neighbours_answer, chat};
use crate::folder::{PluginFolder, file_name};

/// The line that a host says about a file of its only folder.
fn line(host: &Host, file: &str) -> String {
    let report = host.report();
    let mut candidates = report.candidates.iter();
    let candidate = candidates.find(|it| it.path().file_name().is_some_and(|name| name == file));
    candidate.expect("the file is in the report").to_string()
}

/// The file is refused at a stage, in one line that holds these words and a hint.
async fn assert_refused(folder: &PluginFolder, file: &str, stage: &str, words: &[&str]) {
    let host = folder.host("").await;
    let line = line(&host, file);
    let start = format!("{file}: quarantined at {stage}: ");
    assert!(line.starts_with(&start), "{line}");
    assert!(line.contains(" (hint: ") && line.ends_with(')'), "{line}");
    assert!(!line.contains('\n') && line.len() < 400, "{line}");
    for word in words {
        assert!(line.contains(word), "{line:?} says nothing of {word:?}");
    }
    assert_neighbours_answer(&host).await;
}

/// A fixture beside `echo` is refused.
async fn assert_fixture_refused(fixture: &str, stage: &str, words: &[&str]) {
    let folder = PluginFolder::with(&["echo", fixture]);
    assert_refused(&folder, &file_name(fixture), stage, words).await;
}

#[tokio::test]
async fn a_plugin_is_loaded_under_the_name_that_it_exports() {
    let folder = PluginFolder::with(&[]);
    folder.add_as("echo", &file_name("any_file_name"));
    let host = folder.host("").await;
    assert_eq!(
        line(&host, &file_name("any_file_name")),
        format!("{}: loaded", file_name("any_file_name"))
    );
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn a_file_that_is_no_library_is_refused() {
    let folder = PluginFolder::with(&["echo"]);
    folder.write(&file_name("notes"), b"remember the milk\n");
    assert_refused(&folder, &file_name("notes"), "descriptor", &["not a library"]).await;
}

#[tokio::test]
async fn an_empty_file_is_refused() {
    let folder = PluginFolder::with(&["echo"]);
    folder.write(&file_name("empty"), b"");
    assert_refused(&folder, &file_name("empty"), "descriptor", &["empty"]).await;
}

#[tokio::test]
async fn a_library_cut_anywhere_is_refused() {
    let whole = std::fs::read(artifact::library("echo")).expect("the plugin is built");
    for (parts, of) in [(0, 1), (1, 100), (1, 2), (9, 10), (999, 1000)] {
        let length = (whole.len() / of * parts).max(40);
        let folder = PluginFolder::with(&["echo"]);
        folder.write(&file_name("cut"), &whole[..length]);
        assert_refused(&folder, &file_name("cut"), "descriptor", &["truncated"]).await;
    }
}

#[tokio::test]
async fn a_library_without_a_descriptor_is_refused() {
    let words = ["without a plugin descriptor"];
    assert_fixture_refused("no_descriptor", "descriptor", &words).await;
}

#[tokio::test]
async fn another_abi_version_is_refused_with_both_numbers() {
    let words = ["plugin ABI 99", "supports 1"];
    assert_fixture_refused("wrong_abi_version", "descriptor", &words).await;
}

#[tokio::test]
async fn another_target_is_refused_by_its_name() {
    let words = ["riscv64gc-unknown-linux-gnu"];
    assert_fixture_refused("wrong_target", "descriptor", &words).await;
}

#[tokio::test]
async fn another_layout_of_the_vtable_is_refused_in_one_line() {
    assert_fixture_refused("layout_mismatch", "probe", &["layout"]).await;
}

#[tokio::test]
async fn a_panic_in_the_entry_is_refused() {
    assert_fixture_refused("panic_in_entry", "probe", &["panic"]).await;
}

#[tokio::test]
async fn a_descriptor_that_lies_about_its_name_is_refused_with_both_names() {
    let folder = PluginFolder::with(&["echo", "lying_name"]);
    let host = folder.host("").await;
    let line = line(&host, &file_name("lying_name"));
    assert!(line.contains("quarantined at"), "{line}");
    assert!(line.contains("honest-name") && line.contains("lying-name"), "{line}");
    assert!(line.contains(" (hint: "), "{line}");
    for name in ["honest-name", "lying-name"] {
        assert!(host.provider(name).is_err(), "{name} is registered");
    }
    assert_neighbours_answer(&host).await;
}

#[tokio::test]
async fn an_invalid_name_is_refused() {
    assert_fixture_refused("invalid_name", "descriptor", &["Not/A Name"]).await;
}

#[tokio::test]
async fn the_second_file_of_a_name_is_refused_naming_both() {
    let folder = PluginFolder::with(&["echo", "duplicate_name"]);
    let host = folder.host("").await;
    let (first, second) = (file_name("duplicate_name"), file_name("echo"));
    assert_eq!(line(&host, &first), format!("{first}: loaded"));
    let refused = line(&host, &second);
    assert!(refused.starts_with(&format!("{second}: quarantined at register: ")), "{refused}");
    assert!(refused.contains(&first) && refused.contains("`echo`"), "{refused}");
    assert!(refused.contains(" (hint: "), "{refused}");
    let answer = chat(&host, "echo", "echo").await.expect("the first of them answers");
    assert_eq!(answer.first_text(), "calm");
}

#[tokio::test]
async fn an_error_from_new_is_the_reason_of_its_instance_alone() {
    let (reason, hint) = failure_of("error_from_new", "error-from-new").await;
    assert_eq!(reason, "the fixture refuses every configuration");
    assert_eq!(hint.as_deref(), Some("use another provider"));
}

#[tokio::test]
async fn a_panic_in_new_is_the_reason_of_its_instance_alone() {
    let (reason, _) = failure_of("panic_in_new", "panic-in-new").await;
    assert!(reason.contains("the fixture panics in new"), "{reason}");
    assert!(reason.contains("panic_in_new.rs:"), "{reason}");
}

/// Why the instance of a fixture that is loaded cannot answer.
async fn failure_of(fixture: &str, provider: &str) -> (String, Option<String>) {
    let folder = PluginFolder::with(&["echo", fixture]);
    let host = folder.host("").await;
    let file = file_name(fixture);
    assert_eq!(line(&host, &file), format!("{file}: loaded"));
    let handle = host.provider(provider).expect("the instance is registered");
    let InstanceState::Failed { reason, hint } = handle.state() else {
        panic!("{provider} is {:?}", handle.state())
    };
    let error = chat(&host, provider, "any").await.expect_err("it cannot answer");
    assert_eq!(error.message(), reason);
    assert_eq!(error.provider(), Some(provider));
    assert!(!reason.contains('\n'), "{reason}");
    assert_neighbours_answer(&host).await;
    (reason, hint)
}

#[tokio::test]
async fn all_faults_in_one_folder_leave_the_others_alone() {
    let refused = [
        "no_descriptor",
        "wrong_abi_version",
        "wrong_target",
        "layout_mismatch",
        "panic_in_entry",
        "lying_name",
        "invalid_name",
    ];
    let folder = PluginFolder::with(&refused);
    folder.add_as("echo", &file_name("zz_last"));
    folder.add_as("panic_in_chat", &file_name("aa_first"));
    let host = folder.host("").await;
    assert_eq!(host.report().loaded().count(), 2);
    assert_eq!(host.report().quarantined().count(), refused.len());
    assert_neighbours_answer(&host).await;
    let answer = chat(&host, "panic-in-chat", "calm").await.expect("the first answers");
    assert_eq!(answer.first_text(), "calm");
}

#[tokio::test]
async fn a_content_is_opened_once_by_all_hosts_of_a_process() {
    let (first, second) = (PluginFolder::with(&["echo"]), PluginFolder::with(&["echo"]));
    for folder in [&first, &second, &first] {
        assert_neighbours_answer(&folder.host("").await).await;
    }
    let mapped = std::fs::read_to_string("/proc/self/maps").expect("what is mapped");
    let second = second.path().to_string_lossy().into_owned();
    assert!(!mapped.contains(&second), "the second host has opened its own copy");
}

#[tokio::test]
async fn a_folder_without_plugins_or_none_at_all_makes_a_host() {
    let folder = PluginFolder::with(&[]);
    let host = folder.host("").await;
    assert!(host.report().candidates.is_empty());
    assert!(host.provider("echo").is_err());
    std::fs::remove_dir(folder.plugins()).expect("an empty folder");
    let host = folder.host("").await;
    assert_eq!(host.report().warnings.len(), 1);
}
