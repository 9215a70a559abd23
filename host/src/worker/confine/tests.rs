//! What a confined process can still do, by processes that confine themselves.
//!
//! Each runs this test program again, for the one test `a_confined_process`, which does what its
//! environment says and prints what became of it. As root it is done as another user too, where
//! there is the tool to become one.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Pid, Resource, Rlimit, Signal, Uid, kill_process, prlimit};

use super::{Confinement, confine};
use crate::config::WorkerConfig;

const TASK: &str = "ALLOS_TEST_TASK";
const COPY: &str = "ALLOS_TEST_COPY";
const CONFINEMENT: &str = "ALLOS_TEST_CONFINEMENT";

/// A folder with the file that the process opens, `copy`, and a secret, and what it is granted.
struct Place {
    folder: tempfile::TempDir,
    granted: WorkerConfig,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let readable = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), readable).unwrap();
        for name in ["copy", "secret"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        Self { folder, granted: WorkerConfig::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What becomes of a task, which must be the same for every user.
    fn outcome(&self, task: &str) -> String {
        let mut outcomes = self.outcomes(task);
        outcomes.dedup();
        assert_eq!(outcomes.len(), 1, "{task}: {outcomes:?}");
        outcomes.remove(0)
    }

    fn outcomes(&self, task: &str) -> Vec<String> {
        self.run(task).iter().map(outcome_in).collect()
    }

    /// As this user, and as another one where that can be done.
    fn run(&self, task: &str) -> Vec<Output> {
        let program = std::env::current_exe().unwrap();
        let mut commands = vec![Command::new(&program)];
        if let Some(mut other) = as_another_user(&program) {
            other.arg(&program);
            commands.push(other);
        }
        let confinement = Confinement::new(&self.granted);
        let run = |mut command: Command| {
            command
                .args(["--exact", "worker::confine::tests::a_confined_process", "--nocapture"])
                .env(TASK, task)
                .env(COPY, self.path("copy"))
                .env(CONFINEMENT, serde_json::to_string(&confinement).unwrap())
                .output()
                .unwrap()
        };
        commands.into_iter().map(run).collect()
    }
}

/// Nobody, if this user may become nobody and nobody may run the program.
fn as_another_user(program: &Path) -> Option<Command> {
    let command = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command
    };
    let possible = command().arg("test").arg("-x").arg(program).output();
    if possible.is_ok_and(|it| it.status.success()) {
        return Some(command());
    }
    eprintln!("not tried as another user: that needs root, and `setpriv`");
    None
}

fn outcome_in(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("outcome: ")).collect();
    assert_eq!(lines.len(), 1, "{output:?}");
    lines[0].to_owned()
}

#[test]
fn this_system_can_do_all_of_it() {
    for output in Place::new().run("threads") {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let missing: Vec<_> = text.lines().filter(|line| line.starts_with("missing: ")).collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }
}

#[test]
fn only_its_copy_and_the_systems_libraries_can_be_read() {
    let place = Place::new();
    let copy = place.path("copy");
    assert_eq!(place.outcome(&format!("read {}", copy.display())), "done");
    assert_eq!(place.outcome("list /usr/lib"), "done");
    assert_eq!(place.outcome("read /dev/urandom"), "done");
    assert_eq!(place.outcome("read /proc/self/maps"), "done");
    let host = format!("/proc/{}/environ", std::process::id());
    let secret = place.path("secret").display().to_string();
    let folder = place.folder.path().display().to_string();
    for path in [&secret, &host, "/proc/1/environ", "/proc/self/../1/cmdline", "/etc/passwd"] {
        assert_eq!(place.outcome(&format!("read {path}")), "permission denied", "{path}");
    }
    for path in [&folder, "/", "/proc", "/home"] {
        assert_eq!(place.outcome(&format!("list {path}")), "permission denied", "{path}");
    }
}

#[test]
fn nothing_can_be_written_or_given_other_permissions() {
    let place = Place::new();
    for name in ["copy", "secret", "new"] {
        let path = place.path(name);
        let writable = std::fs::Permissions::from_mode(0o666);
        let _ = std::fs::set_permissions(&path, writable);
        assert_eq!(place.outcome(&format!("write {}", path.display())), "permission denied");
    }
    assert_eq!(std::fs::read(place.path("copy")).unwrap(), b"copy");
    let copy = place.path("copy");
    assert_eq!(place.outcome(&format!("chmod {}", copy.display())), "permission denied");
    assert_eq!(place.outcome("write /dev/null"), "done");
}

#[test]
fn what_the_operator_grants_can_be_read_and_written() {
    let mut place = Place::new();
    let (folder, secret) = (place.path("granted"), place.path("secret"));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    place.granted.read = Some(vec![secret.clone()]);
    place.granted.write = Some(vec![folder.clone()]);
    assert_eq!(place.outcome(&format!("read {}", secret.display())), "done");
    assert_eq!(place.outcome(&format!("write {}", secret.display())), "permission denied");
    let written = folder.join("note");
    assert_eq!(place.outcome(&format!("make {}", written.display())), "done");
}

#[test]
fn what_is_granted_and_is_not_there_is_said() {
    let mut place = Place::new();
    let absent = place.path("absent");
    place.granted.read = Some(vec![absent.clone()]);
    for output in place.run("threads") {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let missing = format!(
            "missing: `{}` is not granted: No such file or directory (os error 2)\n",
            absent.display()
        );
        assert!(text.contains(&missing), "{text}");
        assert_eq!(outcome_in(&output), "28");
    }
}

