//! The `[reload]` table: how a running host notices that its plugin folders have changed.

use std::time::Duration;

use serde::Deserialize;

use super::values;

/// The `[reload]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub struct ReloadConfig {
    /// Whether the plugin folders are watched, and how.
    pub watch: WatchMode,
    /// How often files are looked at.
    #[serde(rename = "poll_seconds", deserialize_with = "values::short_time")]
    pub poll: Duration,
}

/// How plugin folders are watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
#[non_exhaustive]
pub enum WatchMode {
    /// By what the system tells of changes, and by looking.
    #[default]
    Events,
    /// By looking alone.
    Poll,
    /// Not at all.
    Off,
}

impl Default for ReloadConfig {
    fn default() -> Self {
        Self { watch: WatchMode::default(), poll: Duration::from_secs(5) }
    }
}

impl TryFrom<String> for WatchMode {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.as_str() {
            "events" => Ok(Self::Events),
            "poll" => Ok(Self::Poll),
            "off" => Ok(Self::Off),
            _ => Err("unknown way to watch (hint: write \"events\", \"poll\" or \"off\")"),
        }
    }
}
