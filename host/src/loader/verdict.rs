//! What became of a content when it was first opened: kept, so that each is tried once.
//!
//! A verdict is a small file named by the content's hash. It counts for the version of the host
//! that has tried the content, and for where the plugin was to run; one that is damaged is none.

use std::fmt;
use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use allos_plugin_api::Descriptor;
use serde::{Deserialize, Serialize};

use super::admission::{Admission, Session, found};
use super::cache;
use super::candidate::{ContentHash, Reason};
use crate::config::Isolation;
use crate::io_reason::io_reason;

/// The folder of the verdicts, within the cache.
pub(super) const VERDICTS: &str = "verdicts";

/// The longest file that is read, in bytes.
const MAX_VERDICT: u64 = 64 * 1024;

const HOST: &str = env!("CARGO_PKG_VERSION");

/// What is known of a content that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    sha256: ContentHash,
    /// The version of the host that has tried it.
    host: String,
    /// Where the plugin was to run, by which it was confined.
    isolation: String,
    /// What the plugin states, and the file that it was in then: for people.
    name: String,
    version: String,
    file: String,
    /// In seconds since 1970.
    tried_at: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What became of the process that opened it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It opened well.
    Passed,
    /// It cannot be opened, and said so. What it lacks may be there the next time.
    Refused { reason: String, hint: Option<String> },
    /// It ended the process, or had to be ended. It is not tried again.
    Ended { reason: String, hint: Option<String> },
}

impl Outcome {
    /// Why a file of this content is refused, if it is.
    pub(super) fn refusal(&self, name: &str) -> Option<Reason> {
        match self {
            Self::Passed => None,
            Self::Refused { reason, hint } => {
                let refusal = Reason::new(reason);
                Some(hint.iter().fold(refusal, Reason::hint))
            }
            Self::Ended { reason, hint } => {
                let hint = hint.as_deref().unwrap_or("tell its author");
                Some(Reason::new(reason).hint(format!(
                    "{hint}; run `allos trust forget {name}` to have it tried again"
                )))
            }
        }
    }
}

impl Verdict {
    /// What has just been found out about a file.
    pub(super) fn new(
        admission: &Admission,
        outcome: Outcome,
        session: &Session,
    ) -> Result<Self, Reason> {
        let descriptor = found(admission.descriptor.as_deref())?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            sha256: found(admission.hash)?,
            host: HOST.to_owned(),
            isolation: isolation_of(descriptor, session).to_owned(),
            name: descriptor.name.clone(),
            version: descriptor.plugin_version.clone(),
            file: admission.file_name(),
            tried_at: since.as_secs(),
            outcome,
        })
    }

    /// The hash of the content.
    pub fn hash(&self) -> ContentHash {
        self.sha256
    }

    /// The name of the plugin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes it. Where that is not possible, the content is tried again at the next start.
    pub(super) fn keep(&self, cache_dir: &Path) -> Result<(), Error> {
        let folder = cache::folder(cache_dir, VERDICTS)?;
        let text = serde_json::to_vec_pretty(self)?;
        cache::write(&folder, &folder.join(file_of(self.sha256)), &text)
    }
}

impl fmt::Display for Verdict {
    /// Plugin, version and hash, in one line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.name, self.version, self.sha256)
    }
}

/// The first part of the stage `probe`, which needs no process: what has ended one is refused
/// without being tried again.
pub(super) fn recall(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    // Nothing is believed that another user could have written.
    let Ok(folder) = cache::folder(session.cache_dir(), VERDICTS) else { return Ok(()) };
    let place = folder.join(file_of(found(admission.hash)?));
    let Some(verdict) = valid(&place, admission, session)? else { return Ok(()) };
    cache::mark_used(&place);
    match &verdict.outcome {
        Outcome::Passed => admission.probed = true,
        Outcome::Refused { .. } => {}
        ended @ Outcome::Ended { .. } => return ended.refusal(&verdict.name).map_or(Ok(()), Err),
    }
    Ok(())
}

/// The stage for those who only look: whatever was refused before is shown with its reason.
pub(super) fn show(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    let hash = found(admission.hash)?;
    let place = session.cache_dir().join(VERDICTS).join(file_of(hash));
    let Some(verdict) = valid(&place, admission, session)? else { return Ok(()) };
    let Some(refusal) = verdict.outcome.refusal(&verdict.name) else { return Ok(()) };
    Err(match verdict.outcome {
        Outcome::Refused { hint, .. } => {
            let hint = hint.map(|hint| format!("{hint}; ")).unwrap_or_default();
            refusal.hint(format!("{hint}the next start tries it again"))
        }
        _ => refusal,
    })
}

/// What counts for this host and the isolation that is configured.
fn valid(
    place: &Path,
    admission: &Admission,
    session: &Session,
) -> Result<Option<Verdict>, Reason> {
    let isolation = isolation_of(found(admission.descriptor.as_deref())?, session);
    Ok(read(place).filter(|it| it.host == HOST && it.isolation == isolation))
}

