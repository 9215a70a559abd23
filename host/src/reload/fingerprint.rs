//! How the files of the plugin folders look from outside: enough to tell whether any has changed.
//!
//! Names are looked at and no file is read, so that looking often costs little. A file is changed
//! where its place, the file behind its links, its length or one of its times is another. The
//! time of the last change of a file's facts is among them: no program sets it, and permissions,
//! which decide whether a file is trusted, move it too.

use std::env::consts::DLL_SUFFIX;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::{Config, TrustPolicy};

/// How the files look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint(Vec<Seen>);

/// How a path looks: where it leads and what is there, or why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    target: Option<PathBuf>,
    facts: Result<Facts, ErrorKind>,
}

/// What the system says of a file; numbers, of which only their being the same means anything.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts(Vec<i128>);

impl Fingerprint {
    /// How the files look that a configuration names, without holding up the caller's thread.
    pub(crate) async fn of(config: &Config) -> Self {
        let folders = config.plugin_dirs.clone();
        let asks_lock = config.trust.policy != TrustPolicy::Open;
        let lock = asks_lock.then(|| config.trust.lock.clone());
        let taken = tokio::task::spawn_blocking(move || Self::take(&folders, lock.as_deref()));
        taken.await.unwrap_or_default()
    }

    fn take(folders: &[PathBuf], lock: Option<&Path>) -> Self {
        let mut seen: Vec<Seen> = lock.into_iter().map(|path| see(path, of_file)).collect();
        for folder in folders {
            seen.push(see(folder, of_folder));
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
            files.retain(|path| belongs_to_a_plugin(path));
            files.sort();
            seen.extend(files.iter().map(|path| see(path, of_file)));
        }
        Self(seen)
    }
}

fn see(path: &Path, facts: fn(&Metadata) -> Facts) -> Seen {
    Seen {
        path: path.to_owned(),
        target: fs::canonicalize(path).ok(),
        facts: fs::metadata(path).map(|it| facts(&it)).map_err(|error| error.kind()),
    }
}

/// A library, or the signature of one.
fn belongs_to_a_plugin(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let library = name.strip_suffix(".minisig").unwrap_or(&name);
    library.ends_with(DLL_SUFFIX) && !name.starts_with('.')
}

#[cfg(unix)]
fn of_file(file: &Metadata) -> Facts {
    use std::os::unix::fs::MetadataExt;
    let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
    let mut facts: Vec<i128> = times.map(i128::from).into();
    facts.push(file.size().into());
    facts.extend(of_folder(file).0);
    Facts(facts)
}

/// Of a folder only what it is: its times move with files that are none of ours.
#[cfg(unix)]
fn of_folder(folder: &Metadata) -> Facts {
    use std::os::unix::fs::MetadataExt;
    let owners = [folder.mode(), folder.uid(), folder.gid()].map(i128::from);
    let place = [folder.dev(), folder.ino()].map(i128::from);
    Facts([&owners[..], &place[..]].concat())
}

#[cfg(not(unix))]
fn of_file(file: &Metadata) -> Facts {
    let times = [file.modified(), file.created()].map(|time| {
        let since = time.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or_default())
    });
    Facts([&times[..], &[file.len().into()][..]].concat())
}

#[cfg(not(unix))]
fn of_folder(folder: &Metadata) -> Facts {
    Facts(vec![folder.is_dir().into()])
}
