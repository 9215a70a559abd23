//! Where a secret comes from: the file itself, an environment variable or a file of its own.
//!
//! Read from the configuration as it is written and resolved when a host is built. Neither the
//! source's `Debug` form nor any error shows a secret.

use std::fmt;
use std::path::{Path, PathBuf};

use allos_plugin_api::Secret;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::environment::Environment;
use crate::io_reason::io_reason;

/// The longest file that is read as a secret, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;

const EXPECTED: &str = r#"a text, { env = "VARIABLE" } or { file = "PATH" }"#;

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The text itself.
    Literal(Secret),
    /// The environment variable of this name.
    Env(String),
    /// The content of this file.
    File(PathBuf),
}

impl SecretSource {
    /// Reads the secret, without the line break at its end.
    ///
    /// # Errors
    ///
    /// Where there is none ([`SecretError::is_missing`]), or where it cannot be read.
    pub fn resolve(&self) -> Result<Secret, SecretError> {
        self.resolve_in(&Environment::of_process())
    }

    pub(super) fn resolve_in(&self, environment: &Environment) -> Result<Secret, SecretError> {
        match self {
            Self::Literal(secret) => checked(secret.expose(), "the text in the configuration"),
            Self::Env(name) => from_variable(name, environment),
            Self::File(path) => from_file(path),
        }
    }

    /// Makes a relative path relative to a folder.
    pub(super) fn anchor(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
    }
}

/// Why there is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretError {
    reason: String,
    hint: String,
    missing: bool,
}

impl SecretError {
    fn missing(reason: String, hint: String) -> Self {
        Self { reason, hint, missing: true }
    }

    fn unusable(reason: String, hint: &str) -> Self {
        Self { reason, hint: hint.to_owned(), missing: false }
    }

    /// Whether it was simply not given, as opposed to given and unusable.
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// What is wrong, in one line that names the variable or the file.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What to do about it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (hint: {})", self.reason, self.hint)
    }
}

impl std::error::Error for SecretError {}

fn from_variable(name: &str, environment: &Environment) -> Result<Secret, SecretError> {
    let Some(value) = environment.get(name) else {
        return Err(SecretError::missing(
            format!("the environment variable `{name}` is not set"),
            format!("export {name}=…"),
        ));
    };
    let value = value.to_str().ok_or_else(|| not_text(&format!("the variable `{name}`")))?;
    checked(value, &format!("the environment variable `{name}`"))
}

fn from_file(path: &Path) -> Result<Secret, SecretError> {
    let bytes = read_bounded(path).map_err(|error| {
        SecretError::unusable(
            format!("the file `{}` cannot be read: {}", path.display(), io_reason(&error)),
            "a relative path starts at the configuration's folder",
        )
    })?;
    let place = format!("the file `{}`", path.display());
    let text = String::from_utf8(bytes).map_err(|_| not_text(&place))?;
    checked(&text, &place)
}

fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SECRET_FILE {
        return Err(std::io::Error::other("it is larger than 64 KiB"));
    }
    Ok(bytes)
}

/// What a secret may be: not empty, and fit for one line of an HTTP header.
fn checked(text: &str, place: &str) -> Result<Secret, SecretError> {
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(SecretError::missing(format!("{place} is empty"), "put a value there".into()));
    }
    if text.chars().any(char::is_control) {
        return Err(SecretError::unusable(
            format!("{place} holds a line break or another control character"),
            "a secret is one line",
        ));
    }
    Ok(Secret::new(text))
}

fn not_text(place: &str) -> SecretError {
    SecretError::unusable(format!("{place} does not hold UTF-8 text"), "a secret is one line")
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

/// Says what was expected without showing what was found: it may be a key without its quotes.
fn unexpected<E: Error>() -> E {
    E::custom(format_args!("not a secret, expected {EXPECTED}"))
}

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretSource, E> {
        Ok(SecretSource::Literal(Secret::new(text)))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretSource, E> {
        Err(unexpected())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretSource, E> {
        Err(unexpected())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretSource, E> {
        Err(unexpected())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretSource, E> {
        Err(unexpected())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<SecretSource, A::Error> {
        Err(unexpected())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<SecretSource, A::Error> {
        let Some(place) = table.next_key::<Place>()? else {
            return Err(unexpected());
        };
        let source = match place {
            Place::Env => SecretSource::Env(table.next_value::<VariableName>()?.0),
            Place::File => SecretSource::File(table.next_value::<FilePath>()?.0),
        };
        match table.next_key::<Place>()? {
            None => Ok(source),
            Some(_) => Err(Error::custom("a secret comes from one place, `env` or `file`")),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", variant_identifier)]
enum Place {
    Env,
    File,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct VariableName(String);

impl TryFrom<String> for VariableName {
    type Error = String;

    /// The text is not shown: where it is no name, it may be the key itself.
    fn try_from(name: String) -> Result<Self, String> {
        let rest = name.strip_prefix(|first: char| first.is_ascii_alphabetic() || first == '_');
        match rest {
            Some(rest) if rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                Ok(Self(name))
            }
            _ => Err("not the name of an environment variable \
                      (hint: `env` takes the variable's name, not its value)"
                .to_owned()),
        }
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct FilePath(PathBuf);

impl TryFrom<String> for FilePath {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, &'static str> {
        if path.is_empty() { Err("the path is empty") } else { Ok(Self(path.into())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str, value: &str) -> Environment {
        Environment::of([(name, value)])
    }

    #[test]
    fn a_variable_that_is_not_set_or_empty_is_missing_and_named() {
        let source = SecretSource::Env("GROQ_API_KEY".into());
        let unset = source.resolve_in(&Environment::of([])).unwrap_err();
        assert!(unset.is_missing());
        assert_eq!(
            unset.to_string(),
            "the environment variable `GROQ_API_KEY` is not set (hint: export GROQ_API_KEY=…)"
        );
        let empty = source.resolve_in(&environment("GROQ_API_KEY", "\n")).unwrap_err();
        assert!(empty.is_missing());
        let set = source.resolve_in(&environment("GROQ_API_KEY", "sk-1\n")).unwrap();
        assert_eq!(set.expose(), "sk-1");
    }

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "sk-2\r\n").unwrap();
        assert_eq!(SecretSource::File(path.clone()).resolve().unwrap().expose(), "sk-2");
        std::fs::write(&path, "sk-2\nsk-3\n").unwrap();
        let two_lines = SecretSource::File(path.clone()).resolve().unwrap_err();
        assert!(!two_lines.is_missing());
        assert!(!two_lines.to_string().contains("sk-"), "{two_lines}");
        std::fs::remove_file(&path).unwrap();
        let gone = SecretSource::File(path).resolve().unwrap_err();
        assert!(!gone.is_missing());
        assert!(gone.reason().ends_with("key` cannot be read: no such file or folder"), "{gone}");
        let directory = SecretSource::File(folder.path().into()).resolve().unwrap_err();
        assert!(directory.reason().contains("it is not a file"), "{directory}");
    }

    #[test]
    fn a_literal_is_not_shown_by_debug() {
        let source = SecretSource::Literal(Secret::new("sk-4"));
        assert!(!format!("{source:?}").contains("sk-4"));
    }
}
