//! The fourth stage: a private copy under the name of its content, which is what is opened.
//!
//! Overwriting a library that is mapped crashes the process, and renaming another over it makes
//! `dlopen` return the old one. So nothing is opened where an operator puts files. The bytes that
//! were checked are the bytes that are hashed and written here; a copy that is already there is
//! compared with them, byte for byte.

use std::env::consts::DLL_SUFFIX;
use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::admission::{Admission, Session, found};
use super::cache::{self, InUse};
use super::candidate::{ContentHash, Reason};
use crate::io_reason::io_reason;

/// The folder of the copies, within the cache.
pub(super) const COPIES: &str = "plugins";

/// The stage.
pub(super) fn stage(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    let hash = found(admission.hash)?;
    let copy = store(session.cache_dir(), hash, &admission.content)?;
    admission.in_use = Some(InUse::mark(&copy));
    admission.staged = Some(copy);
    Ok(())
}

fn store(cache_dir: &Path, hash: ContentHash, content: &[u8]) -> Result<PathBuf, Reason> {
    let unusable = |error| unusable(cache_dir, &error);
    let folder = cache::folder(cache_dir, COPIES).map_err(unusable)?;
    let path = folder.join(format!("{hash}{DLL_SUFFIX}"));
    if !holds(&path, content) {
        cache::write(&folder, &path, content).map_err(unusable)?;
    }
    Ok(path)
}

fn unusable(cache_dir: &Path, error: &Error) -> Reason {
    let reason = Reason::new(format!(
        "it cannot be copied to the cache `{}`: {}",
        cache_dir.display(),
        io_reason(error)
    ));
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            reason.hint("free some space there, or set `cache_dir` to another place")
        }
        _ => reason.hint("set `cache_dir` to a folder that only this user can write to"),
    }
}

/// Whether a copy is there and is what it should be.
fn holds(path: &Path, content: &[u8]) -> bool {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
    is_file && File::open(path).is_ok_and(|file| is_equal(file, content).unwrap_or(false))
}

fn is_equal(mut file: File, mut content: &[u8]) -> Result<bool, Error> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut buffer)?;
        if length == 0 {
            return Ok(content.is_empty());
        }
        match content.split_at_checked(length) {
            Some((expected, rest)) if *expected == buffer[..length] => content = rest,
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn store_in(cache: &Path, content: &[u8]) -> Result<PathBuf, Reason> {
        store(cache, ContentHash::of(content), content)
    }

    #[test]
    fn a_copy_is_private_and_named_by_its_content() {
        let cache = tempfile::tempdir().unwrap();
        let path = store_in(&cache.path().join("a/b"), b"library").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"library");
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(name, format!("{}{DLL_SUFFIX}", ContentHash::of(b"library")));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&path), 0o600);
        let entries = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(entries, 1, "no temporary file stays");
    }

    #[test]
    fn a_copy_that_was_changed_is_replaced_and_a_good_one_is_kept() {
        let cache = tempfile::tempdir().unwrap();
        let path = store_in(cache.path(), b"library").unwrap();
        let place = || std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
        let first = place();
        store_in(cache.path(), b"library").unwrap();
        assert_eq!(place(), first);
        for changed in [&b"librarx"[..], b"lib", b"library and more", b""] {
            std::fs::write(&path, changed).unwrap();
            store_in(cache.path(), b"library").unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"library");
        }
    }

    #[test]
    fn a_copy_that_was_not_used_for_long_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        let [used, unused, kept] =
            ["used", "unused", "kept"].map(|it| store_in(cache.path(), it.as_bytes()).unwrap());
        for old in [&used, &unused] {
            let file = File::options().append(true).open(old).unwrap();
            file.set_modified(SystemTime::now() - cache::KEPT - Duration::from_hours(1)).unwrap();
        }
        let in_use = InUse::mark(&store_in(cache.path(), b"used").unwrap());
        drop(in_use);
        cache::prune(cache.path(), COPIES);
        assert_eq!([&used, &unused, &kept].map(|path| path.exists()), [true, false, true]);
    }

    #[test]
    fn a_copy_that_is_in_use_stays_however_old_it_is() {
        let cache = tempfile::tempdir().unwrap();
        let copy = store_in(cache.path(), b"library").unwrap();
        let in_use = InUse::mark(&copy);
        let file = File::options().append(true).open(&copy).unwrap();
        file.set_modified(SystemTime::now() - cache::KEPT - Duration::from_hours(1)).unwrap();
        cache::prune(cache.path(), COPIES);
        assert!(copy.exists(), "a worker may open it again");
        drop(in_use);
        cache::prune(cache.path(), COPIES);
        assert!(!copy.exists());
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_closed_to_them() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join(COPIES);
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        store_in(cache.path(), b"library").unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_cache_that_cannot_be_used_is_named_with_a_hint() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        std::fs::write(&file, "").unwrap();
        let reason = format!("{:?}", store_in(&file, b"library").unwrap_err());
        assert!(reason.contains("it cannot be copied to the cache `"), "{reason}");
        assert!(reason.contains("set `cache_dir` to a folder"), "{reason}");

        let linked = place.path().join("linked");
        std::fs::create_dir(&linked).unwrap();
        std::os::unix::fs::symlink("/tmp", linked.join(COPIES)).unwrap();
        let reason = format!("{:?}", store_in(&linked, b"library").unwrap_err());
        assert!(reason.contains("its folder `plugins` is a link"), "{reason}");
    }
}
