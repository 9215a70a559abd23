//! The `[trust]` table: which of the files in the plugin folders may be used.
//!
//! Only what an operator says. What it means for a file is the business of the loader's stage of
//! this name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use minisign_verify::{Error, PublicKey, Signature};
use serde::Deserialize;

/// The `[trust]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct TrustConfig {
    /// What a file must bring to be used.
    pub policy: TrustPolicy,
    /// The file with the pinned hashes, and with the newest versions that were seen.
    pub lock: PathBuf,
    /// The public keys of which one must have signed a file.
    pub keys: Vec<TrustedKey>,
    /// Whether files and folders may be used that other users of the machine can change.
    pub allow_writable: bool,
    /// Whether a signed file may be older than one that was seen before.
    pub allow_downgrade: bool,
}

/// What a file must bring to be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum TrustPolicy {
    /// Nothing: whatever is in a plugin folder is trusted.
    #[default]
    Open,
    /// The hash that the lock has for its plugin.
    Pinned,
    /// A signature by one of the keys, for its plugin and version.
    Signed,
}

/// A public key in minisign's format.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrustedKey {
    text: String,
    key: PublicKey,
}

impl Default for TrustConfig {
    fn default() -> Self {
        Self {
            policy: TrustPolicy::default(),
            lock: PathBuf::from("allos.lock"),
            keys: Vec::new(),
            allow_writable: false,
            allow_downgrade: false,
        }
    }
}

impl TrustConfig {
    /// Refuses a table under which no file at all could be used.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.policy == TrustPolicy::Signed && self.keys.is_empty() {
            return Err("the policy \"signed\" needs a key (hint: add the public keys that you \
                        trust, `keys = [\"RW…\"]` in [trust])");
        }
        Ok(())
    }
}

impl TrustPolicy {
    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Pinned => "pinned",
            Self::Signed => "signed",
        }
    }
}

impl TryFrom<String> for TrustPolicy {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let known = [Self::Open, Self::Pinned, Self::Signed];
        let found = known.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or("unknown policy (hint: write \"open\", \"pinned\" or \"signed\")")
    }
}

impl TrustedKey {
    /// Checks a signature of this content, which must be one of the content's hash.
    pub(crate) fn verify(&self, content: &[u8], signature: &Signature) -> Result<(), Error> {
        self.key.verify(content, signature, false)
    }
}

impl fmt::Display for TrustedKey {
    /// As it stands in the configuration.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for TrustedKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let key = PublicKey::from_base64(text).map_err(|_| {
            "not a public key of minisign (hint: write the second line of the file `minisign.pub`, \
             which begins with RW)"
        })?;
        Ok(Self { text: text.to_owned(), key })
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}
