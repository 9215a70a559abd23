//! What a plugin states about itself, readable without running it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::boundary::static_descriptor::{HEAD, MAGIC};
use crate::raw::Dialect;
use crate::tagged::words;

/// The longest name of a provider, in bytes.
pub const MAX_NAME: usize = 64;

/// The name of the link section that holds the descriptor, on ELF and PE.
pub const SECTION: &str = ".allos";

/// The segment and the name of the section that holds the descriptor, on Mach-O.
pub const MACH_O_SECTION: (&str, &str) = ("__DATA", "__allos");

/// Whether a text is a provider's name: `[a-z0-9][a-z0-9_-]*`, at most [`MAX_NAME`] bytes.
pub const fn is_provider_name(name: &str) -> bool {
    let name = name.as_bytes();
    if name.is_empty() || name.len() > MAX_NAME || !name[0].is_ascii_alphanumeric() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if !matches!(name[at], b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-') {
            return false;
        }
        at += 1;
    }
    true
}

words! {
    /// An operation that a provider offers.
    pub enum Capability {
        /// Answers in one piece.
        Chat = "chat",
        /// Answers piece by piece.
        StreamChat = "stream_chat",
        /// Tells a model's context window.
        ContextWindow = "context_window",
        /// Lists its models.
        Models = "models",
        /// Embeds texts.
        Embed = "embed",
        /// Counts a prompt's tokens.
        CountTokens = "count_tokens",
    }
}

words! {
    /// The type of an option's value.
    pub enum OptionKind {
        /// Text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// A number.
        Number = "number",
        /// True or false.
        Boolean = "boolean",
        /// A list.
        List = "list",
        /// A table.
        Table = "table",
        /// Anything.
        Any = "any",
    }
}

/// What a plugin states about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    /// The version of the vtable that it was built for.
    pub abi_version: u32,
    /// The name of its provider.
    pub name: String,
    /// Its own version.
    #[serde(default)]
    pub plugin_version: String,
    /// The version of this crate that it was built with.
    #[serde(default)]
    pub api_version: String,
    /// The compiler that built it.
    #[serde(default)]
    pub rustc: String,
    /// The target for which it was built.
    pub target: String,
    /// What a panic does in it; only `unwind` can be loaded.
    pub panic: String,
    /// The operations that its provider implements.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// The dialects in which it takes a client's body as it came.
    #[serde(default)]
    pub dialects: Vec<Dialect>,
    /// The environment variable that usually holds its key; present where it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Where the vendor's API is, unless the configuration says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The options that it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionSpec>,
    /// The services that it can reach besides its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Preset>,
}

/// An option that a plugin takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OptionSpec {
    /// Its name.
    pub name: String,
    /// The type of its value.
    pub kind: OptionKind,
    /// What it does.
    #[serde(default)]
    pub about: String,
}

/// A service that a plugin can reach besides its own, under a name of its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// The name.
    pub name: String,
    /// Where the service is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The environment variable that usually holds its key; present where it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// The options that it differs by.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

impl Descriptor {
    /// Reads the link section.
    ///
    /// # Errors
    ///
    /// In one line, what is wrong with it. The ABI version is looked at before the rest, so that a
    /// descriptor of another version is recognised whatever it holds.
    pub fn from_section(section: &[u8]) -> Result<Self, DescriptorError> {
        let text = section
            .strip_prefix(&MAGIC)
            .ok_or_else(|| DescriptorError::Malformed("it does not start with its mark".into()))?;
        let (abi_version, text) = split_u32(text)?;
        if abi_version != allos_plugin_abi::ABI_VERSION {
            return Err(DescriptorError::AbiVersion(abi_version));
        }
        let (length, text) = split_u32(text)?;
        let text = usize::try_from(length)
            .ok()
            .and_then(|length| text.get(..length))
            .ok_or_else(too_short)?;
        serde_json::from_slice(text).map_err(|error| DescriptorError::Malformed(error.to_string()))
    }
}

/// Why a link section holds no descriptor that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorError {
    /// It is of this other ABI version.
    AbiVersion(u32),
    /// It cannot be read, for this reason.
    Malformed(String),
}

fn split_u32(bytes: &[u8]) -> Result<(u32, &[u8]), DescriptorError> {
    let (number, rest) = bytes.split_first_chunk().ok_or_else(too_short)?;
    Ok((u32::from_le_bytes(*number), rest))
}

fn too_short() -> DescriptorError {
    DescriptorError::Malformed(format!(
        "it is shorter than the {HEAD} bytes and the text it states"
    ))
}

impl std::fmt::Display for DescriptorError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AbiVersion(version) => write!(
                formatter,
                "built for plugin ABI {version}, this host supports {}",
                allos_plugin_abi::ABI_VERSION
            ),
            Self::Malformed(reason) => write!(formatter, "its descriptor cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for DescriptorError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words() {
        for name in ["nexusai", "gpt4", "4o", "a", "llama-cpp", "lm_studio"] {
            assert!(is_provider_name(name), "{name}");
        }
        for name in ["", "-a", "_a", "NexusAI", "a b", "a/b", "é", &"a".repeat(65)] {
            assert!(!is_provider_name(name), "{name}");
        }
    }

    #[test]
    fn a_section_cut_anywhere_is_refused_without_a_panic() {
        let text = r#"{"abi_version":1,"name":"a","target":"t","panic":"unwind","new":[1]}"#;
        let mut section = MAGIC.to_vec();
        section.extend(allos_plugin_abi::ABI_VERSION.to_le_bytes());
        section.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        section.extend(text.as_bytes());
        assert_eq!(Descriptor::from_section(&section).unwrap().name, "a");
        for length in 0..section.len() {
            assert!(Descriptor::from_section(&section[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn another_abi_version_is_recognised_whatever_follows() {
        let mut section = MAGIC.to_vec();
        section.extend(9_u32.to_le_bytes());
        assert_eq!(Descriptor::from_section(&section), Err(DescriptorError::AbiVersion(9)));
    }
}
