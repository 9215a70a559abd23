//! Systems other than Unix: no worker can be started there, and everything else is as it is.
//!
//! It stands in for `process` and `child`. None of these values ever exists.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::ExitStatus;

use tokio::process::ChildStderr;

use super::program::WorkerProgram;

/// A child.
pub(crate) enum Process {}

/// The host's ends of a child's pipes.
pub(crate) struct Pipes {
    pub(crate) to: pipe::Sender,
    pub(crate) from: pipe::Receiver,
    pub(crate) stderr: ChildStderr,
}

impl Process {
    /// Says that there are no workers.
    #[expect(clippy::unused_async, reason = "it is awaited where there are workers")]
    pub(crate) async fn start(
        _: &WorkerProgram,
        _: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> io::Result<(Self, Pipes)> {
        Err(io::Error::new(ErrorKind::Unsupported, "there are no workers on this system"))
    }

    pub(crate) fn id(&self) -> Option<u32> {
        match *self {}
    }

    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        match *self {}
    }

    pub(crate) fn kill_group(&self) {
        match *self {}
    }

    pub(crate) async fn kill(&mut self) -> io::Result<ExitStatus> {
        match *self {}
    }
}

/// How a process has ended.
pub(crate) fn describe_end(_: io::Result<ExitStatus>) -> String {
    "ended".to_owned()
}

/// Is no worker.
pub(super) fn run() -> io::Result<()> {
    Err(io::Error::new(ErrorKind::Unsupported, "there are none on this system"))
}

pub(super) mod pipe {
    //! The pipes that there are none of.

    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, ReadBuf};

    /// The end that is written to.
    pub(crate) enum Sender {}

    /// The end that is read from.
    pub(crate) enum Receiver {}

    impl Sender {
        pub(crate) fn try_write(&self, _: &[u8]) -> io::Result<usize> {
            match *self {}
        }

        pub(crate) async fn writable(&self) -> io::Result<()> {
            match *self {}
        }
    }

    impl AsyncRead for Receiver {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            match *self {}
        }
    }
}
