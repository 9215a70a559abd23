//! The program `allos` as an operator runs it: what stands on stdout and stderr, and exit codes.

use rustix::process::Signal;
use serde_json::Value;

use crate::calls::soon;
use crate::folder::{PluginFolder, file_name};
use crate::process::{Running, Said, allos, run, run_with_stdin};
use crate::upstream::{Reply, Upstream};

/// The command failed with this code, in one error line that holds these words, and says nothing
/// on stdout.
fn assert_fails(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{said:?}");
    assert_eq!(said.stdout, "", "{said:?}");
    let errors: Vec<_> = said.stderr.lines().filter(|it| it.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{said:?}");
    assert!(!said.stderr.contains("panicked"), "{said:?}");
    for word in words {
        assert!(said.stderr.contains(word), "{said:?} says nothing of {word:?}");
    }
}

fn json(said: &Said) -> Value {
    assert_eq!(said.code, Some(0), "{said:?}");
    serde_json::from_str(&said.stdout).expect("stdout is JSON and nothing else")
}

#[test]
fn chat_answers_on_stdout_and_tells_the_usage_on_stderr() {
    let folder = PluginFolder::with(&["echo"]);
    for arguments in [
        &["chat", "-m", "echo/echo", "hello there"][..],
        &["chat", "-m", "echo/echo", "hello", "there"],
        &["chat", "-m", "echo/echo", "--no-stream", "hello there"],
        &["chat", "-m", "echo/echo", "--system", "be brief", "hello there"],
    ] {
        let said = run(&folder, arguments);
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), "hello there\n"), "{said:?}");
        assert_eq!(said.stderr.lines().count(), 1, "{said:?}");
        for word in ["echo/echo", " in", "2 out"] {
            assert!(said.stderr.contains(word), "{said:?}");
        }
    }
}

#[test]
fn chat_reads_stdin_where_it_is_piped() {
    let folder = PluginFolder::with(&["echo"]);
    let said = run_with_stdin(&folder, &["chat", "-m", "echo/echo"], "from a pipe");
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "from a pipe\n"), "{said:?}");
    let said = run_with_stdin(&folder, &["chat", "-m", "echo/echo", "before:"], "from a pipe");
    assert!(said.stdout.starts_with("before:"), "{said:?}");
    assert!(said.stdout.ends_with("from a pipe\n"), "{said:?}");
    let said = run_with_stdin(&folder, &["chat", "-m", "echo/echo"], "");
    assert_fails(&said, 2, &["hint: "]);
}

#[test]
fn a_default_model_makes_the_instance_suffice() {
    let folder = PluginFolder::with(&["echo"]);
    folder.configure("[providers.parrot]\nplugin = \"echo\"\nmodel = \"echo\"\n");
    let said = run(&folder, &["chat", "-m", "parrot", "hello"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "hello\n"), "{said:?}");
}

#[test]
fn a_model_that_cannot_be_had_is_one_clear_line() {
    let folder = PluginFolder::with(&["echo", "openai", "error_from_new"]);
    let chat = |model| run(&folder, &["chat", "-m", model, "hello"]);
    assert_fails(&chat("nobody/model"), 4, &["`nobody`", "hint: ", "echo"]);
    assert_fails(&chat("echo"), 4, &["`echo`", "hint: "]);
    assert_fails(&chat("echo/nothing"), 5, &["nothing"]);
    assert_fails(&chat("openai/gpt"), 3, &["OPENAI_API_KEY", "hint: "]);
    assert_fails(&chat("error-from-new/any"), 3, &["refuses every configuration"]);
}

#[test]
fn a_provider_that_fails_keeps_the_text_so_far_and_exits_with_its_code() {
    let folder = PluginFolder::with(&["error_in_stream", "panic_in_chat"]);
    let said = run(&folder, &["chat", "-m", "error-in-stream/any", "hello"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert_eq!(said.stdout.trim_end(), "one two", "{said:?}");
    assert!(said.stderr.contains("error: error-in-stream: the upstream is overloaded"), "{said:?}");
    let said = run(&folder, &["chat", "-m", "panic-in-chat/panic", "hello"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(5), ""), "{said:?}");
    assert!(said.stderr.contains("the fixture panics in chat"), "{said:?}");
}

#[test]
fn a_plugin_that_is_stuck_delays_neither_the_answer_nor_the_exit() {
    let folder = PluginFolder::with(&["poll_never_returns"]);
    folder.configure("[providers.poll-never-returns]\ntimeout_seconds = 1\n");
    let said = run(&folder, &["chat", "-m", "poll-never-returns/any", "hello"]);
    assert_fails(&said, 5, &["1 s"]);
}

#[tokio::test]
async fn an_interrupt_cancels_the_upstream_call() {
    let reply = Reply::new(200, "text/plain", "the first words").then_nothing();
    let mut upstream = Upstream::always(reply).await;
    let folder = PluginFolder::with(&["calls_upstream"]);
    folder.configure(&format!("[providers.calls-upstream]\nbase_url = {:?}\n", upstream.url("/")));
    let running = Running::start(allos(&folder, &["chat", "-m", "calls-upstream/any", "hello"]));
    soon(upstream.arrived()).await;
    running.signal(Signal::INT);
    soon(upstream.closed()).await;
    let (status, _) = tokio::task::spawn_blocking(move || running.end()).await.expect("it ends");
    assert_eq!(status.code(), Some(130));
}

#[test]
fn nothing_that_a_plugin_prints_reaches_the_data_on_stdout() {
    let folder = PluginFolder::with(&["prints_while_opened"]);
    let said = run(&folder, &["chat", "-m", "prints-while-opened/any", "hello"]);
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "calm\n"), "{said:?}");
    assert!(said.stderr.contains("the fixture writes to stdout"), "{said:?}");
    let listed = json(&run(&folder, &["list", "--json"]));
    assert_eq!(listed[0]["name"], "prints-while-opened");
}

