//! What a plugin in a worker can reach beside its calls: what it is granted.
//!
//! That each way around is closed is tested where it is closed, in `allos-host`; here is that
//! workers are confined at all, as their configuration says.

use std::net::TcpListener;

use allos_host::{Host, InstanceState};
use allos_plugin_api::ErrorKind;

use crate::calls::{assert_neighbours_answer, request, soon};
use crate::folder::PluginFolder;

const ISOLATED: &str = "[providers.reaches-out]\nisolation = \"worker\"\n";

/// What the plugin says when it is told to do this.
async fn reached(host: &Host, what: &str, target: &str) -> String {
    let provider = host.provider("reaches-out").expect("it is registered");
    soon(provider.chat(request(what, target))).await.expect("it answers").first_text()
}

#[tokio::test]
async fn what_a_plugin_reaches_in_process_it_does_not_reach_in_a_worker() {
    let folder = PluginFolder::with(&["reaches_out"]);
    let secret = folder.path().join("secret").display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let (in_process, in_worker) = (folder.host("").await, folder.host(ISOLATED).await);
    let environment = format!("/proc/{}/environ", std::process::id());
    for (what, target) in [
        ("write", secret.as_str()),
        ("read", &secret),
        ("read", &environment),
        ("connect", &address),
        ("run", "/bin/true"),
    ] {
        assert_eq!(reached(&in_process, what, target).await, "done", "{what} {target}");
        assert_eq!(reached(&in_worker, what, target).await, "permission denied", "{what} {target}");
    }
}

#[tokio::test]
async fn a_worker_reaches_what_it_is_granted() {
    let folder = PluginFolder::with(&["reaches_out"]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    for name in ["readable", "writable"] {
        std::fs::write(folder.path().join(name), "text").expect("a file");
    }
    let granted = "read = [\"readable\"]\nwrite = [\"writable\"]\nnetwork = true\n";
    let host = folder.host(&format!("{ISOLATED}\n[worker]\n{granted}env = [\"PATH\"]\n")).await;
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (what, target, outcome) in [
        ("read", path("readable"), "done"),
        ("write", path("readable"), "permission denied"),
        ("read", path("writable"), "done"),
        ("write", path("writable"), "done"),
        ("connect", address, "done"),
    ] {
        assert_eq!(reached(&host, what, &target).await, outcome, "{what} {target}");
    }
    let variables = reached(&host, "variables", "").await;
    let mut variables: Vec<_> = variables.split(' ').collect();
    variables.retain(|name| *name != "LD_LIBRARY_PATH");
    assert_eq!(variables, ["PATH"]);
}

#[tokio::test]
async fn memory_without_end_ends_the_worker_alone() {
    let folder = PluginFolder::with(&["echo", "reaches_out"]);
    let limit = "[providers.reaches-out.worker]\nmemory_mb = 256\n";
    let host = folder.host(&format!("{ISOLATED}{limit}")).await;
    let provider = host.provider("reaches-out").expect("it is registered");
    let error = soon(provider.chat(request("memory", "all"))).await.expect_err("its worker ends");
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(error.message(), "its worker was killed by SIGABRT during the call");
    assert_neighbours_answer(&host).await;
    assert_eq!(reached(&host, "read", "/dev/null").await, "done");
}

#[tokio::test]
async fn a_worker_opens_and_answers_within_the_least_memory() {
    let folder = PluginFolder::with(&["reaches_out", "openai"]);
    let least = "isolation = \"worker\"\n[worker]\nmemory_mb = 64\nopen_files = 32\n\
                 [providers.openai]\napi_key = \"key\"\n";
    let host = folder.host(least).await;
    assert_eq!(reached(&host, "read", "/dev/null").await, "done");
    for instance in host.registry().instances() {
        assert_eq!(instance.state(), InstanceState::Ready, "{}", instance.name());
    }
}
