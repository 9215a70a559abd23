//! Standard output points at standard error for as long as a library is being opened.
//!
//! What a library prints while it is opened must not get into the data that a program writes. This
//! holds for the whole process, so one library is opened at a time. Only on Unix.

#[cfg(unix)]
pub(super) use unix::hold;

/// Keeps standard output pointing at standard error until it is dropped.
#[must_use]
pub(super) struct Held {
    #[cfg(unix)]
    _restore: unix::Restore,
}

#[cfg(not(unix))]
pub(super) fn hold() -> Held {
    Held {}
}

#[cfg(unix)]
mod unix {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::stdio::{dup2_stdout, stderr, stdout};

    use super::Held;

    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    /// Points standard output at standard error. Where it is closed there is nothing to protect.
    pub(crate) fn hold() -> Held {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = std::io::stdout().flush();
        let original = rustix::io::dup(stdout()).ok();
        if original.is_some() {
            let _ = dup2_stdout(stderr());
        }
        Held { _restore: Restore { original, _turn: turn } }
    }

    pub(super) struct Restore {
        original: Option<OwnedFd>,
        _turn: MutexGuard<'static, ()>,
    }

    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some(original) = &self.original {
                let _ = dup2_stdout(original);
            }
        }
    }
}
