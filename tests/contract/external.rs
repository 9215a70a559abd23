//! Plugins that are built elsewhere: in a crate outside the workspace, and against a plugin-api of
//! another minor version. Neither needs the host to be built again.
//!
//! The crates are built offline, from the packages that this workspace was built from, into a
//! target folder of their own that is kept from one run to the next.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::artifact;
use crate::folder::{PluginFolder, file_name};
use crate::process::run;

const SOURCE: &str = include_str!("../external/nexusai.rs");
const VERSION: &str = env!("CARGO_PKG_VERSION");
const NEXT_VERSION: &str = "0.99.0";

#[test]
fn a_plugin_from_outside_the_workspace_is_used_after_a_restart() {
    let folder = PluginFolder::with(&["echo"]);
    assert_eq!(names(&folder), ["echo"]);
    build_into(&folder, "outside", &artifact::workspace().join("plugin-api"));
    assert_eq!(names(&folder), ["echo", "nexusai"]);
    assert_answers(&folder);
}

#[test]
fn a_plugin_built_when_plugin_api_had_another_minor_version_is_used() {
    let folder = PluginFolder::with(&["echo"]);
    build_into(&folder, "next", &next_plugin_api());
    let listed = list(&folder);
    let plugin = listed.iter().find(|it| it["name"] == "nexusai").expect("it is listed");
    assert_eq!(api_version(&folder), NEXT_VERSION, "{plugin}");
    assert_answers(&folder);
}

fn assert_answers(folder: &PluginFolder) {
    let said = run(folder, &["chat", "-m", "nexusai/nexus-pro", "hello"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stdout, "nexus heard: hello\n", "{said:?}");
    let said = run(folder, &["chat", "-m", "echo/echo", "still here"]);
    assert_eq!(said.stdout, "still here\n", "{said:?}");
    let said = run(folder, &["models", "nexusai"]);
    assert!(said.stdout.contains("nexusai/nexus-pro"), "{said:?}");
}

/// What `allos list` says of each file.
fn list(folder: &PluginFolder) -> Vec<Value> {
    let said = run(folder, &["list", "--json"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let listed: Value = serde_json::from_str(&said.stdout).expect("a list in JSON");
    let files = listed.as_array().or(listed["plugins"].as_array()).expect("a list of files");
    files.clone()
}

fn names(folder: &PluginFolder) -> Vec<String> {
    let name = |it: &Value| it["name"].as_str().unwrap_or_default().to_owned();
    let mut names: Vec<_> = list(folder).iter().map(name).collect();
    names.sort();
    names
}

fn api_version(folder: &PluginFolder) -> String {
    let plugin = folder.plugins().join(file_name("nexusai"));
    let plugin = plugin.to_str().expect("a path of characters");
    let said = run(folder, &["inspect", "--json", plugin]);
    let inspected: Value = serde_json::from_str(&said.stdout).expect("a descriptor in JSON");
    let version = inspected.get("api_version").or(inspected["descriptor"].get("api_version"));
    version.and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Builds the plugin in a temporary folder, and copies the library as an operator would.
fn build_into(folder: &PluginFolder, package: &str, plugin_api: &Path) {
    let package = format!("allos-nexusai-{package}");
    let project = tempfile::tempdir().expect("a temporary folder");
    write(&project.path().join("Cargo.toml"), &manifest(&package, plugin_api));
    write(&project.path().join("src/lib.rs"), SOURCE);
    let lock = artifact::workspace().join("Cargo.lock");
    std::fs::copy(lock, project.path().join("Cargo.lock")).expect("a copy of the lock file");
    cargo(&project, &["build"]);
    let library = file_name(&package.replace('-', "_"));
    folder.copy(&target().join("debug").join(library), &file_name("nexusai"));
    cargo(&project, &["clean", "--package", &package]);
}

fn manifest(package: &str, plugin_api: &Path) -> String {
    format!(
        "[package]\nname = \"{package}\"\nversion = \"1.2.3\"\nedition = \"2024\"\n\n\
         [lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nallos-plugin-api = {{ path = \"{}\" }}\n",
        plugin_api.display()
    )
}

fn cargo(project: &TempDir, arguments: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--offline", "--quiet"])
        .current_dir(project.path())
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .output()
        .expect("cargo starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed:\n{said}");
}

fn target() -> PathBuf {
    artifact::target_folder().join("tests-external")
}

/// A copy of plugin-api, with its macros and the frozen vtable, in which only the version of
/// plugin-api is another one.
fn next_plugin_api() -> PathBuf {
    let copy = target().join("next");
    copy_sources(&artifact::workspace().join("plugin-api"), &copy.join("plugin-api"));
    let manifest = artifact::workspace().join("Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the workspace's manifest");
    write(&copy.join("Cargo.toml"), &next_manifest(&manifest));
    copy.join("plugin-api")
}

/// The workspace's manifest for plugin-api alone, with the other version.
fn next_manifest(manifest: &str) -> String {
    let line = |line: &str| match line {
        members if members.starts_with("members = ") => {
            r#"members = ["plugin-api", "plugin-api/abi", "plugin-api/macros"]"#.to_owned()
        }
        abi if abi.starts_with("allos-plugin-abi = ") => abi.to_owned(),
        own if own.starts_with("version = ") || own.starts_with("allos-plugin-") => {
            own.replace(VERSION, NEXT_VERSION)
        }
        other => other.to_owned(),
    };
    let next = manifest.lines().map(|it| line(it) + "\n").collect::<String>();
    assert!(next.contains(&format!("\nversion = \"{NEXT_VERSION}\"\n")), "{next}");
    next
}

/// Copies a folder of sources; a file that is the same already keeps its time.
fn copy_sources(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder of sources") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_sources(&from, &to);
        } else if let Ok(text) = std::fs::read_to_string(&from) {
            write(&to, &text);
        }
    }
}

fn write(file: &Path, text: &str) {
    if std::fs::read_to_string(file).is_ok_and(|known| known == text) {
        return;
    }
    std::fs::create_dir_all(file.parent().expect("a file is in a folder")).expect("a folder");
    std::fs::write(file, text).expect("a file");
}