#[test]
fn list_shows_every_file_with_its_state_and_reason() {
    let folder = PluginFolder::with(&["echo", "wrong_abi_version"]);
    folder.write(&file_name("notes"), b"remember the milk\n");
    let listed = json(&run(&folder, &["list", "--json"]));
    let files = listed.as_array().expect("a list");
    assert_eq!(files.len(), 3);
    let of = |name: &str| {
        let mut files = files.iter();
        let is_it = |it: &&Value| it["file"].as_str().is_some_and(|file| file.ends_with(name));
        files.find(is_it).unwrap_or_else(|| panic!("{name} is not listed"))
    };
    let echo = of(&file_name("echo"));
    assert_eq!((&echo["name"], &echo["abi_version"]), (&"echo".into(), &1.into()));
    assert_eq!(echo["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(echo["mode"], "in-process");
    assert_eq!(echo["reason"], Value::Null);
    let refused = of(&file_name("wrong_abi_version"));
    assert_eq!(
        (&refused["state"], &refused["stage"]),
        (&"quarantined".into(), &"descriptor".into())
    );
    assert!(refused["reason"].as_str().is_some_and(|it| it.contains("ABI 99")), "{refused}");
    assert!(refused["hint"].is_string(), "{refused}");
    let table = run(&folder, &["list"]).stdout;
    for word in ["echo", "in-process", "quarantined", "ABI 99", "not a library"] {
        assert!(table.contains(word), "{table}");
    }
}

#[test]
fn list_shows_where_the_instances_of_a_plugin_run() {
    let folder = PluginFolder::with(&["echo"]);
    for (toml, mode) in [
        ("isolation = \"worker\"\n", "worker".into()),
        (
            "[providers.echo]\n[providers.other]\nplugin = \"echo\"\nisolation = \"worker\"\n",
            "both".into(),
        ),
        ("[providers.echo]\nplugin = \"openai\"\n", Value::Null),
    ] {
        folder.configure(toml);
        assert_eq!(json(&run(&folder, &["list", "--json"]))[0]["mode"], mode, "{toml}");
    }
}

#[test]
fn inspect_shows_a_descriptor_or_says_why_there_is_none() {
    let folder = PluginFolder::with(&["openai", "no_descriptor"]);
    let path = |library: &str| folder.plugins().join(file_name(library)).display().to_string();
    let inspected = json(&run(&folder, &["inspect", "--json", &path("openai")]));
    let text = inspected.to_string();
    for word in ["\"openai\"", "\"groq\"", "OPENAI_API_KEY", "openai-chat", "rustc"] {
        assert!(text.contains(word), "{text}");
    }
    let shown = run(&folder, &["inspect", &path("openai")]);
    assert!(
        shown.stdout.contains("openai") && shown.stdout.contains("OPENAI_API_KEY"),
        "{shown:?}"
    );
    for words in ["fully trusted", "not contained what ends", "an abort, an exit", "contained too"]
    {
        assert!(shown.stdout.contains(words), "{shown:?}");
    }
    let said = run(&folder, &["inspect", &path("no_descriptor")]);
    assert_fails(&said, 4, &["no_descriptor", "without a plugin descriptor", "hint: "]);
    assert_fails(&run(&folder, &["inspect", &path("nowhere")]), 4, &["nowhere"]);
}

#[test]
fn models_lists_what_the_providers_offer() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    let listed = json(&run(&folder, &["models", "--json"]));
    assert_eq!(listed[0]["id"], "echo/echo");
    assert_eq!(listed[0]["context_window"], 8192);
    let said = run(&folder, &["models"]);
    assert!(said.stdout.contains("echo/echo"), "{said:?}");
    assert!(said.stderr.contains("OPENAI_API_KEY"), "{said:?}");
    assert_fails(&run(&folder, &["models", "nobody"]), 4, &["`nobody`"]);
}

#[test]
fn the_example_of_a_configuration_is_a_good_one() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    let example = run(&folder, &["config", "example"]);
    assert_eq!(example.code, Some(0), "{example:?}");
    for word in ["plugin_dirs", "[gateway]", "[providers.", "[routes]"] {
        assert!(example.stdout.contains(word), "{}", example.stdout);
    }
    let file = folder.configure(&example.stdout).display().to_string();
    let said = run(&folder, &["--config", &file, "config", "check"]);
    assert!(said.code == Some(0) || said.code == Some(3), "{said:?}");
    assert!(!said.stderr.contains("allos.toml:"), "{said:?}");
}

