//! What an operator asks of a gateway that runs: what there is, and a reload, by HTTP and by SIGHUP.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::{Value, json};

use crate::artifact;
use crate::calls::soon;
use crate::client::{Answer, Client};
use crate::folder::{PluginFolder, file_name};
use crate::process::{Gateway, Said, allos};
use crate::upstream::{Reply, Upstream};

/// Nothing is noticed by itself.
const OFF: &str = "[reload]\nwatch = \"off\"\n";

/// A gateway on a folder of its own, and its operator.
struct Operated {
    folder: PluginFolder,
    gateway: Gateway,
    client: Client,
}

impl Operated {
    async fn start(libraries: &[&str], toml: &str) -> Self {
        let folder = PluginFolder::with(libraries);
        let gateway = Gateway::start(&folder, toml).await;
        Self { folder, gateway, client: Client::new() }
    }

    async fn overview(&self) -> Value {
        let answer = soon(self.client.get(&self.gateway.url("/admin/plugins"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What is said of the file of a plugin or fixture.
    async fn file(&self, library: &str) -> Value {
        let overview = self.overview().await;
        let files = overview["plugins"].as_array().expect("a list");
        let name = file_name(library);
        let is_it = |file: &&Value| file["file"].as_str().is_some_and(|it| it.ends_with(&name));
        files.iter().find(is_it).unwrap_or_else(|| panic!("no {name} in {overview}")).clone()
    }

    async fn reload(&self) -> Answer {
        let request = self.client.request("POST", &self.gateway.url("/admin/reload"));
        soon(self.client.send(request)).await
    }

    async fn asks(&self, model: &str, stream: bool) -> Answer {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}],
            "stream": stream});
        soon(self.client.post(&self.gateway.url("/v1/chat/completions"), &body)).await
    }

    async fn says(&self, model: &str) -> Option<String> {
        let answer = self.asks(model, false).await;
        let text = &answer.json()["choices"][0]["message"]["content"];
        text.as_str().map(str::to_owned)
    }

