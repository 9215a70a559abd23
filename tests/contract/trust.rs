//! Which files may be used: who can change them, the lock of pinned contents, and signatures.
//!
//! Permissions are asked by their bits, so that these tests say the same for root.

use std::path::{Path, PathBuf};
use std::process::Command;

use minisign::KeyPair;
use serde_json::Value;

use crate::artifact;
use crate::calls::{assert_neighbours_answer, chat};
use crate::folder::{PluginFolder, file_name, set_mode};
use crate::process::{Said, run};

const VERSION: &str = env!("CARGO_PKG_VERSION");

const PINNED: &str = "[trust]\npolicy = \"pinned\"\n";

/// What a command prints as JSON, with its exit code.
fn json(folder: &PluginFolder, arguments: &[&str]) -> (Value, Option<i32>) {
    let said = run(folder, arguments);
    let value = serde_json::from_str(&said.stdout);
    (value.unwrap_or_else(|error| panic!("{error}: {said:?}")), said.code)
}

/// What `trust verify` says of the file of a plugin or fixture; `list` must say the same.
fn verdict(folder: &PluginFolder, library: &str) -> Value {
    let file = file_name(library);
    let of = |rows: Value| {
        let rows = rows.as_array().expect("a list").clone();
        let is_it = |row: &Value| row["file"].as_str().is_some_and(|it| it.ends_with(&file));
        rows.into_iter().find(is_it).unwrap_or_else(|| panic!("{file} is not there"))
    };
    let (rows, code) = json(folder, &["trust", "verify", "--json"]);
    let refused = rows.as_array().is_some_and(|rows| rows.iter().any(|it| it["trusted"] == false));
    assert_eq!(code, Some(if refused { 4 } else { 0 }), "{rows}");
    let verified = of(rows);
    let listed = of(json(folder, &["list", "--json"]).0);
    for key in ["name", "version", "stage", "reason", "hint", "warnings"] {
        assert_eq!(listed[key], verified[key], "{key}");
    }
    assert_eq!(
        listed["state"],
        if verified["trusted"] == true { "candidate" } else { "quarantined" }
    );
    verified
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_else(|| panic!("no {key} in {row}"))
}

fn assert_trusted(folder: &PluginFolder, library: &str) -> Value {
    let row = verdict(folder, library);
    assert_eq!(row["trusted"], true, "{row}");
    row
}

/// A file is refused at this stage, for a reason and with a hint that hold these words.
fn assert_refused(folder: &PluginFolder, library: &str, reason: &[&str], hint: &str) {
    let row = verdict(folder, library);
    assert_eq!((&row["trusted"], text(&row, "stage")), (&false.into(), "trust"), "{row}");
    for word in reason {
        assert!(text(&row, "reason").contains(word), "{row} says nothing of {word}");
    }
    assert!(text(&row, "hint").contains(hint), "{row} does not hint at {hint}");
    let table = run(folder, &["list"]).stdout;
    assert!(table.contains("trust: ") && table.contains(hint), "{table}");
}

fn assert_done(said: &Said) -> &Said {
    assert_eq!(said.code, Some(0), "{said:?}");
    said
}

fn place(folder: &PluginFolder, library: &str) -> PathBuf {
    folder.plugins().join(file_name(library))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn a_file_that_everybody_can_change_is_refused_and_its_neighbour_answers() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    let file = place(&folder, "openai");
    set_mode(&file, 0o757);
    assert_refused(&folder, "openai", &["world-writable"], &format!("chmod o-w {}", shown(&file)));
    assert_trusted(&folder, "echo");
    let host = folder.host("").await;
    assert_eq!(host.report().loaded().count(), 1);
    let lines: Vec<_> = host.report().quarantined().map(ToString::to_string).collect();
    assert!(lines[0].contains(": quarantined at trust: it is world-writable: "), "{lines:?}");
    assert_neighbours_answer(&host).await;
}

#[test]
fn a_folder_that_everybody_can_change_is_refused_with_all_that_is_in_it() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    for mode in [0o777, 0o1777] {
        set_mode(&folder.plugins(), mode);
        let mend = format!("chmod o-w {}", shown(&folder.plugins()));
        for library in ["echo", "openai"] {
            assert_refused(&folder, library, &["its folder", "world-writable"], &mend);
        }
    }
}