#[test]
fn a_malformed_configuration_is_refused_with_its_place() {
    let folder = PluginFolder::with(&["echo"]);
    for (toml, words) in [
        ("plugin_dirs = 3\n", &["allos.toml:1:15", "list"][..]),
        ("[gateway]\nlisten = \"nowhere\"\n", &["allos.toml:2:10", "nowhere"]),
        ("[gateway]\nlissen = \"127.0.0.1:1\"\n", &["allos.toml:2:1", "lissen", "listen"]),
        ("[providers.\"No Name\"]\n", &["allos.toml:1:", "No Name"]),
        ("[providers.echo]\nisolation = \"thread\"\n", &["allos.toml:2:13", "unknown isolation"]),
        ("[providers.echo]\ntimeout_seconds = 0\n", &["allos.toml:2:19", "timeout"]),
        ("[routes]\nsmart = [\"echo/a\", \"echo/b\"]\n", &["allos.toml:2:9", "not supported yet"]),
        ("this is no toml", &["allos.toml:1:"]),
    ] {
        folder.configure(toml);
        assert_fails(&run(&folder, &["config", "check"]), 3, words);
        assert_fails(&run(&folder, &["chat", "-m", "echo/echo", "hi"]), 3, words);
        assert_fails(&run(&folder, &["serve", "--listen", "127.0.0.1:0"]), 3, words);
    }
    let missing = run(&folder, &["--config", "nowhere.toml", "config", "check"]);
    assert_fails(&missing, 3, &["nowhere.toml"]);
}

#[test]
fn flags_beat_the_environment_and_the_environment_beats_the_file() {
    let folder = PluginFolder::with(&["echo"]);
    let other = PluginFolder::with(&["panic_in_chat"]);
    folder.configure("plugin_dirs = [\"nowhere\"]\n");
    let names = |said: Said| {
        let listed = json(&said);
        let names = listed.as_array().expect("a list").iter().map(|it| it["name"].to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(run(&folder, &["list", "--json"])), ["\"echo\""]);
    let other = other.plugins().display().to_string();
    let said = run(&folder, &["--plugin-dir", &other, "list", "--json"]);
    assert_eq!(names(said), ["\"panic-in-chat\""]);
    let mut command = allos(&folder, &["list", "--json"]);
    command.env_remove("ALLOS_PLUGIN_DIR");
    let said = Said::from(command.output().expect("the program starts"));
    assert!(names(said).is_empty(), "the file names a folder that is not there");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let folder = PluginFolder::with(&["echo"]);
    for arguments in [
        &["nonsense"][..],
        &["chat", "--nonsense"],
        &["serve", "--listen", "nowhere"],
        &["inspect"],
        &["list", "extra"],
    ] {
        assert_fails(&run(&folder, arguments), 2, &["--help"]);
    }
    let help = run(&folder, &["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{help:?}");
    for command in ["serve", "chat", "list", "inspect", "models", "config"] {
        assert!(help.stdout.contains(command), "{help:?}");
    }
}

#[test]
fn the_gateway_refuses_to_be_public_without_a_key() {
    let folder = PluginFolder::with(&["echo"]);
    let said = run(&folder, &["serve", "--listen", "0.0.0.0:0"]);
    assert_fails(&said, 3, &["api_key", "allow_public_without_key"]);
}

#[test]
fn no_secret_stands_in_what_is_said() {
    let folder = PluginFolder::with(&["openai"]);
    let secret = "sk-very-secret";
    folder.configure(&format!(
        "[providers.openai]\napi_key = \"{secret}\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
         [providers.other]\nplugin = \"openai\"\napi_key = {{ env = \"SOME_KEY\" }}\n"
    ));
    for arguments in [
        &["--log", "trace", "chat", "-m", "openai/gpt", "hello"][..],
        &["--log", "trace", "models"],
        &["--log", "trace", "config", "check"],
    ] {
        let mut command = allos(&folder, arguments);
        command.env("SOME_KEY", secret);
        let said = Said::from(command.output().expect("the program starts"));
        assert!(!format!("{said:?}").contains(secret), "{said:?}");
    }
}
