//! The house rules that a machine can check, over every source file of the workspace.

use std::path::{Path, PathBuf};

use crate::artifact;

/// A file of the workspace.
struct Source {
    /// From the top of the workspace, with `/`.
    path: String,
    text: String,
}

const FOLDERS: [&str; 7] = ["host", "plugin-api", "plugins", "tests", "xtask", "docs", "fuzz"];
const MAX_LINES: usize = 499;

/// The files of these folders, and of the top itself, that end like this.
fn sources(endings: &[&str]) -> Vec<Source> {
    let top = artifact::workspace();
    let mut paths: Vec<_> = std::fs::read_dir(top)
        .expect("the top of the workspace")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    for folder in FOLDERS {
        collect(&top.join(folder), &mut paths);
    }
    let wanted = |path: &PathBuf| {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        endings.contains(&extension)
    };
    let mut sources: Vec<_> = paths.into_iter().filter(wanted).map(|it| read(top, &it)).collect();
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    sources
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        match path.is_dir() {
            true if path.file_name().is_some_and(|name| name == "target") => {}
            true => collect(&path, paths),
            false => paths.push(path),
        }
    }
}

fn read(top: &Path, path: &Path) -> Source {
    let relative = path.strip_prefix(top).expect("a path under the top");
    let text = std::fs::read_to_string(path).expect("a source file is text");
    Source { path: relative.to_string_lossy().replace('\\', "/"), text }
}

fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What a rule says about each line of each file.
fn complaints(sources: &[Source], rule: impl Fn(&Source, usize, &str) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let lines = source.text.lines().enumerate();
        let broken = lines.filter(|(number, line)| rule(source, *number, line));
        complaints.extend(
            broken.map(|(number, line)| format!("{}:{}: {}", source.path, number + 1, line.trim())),
        );
    }
    complaints
}

#[test]
fn every_source_file_opens_with_its_purpose() {
    let sources = sources(&["rs"]);
    assert!(sources.len() > 50, "the workspace is found");
    let silent = sources.iter().filter(|source| !source.text.starts_with("//! "));
    assert_none(&silent.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn no_source_file_is_long() {
    let long = sources(&["rs"]).into_iter().filter(|it| it.text.lines().count() > MAX_LINES);
    assert_none(&long.map(|it| it.path).collect::<Vec<_>>());
}

#[test]
fn no_file_folder_or_module_has_a_name_that_says_nothing() {
    let is_empty_word =
        |word: &str| ["manager", "helper", "util", "common"].contains(&word.trim_end_matches('s'));
    let sources = sources(&["rs"]);
    let words = |path: &str| {
        let stem = path.strip_suffix(".rs").unwrap_or(path).to_owned();
        stem.split(['/', '_', '-']).any(is_empty_word)
    };
    let mut found: Vec<_> =
        sources.iter().map(|it| it.path.clone()).filter(|path| words(path)).collect();
    found.extend(complaints(&sources, |_, _, line| {
        let module = line.split_once("mod ").map_or("", |(_, name)| name);
        let is_module = line.trim_end().ends_with([';', '{']) && !line.contains("//");
        is_module && words(module.trim_end_matches([';', '{', ' ']))
    }));
    assert_none(&found);
}

#[test]
fn every_unsafe_block_is_where_it_may_be_and_says_why_it_is_sound() {
    let sources = sources(&["rs"]);
    let is_allowed = |source: &Source| {
        source.path.starts_with("plugin-api/abi/")
            || source.path == "host/src/loader/open.rs"
            || (source.path.starts_with("tests/fixtures/")
                && source.text.contains("#![allow(unsafe_code)]"))
    };
    assert_none(&complaints(&sources, |source, number, line| {
        let lines: Vec<_> = source.text.lines().collect();
        let before = &lines[number.saturating_sub(6)..number];
        let explained = before.iter().any(|line| line.trim_start().starts_with("// SAFETY: "));
        has_unsafe_code(line) && !(is_allowed(source) && explained)
    }));
}

/// Whether a line opens an unsafe block, function or implementation. An unsafe attribute is none.
fn has_unsafe_code(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let word = ["unsafe", " "].concat();
    code.find(&word).is_some_and(|at| {
        let before = code[..at].chars().last();
        !before.is_some_and(|it| it.is_alphanumeric() || "_`\"".contains(it))
    })
}

#[test]
fn plugins_tests_and_sound_fixtures_forbid_unsafe_code() {
    let must = |source: &&Source| {
        let plugin = source.path.starts_with("plugins/") && source.path.ends_with("/src/lib.rs");
        let fixture = source.path.starts_with("tests/fixtures/")
            && !source.text.contains("#![allow(unsafe_code)]");
        let program = ["tests/contract/main.rs", "tests/live/main.rs"];
        plugin || fixture || program.contains(&source.path.as_str())
    };
    let sources = sources(&["rs"]);
    let loose =
        sources.iter().filter(must).filter(|it| !it.text.contains("#![forbid(unsafe_code)]"));
    assert_none(&loose.map(|source| source.path.clone()).collect::<Vec<_>>());
}

#[test]
fn comments_hold_neither_banners_nor_notes_to_oneself() {
    let notes = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    assert_none(&complaints(&sources(&["rs"]), |_, _, line| {
        let Some((_, comment)) = line.split_once("//") else { return false };
        let text = comment.trim_start_matches(['/', '!']).trim();
        let is_banner = text.len() > 3 && text.chars().all(|it| "-=*/#~+".contains(it));
        is_banner || notes.iter().any(|note| text.split_whitespace().any(|it| it.starts_with(note)))
    }));
}

#[test]
fn nothing_refers_to_what_a_reader_does_not_have() {
    let elsewhere = [["shared", "/"], ["/work", "/"]].map(|parts| parts.concat());
    assert_none(&complaints(&sources(&["rs", "md", "toml"]), |_, _, line| {
        elsewhere.iter().any(|place| line.contains(place))
    }));
}

#[test]
fn every_fixture_is_built_and_tested() {
    let manifest = include_str!("../Cargo.toml");
    let tests: String = sources(&["rs"])
        .into_iter()
        .filter(|it| it.path.starts_with("tests/contract/"))
        .map(|it| it.text)
        .collect();
    let fixtures = sources(&["rs"]).into_iter().filter_map(|it| {
        let name = it.path.strip_prefix("tests/fixtures/")?.strip_suffix(".rs")?;
        Some(name.to_owned())
    });
    let forgotten = fixtures.filter(|name| {
        let built = manifest.contains(&format!("path = \"fixtures/{name}.rs\""));
        !built || !tests.contains(&format!("\"{name}\""))
    });
    assert_none(&forgotten.collect::<Vec<_>>());
}
