//! Whole folders through the stages. Libraries that can really be opened are in the contract tests.

use std::os::unix::fs::PermissionsExt;

use super::descriptor::tests::library;
use super::*;

/// Permissions, whatever the umask.
pub(super) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder with these files, and a loader for it.
fn folder(files: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, Loader) {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);
    for (name, content) in files {
        let file = folder.path().join(format!("{name}{}", std::env::consts::DLL_SUFFIX));
        std::fs::write(&file, content).unwrap();
        set_mode(&file, 0o644);
    }
    let cache = folder.path().join("cache");
    let loader = Loader::new(vec![folder.path().to_owned()], Some(cache));
    (folder, loader)
}

fn lines(report: &LoadReport) -> Vec<String> {
    report.candidates.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_that_is_refused_stops_no_other() {
    let (_folder, loader) = folder(&[
        ("a", b"not a library".to_vec()),
        ("b", library("parrot")),
        ("c", library("Parrot")),
        ("d", library("crow")),
    ]);
    let report = loader.examine();
    let states: Vec<bool> = report.candidates.iter().map(|it| it.refusal().is_some()).collect();
    assert_eq!(states, [true, false, true, false]);
    assert_eq!(report.quarantined().count(), 2);
    assert_eq!(report.candidates[1].descriptor().unwrap().name, "parrot");
}

#[test]
fn of_two_files_with_one_name_the_second_is_refused_and_both_are_named() {
    let (folder, loader) = folder(&[("a", library("parrot")), ("b", library("parrot"))]);
    let lines = lines(&loader.examine());
    let place = |name: &str| folder.path().join(name).display().to_string();
    assert_eq!(lines[0], "a.so: candidate");
    assert_eq!(
        lines[1],
        format!(
            "b.so: quarantined at register: `{}` exports `parrot`, which `{}` exports already \
             (hint: remove one of the two files)",
            place("b.so"),
            place("a.so")
        )
    );
}

#[test]
fn examining_stages_nothing() {
    let (folder, loader) = folder(&[("a", library("parrot"))]);
    loader.examine();
    assert!(!folder.path().join("cache").exists());
}

#[test]
fn a_library_that_cannot_be_opened_is_refused_without_the_path_of_its_copy() {
    let (_folder, loader) = folder(&[("a", library("parrot"))]);
    let (report, plugins) = loader.load_with(|_, _| {});
    assert!(plugins.is_empty());
    let line = report.candidates[0].to_string();
    assert!(line.starts_with("a.so: quarantined at open: it cannot be opened: "), "{line}");
    let hash = report.candidates[0].hash().unwrap().to_string();
    assert!(!line.contains(&hash), "{line}");
}

#[test]
fn what_runs_elsewhere_is_loaded_and_not_opened_here() {
    let (_folder, loader) = folder(&[("a", library("crow")), ("b", library("parrot"))]);
    let (report, plugins) = loader.opening(|plugin| plugin.name != "crow").load_with(|_, _| {});
    assert_eq!(report.candidates[0].state(), &CandidateState::Loaded);
    assert!(report.candidates[1].refusal().is_some());
    let [crow] = plugins.as_slice() else { panic!("{} plugins", plugins.len()) };
    assert!(crow.module.is_none() && crow.staged.is_file());
}

#[tokio::test]
async fn a_folder_that_does_not_exist_is_a_warning() {
    let loader = Loader::new(vec!["nowhere".into()], None);
    let (report, plugins) = loader.load().await;
    assert!(plugins.is_empty() && report.candidates.is_empty());
    assert_eq!(
        report.warnings,
        ["the plugin folder `nowhere` cannot be read: no such file or folder \
          (hint: create it, or set `plugin_dirs`)"]
    );
}
