//! `allos chat` on a terminal, without a prompt: a conversation.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

use crate::calls::soon;
use crate::folder::PluginFolder;
use crate::process::allos;
use crate::upstream::{Received, Reply, Upstream};

/// More than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program on a terminal of its own.
struct Terminal {
    keyboard: File,
    screen: mpsc::Receiver<Vec<u8>>,
    child: Child,
}

impl Terminal {
    fn start(mut command: Command) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a terminal to be opened");
        let name = ptsname(&ours, Vec::new()).expect("its name");
        let open = || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty());
        let [input, output, errors] = [(); 3].map(|()| open().expect("the program's side"));
        let child = command.stdin(input).stdout(output).stderr(errors).env("TERM", "xterm").spawn();
        // With the command goes this side's hold on the program's end of the terminal.
        drop(command);
        let keyboard = File::from(ours);
        let mut reader = keyboard.try_clone().expect("a second handle");
        let (sender, screen) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 1024];
            while let Ok(length @ 1..) = reader.read(&mut bytes) {
                let _test_may_have_ended = sender.send(bytes[..length].to_vec());
            }
        });
        Self { keyboard, screen, child: child.expect("the program starts") }
    }

    /// Waits until these texts have been shown, in this order.
    fn wait_for(&self, texts: &[&str]) {
        let mut seen = String::new();
        for text in texts {
            let at = loop {
                if let Some(at) = seen.find(text) {
                    break at + text.len();
                }
                let bytes = self.screen.recv_timeout(PATIENCE);
                let bytes = bytes.unwrap_or_else(|_| panic!("{text:?} is not shown, but {seen:?}"));
                seen.push_str(&String::from_utf8_lossy(&bytes));
            };
            seen.drain(..at);
        }
    }

    fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("a terminal that takes keys");
    }

    fn interrupt(&self) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), Signal::INT).expect("the process is alive");
    }

    fn end(mut self) -> Option<i32> {
        self.child.wait().expect("a child of this process").code()
    }
}

fn config(upstream: &Upstream) -> String {
    format!("[providers.openai]\napi_key = \"key\"\nbase_url = {:?}\n", upstream.url("/v1"))
}

/// A stream that answers with the number of messages that it was asked with.
fn count(request: &Received) -> Reply {
    let number = request.json()["messages"].as_array().map_or(0, Vec::len);
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        })
        .to_string()
    };
    let text = format!("heard {number} messages");
    Reply::events([
        chunk(json!({"role": "assistant", "content": text}), Value::Null),
        chunk(json!({}), "stop".into()),
        "[DONE]".to_owned(),
    ])
}

#[tokio::test]
async fn a_conversation_keeps_its_history_and_ends_with_the_end_of_input() {
    let upstream = Upstream::start(count).await;
    let folder = PluginFolder::with(&["openai"]);
    folder.configure(&config(&upstream));
    let talk = move || {
        let command = allos(&folder, &["chat", "-m", "openai/gpt", "--system", "be brief"]);
        let mut terminal = Terminal::start(command);
        terminal.wait_for(&["Ctrl-D", "> "]);
        terminal.type_keys("hello\r");
        terminal.wait_for(&["heard 2 messages", "> "]);
        terminal.type_keys("and again\r");
        terminal.wait_for(&["heard 4 messages", "> "]);
        terminal.type_keys("\u{4}");
        terminal.end()
    };
    let code = tokio::task::spawn_blocking(talk).await.expect("the conversation ends");
    assert_eq!(code, Some(0));
    let roles = upstream.last().json()["messages"].clone();
    let roles: Vec<_> =
        roles.as_array().expect("messages").iter().map(|it| it["role"].clone()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
}

#[tokio::test]
async fn an_interrupt_stops_the_answer_and_not_the_conversation() {
    let mut upstream = Upstream::always(Reply::silence()).await;
    let folder = PluginFolder::with(&["openai"]);
    folder.configure(&config(&upstream));
    let start = move || {
        let mut terminal = Terminal::start(allos(&folder, &["chat", "-m", "openai/gpt"]));
        terminal.wait_for(&["> "]);
        terminal.type_keys("hello\r");
        (terminal, folder)
    };
    let (terminal, _folder) = tokio::task::spawn_blocking(start).await.expect("it starts");
    soon(upstream.arrived()).await;
    terminal.interrupt();
    soon(upstream.closed()).await;
    let finish = move || {
        let mut terminal = terminal;
        terminal.wait_for(&["stopped", "> "]);
        terminal.type_keys("\u{4}");
        terminal.end()
    };
    let code = tokio::task::spawn_blocking(finish).await.expect("the conversation ends");
    assert_eq!(code, Some(0));
}