#[test]
fn no_connection_can_be_made_unless_it_is_granted() {
    let mut place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = place.path("socket");
    let _open = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
    let connect = format!("connect {}", listener.local_addr().unwrap());
    let other_program = format!("unix {}", socket.display());
    assert_eq!(place.outcome(&connect), "permission denied");
    assert_eq!(place.outcome(&other_program), "permission denied");
    place.granted.network = Some(true);
    assert_eq!(place.outcome(&connect), "done");
    assert_eq!(place.outcome(&other_program), "permission denied");
}

#[test]
fn no_other_process_can_be_started_or_reached() {
    let place = Place::new();
    assert_eq!(place.outcome("run"), "permission denied");
    // As another user it could not do so anyway; as the same user only this keeps it from it.
    let mut neighbour = Command::new("sleep").arg("600").spawn().unwrap();
    for task in ["nice", "anonymous file"] {
        assert_eq!(place.outcome(task), "permission denied", "{task}");
    }
    for task in ["signal", "limit"] {
        assert_eq!(place.outcome(&format!("{task} {}", neighbour.id())), "permission denied");
    }
    assert!(neighbour.try_wait().unwrap().is_none(), "it still runs");
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
}

#[test]
fn root_has_none_of_roots_privileges() {
    assert_eq!(Place::new().outcome("capabilities"), "0 0");
}

#[test]
fn threads_and_a_runtime_of_its_own_work() {
    let place = Place::new();
    assert_eq!(place.outcome("threads"), "28");
    assert_eq!(place.outcome("reactor"), "done");
}

#[test]
fn memory_and_open_files_end_at_their_limits() {
    let mut place = Place::new();
    place.granted.memory_mb = Some(512);
    place.granted.open_files = Some(64);
    assert_eq!(place.outcome("memory 100000000"), "done");
    assert_eq!(place.outcome("memory 600000000"), "refused");
    for outcome in place.outcomes("files") {
        assert!((32..64).contains(&outcome.parse().unwrap()), "{outcome}");
    }
}

#[test]
fn an_abort_ends_it_with_its_own_signal_and_leaves_no_image() {
    for output in Place::new().run("abort") {
        assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
        assert!(!output.status.core_dumped());
    }
}

/// The process itself. Without a task it is a test that has nothing to do.
#[test]
fn a_confined_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let confinement = std::env::var(CONFINEMENT).unwrap();
    let confinement: Confinement = serde_json::from_str(&confinement).unwrap();
    let copy = PathBuf::from(std::env::var_os(COPY).unwrap());
    for line in confine(&confinement, &copy) {
        println!("missing: {line}");
    }
    println!();
    println!("outcome: {}", outcome(&task.split(' ').collect::<Vec<_>>()));
    io::stdout().flush().unwrap();
}

fn outcome(task: &[&str]) -> String {
    let result = match task {
        ["read", "/dev/urandom"] => {
            let file = std::fs::File::open("/dev/urandom");
            file.and_then(|mut file| io::Read::read_exact(&mut file, &mut [0; 8]))
        }
        ["read", path] => std::fs::read(path).map(drop),
        ["list", path] => std::fs::read_dir(path).map(drop),
        ["write", path] => std::fs::write(path, "written"),
        ["make", path] => std::fs::write(path, "made").and_then(|()| std::fs::remove_file(path)),
        ["chmod", path] => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)),
        ["connect", address] => TcpStream::connect(address).map(drop),
        ["unix", path] => UnixStream::connect(path).map(drop),
        ["run"] => Command::new("/bin/true").status().map(drop),
        ["signal", process] => kill_process(pid(process), Signal::TERM).map_err(Into::into),
        ["limit", process] => {
            let none = Rlimit { current: Some(0), maximum: Some(0) };
            prlimit(Some(pid(process)), Resource::Core, none).map(drop).map_err(Into::into)
        }
        // Zero means those of its own user, its host among them.
        ["nice"] => rustix::process::setpriority_user(Uid::ROOT, 19).map_err(Into::into),
        ["anonymous", "file"] => {
            let file = rustix::fs::memfd_create("memory", rustix::fs::MemfdFlags::CLOEXEC);
            file.map(drop).map_err(Into::into)
        }
        ["abort"] => std::process::abort(),
        _ => return amount(task),
    };
    result.map_or_else(|error| error.kind().to_string(), |()| "done".to_owned())
}

fn amount(task: &[&str]) -> String {
    match task {
        ["capabilities"] => {
            let sets = rustix::thread::capabilities(None).unwrap();
            format!("{} {}", sets.effective.bits(), sets.permitted.bits())
        }
        ["threads"] => {
            let threads: Vec<_> = (0..8).map(|it| std::thread::spawn(move || it)).collect();
            let sum: i32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            sum.to_string()
        }
        ["reactor"] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::spawn(tokio::time::sleep(std::time::Duration::from_millis(1)))
                    .await
                    .unwrap();
                tokio::task::spawn_blocking(|| "done".to_owned()).await.unwrap()
            })
        }
        ["memory", bytes] => {
            let taken = Vec::<u8>::new().try_reserve_exact(bytes.parse().unwrap());
            taken.map_or_else(|_| "refused".to_owned(), |()| "done".to_owned())
        }
        ["files"] => {
            let files = (0..200).map_while(|_| std::fs::File::open("/dev/null").ok());
            files.collect::<Vec<_>>().len().to_string()
        }
        _ => panic!("no such task: {task:?}"),
    }
}

fn pid(text: &str) -> Pid {
    Pid::from_raw(text.parse().unwrap()).unwrap()
}
