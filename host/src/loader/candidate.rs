//! A file in a plugin folder, and what became of it: candidate, loaded or quarantined.
//!
//! Only facts for people and reports; what travels between the stages is in `admission`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use allos_plugin_api::Descriptor;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file_name;
use super::trust::Voucher;

/// The most of a text from a plugin that a message shows, in characters.
const SHOWN: usize = 400;

/// A file in a plugin folder.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub(super) path: PathBuf,
    pub(super) state: CandidateState,
    pub(super) descriptor: Option<Arc<Descriptor>>,
    pub(super) hash: Option<ContentHash>,
    pub(super) voucher: Option<Voucher>,
    pub(super) warnings: Vec<String>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateState {
    /// Nothing speaks against it, and it was not opened.
    Candidate,
    /// Its provider can be called.
    Loaded,
    /// A stage refused it.
    Quarantined(Refusal),
}

impl Candidate {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What became of it.
    pub fn state(&self) -> &CandidateState {
        &self.state
    }

    /// Why it was refused, if it was.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.state {
            CandidateState::Quarantined(refusal) => Some(refusal),
            CandidateState::Candidate | CandidateState::Loaded => None,
        }
    }

    /// What it states about itself, if that could be read.
    pub fn descriptor(&self) -> Option<&Descriptor> {
        self.descriptor.as_deref()
    }

    /// The hash of its content, if it could be read and is a plugin.
    pub fn hash(&self) -> Option<ContentHash> {
        self.hash
    }

    /// Why it may be used, if it may.
    pub fn voucher(&self) -> Option<&Voucher> {
        self.voucher.as_ref()
    }

    /// Adds what an operator should know of it.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// What an operator should know of it although it may be used, one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl fmt::Display for Candidate {
    /// One line, for example `libfoo.so: quarantined at open: … (hint: …)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", file_name(&self.path).escape_debug())?;
        match &self.state {
            CandidateState::Candidate => formatter.write_str("candidate"),
            CandidateState::Loaded => formatter.write_str("loaded"),
            CandidateState::Quarantined(refusal) => write!(formatter, "quarantined at {refusal}"),
        }
    }
}

/// The stages of admission, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LoadStage {
    /// Finding the file.
    Scan,
    /// Reading what it states about itself, without running it.
    Descriptor,
    /// Judging who can change it, and the operator's policy.
    Trust,
    /// Copying it to a private place.
    Stage,
    /// Opening the copy in a process of its own, to see what becomes of that process.
    Probe,
    /// Opening the copy, which runs its code.
    Open,
    /// Giving it its name.
    Register,
}

impl LoadStage {
    /// Its name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Descriptor => "descriptor",
            Self::Trust => "trust",
            Self::Stage => "stage",
            Self::Probe => "probe",
            Self::Open => "open",
            Self::Register => "register",
        }
    }
}

impl fmt::Display for LoadStage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a file was quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    stage: LoadStage,
    reason: Reason,
}

impl Refusal {
    pub(super) fn new(stage: LoadStage, reason: Reason) -> Self {
        Self { stage, reason }
    }

    /// The stage at which it stopped.
    pub fn stage(&self) -> LoadStage {
        self.stage
    }

    /// What is wrong, in one line without the file's name.
    pub fn reason(&self) -> &str {
        &self.reason.text
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.reason.hint.as_deref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.stage, self.reason.text)?;
        match &self.reason.hint {
            Some(hint) => write!(formatter, " (hint: {hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Refusal {}

/// What a stage says when it refuses a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    text: String,
    hint: Option<String>,
}

impl Reason {
    /// A reason of one line; what a plugin put into it may be of any length and content.
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self { text: one_line(text.as_ref()), hint: None }
    }

    /// A file that is not whole, in the words of its parser.
    pub(super) fn damaged(detail: impl fmt::Display) -> Self {
        let detail = detail.to_string().replacen("Invalid", "invalid", 1);
        Self::new(format!("the file is truncated or damaged: {detail}")).hint("copy it again")
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(without_controls(&hint.into()));
        self
    }

    /// The same, of another thing than the file.
    pub(super) fn about(self, what: &str) -> Self {
        Self { text: one_line(&format!("{what}: {}", self.text)), ..self }
    }
}

impl fmt::Display for Reason {
    /// Without the hint.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn one_line(text: &str) -> String {
    let mut characters = text.trim().chars();
    let shown = characters.by_ref().take(SHOWN);
    let mut line = without_controls(&shown.collect::<String>());
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// A text that keeps to its line, whatever a file's name or a plugin's version put into it.
pub(super) fn without_controls(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// The SHA-256 of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    pub(super) fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for ContentHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        let mut hash = [0; 32];
        let is_hexadecimal = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if text.len() != 2 * hash.len() || !is_hexadecimal {
            return Err("not a SHA-256, which is 64 hexadecimal digits");
        }
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).unwrap_or_default();
            *byte = u8::from_str_radix(digits, 16).map_err(|_| "not a SHA-256")?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for ContentHash {
    /// 64 hexadecimal digits.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantine_is_one_line_with_its_stage_reason_and_hint() {
        let reason =
            Reason::new("built for plugin ABI 2,\nthis host supports 1").hint("rebuild it");
        let candidate = Candidate {
            path: "plugins/libfoo.so".into(),
            state: CandidateState::Quarantined(Refusal::new(LoadStage::Descriptor, reason)),
            descriptor: None,
            hash: None,
            voucher: None,
            warnings: Vec::new(),
        };
        assert_eq!(
            candidate.to_string(),
            "libfoo.so: quarantined at descriptor: built for plugin ABI 2, this host supports 1 \
             (hint: rebuild it)"
        );
    }

    #[test]
    fn a_reason_of_any_length_is_cut() {
        let reason = Reason::new("x\u{1b}".repeat(10_000));
        assert_eq!(reason.text.chars().count(), SHOWN + 1);
        assert!(!reason.text.contains('\u{1b}'));
    }

    #[test]
    fn a_hash_is_shown_as_sha_256_sum_shows_it() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let hash = ContentHash::of(b"");
        assert_eq!(hash.to_string(), empty);
        assert_eq!(ContentHash::try_from(empty.to_uppercase()), Ok(hash));
        for text in ["", &empty[1..], &"é".repeat(32), &"+1".repeat(32)] {
            ContentHash::try_from(text.to_owned()).unwrap_err();
        }
    }
}
