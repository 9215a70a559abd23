//! The environment variables and the folder in which the configuration is looked for.
//!
//! A value of its own, so that tests need not change those of the process.

use std::ffi::OsString;
use std::path::PathBuf;

type Variables = dyn Fn(&str) -> Option<OsString>;

/// Environment variables, and where relative paths start.
pub(super) struct Environment {
    variables: Box<Variables>,
    /// The working directory; empty means the process's own, to which any path can be joined.
    pub(super) folder: PathBuf,
}

impl Environment {
    pub(super) fn of_process() -> Self {
        Self { variables: Box::new(|name| std::env::var_os(name)), folder: PathBuf::new() }
    }

    /// The value of a variable; one that is set to nothing counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<OsString> {
        (self.variables)(name).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
impl Environment {
    /// These variables and no others.
    pub(super) fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        let variables = variables.map(|(name, value)| (name.to_owned(), OsString::from(value)));
        let variables = std::collections::BTreeMap::from(variables);
        Self {
            variables: Box::new(move |name| variables.get(name).cloned()),
            folder: PathBuf::new(),
        }
    }
}
