//! `allos.lock`: the hashes of plugins that an operator has pinned, and the newest versions that a
//! host has loaded under the policy "signed".
//!
//! Plugins stand in the order of their names, and the file is replaced as a whole, so that a reader
//! never sees half of it and a version control system shows what has changed.

use std::collections::BTreeMap;
use std::fs::{File, Metadata, Permissions};
use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;

use allos_plugin_api::Descriptor;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::super::candidate::{ContentHash, Reason};
use crate::io_reason::io_reason;

/// The longest file that is read, in bytes.
const MAX_LOCK: u64 = 4 * 1024 * 1024;

const HEAD: &str =
    "# Which plugins are trusted, by their content. Written by `allos trust pin`.\n\n";

/// What is in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(super) struct Lock {
    /// By the name of the plugin.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pinned: BTreeMap<String, Pin>,
    /// The newest version of each plugin that was loaded.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    newest: BTreeMap<String, Version>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
struct Pin {
    version: String,
    sha256: ContentHash,
}

/// Reads a lock. One that is not there is empty. Also tells about the file that was read.
pub(super) fn read(path: &Path) -> Result<(Lock, Option<Metadata>), Reason> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Lock::default(), None)),
        opened => opened.map_err(|error| unreadable(path, &error))?,
    };
    let facts = file.metadata().map_err(|error| unreadable(path, &error))?;
    let mut text = String::new();
    let read = file.take(MAX_LOCK + 1).read_to_string(&mut text);
    if read.map_err(|error| unreadable(path, &error))? as u64 > MAX_LOCK {
        return Err(unreadable(path, &Error::other("it is larger than 4 MiB")));
    }
    let lock = toml::from_str(&text).map_err(|error| damaged(path, &text, &error))?;
    Ok((lock, Some(facts)))
}

fn unreadable(path: &Path, error: &Error) -> Reason {
    let reason = io_reason(error);
    Reason::new(format!("the lock `{}` cannot be read: {reason}", path.display()))
        .hint("check the file and its permissions, or set `lock` in [trust]")
}

fn damaged(path: &Path, text: &str, error: &toml::de::Error) -> Reason {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Reason::new(format!(
        "the lock `{}` is damaged: line {line}: {}",
        path.display(),
        error.message()
    ))
    .hint("restore it, or remove it and pin the plugins that you trust again")
}

impl Lock {
    /// Reads a lock, changes it and writes it, while nobody else does the same.
    pub(super) fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T, Reason> {
        let unwritable = |error: &Error| {
            Reason::new(format!(
                "the lock `{}` cannot be written: {}",
                path.display(),
                io_reason(error)
            ))
            .hint("name a file that can be written with `lock` in [trust]")
        };
        // The file itself is replaced where it is, not a link to it.
        let place = match std::fs::canonicalize(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => std::path::absolute(path),
            place => place,
        };
        let place = place.map_err(|error| unwritable(&error))?;
        let folder = place.parent().unwrap_or(Path::new("/"));
        // Where a folder cannot be locked, two changes at once may lose one of them.
        let turn = File::open(folder).ok();
        let _ = turn.as_ref().map(File::lock);
        let (mut lock, _) = read(path)?;
        let result = change(&mut lock);
        lock.write(folder, &place).map_err(|error| unwritable(&error))?;
        Ok(result)
    }

    fn write(&self, folder: &Path, path: &Path) -> Result<(), Error> {
        let text = toml::to_string(self).map_err(Error::other)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(HEAD.as_bytes())?;
        file.write_all(text.as_bytes())?;
        file.as_file().set_permissions(permissions(path, file.as_file())?)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// Pins a plugin to this content, which also is the consent to its version. Tells whether
    /// that is a change.
    pub(super) fn pin(&mut self, descriptor: &Descriptor, hash: ContentHash) -> bool {
        let pin = Pin { version: descriptor.plugin_version.clone(), sha256: hash };
        let newest = self.newest.remove(&descriptor.name);
        let before = self.pinned.insert(descriptor.name.clone(), pin.clone());
        newest.is_some() || before != Some(pin)
    }

    /// Whether a plugin is pinned to this content.
    pub(super) fn check_pin(
        &self,
        descriptor: &Descriptor,
        hash: ContentHash,
    ) -> Result<(), Reason> {
        let Descriptor { name, plugin_version, .. } = descriptor;
        match self.pinned.get(name) {
            Some(pin) if pin.sha256 == hash => Ok(()),
            Some(Pin { version, sha256 }) => Err(Reason::new(format!(
                "its content is not what is pinned: `{name}` {version} is pinned with SHA-256 \
                 {sha256}, this is {plugin_version} with {hash}"
            ))),
            None => Err(Reason::new(format!(
                "`{name}` {plugin_version} with SHA-256 {hash} is not pinned"
            ))),
        }
    }

    /// Whether a version may follow what is known of its plugin.
    pub(super) fn check_version(&self, descriptor: &Descriptor) -> Result<(), Reason> {
        let Descriptor { name, plugin_version, .. } = descriptor;
        let version = Version::parse(plugin_version).map_err(|_| {
            Reason::new(format!(
                "its version `{plugin_version}` is not one like 1.2.3, so it may be an old one"
            ))
        })?;
        match self.oldest_allowed(name) {
            Some(oldest) if version.cmp_precedence(&oldest).is_lt() => Err(Reason::new(format!(
                "`{name}` {version} is older than {oldest}, which was trusted here before"
            ))),
            _ => Ok(()),
        }
    }

    /// Whether a version is newer than all that is known of its plugin.
    pub(super) fn is_news(&self, name: &str, version: &Version) -> bool {
        self.oldest_allowed(name).is_none_or(|oldest| version.cmp_precedence(&oldest).is_gt())
    }

    /// Keeps versions in mind, where they are news.
    pub(super) fn remember(&mut self, news: Vec<(String, Version)>) {
        for (name, version) in news {
            if self.is_news(&name, &version) {
                self.newest.insert(name, version);
            }
        }
    }

    fn oldest_allowed(&self, name: &str) -> Option<Version> {
        let pinned = self.pinned.get(name).and_then(|pin| Version::parse(&pin.version).ok());
        let newest = self.newest.get(name).cloned();
        pinned.into_iter().chain(newest).max_by(Version::cmp_precedence)
    }
}

/// Those of the file that is replaced. A new one may be read by everybody: it holds no secret, and
/// who pins a plugin need not be who runs it.
#[cfg(unix)]
fn permissions(path: &Path, _: &File) -> Result<Permissions, Error> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Permissions::from_mode(0o644)),
        facts => facts.map(|facts| facts.permissions()),
    }
}

#[cfg(not(unix))]
fn permissions(_: &Path, new: &File) -> Result<Permissions, Error> {
    Ok(new.metadata()?.permissions())
}
