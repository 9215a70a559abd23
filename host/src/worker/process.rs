//! A child process: how it is started, how it ends, and that it never outlives its host.
//!
//! Children are started on one thread that lives as long as the host, because the signal that tells
//! a child of its parent's death is sent when the *thread* ends that has started it. Each child
//! leads a process group, so that what it has started is killed with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process_group};
pub(super) use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStderr, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::program::WorkerProgram;

const LIBRARY_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// A child that is killed, with all its group, when this is dropped.
pub(crate) struct Process {
    child: Child,
    group: Option<Pid>,
}

/// The host's ends of a child's pipes.
pub(crate) struct Pipes {
    pub(crate) to: pipe::Sender,
    pub(crate) from: pipe::Receiver,
    pub(crate) stderr: ChildStderr,
}

impl Process {
    /// Starts a worker's program with these variables, that by which the system finds libraries, and
    /// no others.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(crate) async fn start(
        program: &WorkerProgram,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> io::Result<(Self, Pipes)> {
        let (from_host, to) = io::pipe()?;
        let (from, to_host) = io::pipe()?;
        let mut command = Command::new(&program.program);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(std::env::var_os(LIBRARY_PATH).map(|folders| (LIBRARY_PATH, folders)))
            .envs(environment)
            .stdin(Stdio::from(from_host))
            .stdout(Stdio::from(to_host))
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = on_permanent_thread(command).await?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("it has no stderr"))?;
        let process = Self { child, group };
        let pipes = Pipes {
            to: pipe::Sender::from_owned_fd(OwnedFd::from(to))?,
            from: pipe::Receiver::from_owned_fd(OwnedFd::from(from))?,
            stderr,
        };
        Ok((process, pipes))
    }

    /// Its process id, while it is there.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends it, and what it has started, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.kill_group();
        self.child.wait().await
    }

    /// Ends what it has started, and itself.
    pub(crate) fn kill_group(&self) {
        if let Some(group) = self.group {
            // Where nobody is left in the group, there is nothing to do.
            let _nobody_left = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_group();
    }
}

/// How a process has ended, as what follows its name: `was killed by SIGSEGV`.
pub(crate) fn describe_end(status: io::Result<ExitStatus>) -> String {
    match status.map(|status| (status.signal(), status.code())) {
        Ok((Some(signal), _)) => match signal_name(signal) {
            Some(name) => format!("was killed by {name}"),
            None => format!("was killed by signal {signal}"),
        },
        Ok((None, Some(code))) => format!("exited with status {code}"),
        Ok((None, None)) => "ended".to_owned(),
        Err(error) => format!("was lost: {error}"),
    }
}

fn signal_name(number: i32) -> Option<&'static str> {
    let name = match Signal::from_named_raw(number)? {
        Signal::ABORT => "SIGABRT",
        Signal::ALARM => "SIGALRM",
        Signal::BUS => "SIGBUS",
        Signal::FPE => "SIGFPE",
        Signal::HUP => "SIGHUP",
        Signal::ILL => "SIGILL",
        Signal::INT => "SIGINT",
        Signal::KILL => "SIGKILL",
        Signal::PIPE => "SIGPIPE",
        Signal::QUIT => "SIGQUIT",
        Signal::SEGV => "SIGSEGV",
        Signal::SYS => "SIGSYS",
        Signal::TERM => "SIGTERM",
        Signal::TRAP => "SIGTRAP",
        Signal::XCPU => "SIGXCPU",
        Signal::XFSZ => "SIGXFSZ",
        _ => return None,
    };
    Some(name)
}

struct Order {
    command: Command,
    runtime: Handle,
    started: oneshot::Sender<io::Result<Child>>,
}

async fn on_permanent_thread(command: Command) -> io::Result<Child> {
    static THREAD: OnceLock<Option<mpsc::UnboundedSender<Order>>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts workers is gone");
    let thread = THREAD.get_or_init(|| permanent_thread().ok());
    let orders = thread.as_ref().ok_or_else(gone)?;
    let (started, child) = oneshot::channel();
    let order = Order { command, runtime: Handle::current(), started };
    orders.send(order).map_err(|_| gone())?;
    child.await.map_err(|_| gone())?
}

fn permanent_thread() -> io::Result<mpsc::UnboundedSender<Order>> {
    let (sender, mut orders) = mpsc::unbounded_channel::<Order>();
    std::thread::Builder::new().name("worker starter".to_owned()).spawn(move || {
        while let Some(mut order) = orders.blocking_recv() {
            let _inside = order.runtime.enter();
            let child = order.command.spawn();
            // Whoever does not wait any more drops the child, which kills it.
            let _unwanted = order.started.send(child);
        }
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> WorkerProgram {
        WorkerProgram::new("/bin/sh").argument("-c").argument(script)
    }

    async fn end(script: &str) -> String {
        let (mut process, _pipes) = Process::start(&shell(script), []).await.unwrap();
        describe_end(process.ended().await)
    }

    #[tokio::test]
    async fn an_end_is_told_as_a_signal_or_a_status() {
        assert_eq!(end("kill -SEGV $$").await, "was killed by SIGSEGV");
        assert_eq!(end("exit 3").await, "exited with status 3");
        assert_eq!(end("test -z \"$HOME$CARGO\"").await, "exited with status 0");
    }

    #[tokio::test]
    async fn what_a_child_has_started_is_killed_with_it() {
        let (mut process, pipes) =
            Process::start(&shell("sleep 600 & echo $!; wait"), []).await.unwrap();
        pipes.from.readable().await.unwrap();
        let mut text = [0; 32];
        let length = pipes.from.try_read(&mut text).unwrap();
        let grandchild: i32 = std::str::from_utf8(&text[..length]).unwrap().trim().parse().unwrap();
        let grandchild = Pid::from_raw(grandchild).unwrap();
        assert_eq!(describe_end(process.kill().await), "was killed by SIGKILL");
        // Whoever inherits the grandchild reaps it in its own time.
        let state = || std::fs::read_to_string(format!("/proc/{grandchild:?}/stat"));
        while state().is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let error = Process::start(&WorkerProgram::new("/nowhere/allos"), []).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
