//! The program `allos` as a process of its own: a command that ends, or the gateway.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::artifact;
use crate::folder::PluginFolder;

/// More than any process here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A command of the program, on a folder of plugins, with nothing of the caller's environment that
/// the program reads.
pub(crate) fn allos(folder: &PluginFolder, arguments: &[&str]) -> Command {
    let mut command = Command::new(artifact::allos());
    command.args(arguments).current_dir(folder.path()).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let read = name.to_string_lossy().to_ascii_uppercase();
        let of_the_way_out = read.ends_with("_API_KEY") || read.ends_with("_PROXY");
        if read.starts_with("ALLOS_") || of_the_way_out || read == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .env("ALLOS_PLUGIN_DIR", folder.plugins())
        .env("XDG_CACHE_HOME", folder.cache())
        .env("XDG_CONFIG_HOME", folder.path());
    command
}

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }
}

/// Runs a command to its end.
pub(crate) fn run(folder: &PluginFolder, arguments: &[&str]) -> Said {
    allos(folder, arguments).output().expect("the program starts").into()
}

/// Runs a command to its end, with a text on its stdin.
pub(crate) fn run_with_stdin(folder: &PluginFolder, arguments: &[&str], stdin: &str) -> Said {
    let mut command = allos(folder, arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut pipe = child.stdin.take().expect("its stdin is a pipe");
    pipe.write_all(stdin.as_bytes()).expect("it reads its stdin");
    drop(pipe);
    child.wait_with_output().expect("it ends").into()
}

/// A program that runs until it is told to end. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    stdout: Option<JoinHandle<String>>,
}

impl Running {
    /// Starts a command.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("its stderr is a pipe");
        let mut stdout = child.stdout.take().expect("its stdout is a pipe");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            let _killed = stdout.read_to_string(&mut text);
            text
        });
        Self { child, lines, stdout: Some(stdout) }
    }

    /// Waits for a line on stderr that holds a text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.lines_until(text).pop().unwrap_or_default()
    }

    /// The lines on stderr up to the first one that holds a text.
    pub(crate) fn lines_until(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(text)) {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => seen.push(line),
                Err(ended) => panic!("no line with {text:?} on stderr ({ended}), but {seen:#?}"),
            }
        }
        seen
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), signal).expect("the process is alive");
    }

    /// The processes that it has started and that have not ended.
    pub(crate) fn children(&self) -> Vec<Pid> {
        let processes = std::fs::read_dir("/proc").expect("what runs").flatten();
        let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mine = format!(" {} ", self.child.id());
        let is_mine = |id: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            let after_name = stat.rsplit_once(')').map_or("", |(_, facts)| facts);
            after_name.get(2..).is_some_and(|facts| facts.starts_with(&mine))
        };
        ids.filter(is_mine).filter_map(Pid::from_raw).collect()
    }

    /// Waits for the end; also tells what stood on stdout.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of this process") {
                break status;
            }
            assert!(Instant::now() < deadline, "the program does not end");
            std::thread::park_timeout(Duration::from_millis(5));
        };
        let stdout = self.stdout.take().and_then(|reader| reader.join().ok());
        (status, stdout.unwrap_or_default())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _it_may_have_ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The command that serves a folder, on a port that the system chooses.
pub(crate) fn serving(folder: &PluginFolder, config: &Path) -> Command {
    let mut command = allos(folder, &["--config"]);
    command.arg(config).args(["serve", "--listen", "127.0.0.1:0"]);
    command
}

/// The gateway as a process, on a port of its own.
pub(crate) struct Gateway {
    pub(crate) process: Running,
    address: String,
}

impl Gateway {
    /// Starts the gateway on a folder, with the rest of its configuration.
    pub(crate) async fn start(folder: &PluginFolder, toml: &str) -> Self {
        let file = folder.configure(toml);
        Self::start_with(folder, &file, &[]).await
    }

    /// Starts the gateway with further arguments.
    pub(crate) async fn start_with(
        folder: &PluginFolder,
        config: &Path,
        arguments: &[&str],
    ) -> Self {
        let mut command = serving(folder, config);
        command.args(arguments);
        Self::start_command(command).await
    }

    /// Starts the gateway by a command.
    pub(crate) async fn start_command(command: Command) -> Self {
        let starting = tokio::task::spawn_blocking(move || {
            let process = Running::start(command);
            let line = process.wait_for("http://127.0.0.1:");
            let address = line.split("http://").nth(1).unwrap_or_default();
            let end = address.find(|it: char| !it.is_ascii_digit() && !".:".contains(it));
            let address = address[..end.unwrap_or(address.len())].to_owned();
            Self { process, address }
        });
        starting.await.expect("the gateway starts")
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}
