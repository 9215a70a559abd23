//! Tells the crate which compiler builds it and for which target, for the descriptor.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=ALLOS_TARGET={}", variable("TARGET"));
    println!("cargo::rustc-env=ALLOS_RUSTC_VERSION={}", rustc_version());
}

fn rustc_version() -> String {
    let output = Command::new(variable("RUSTC")).arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    version.as_deref().map_or("unknown", str::trim).replace(['"', '\\'], "")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| "unknown".to_owned())
}
