//! Writes `corpus`, from which every run of a target starts: values and replies as they are meant.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`, after the snapshots of payloads or
//! the exchanges have changed. Needs a C compiler.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use allos_plugin_api::boundary::payload::encode;
use allos_plugin_api::boundary::static_descriptor::{MAGIC, TARGET};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// Pieces of five bytes, then of one, then of seventeen.
const CUTS: [u8; 4] = [3, 4, 0, 16];

fn main() -> Outcome {
    payloads()?;
    streams("sse", "text/event-stream")?;
    streams("ndjson", "application/x-ndjson")?;
    descriptors()?;
    frames()
}

/// One of each kind, and what a worker might send to a host that has asked it three things.
fn frames() -> Outcome {
    let frames = [
        frame(1, 7, b"chat\0hello"),
        frame(2, 7, b"item"),
        frame(3, 7, b"last"),
        frame(4, 1, b""),
        frame(5, 2, b"failed"),
        frame(6, 7, &1024_u32.to_le_bytes()),
        frame(7, u32::MAX, b""),
        frame(8, 0, b"log\0line"),
    ];
    write("worker_frames", "each-kind", &[&CUTS[..], &frames.concat()].concat())?;
    let answers = [
        frame(2, 1, b"item"),
        frame(4, 1, b""),
        frame(3, 2, b"last"),
        frame(5, 3, b"failed"),
        frame(1, 1, b"echo\0hello"),
        frame(1, 2, b"count\0more"),
        frame(6, 2, &65_536_u32.to_le_bytes()),
        frame(7, 2, b""),
        frame(8, 0, b"log\0line"),
    ];
    write("worker_connection", "both-ways", &answers.concat())
}

fn frame(kind: u8, exchange: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(5 + payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..], &[kind], &exchange.to_le_bytes(), payload].concat()
}

fn payloads() -> Outcome {
    for file in files(&workspace().join("plugin-api/tests/snapshots"))? {
        let value: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let asked = name.contains("request") || name == "config";
        let target = if asked { "payload_in_plugin" } else { "payload_in_host" };
        write(target, &name, &encode(&value)?)?;
        if name == "chunks" {
            write(target, "chunk", &encode(&value[0])?)?;
        }
    }
    Ok(())
}

/// The start of each stream of this type that a vendor documents.
fn streams(target: &str, media_type: &str) -> Outcome {
    for folder in files(&workspace().join("tests/exchanges"))? {
        for file in files(&folder)? {
            let exchange: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
            let response = &exchange["response"];
            let of_type =
                response["content_type"].as_str().is_some_and(|it| it.starts_with(media_type));
            if let Some(body) = response["body"].as_str().filter(|_| of_type) {
                let start = &body.as_bytes()[..body.len().min(1500)];
                let name = file.file_stem().unwrap_or_default().to_string_lossy();
                write(target, &name, &[&CUTS, start].concat())?;
            }
        }
    }
    Ok(())
}

/// Small libraries with a descriptor, made by the C compiler as a plugin is.
fn descriptors() -> Outcome {
    let json = format!(
        r#"{{"abi_version":1,"name":"seed","version":"1.2.3","target":"{TARGET}","panic":"unwind"}}"#
    );
    let mut section = MAGIC.to_vec();
    section.extend(1_u32.to_le_bytes());
    section.extend(u32::try_from(json.len())?.to_le_bytes());
    section.extend(json.as_bytes());
    let bytes: Vec<_> = section.iter().map(u8::to_string).collect();
    let source = format!(
        "__attribute__((section(\".allos\"), used)) const unsigned char it[] = {{{}}};\n\
         extern int puts(const char *); int use(void) {{ return puts(\"\"); }}\n",
        bytes.join(",")
    );
    let folder = std::env::temp_dir();
    let (code, library) = (folder.join("allos-seed.c"), folder.join("allos-seed.so"));
    std::fs::write(&code, source)?;
    for (name, libraries) in [("alone", &["-nodefaultlibs"][..]), ("with-libc", &[])] {
        let flags = ["-shared", "-fPIC", "-Os", "-s", "-nostartfiles", "-Wl,-z,noseparate-code"];
        let mut compiler = Command::new("cc");
        compiler.args(flags).args(libraries).arg(&code).arg("-o").arg(&library);
        if !compiler.status()?.success() {
            return Err("the C compiler failed".into());
        }
        write("descriptor", name, &std::fs::read(&library)?)?;
    }
    Ok(())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Outcome {
    let folder = workspace().join("fuzz/corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    Ok(std::fs::write(folder.join(name), bytes)?)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder)?.collect();
    Ok(entries?.into_iter().map(|entry| entry.path()).collect())
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
