//! Where cargo put what it built for this test program: the plugins, the fixtures and `allos`.
//!
//! Everything is found from the program's own path (`target/debug/deps/contract-…`), so that any
//! target folder and any profile will do. Nothing is built here.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file of a plugin (`echo`, `openai`) or of a fixture (`panic_in_chat`).
pub(crate) fn library(name: &str) -> PathBuf {
    let deps = deps();
    let examples = deps.with_file_name("examples");
    let places = [(&*deps, format!("allos_{name}")), (&*examples, name.to_owned())];
    let found = places.iter().find_map(|(folder, stem)| find(folder, stem));
    found.unwrap_or_else(|| {
        panic!("no library of `{name}` is built (hint: run `cargo test -p allos-tests` as a whole)")
    })
}

/// The content of a plugin or a fixture that states another version of itself.
pub(crate) fn of_version(name: &str, version: &str) -> Vec<u8> {
    stating(name, "plugin_version", [env!("CARGO_PKG_VERSION"), version])
}

/// The content of a library that states something else of itself, in as many letters.
pub(crate) fn stating(library: &str, what: &str, before_and_after: [&str; 2]) -> Vec<u8> {
    let mut content = std::fs::read(self::library(library)).expect("the library is built");
    let [before, after] =
        before_and_after.map(|value| format!("\"{what}\":\"{value}\"").into_bytes());
    assert_eq!(before.len(), after.len(), "as many letters");
    let is_stated = |at: &usize| content[*at..].starts_with(&before);
    let places: Vec<usize> = (0..content.len()).filter(is_stated).collect();
    assert!(!places.is_empty(), "what it states is found");
    for at in places {
        content[at..at + after.len()].copy_from_slice(&after);
    }
    content
}

/// The program under test.
pub(crate) fn allos() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_allos-under-test"))
}

/// The top of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a folder of the workspace")
}

/// The target folder that this program was built into.
pub(crate) fn target_folder() -> PathBuf {
    let profile = deps().parent().map(Path::to_owned).expect("deps/ is in a profile's folder");
    profile.parent().map(Path::to_owned).expect("a profile's folder is in the target folder")
}

fn deps() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    program.parent().map(Path::to_owned).expect("this program is in a folder")
}

/// The file without a hash in its name if there is one, else the newest of those with one.
fn find(folder: &Path, stem: &str) -> Option<PathBuf> {
    let prefix = std::env::consts::DLL_PREFIX;
    let plain = folder.join(format!("{prefix}{stem}{}", std::env::consts::DLL_SUFFIX));
    if plain.exists() {
        return Some(plain);
    }
    let hashed = format!("{prefix}{stem}-");
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with(&hashed) && name.ends_with(std::env::consts::DLL_SUFFIX)
        })
        .max_by_key(|path| modified(path))
}

fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|facts| facts.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
