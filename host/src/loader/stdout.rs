//! Standard output points at standard error for as long as a library is being opened.
//!
//! What a library prints while it is opened must not get into the data that a program writes. This
//! holds for the whole process, so one library is opened at a time. Only on Unix.

#[cfg(unix)]
pub(super) use unix::hold;

/// Nothing is redirected on this system.
#[cfg(not(unix))]
pub(super) fn hold() {}

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::stdio::{dup2_stdout, stderr, stdout};

    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// Points standard output at standard error. Where it is closed there is nothing to protect.
    pub(crate) fn hold() -> Held {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = std::io::stdout().flush();
        let original = rustix::io::fcntl_dupfd_cloexec(stdout(), 3).ok();
        if original.is_some() {
            let _ = dup2_stdout(stderr());
        }
        Held { original, _turn: turn }
    }

    /// Keeps standard output pointing at standard error until it is dropped.
    #[must_use]
    pub(crate) struct Held {
        pub(super) original: Option<OwnedFd>,
        _turn: MutexGuard<'static, ()>,
    }

    impl Drop for Held {
        fn drop(&mut self) {
            if let Some(original) = &self.original {
                let _ = dup2_stdout(original);
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    fn target(descriptor: &str) -> std::path::PathBuf {
        std::fs::read_link(format!("/proc/self/fd/{descriptor}")).unwrap()
    }

    #[test]
    fn standard_output_is_standard_error_until_it_is_given_back() {
        let held = hold();
        let original = held.original.as_ref().map(AsRawFd::as_raw_fd);
        let original = original.map(|descriptor| target(&descriptor.to_string()));
        assert_eq!(target("1"), target("2"));
        drop(held);
        let again = hold();
        let restored = again.original.as_ref().map(AsRawFd::as_raw_fd);
        assert_eq!(original, restored.map(|descriptor| target(&descriptor.to_string())));
    }
}