#[test]
fn the_command_in_the_hint_mends_it() {
    let folder = PluginFolder::with(&["echo"]);
    folder.configure("plugin_dirs = [\"the operator's plugins\"]\n");
    let moved = folder.path().join("the operator's plugins");
    std::fs::rename(folder.plugins(), &moved).expect("the folder is moved");
    for path in [moved.join(file_name("echo")), moved.clone()] {
        set_mode(&path, 0o777);
        let mut listing = crate::process::allos(&folder, &["trust", "verify", "--json"]);
        listing.env_remove("ALLOS_PLUGIN_DIR").current_dir(folder.path());
        let said = Said::from(listing.output().expect("the program starts"));
        let rows: Value = serde_json::from_str(&said.stdout).expect("JSON");
        let hint = text(&rows[0], "hint");
        let command = hint.split('`').nth(1).expect("a command in the hint");
        let mended = Command::new("sh").args(["-c", command]).current_dir(folder.path()).status();
        assert!(mended.expect("a shell").success(), "{command}");
        let said = Said::from(listing.output().expect("the program starts"));
        assert_done(&said);
    }
}

#[tokio::test]
async fn what_a_group_can_change_is_used_with_a_warning() {
    let folder = PluginFolder::with(&["echo"]);
    let file = place(&folder, "echo");
    set_mode(&file, 0o775);
    let row = assert_trusted(&folder, "echo");
    let warning = row["warnings"][0].to_string();
    assert!(warning.contains("group-writable"), "{row}");
    assert!(warning.contains(&format!("chmod g-w {}", shown(&file))), "{row}");
    assert!(run(&folder, &["list"]).stdout.contains("warning: it is group-writable"));
    set_mode(&file, 0o755);
    set_mode(&folder.plugins(), 0o775);
    assert_eq!(assert_trusted(&folder, "echo")["warnings"], Value::Array(Vec::new()));
    let mend = format!("chmod g-w {}", shown(&folder.plugins()));
    for command in [&["list"][..], &["trust", "verify"], &["chat", "-m", "echo/echo", "hello"]] {
        let said = run(&folder, command);
        assert_eq!(assert_done(&said).stderr.matches(&mend).count(), 1, "{said:?}");
    }
    assert_eq!(folder.host("").await.report().warnings.len(), 1);
}

#[tokio::test]
async fn permissions_are_not_asked_where_the_configuration_says_so() {
    let folder = PluginFolder::with(&["echo"]);
    set_mode(&place(&folder, "echo"), 0o777);
    set_mode(&folder.plugins(), 0o777);
    let toml = "[trust]\nallow_writable = true\n";
    folder.configure(toml);
    assert_trusted(&folder, "echo");
    assert_neighbours_answer(&folder.host(toml).await).await;
}

#[tokio::test]
async fn a_plugin_behind_the_links_of_a_mounted_volume_is_used() {
    let folder = PluginFolder::with(&["echo"]);
    let version = folder.plugins().join("..2026_11_22");
    std::fs::create_dir(&version).expect("a folder");
    set_mode(&version, 0o755);
    let file = file_name("echo");
    std::fs::rename(place(&folder, "echo"), version.join(&file)).expect("the file is moved");
    let link = |target: &str, name: &str| {
        let made = std::os::unix::fs::symlink(target, folder.plugins().join(name));
        made.expect("a link");
    };
    link("..2026_11_22", "..data");
    link(&format!("..data/{file}"), &file);
    assert_trusted(&folder, "echo");
    assert_neighbours_answer(&folder.host("").await).await;
    set_mode(&version, 0o777);
    assert_refused(&folder, "echo", &["world-writable"], "chmod o-w ");
}

