//! Who else can change a file, as far as permissions tell: the file's own, and those of every
//! folder on the way to it.
//!
//! The file's permissions are those of the open file that was read. A link's own say nothing, so
//! links are followed one by one, and the folders that they stand in count as well. On a file
//! system that is mounted read-only nobody can change anything. Only on Unix.

use std::fs::Metadata;
use std::path::Path;

use super::super::candidate::{Reason, without_controls};

/// What an operator should know of a file that may be used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Concerns {
    /// About the file.
    pub(super) file: Vec<String>,
    /// About the folders that it is in; the same for all files there.
    pub(super) folders: Vec<String>,
}

/// A path as a shell takes it.
pub(super) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+,:@%=".contains(letter);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain) {
        return text.into_owned();
    }
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Refuses a file that everybody can change; says who else can. `file` is what was opened, if
/// there is such a file.
#[cfg(not(unix))]
pub(super) fn check(_: &Path, _: Option<&Metadata>) -> Result<Concerns, Reason> {
    Ok(Concerns::default())
}

#[cfg(unix)]
pub(super) use unix::check;

#[cfg(unix)]
mod unix {
    use std::fs::{canonicalize, metadata, read_link};
    use std::io::{Error, ErrorKind};
    use std::os::unix::fs::MetadataExt;
    use std::path::{Component, PathBuf, absolute};

    use rustix::fs::{StatVfsMountFlags, statvfs};

    use super::{Concerns, Metadata, Path, Reason, shell_word, without_controls};
    use crate::io_reason::io_reason;

    const GROUP_WRITABLE: u32 = 0o020;
    const WORLD_WRITABLE: u32 = 0o002;
    /// In a folder with this bit a file is only renamed and removed by its owner.
    const STICKY: u32 = 0o1000;

    /// As many links as Linux follows.
    const MAX_LINKS: usize = 40;

    pub(in super::super) fn check(
        path: &Path,
        file: Option<&Metadata>,
    ) -> Result<Concerns, Reason> {
        let mut concerns = Concerns::default();
        let own = folder_of(path);
        let place = canonicalize(own).unwrap_or_default();
        let mut way = folders_to(path).map_err(|error| unseen(&error))?;
        let last = way.last().cloned();
        way.sort();
        way.dedup();
        let mut owner = None;
        for folder in way {
            let facts = metadata(&folder).map_err(|error| unseen(&error))?;
            if folder == place {
                // Whoever can add a file here can add a plugin, so that the bit is no excuse.
                check_world(&facts, own, &named("its folder", own), 0)?;
                concerns.folders.extend(concern(&facts, own, &named("the folder", own)));
                owner = Some(facts.uid());
            } else {
                check_world(
                    &facts,
                    &folder,
                    &named("a folder that leads to it,", &folder),
                    STICKY,
                )?;
                let is_last = last.as_ref() == Some(&folder);
                let concern = || concern(&facts, &folder, &named("the folder", &folder));
                concerns.folders.extend(is_last.then(concern).flatten());
            }
        }
        if let Some(file) = file {
            check_world(file, path, "it", 0)?;
            let is_news = owner != Some(file.uid()) || file.mode() & GROUP_WRITABLE != 0;
            concerns.file.extend(is_news.then(|| concern(file, path, "it")).flatten());
        }
        Ok(concerns)
    }

    fn folder_of(path: &Path) -> &Path {
        match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }

    fn unseen(error: &Error) -> Reason {
        Reason::new(format!("the way to it cannot be looked at: {}", io_reason(error)))
    }

    fn named(what: &str, path: &Path) -> String {
        format!("{what} `{}`", path.display())
    }

    /// `excuse` is the bit with which a folder may be world-writable.
    fn check_world(facts: &Metadata, path: &Path, what: &str, excuse: u32) -> Result<(), Reason> {
        let mode = facts.mode();
        if mode & WORLD_WRITABLE == 0 || mode & excuse != 0 || is_read_only(path) {
            return Ok(());
        }
        let mend = shell_word(path);
        Err(Reason::new(format!("{what} is world-writable: every user can change it"))
            .hint(format!("run `chmod o-w {mend}`, or set `allow_writable = true` in [trust]")))
    }

    /// Who else can change it: a group, or its owner.
    fn concern(facts: &Metadata, path: &Path, what: &str) -> Option<String> {
        let user = rustix::process::geteuid().as_raw();
        let (group, owner) = (facts.gid(), facts.uid());
        let (whom, mend) = if facts.mode() & GROUP_WRITABLE != 0 {
            (format!("is group-writable: group {group} can change it"), "chmod g-w".to_owned())
        } else if ![0, user].contains(&owner) {
            (format!("belongs to user {owner}, who can change it"), format!("chown {user}"))
        } else {
            return None;
        };
        let path_word = shell_word(path);
        let concern = format!("{what} {whom} (hint: run `{mend} {path_word}`)");
        (!is_read_only(path)).then(|| without_controls(&concern))
    }

    fn is_read_only(path: &Path) -> bool {
        statvfs(path).is_ok_and(|facts| facts.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    /// Every folder in which a name is looked up on the way to a file, links followed, the folder
    /// of the file itself at the end. A file that is not there ends the way.
    pub(super) fn folders_to(path: &Path) -> Result<Vec<PathBuf>, Error> {
        let mut ahead = names(&absolute(path)?);
        let (mut place, mut folders, mut links) = (PathBuf::from("/"), Vec::new(), 0);
        while let Some(name) = ahead.pop() {
            if name == Path::new("/") {
                place = name;
            } else if name == Path::new("..") {
                place.pop();
            } else {
                folders.push(place.clone());
                let next = place.join(name);
                match read_link(&next) {
                    Ok(_) if links == MAX_LINKS => {
                        return Err(Error::other("too many links lead to it"));
                    }
                    Ok(target) => {
                        links += 1;
                        ahead.extend(names(&target));
                    }
                    Err(error) if error.kind() == ErrorKind::InvalidInput => place = next,
                    Err(error) if error.kind() == ErrorKind::NotFound => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(folders)
    }

    /// The parts of a path, the first one last.
    fn names(path: &Path) -> Vec<PathBuf> {
        let names = path.components().filter(|part| *part != Component::CurDir);
        names.rev().map(|part| PathBuf::from(part.as_os_str())).collect()
    }
}
