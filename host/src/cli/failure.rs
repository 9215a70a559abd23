//! Why a command failed, as it is shown: `error: …`, `hint: …`, and the exit code.
//!
//! The one place where the errors of the other modules are turned into exit codes.

use std::io;

use allos_plugin_api::{ErrorKind, ProviderError};

use super::exit::Exit;
use super::output::{note, one_line};
use crate::config::{ConfigError, InvalidName};
use crate::host::HostError;
use crate::io_reason::io_reason;
use crate::provider::{InstanceState, ProviderHandle};

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: Option<String>,
    hint: Option<String>,
}

impl Failure {
    /// A failure with one line of message.
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: Some(message.into()), hint: None }
    }

    /// Ctrl-C: whoever pressed it needs no message.
    pub(super) fn interrupted() -> Self {
        Self { exit: Exit::Interrupted, message: None, hint: None }
    }

    /// Stdout cannot be written. That its reader has seen enough is no failure.
    pub(super) fn stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Success, message: None, hint: None };
        }
        Self::new(Exit::Other, format!("stdout cannot be written: {}", io_reason(error)))
    }

    /// A model that the host does not know, or whose provider is not configured.
    pub(super) fn unresolved(error: &ProviderError) -> Self {
        let exit = match error.kind() {
            ErrorKind::Configuration | ErrorKind::Authentication => Exit::Configuration,
            ErrorKind::InvalidRequest => Exit::Usage,
            _ => Exit::Plugin,
        };
        Self { exit, ..error.into() }
    }

    /// Why an instance cannot be asked anything, if it cannot.
    pub(super) fn unusable(instance: &ProviderHandle) -> Option<Self> {
        let state = instance.state();
        let (reason, hint) = state.reason()?;
        let exit = match state {
            InstanceState::Tripped { .. } => Exit::Plugin,
            _ => Exit::Configuration,
        };
        let message = format!("{}: {reason}", instance.name());
        Some(Self { hint: hint.map(str::to_owned), ..Self::new(exit, message) })
    }

    /// An error's text, which ends with its hint in parentheses.
    fn of_text(exit: Exit, text: &str, hint: Option<&str>) -> Self {
        let Some(hint) = hint else { return Self::new(exit, text) };
        let message = text.strip_suffix(&format!(" (hint: {hint})")).unwrap_or(text);
        Self::new(exit, message).with_hint(hint)
    }

    /// Adds what to do about it.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what the message is about, before it.
    pub(super) fn about(mut self, what: &str) -> Self {
        self.message = self.message.map(|message| format!("{what}: {message}"));
        self
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// Shows it on stderr.
    pub(super) fn report(&self) {
        self.show("error");
    }

    /// Shows it on stderr, where the command goes on.
    pub(super) fn warn(&self) {
        self.show("warning");
    }

    fn show(&self, severity: &str) {
        if let Some(message) = &self.message {
            note(&format!("{severity}: {}", one_line(message)));
        }
        if let Some(hint) = &self.hint {
            note(&format!("hint: {}", one_line(hint)));
        }
    }
}

impl From<&ProviderError> for Failure {
    fn from(error: &ProviderError) -> Self {
        let exit = match (error.kind(), error.status()) {
            (ErrorKind::Configuration | ErrorKind::Authentication, None) => Exit::Configuration,
            _ => Exit::Provider,
        };
        let status = error.status().map(|status| format!(" (status {status})"));
        let message = format!("{error}{}", status.unwrap_or_default());
        Self { exit, message: Some(message), hint: hint_of(error) }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::from(&error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of_text(Exit::Configuration, &error.to_string(), error.hint())
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Self::of_text(Exit::Usage, &error.to_string(), Some(error.hint()))
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Self::new(Exit::Other, error.to_string())
    }
}

fn hint_of(error: &ProviderError) -> Option<String> {
    let wait = || {
        let seconds = error.retry_after()?.as_secs_f64();
        Some(format!("the vendor asks to wait {seconds:.0} s before the next call"))
    };
    error.hint().map(str::to_owned).or_else(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_key_is_configuration_and_a_refused_one_is_the_provider() {
        let missing = ProviderError::new(ErrorKind::Authentication, "no key");
        assert_eq!(Failure::from(&missing).exit(), Exit::Configuration);
        assert_eq!(Failure::from(missing.with_status(401)).exit(), Exit::Provider);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::stdout(&io::ErrorKind::BrokenPipe.into());
        assert_eq!(failure.exit(), Exit::Success);
        assert!(failure.message.is_none());
    }

    #[test]
    fn a_wait_that_the_vendor_asks_for_is_the_hint() {
        let wait = std::time::Duration::from_millis(11_600);
        let error = ProviderError::new(ErrorKind::RateLimit, "too many").with_retry_after(wait);
        let hint = Failure::from(error).hint.unwrap();
        assert_eq!(hint, "the vendor asks to wait 12 s before the next call");
    }
}