#[tokio::test]
async fn only_pinned_contents_are_used_where_the_policy_says_so() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    folder.configure(PINNED);
    let lock = folder.path().join("allos.lock");
    assert_refused(&folder, "echo", &["`echo`", "is not pinned"], "allos trust pin ");
    assert!(!lock.exists(), "looking writes nothing");

    let hash = text(&verdict(&folder, "echo"), "sha256").to_owned();
    let said = run(&folder, &["trust", "pin", "echo"]);
    assert_eq!(assert_done(&said).stdout, format!("echo {VERSION} {hash} pinned\n"));
    let written = std::fs::read_to_string(&lock).expect("the lock");
    for word in ["[pinned.echo]", VERSION, &hash] {
        assert!(written.contains(word), "{written}");
    }
    assert_trusted(&folder, "echo");
    assert_refused(&folder, "openai", &["is not pinned"], "allos trust pin ");
    let host = folder.host(PINNED).await;
    assert_eq!(host.report().loaded().count(), 1);
    assert_neighbours_answer(&host).await;

    let file = shown(&place(&folder, "openai"));
    assert_done(&run(&folder, &["trust", "pin", &file]));
    assert_trusted(&folder, "openai");
    assert_trusted(&folder, "echo");
    let both = std::fs::read_to_string(&lock).expect("the lock");
    let said = run(&folder, &["trust", "pin", "openai", "echo"]);
    assert!(assert_done(&said).stdout.contains("was pinned"), "{said:?}");
    assert_eq!(std::fs::read_to_string(&lock).expect("the lock"), both, "the order is stable");
}

#[tokio::test]
async fn a_changed_file_is_quarantined_with_both_hashes_until_it_is_pinned_again() {
    let folder = PluginFolder::with(&["echo", "openai"]);
    folder.configure(PINNED);
    assert_done(&run(&folder, &["trust", "pin", "echo", "openai"]));
    let before = text(&verdict(&folder, "openai"), "sha256").to_owned();
    write_version(&folder, "openai", "9.9.9");
    let after = text(&verdict(&folder, "openai"), "sha256").to_owned();
    assert_ne!(before, after);
    assert_refused(&folder, "openai", &[&before, &after, VERSION, "9.9.9"], "allos trust pin ");
    let host = folder.host(PINNED).await;
    let lines: Vec<_> = host.report().quarantined().map(ToString::to_string).collect();
    assert!(lines.len() == 1 && lines[0].contains(&before), "{lines:?}");
    assert_neighbours_answer(&host).await;
    assert_done(&run(&folder, &["trust", "pin", "openai"]));
    assert_trusted(&folder, "openai");
}

#[test]
fn nothing_is_pinned_where_it_is_not_clear_what() {
    let folder = PluginFolder::with(&["echo", "duplicate_name"]);
    folder.configure(PINNED);
    for (plugin, words) in [
        ("echo", &["both export `echo`", "hint: name the file"][..]),
        ("nobody", &["no plugin `nobody`", "hint: "]),
        ("./nowhere.so", &["nowhere.so", "no such file"]),
        ("allos.toml", &["allos.toml: not a library"]),
    ] {
        let said = run(&folder, &["trust", "pin", plugin]);
        assert_eq!((said.code, said.stdout.as_str()), (Some(4), ""), "{said:?}");
        for word in words {
            assert!(said.stderr.contains(word), "{said:?} says nothing of {word}");
        }
    }
    assert!(!folder.path().join("allos.lock").exists());
    let file = shown(&place(&folder, "echo"));
    assert_done(&run(&folder, &["trust", "pin", &file]));
    assert_trusted(&folder, "echo");
    assert_refused(&folder, "duplicate_name", &["is pinned with SHA-256"], "allos trust pin ");
}

#[tokio::test]
async fn what_was_hashed_is_what_is_opened() {
    let folder = PluginFolder::with(&["echo"]);
    folder.configure(PINNED);
    assert_done(&run(&folder, &["trust", "pin", "echo"]));
    let hash = text(&verdict(&folder, "echo"), "sha256").to_owned();
    let copy =
        folder.cache().join("plugins").join(format!("{hash}{}", std::env::consts::DLL_SUFFIX));
    std::fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder for copies");
    std::fs::copy(artifact::library("duplicate_name"), &copy).expect("another plugin's copy");
    let host = folder.host(PINNED).await;
    let answer = chat(&host, "echo", "echo").await.expect("an answer");
    assert_ne!(answer.first_text(), "calm", "that is the other plugin");
    let original = std::fs::read(place(&folder, "echo")).expect("the file");
    assert_eq!(std::fs::read(&copy).expect("the copy"), original);
}