/// A plugin of which one instance runs in this process is opened in it.
fn isolation_of(plugin: &Descriptor, session: &Session) -> &'static str {
    let runs_here = (session.loader.runs_here)(plugin);
    if runs_here { Isolation::InProcess.as_str() } else { Isolation::Worker.as_str() }
}

/// Drops the verdicts that are meant, and tells which they were.
pub(super) fn forget(
    cache_dir: &Path,
    is_meant: impl Fn(&Verdict) -> bool,
) -> Result<Vec<Verdict>, Reason> {
    let mut forgotten = Vec::new();
    for place in places(cache_dir).map_err(|error| unusable(cache_dir, &error))? {
        if let Some(verdict) = read(&place).filter(&is_meant) {
            std::fs::remove_file(&place).map_err(|error| unusable(cache_dir, &error))?;
            forgotten.push(verdict);
        }
    }
    forgotten.sort_by(|left, right| (&left.name, left.sha256).cmp(&(&right.name, right.sha256)));
    Ok(forgotten)
}

fn places(cache_dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match std::fs::read_dir(cache_dir.join(VERDICTS)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    entries.map(|entry| Ok(entry?.path())).collect()
}

fn unusable(cache_dir: &Path, error: &Error) -> Reason {
    Reason::new(format!(
        "the verdicts in the cache `{}` cannot be changed: {}",
        cache_dir.display(),
        io_reason(error)
    ))
    .hint("run this as the user that runs the host")
}

fn file_of(hash: ContentHash) -> String {
    format!("{hash}.json")
}

/// A verdict under the name of another content is none.
fn read(place: &Path) -> Option<Verdict> {
    let mut text = Vec::new();
    File::open(place).ok()?.take(MAX_VERDICT).read_to_end(&mut text).ok()?;
    let verdict: Verdict = serde_json::from_slice(&text).ok()?;
    place.ends_with(file_of(verdict.sha256)).then_some(verdict)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn verdict(name: &str, content: &[u8], outcome: Outcome) -> Verdict {
        Verdict {
            sha256: ContentHash::of(content),
            host: HOST.to_owned(),
            isolation: Isolation::Worker.as_str().to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            file: format!("lib{name}.so"),
            tried_at: 1_763_850_000,
            outcome,
        }
    }

    fn ended() -> Outcome {
        Outcome::Ended { reason: "killed by SIGSEGV while opening".to_owned(), hint: None }
    }

    fn refused() -> Outcome {
        Outcome::Refused { reason: "it lacks a library".to_owned(), hint: None }
    }

    fn place(cache: &Path, content: &[u8]) -> PathBuf {
        cache.join(VERDICTS).join(file_of(ContentHash::of(content)))
    }

    #[test]
    fn a_verdict_is_kept_by_its_content_and_can_be_read_by_people() {
        let cache = tempfile::tempdir().unwrap();
        for (content, outcome) in [(b"a", Outcome::Passed), (b"b", refused()), (b"c", ended())] {
            let kept = verdict("crow", content, outcome);
            kept.keep(cache.path()).unwrap();
            assert_eq!(read(&place(cache.path(), content)), Some(kept));
        }
        let text = std::fs::read_to_string(place(cache.path(), b"c")).unwrap();
        for line in ["\"name\": \"crow\"", "\"file\": \"libcrow.so\"", "\"verdict\": \"ended\""] {
            assert!(text.contains(line), "{text}");
        }
    }

    #[test]
    fn what_is_damaged_or_under_another_name_is_no_verdict() {
        let cache = tempfile::tempdir().unwrap();
        verdict("crow", b"a", ended()).keep(cache.path()).unwrap();
        let place = place(cache.path(), b"a");
        let text = std::fs::read(&place).unwrap();
        let other = place.with_file_name(file_of(ContentHash::of(b"b")));
        std::fs::rename(&place, &other).unwrap();
        assert_eq!((read(&place), read(&other)), (None, None));
        for damaged in [&text[..text.len() / 2], b"", b"[]", b"{}"] {
            std::fs::write(&place, damaged).unwrap();
            assert_eq!(read(&place), None);
        }
    }

    #[test]
    fn only_what_is_meant_is_forgotten() {
        let cache = tempfile::tempdir().unwrap();
        assert_eq!(forget(cache.path(), |_| true), Ok(Vec::new()), "there is no folder yet");
        let [first, second, other] =
            [("crow", b"a"), ("crow", b"b"), ("parrot", b"c")].map(|(name, content)| {
                let kept = verdict(name, content, ended());
                kept.keep(cache.path()).unwrap();
                kept
            });
        let mut crows = forget(cache.path(), |it| it.name() == "crow").unwrap();
        crows.sort_by_key(|it| it.tried_at + u64::from(it.sha256 != first.sha256));
        assert_eq!(crows, [first, second]);
        assert_eq!(forget(cache.path(), |it| it.hash() == other.hash()), Ok(vec![other]));
        assert_eq!(forget(cache.path(), |_| true), Ok(Vec::new()));
    }
}
