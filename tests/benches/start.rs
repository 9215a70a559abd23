//! What a start costs: the program `allos` as a process of its own, from nothing to its models, in
//! front of plugins that it knows.
//!
//! Each plugin is the provider `echo` under another name, so each is a content of its own: read,
//! hashed, compared with its private copy, opened and made an instance of. `the program alone` is to
//! be taken off.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)] // a bench may panic

#[path = "../contract/artifact.rs"]
#[allow(dead_code)] // the contract tests use the rest
mod artifact;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use tempfile::TempDir;

criterion_group!(benches, starts);
criterion_main!(benches);

fn starts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("start");
    group.sample_size(10);
    let folder = folder(1);
    group.bench_function("the program alone", |bencher| {
        bencher.iter(|| run(folder.path(), &["--version"]));
    });
    for plugins in [1, 100] {
        let folder = self::folder(plugins);
        // This one tries them all, which the others need not.
        assert_eq!(run(folder.path(), &["models"]).lines().count(), plugins + 1);
        group.bench_function(format!("{plugins} plugins"), |bencher| {
            bencher.iter(|| run(folder.path(), &["models"]));
        });
        group.bench_function(format!("{plugins} plugins, only listed"), |bencher| {
            bencher.iter(|| run(folder.path(), &["list"]));
        });
    }
    group.finish();
}

/// A folder with so many plugins.
fn folder(plugins: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("allos.toml"), "cache_dir = \"cache\"\n").unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    close(&folder.path().join("plugins"));
    for number in 0..plugins {
        let file =
            folder.path().join(format!("plugins/{number:03}{}", std::env::consts::DLL_SUFFIX));
        let name = format!("e{number:03}");
        std::fs::write(&file, artifact::stating("echo", "name", ["echo", &name])).unwrap();
        close(&file);
    }
    folder
}

/// Lets nobody else change it, whatever the umask.
fn close(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a command prints that ends well.
fn run(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(artifact::allos());
    let output = command.args(arguments).current_dir(folder).env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