    async fn until_says(&self, model: &str, text: &str) {
        let wait = async {
            while self.says(model).await.as_deref() != Some(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon(wait).await;
    }
}

fn read(library: &str) -> Vec<u8> {
    fs::read(artifact::library(library)).expect("the library is built")
}

#[tokio::test]
async fn the_overview_has_each_file_with_its_instances_and_the_instances_without_one() {
    let toml = "[providers.second]\nplugin = \"echo\"\nisolation = \"worker\"\n\
                [providers.other]\nplugin = \"nowhere\"\n[providers.openai]\napi_key = \"a-key-of-mine\"\n";
    let operated = Operated::start(&["echo", "openai", "no_descriptor"], toml).await;
    let echo = operated.file("echo").await;
    let expected = json!({"name": "echo", "version": env!("CARGO_PKG_VERSION"), "abi_version": 1,
        "state": "loaded", "stage": null, "reason": null, "hint": null, "warnings": []});
    for (key, value) in expected.as_object().expect("an object") {
        assert_eq!(echo[key], *value, "{key}");
    }
    let [first, second] = echo["instances"].as_array().expect("a list").as_slice() else {
        panic!("two instances, not {echo}");
    };
    let common = json!({"plugin": "echo", "version": echo["version"], "sha256": echo["sha256"],
        "state": "ready", "reason": null, "hint": null, "restarts": 0, "calls_in_flight": 0,
        "faults": 0});
    for (instance, name) in [(first, "echo"), (second, "second")] {
        for (key, value) in common.as_object().expect("an object") {
            assert_eq!(instance[key], *value, "{key}");
        }
        assert_eq!(instance["name"], name);
        let since = instance["since"].as_str().expect("a time");
        assert!(since.len() == 20 && since.starts_with("20") && since.ends_with('Z'), "{since}");
    }
    assert_eq!((&first["isolation"], &first["process_id"]), (&json!("in-process"), &Value::Null));
    assert_eq!((&first["threads"], &second["threads"]), (&json!(1), &json!(0)));
    assert_eq!(second["isolation"], "worker");
    assert!(second["process_id"].is_u64(), "{second}");

    let refused = operated.file("no_descriptor").await;
    assert_eq!(
        (&refused["state"], &refused["stage"]),
        (&json!("quarantined"), &json!("descriptor"))
    );
    assert!(refused["reason"].is_string() && refused["hint"].is_string(), "{refused}");
    assert_eq!(refused["instances"], json!([]));
    let overview = operated.overview().await;
    let other = &overview["instances"][0];
    assert_eq!((&other["name"], &other["plugin"]), (&json!("other"), &json!("nowhere")));
    assert_eq!((&other["state"], &other["sha256"]), (&json!("failed"), &Value::Null));
    assert!(!overview.to_string().contains("a-key-of-mine"));
}

#[tokio::test]
async fn an_operator_needs_the_key_and_is_no_web_page() {
    let operated = Operated::start(&["echo"], "[gateway]\napi_key = \"k1\"\n").await;
    for (method, path) in [("GET", "/admin/plugins"), ("POST", "/admin/reload")] {
        let url = operated.gateway.url(path);
        let request = || operated.client.request(method, &url);
        let send = async |request| soon(operated.client.send(request)).await;
        assert_eq!(send(request()).await.error().0, 401);
        let known = || request().header("authorization", "Bearer k1");
        assert_eq!(send(known()).await.status, 200);
        let page = send(known().header("origin", "http://localhost:3000")).await;
        let (status, _, code, message) = page.error();
        assert_eq!((status, code), (403, json!("origin_not_allowed")), "{message}");
    }
    let answer = operated.client.get(&operated.gateway.url("/admin/reload")).await;
    assert_eq!(answer.status, 401);
}

#[tokio::test]
async fn a_file_that_is_dropped_in_answers_and_streams_end_where_their_plugin_is_removed() {
    let operated = Operated::start(&["echo"], "").await;
    let Operated { folder, gateway, client } = &operated;
    folder.add_as("waits_for_a_file", &file_name("waits_for_a_file"));
    let file = folder.path().join("go on");
    let body = json!({"model": format!("waits-for-a-file/{}", file.display()), "stream": true,
        "messages": [{"role": "user", "content": "the end"}]});
    let registered = async {
        while operated.overview().await["plugins"].as_array().map_or(0, Vec::len) < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(registered).await;
    let mut stream = client.stream(&gateway.url("/v1/chat/completions"), &body).await;
    assert_eq!(soon(stream.next_text()).await.as_deref(), Some("waiting "));
    let status = operated.file("waits_for_a_file").await;
    assert_eq!(status["instances"][0]["calls_in_flight"], 1);

    fs::remove_file(folder.plugins().join(file_name("waits_for_a_file"))).expect("it is there");
    let gone = async {
        while operated.overview().await["plugins"].as_array().map_or(0, Vec::len) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(gone).await;
    assert_eq!(operated.asks("waits-for-a-file/x", false).await.status, 404);
    fs::write(&file, "").expect("a file");
    assert_eq!(soon(stream.next_text()).await.as_deref(), Some("the end"));
    while let Some(data) = soon(stream.next()).await {
        if data == "[DONE]" {
            return;
        }
    }
    panic!("the stream does not end as it should");
}

#[tokio::test]
async fn a_file_that_is_copied_in_part_is_refused_with_the_reason_and_the_whole_one_takes_over() {
    let operated = Operated::start(&["echo"], OFF).await;
    let new = read("duplicate_name");
    operated.folder.write(&file_name("echo"), &new[..new.len() / 2]);
    let reply = operated.reload().await.json();
    assert_eq!((&reply["kept"], &reply["replaced"]), (&json!(["echo"]), &json!([])), "{reply}");
    let refused = &reply["refused"][0];
    assert_eq!(refused["stage"], "descriptor", "{reply}");
    assert!(refused["reason"].as_str().is_some_and(|it| it.contains("truncated")), "{reply}");
    assert!(reply["warnings"][0].as_str().is_some_and(|it| it.contains("goes on serving")));
    assert_eq!(operated.says("echo/echo").await.as_deref(), Some("hello"));
    let file = operated.file("echo").await;
    assert_eq!((&file["state"], &file["reason"]), (&json!("quarantined"), &refused["reason"]));
    assert!(file["warnings"][0].as_str().is_some_and(|it| it.contains("goes on serving")));
    let before = file["instances"][0]["sha256"].clone();
    assert_eq!((&file["instances"][0]["state"], before.is_string()), (&json!("ready"), true));

    operated.folder.write(&file_name("echo"), &new);
    let reply = operated.reload().await.json();
    assert_eq!((&reply["replaced"], &reply["refused"]), (&json!(["echo"]), &json!([])), "{reply}");
    assert_eq!(operated.says("echo/echo").await.as_deref(), Some("calm"));
    let file = operated.file("echo").await;
    assert_eq!(file["instances"][0]["sha256"], file["sha256"]);
    assert_ne!(file["sha256"], before);
}

#[tokio::test]
async fn a_worker_is_replaced_with_its_process() {
    let toml = format!("{OFF}[providers.echo]\nisolation = \"worker\"\n");
    let operated = Operated::start(&["echo"], &toml).await;
    let process = async || {
        let process = operated.file("echo").await["instances"][0]["process_id"].as_i64();
        let process = process.and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
        process.expect("a process id")
    };
    let first = process().await;
    assert_eq!(operated.reload().await.json()["kept"], json!(["echo"]));
    assert_eq!(process().await, first);
    operated.folder.write(&file_name("echo"), &read("duplicate_name"));
    assert_eq!(operated.reload().await.json()["replaced"], json!(["echo"]));
    assert_eq!(operated.says("echo/echo").await.as_deref(), Some("calm"));
    assert_ne!(process().await, first);
    let gone = async {
        while test_kill_process(first).is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_taken_over_and_a_broken_one_changes_nothing_and_says_why() {
    let operated = Operated::start(&["echo"], OFF).await;
    let Operated { folder, gateway, .. } = &operated;
    folder.configure("[reload]\nwatch = \"off\"\n[providers.one]\nplugin = \"echo\"\n");
    let reply = operated.reload().await;
    assert_eq!(reply.json()["added"], json!(["one"]), "{reply:?}");
    assert_eq!(operated.says("one/echo").await.as_deref(), Some("hello"));

    folder.configure("[providers.two]\nplugin = \"echo\"\ncolour = \"a-secret\"\n");
    let (status, kind, code, message) = operated.reload().await.error();
    assert_eq!((status, kind.as_str()), (422, "invalid_request_error"));
    assert_eq!(code, "invalid_configuration");
    for words in ["allos.toml:3:1: ", "unknown key `colour`", "nothing has changed"] {
        assert!(message.contains(words), "{message}");
    }
    gateway.process.signal(Signal::HUP);
    let line = tokio::task::block_in_place(|| gateway.process.wait_for("allos.toml:3:1: "));
    assert!(line.contains("nothing has changed") && !line.contains("a-secret"), "{line}");
    assert_eq!(operated.says("one/echo").await.as_deref(), Some("hello"));
    assert_eq!(operated.asks("two/echo", false).await.status, 404);

    folder.configure("[providers.two]\nplugin = \"echo\"\n[gateway]\nmax_body_bytes = 7\n");
    gateway.process.signal(Signal::HUP);
    operated.until_says("two/echo", "hello").await;
    assert_eq!(operated.asks("one/echo", false).await.status, 404);
    tokio::task::block_in_place(|| gateway.process.wait_for("`max_body_bytes` in [gateway]"));
}

/// Asks the gateway at an address, with a key in the variable or with none.
async fn list(folder: &PluginFolder, url: &str, key: Option<&str>, more: &[&str]) -> Said {
    let mut command = allos(folder, &["list", "--url", url]);
    command.args(more);
    if let Some(key) = key {
        command.env("ALLOS_GATEWAY_KEY", key);
    }
    let output = tokio::task::spawn_blocking(move || command.output());
    soon(output).await.expect("it ends").expect("the program starts").into()
}

#[tokio::test]
async fn list_shows_what_a_running_host_says_and_needs_its_key() {
    let toml = "[gateway]\napi_key = \"k1\"\n[providers.nowhere]\n";
    let operated = Operated::start(&["echo", "no_descriptor"], toml).await;
    let elsewhere = PluginFolder::with(&[]);
    let url = operated.gateway.url("");
    let said = list(&elsewhere, &url, Some("k1"), &[]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<Vec<&str>> =
        said.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let has = |words: &[&str]| lines.iter().any(|line| words.iter().all(|it| line.contains(it)));
    assert!(has(&["FILE", "INSTANCE", "RESTARTS"]), "{lines:?}");
    assert!(has(&["echo", "in-process", "ready", "0"]), "{lines:?}");
    assert!(has(&["quarantined", "descriptor:"]), "{lines:?}");
    assert!(has(&["-", "nowhere", "failed"]), "{lines:?}");

    // The configuration of the gateway is in its folder, and has the key.
    let said = list(&operated.folder, &url, None, &["--json"]).await;
    let overview: Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert_eq!(overview["plugins"].as_array().map(Vec::len), Some(2), "{said:?}");

    elsewhere.configure("colour = 7");
    let said = list(&elsewhere, &url, Some("k1"), &[]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = list(&elsewhere, &url, None, &[]).await;
    assert!(said.stderr.contains("warning: ") && said.stderr.contains("`colour`"), "{said:?}");
    assert_eq!((said.code, said.stdout.as_str()), (Some(3), ""), "{said:?}");
    assert!(said.stderr.contains("asks for its key") && said.stderr.contains("hint: "), "{said:?}");
    let said = list(&elsewhere, &url, Some("another-key"), &[]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.stderr.contains("refuses the key"), "{said:?}");
    assert!(!said.stderr.contains("another-key"), "{said:?}");
}

#[tokio::test]
async fn list_says_what_is_wrong_where_no_host_answers() {
    let folder = PluginFolder::with(&[]);
    let said = list(&folder, "http://127.0.0.1:1", None, &[]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in ["http://127.0.0.1:1 cannot be asked: connection refused", "hint: "] {
        assert!(said.stderr.contains(words), "{said:?}");
    }
    for reply in [Reply::json(200, &json!({"plugins": "none"})), Reply::json(404, &json!([]))] {
        let upstream = Upstream::always(reply).await;
        let said = list(&folder, &upstream.url(""), None, &[]).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains("is no allos host"), "{said:?}");
    }
    let said = list(&folder, "ftp://a", None, &[]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
}
