//! The third stage: whether a file may be used, by who can change it and by the operator's policy.
//!
//! It judges the bytes that were read, which are the bytes that are staged and opened: a file that
//! is changed meanwhile changes nothing.

mod access;
mod lock;
mod signature;

use std::fmt;
use std::path::Path;

use allos_plugin_api::Descriptor;
use semver::Version;

use super::admission::{Admission, Session, found};
use super::candidate::{ContentHash, LoadStage, Reason, Refusal};
use super::loaded::LoadedPlugin;
use crate::config::{TrustConfig, TrustPolicy};
use lock::Lock;

/// Why a file may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Voucher {
    /// The policy asks for nothing.
    Open,
    /// Its hash is the one in the lock.
    Pinned,
    /// It is signed with this key.
    Signed {
        /// The public key, as it stands in the configuration.
        key: String,
    },
}

impl Voucher {
    /// The policy that asks for it, as the configuration names it.
    pub fn policy(&self) -> &'static str {
        let policy = match self {
            Self::Open => TrustPolicy::Open,
            Self::Pinned => TrustPolicy::Pinned,
            Self::Signed { .. } => TrustPolicy::Signed,
        };
        policy.as_str()
    }

    /// The key that has signed it.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Signed { key } => Some(key),
            Self::Open | Self::Pinned => None,
        }
    }
}

impl fmt::Display for Voucher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.policy())?;
        self.key().map_or(Ok(()), |key| write!(formatter, " by {key}"))
    }
}

/// What the operator trusts, as it is at the start of a run.
pub(super) struct Trust {
    config: TrustConfig,
    /// A lock that cannot be used is the reason to refuse every file that needs it.
    lock: Result<Lock, Reason>,
}

impl Trust {
    pub(super) fn new(config: TrustConfig) -> Self {
        let lock = read_lock(&config);
        Self { config, lock }
    }

    /// Whether the policy lets this content pass.
    fn judge(
        &self,
        admission: &Admission,
        descriptor: &Descriptor,
        hash: ContentHash,
    ) -> Result<Voucher, Reason> {
        match self.config.policy {
            TrustPolicy::Open => Ok(Voucher::Open),
            TrustPolicy::Pinned => {
                let lock = self.lock.as_ref().map_err(Clone::clone)?;
                lock.check_pin(descriptor, hash).map_err(|reason| {
                    reason.hint(format!(
                        "look at the file; if you trust it, run `allos trust pin {}`",
                        access::shell_word(&admission.path)
                    ))
                })?;
                Ok(Voucher::Pinned)
            }
            TrustPolicy::Signed => {
                let Admission { path, content, .. } = admission;
                let key = signature::check(path, content, descriptor, &self.config.keys)?;
                if !self.config.allow_downgrade {
                    let lock = self.lock.as_ref().map_err(Clone::clone)?;
                    lock.check_version(descriptor).map_err(|reason| {
                        reason.hint(format!(
                            "if it may come back, run `allos trust pin {}`, or set \
                             `allow_downgrade = true` in [trust]",
                            access::shell_word(path)
                        ))
                    })?;
                }
                Ok(Voucher::Signed { key: key.to_string() })
            }
        }
    }

    /// Keeps in mind which versions were loaded, so that an older file is recognised one day.
    /// Tells where that is not possible.
    pub(super) fn remember(&self, loaded: &[LoadedPlugin]) -> Option<String> {
        let Ok(lock) = &self.lock else { return None };
        if self.config.policy != TrustPolicy::Signed {
            return None;
        }
        let version = |plugin: &LoadedPlugin| {
            let version = Version::parse(&plugin.descriptor.plugin_version).ok()?;
            lock.is_news(&plugin.descriptor.name, &version)
                .then(|| (plugin.descriptor.name.clone(), version))
        };
        let news: Vec<(String, Version)> = loaded.iter().filter_map(version).collect();
        if news.is_empty() {
            return None;
        }
        let error = Lock::change(&self.config.lock, |lock| lock.remember(news)).err()?;
        Some(format!(
            "{error}, so an older signed plugin will not be recognised at the next start \
             (hint: let it be written, or run `allos trust pin` for the plugins beforehand)"
        ))
    }
}

/// Writes to a lock that these plugins are trusted with this content, whatever it said of them.
/// Tells of each whether that is a change.
///
/// # Errors
///
/// Where the lock cannot be read or written, or is damaged; then nothing is changed.
pub fn pin(lock: &Path, plugins: &[(Descriptor, ContentHash)]) -> Result<Vec<bool>, Refusal> {
    let pin_all = |lock: &mut Lock| {
        plugins.iter().map(|(descriptor, hash)| lock.pin(descriptor, *hash)).collect()
    };
    Lock::change(lock, pin_all).map_err(|reason| Refusal::new(LoadStage::Trust, reason))
}

/// The lock, where the policy needs one. One that everybody can change says nothing.
fn read_lock(config: &TrustConfig) -> Result<Lock, Reason> {
    let needed = match config.policy {
        TrustPolicy::Open => false,
        TrustPolicy::Pinned => true,
        TrustPolicy::Signed => !config.allow_downgrade,
    };
    if !needed {
        return Ok(Lock::default());
    }
    let about = |reason: Reason| reason.about(&format!("the lock `{}`", config.lock.display()));
    let (lock, file) = lock::read(&config.lock)?;
    if !config.allow_writable {
        access::check(&config.lock, file.as_ref()).map_err(about)?;
    }
    Ok(lock)
}

/// The stage.
pub(super) fn trust(admission: &mut Admission, session: &mut Session) -> Result<(), Reason> {
    let hash = ContentHash::of(&admission.content);
    admission.hash = Some(hash);
    if !session.trust.config.allow_writable {
        let concerns = access::check(&admission.path, admission.opened.as_ref())?;
        admission.warnings.extend(concerns.file);
        concerns.folders.into_iter().for_each(|warning| session.warn(warning));
    }
    let descriptor = found(admission.descriptor.clone())?;
    admission.voucher = Some(session.trust.judge(admission, &descriptor, hash)?);
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
