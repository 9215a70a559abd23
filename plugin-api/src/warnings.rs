//! What of a request a provider does not do, gathered while it writes its own.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::message::Extra;

/// What was asked and will not be done, in words, each once.
#[derive(Debug, Default)]
pub struct Warnings(Vec<String>);

impl Warnings {
    /// Says something about the request.
    pub fn add(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if !self.0.contains(&warning) {
            self.0.push(warning);
        }
    }

    /// Says that a member of the request has no effect.
    pub fn ignore(&mut self, what: impl Display) {
        self.add(format!("ignored: {what}"));
    }

    /// Copies the members that are known by name, and says that the others have no effect. `place`
    /// is what stands before their names (`messages[2].`).
    pub fn keep_known(
        &mut self,
        extra: &Extra,
        known: &[&str],
        place: &str,
        members: &mut Map<String, Value>,
    ) {
        for (name, value) in extra.iter().filter(|(_, value)| !value.is_null()) {
            if known.contains(&name.as_str()) {
                members.insert(name.clone(), value.clone());
            } else {
                self.ignore(format_args!("{place}{name}"));
            }
        }
    }

    /// The warnings, as a reply carries them.
    pub fn into_vec(self) -> Vec<String> {
        self.0
    }
}