#[test]
fn a_lock_that_cannot_be_relied_on_refuses_every_file_and_says_why() {
    let folder = PluginFolder::with(&["echo"]);
    folder.configure(&format!("{PINNED}lock = \"locks/of mine\"\n"));
    std::fs::create_dir(folder.path().join("locks")).expect("a folder");
    set_mode(&folder.path().join("locks"), 0o755);
    assert_done(&run(&folder, &["trust", "pin", "echo"]));
    let lock = folder.path().join("locks/of mine");
    assert_trusted(&folder, "echo");
    set_mode(&lock, 0o646);
    let mend = "chmod o-w 'locks/of mine'";
    assert_refused(&folder, "echo", &["the lock", "world-writable"], mend);
    set_mode(&lock, 0o644);
    std::fs::write(&lock, "[pinned.echo]\nversion = 1\n").expect("a lock");
    assert_refused(&folder, "echo", &["the lock", "is damaged: line 2"], "pin the plugins");
    let said = run(&folder, &["trust", "pin", "echo"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("is damaged: line 2"), "{said:?}");
}

/// Keys for signing, and the configuration that trusts them.
struct Signer {
    keys: KeyPair,
    toml: String,
}

impl Signer {
    fn new() -> Self {
        let keys = KeyPair::generate_unencrypted_keypair().expect("a pair of keys");
        let toml = format!("[trust]\npolicy = \"signed\"\nkeys = [\"{}\"]\n", keys.pk.to_base64());
        Self { keys, toml }
    }

    /// Writes a signature beside a plugin, with this trusted comment.
    fn sign(&self, folder: &PluginFolder, library: &str, comment: &str) {
        let file = place(folder, library);
        let content = std::fs::read(&file).expect("the plugin");
        let KeyPair { pk, sk } = &self.keys;
        let signature = minisign::sign(Some(pk), sk, &*content, Some(comment), None);
        let signature = signature.expect("a signature").into_string();
        folder.write(&format!("{}.minisig", file_name(library)), signature.as_bytes());
    }
}

/// Puts a plugin into the folder that states another version of itself.
fn write_version(folder: &PluginFolder, library: &str, version: &str) {
    folder.write(&file_name(library), &artifact::of_version(library, version));
}

#[tokio::test]
async fn a_signed_plugin_is_used_and_its_key_is_shown() {
    let (folder, signer) = (PluginFolder::with(&["echo", "openai"]), Signer::new());
    folder.configure(&signer.toml);
    signer.sign(&folder, "echo", &format!("timestamp:1\tallos:echo {VERSION}\thashed"));
    let row = assert_trusted(&folder, "echo");
    assert_eq!(row["key"], signer.keys.pk.to_base64());
    let hint = format!("-t 'allos:openai {VERSION}'");
    assert_refused(&folder, "openai", &["not signed", "openai.so.minisig"], &hint);
    let host = folder.host(&signer.toml).await;
    assert_eq!(host.report().loaded().count(), 1);
    assert_neighbours_answer(&host).await;
}

#[test]
fn a_signature_for_anything_else_is_refused() {
    let (folder, signer) = (PluginFolder::with(&["echo"]), Signer::new());
    folder.configure(&signer.toml);
    let refused = |words: &[&str], hint| assert_refused(&folder, "echo", words, hint);
    Signer::new().sign(&folder, "echo", &format!("allos:echo {VERSION}"));
    refused(&["a key that is not trusted"], "`keys` in [trust]");
    signer.sign(&folder, "echo", "timestamp:1\tfile:liballos_echo.so\thashed");
    refused(&["trusted comment"], "minisign -S -m ");
    signer.sign(&folder, "echo", &format!("allos:openai {VERSION}"));
    refused(&["`openai ", "`echo "], "minisign -S -m ");
    signer.sign(&folder, "echo", "allos:echo 9.9.9");
    refused(&["`echo 9.9.9`"], "minisign -S -m ");
    signer.sign(&folder, "echo", &format!("allos:echo {VERSION}"));
    assert_trusted(&folder, "echo");
    write_version(&folder, "echo", "9.9.9");
    refused(&["one of the two was changed"], "copy the file and its signature again");
    folder.write(&format!("{}.minisig", file_name("echo")), b"signed by me");
    refused(&["not a signature in minisign's format"], "minisign -S -m ");
}

#[tokio::test]
async fn an_old_signed_file_is_no_downgrade_unless_that_is_allowed() {
    let (folder, signer) = (PluginFolder::with(&["echo"]), Signer::new());
    folder.configure(&signer.toml);
    let old = PluginFolder::with(&["echo"]);
    signer.sign(&old, "echo", &format!("allos:echo {VERSION}"));
    let restore = || {
        for file in [file_name("echo"), format!("{}.minisig", file_name("echo"))] {
            folder.copy(&old.plugins().join(&file), &file);
        }
    };
    write_version(&folder, "echo", "9.9.9");
    signer.sign(&folder, "echo", "allos:echo 9.9.9");
    assert_trusted(&folder, "echo");
    restore();
    assert_trusted(&folder, "echo");

    write_version(&folder, "echo", "9.9.9");
    signer.sign(&folder, "echo", "allos:echo 9.9.9");
    let host = folder.host(&signer.toml).await;
    assert_neighbours_answer(&host).await;
    restore();
    let hint = "allow_downgrade = true";
    assert_refused(&folder, "echo", &[VERSION, "older than 9.9.9"], hint);
    let refused = folder.host(&signer.toml).await;
    assert_eq!(refused.report().quarantined().count(), 1);

    folder.configure(&format!("{}allow_downgrade = true\n", signer.toml));
    assert_trusted(&folder, "echo");
    folder.configure(&signer.toml);
    assert_refused(&folder, "echo", &["older than 9.9.9"], "allos trust pin ");
    assert_done(&run(&folder, &["trust", "pin", "echo"]));
    assert_trusted(&folder, "echo");
}

#[tokio::test]
async fn a_host_that_cannot_keep_versions_in_mind_says_so_and_answers() {
    let (folder, signer) = (PluginFolder::with(&["echo"]), Signer::new());
    signer.sign(&folder, "echo", &format!("allos:echo {VERSION}"));
    let toml = format!("{}lock = \"nowhere/allos.lock\"\n", signer.toml);
    let host = folder.host(&toml).await;
    assert!(host.report().warnings.iter().any(|it| it.contains("cannot be written")));
    assert_neighbours_answer(&host).await;
}

#[test]
fn verifying_opens_nothing_and_fails_where_a_file_is_refused() {
    let folder = PluginFolder::with(&["echo", "prints_while_opened"]);
    let said = run(&folder, &["trust", "verify"]);
    assert_done(&said);
    for word in ["echo", "prints-while-opened", "SHA-256", "open"] {
        assert!(said.stdout.contains(word), "{said:?}");
    }
    assert_eq!(said.stderr, "", "the fixture would have written");
    assert!(!folder.cache().exists(), "nothing is staged");
    folder.write(&file_name("notes"), b"remember the milk\n");
    let said = run(&folder, &["trust", "verify"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stderr.contains("1 of 3 files refused"), "{said:?}");
    assert!(said.stdout.contains("descriptor: not a library"), "{said:?}");
}

#[test]
fn looking_works_where_every_plugin_is_broken_and_the_configuration_names_what_is_not_there() {
    let folder = PluginFolder::with(&["no_descriptor", "panic_in_entry", "wrong_abi_version"]);
    folder.configure(
        "plugin_dirs = [\"nowhere\"]\n[trust]\npolicy = \"pinned\"\nlock = \"none/allos.lock\"\n\
         [providers.nobody]\nplugin = \"nobody\"\napi_key = { env = \"NOT_SET\" }\n\
         [routes]\nsmart = \"nobody/model\"\n",
    );
    assert_eq!(json(&folder, &["list", "--json"]).0.as_array().map(Vec::len), Some(3));
    assert_refused(&folder, "panic_in_entry", &["is not pinned"], "allos trust pin ");
    let file = shown(&place(&folder, "panic_in_entry"));
    let inspected = json(&folder, &["inspect", "--json", &file]);
    assert_eq!((&inspected.0["name"], inspected.1), (&"panic-in-entry".into(), Some(0)));
    let said = run(&folder, &["trust", "pin", "panic-in-entry"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains("none/allos.lock` cannot be written"), "{said:?}");
    let said = run(&folder, &["--plugin-dir", "nowhere", "trust", "verify"]);
    assert!(assert_done(&said).stderr.contains("nowhere"), "{said:?}");
}
