//! The first stage: which files there are, by their suffix and in the order of their names.
//!
//! Reads folders, not files. Folders in folders are not searched; hidden files are left alone.

use std::env::consts::DLL_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};

use super::candidate::Reason;
use crate::io_reason::io_reason;

/// What a scan has found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<FoundFile>,
    pub(super) warnings: Vec<String>,
}

/// A file with the suffix of a library.
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    /// Why it cannot even be looked at.
    pub(super) objection: Option<Reason>,
}

/// Looks into several folders, in their order. A folder named twice is looked into once.
pub(super) fn scan(folders: &[PathBuf]) -> Found {
    let mut found = Found::default();
    let mut seen = Vec::new();
    for folder in folders {
        let place = fs::canonicalize(folder).unwrap_or_else(|_| folder.clone());
        if seen.contains(&place) {
            continue;
        }
        seen.push(place);
        match scan_folder(folder) {
            Ok(files) => found.files.extend(files),
            Err(error) => found.warnings.push(format!(
                "the plugin folder `{}` cannot be read: {} (hint: create it, or set `plugin_dirs`)",
                folder.display(),
                io_reason(&error)
            )),
        }
    }
    found
}

fn scan_folder(folder: &Path) -> std::io::Result<Vec<FoundFile>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if is_named_like_a_library(&path) {
            files.extend(look_at(path));
        }
    }
    files.sort_by(|left, right| left.path.file_name().cmp(&right.path.file_name()));
    Ok(files)
}

fn is_named_like_a_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(DLL_SUFFIX.as_bytes()) && !name.starts_with(b".")
}

/// A file, or a link to one. Anything else, such as a folder, is no candidate.
fn look_at(path: PathBuf) -> Option<FoundFile> {
    let objection = match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => None,
        Ok(_) => return None,
        Err(error) => Some(Reason::new(unreachable(&path, &error))),
    };
    Some(FoundFile { path, objection })
}

fn unreachable(path: &Path, error: &std::io::Error) -> String {
    match fs::read_link(path) {
        Ok(target) => {
            format!("it is a link to `{}`: {}", target.display(), io_reason(error))
        }
        Err(_) => format!("it cannot be looked at: {}", io_reason(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(found: &Found) -> Vec<String> {
        found.files.iter().map(|file| super::super::file_name(&file.path)).collect()
    }

    fn touch(folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}{DLL_SUFFIX}")), "").unwrap();
    }

    #[test]
    fn files_with_the_suffix_come_in_the_order_of_folders_and_names() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["b", "a", ".hidden"] {
            touch(one.path(), name);
        }
        touch(two.path(), "0");
        fs::write(one.path().join("README.md"), "").unwrap();
        fs::create_dir(one.path().join(format!("folder{DLL_SUFFIX}"))).unwrap();
        let missing = two.path().join("missing");
        let folders = [one.path(), two.path(), one.path(), &missing].map(Path::to_owned);
        let found = scan(&folders);
        assert_eq!(names(&found), ["a", "b", "0"].map(|name| format!("{name}{DLL_SUFFIX}")));
        assert_eq!(found.warnings.len(), 1);
        assert!(found.warnings[0].contains("cannot be read: no such file or folder (hint: create"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_one_that_leads_nowhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path(), "a");
        let place = |name: &str| folder.path().join(format!("{name}{DLL_SUFFIX}"));
        std::os::unix::fs::symlink(place("a"), place("b")).unwrap();
        std::os::unix::fs::symlink("nowhere", place("c")).unwrap();
        let found = scan(&[folder.path().to_owned()]);
        let refused: Vec<bool> = found.files.iter().map(|file| file.objection.is_some()).collect();
        assert_eq!(refused, [false, false, true]);
        let reason = found.files[2].objection.clone();
        let expected = Reason::new("it is a link to `nowhere`: no such file or folder");
        assert_eq!(reason, Some(expected));
    }
}
