//! Files good and bad, put together byte by byte.

use std::fmt::Write;

use allos_plugin_api::boundary::static_descriptor::{MAGIC, TARGET};

use super::*;

/// The smallest 64-bit ELF library for `machine` that has these bytes in a section of this name.
fn elf(machine: u16, kind: u16, name: &str, section: &[u8]) -> Vec<u8> {
    let names = format!("\0{name}\0.shstrtab\0");
    let [section_at, names_at] = [64, 64 + section.len()];
    let table_at = (names_at + names.len()).next_multiple_of(8);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend([kind, machine].iter().flat_map(|it| it.to_le_bytes()));
    file.extend(1_u32.to_le_bytes());
    file.extend([0, 0, table_at as u64].iter().flat_map(|it: &u64| it.to_le_bytes()));
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 0, 64, 3, 2].iter().flat_map(|it| it.to_le_bytes()));
    file.extend(section);
    file.extend(names.as_bytes());
    file.resize(table_at, 0);
    file.extend(section_header(0, 0, 0, 0));
    file.extend(section_header(1, 1, section_at, section.len()));
    file.extend(section_header(u32::try_from(name.len()).unwrap() + 2, 3, names_at, names.len()));
    file
}

fn section_header(name: u32, kind: u32, offset: usize, size: usize) -> Vec<u8> {
    let mut header = [name, kind].iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<_>>();
    let rest = [0, 0, offset as u64, size as u64, 0, 1, 0];
    header.extend(rest.iter().flat_map(|it: &u64| it.to_le_bytes()));
    header
}

const X86_64: u16 = 62;
const AARCH64: u16 = 183;
const LIBRARY: u16 = 3;

fn here() -> u16 {
    if cfg!(target_arch = "aarch64") { AARCH64 } else { X86_64 }
}

fn section(abi_version: u32, json: &str) -> Vec<u8> {
    let mut section = MAGIC.to_vec();
    section.extend(abi_version.to_le_bytes());
    section.extend(u32::try_from(json.len()).unwrap().to_le_bytes());
    section.extend(json.as_bytes());
    section
}

fn json(name: &str, target: &str, panic: &str, more: &str) -> String {
    let mut json = format!(r#"{{"abi_version":1,"name":"{name}","target":"{target}""#);
    write!(json, r#","panic":"{panic}"{more}}}"#).unwrap();
    json
}

fn plugin(json: &str) -> Vec<u8> {
    elf(here(), LIBRARY, ".allos", &section(1, json))
}

/// A library whose descriptor is in order. It has no code, so it cannot be opened.
pub(in crate::loader) fn library(name: &str) -> Vec<u8> {
    plugin(&json(name, TARGET, "unwind", ""))
}

fn good() -> Vec<u8> {
    library("parrot")
}

/// The one line about a file that is refused.
fn refusal(content: &[u8]) -> String {
    let reason = descriptor_of(content).unwrap_err();
    let line = Refusal::new(LoadStage::Descriptor, reason).to_string();
    assert!(!line.contains('\n'), "{line}");
    assert!(line.contains("(hint: "), "{line}");
    line
}

#[test]
fn a_good_file_states_its_name() {
    assert_eq!(descriptor_of(&good()).unwrap().name, "parrot");
}

#[test]
fn a_file_that_is_no_library_is_named_so() {
    for content in [&b"hello"[..], b"#!/bin/sh\nexit 0\n", &[0; 1000], &[0xff; 64]] {
        assert!(refusal(content).contains("not a library at all"));
    }
    assert!(refusal(b"").contains("the file is empty"));
}

#[test]
fn a_file_cut_anywhere_is_refused_without_a_panic() {
    let file = good();
    for length in 1..file.len() {
        let line = refusal(&file[..length]);
        assert!(length < 4 || line.contains("truncated or damaged"), "{length} bytes: {line}");
    }
}

#[test]
fn a_file_changed_anywhere_never_panics() {
    let file = good();
    for at in 0..file.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[at] = value;
            let _ = descriptor_of(&changed);
        }
    }
}

#[test]
fn a_segment_beyond_the_end_of_the_file_is_refused() {
    let mut file = good();
    let at = file.len() as u64;
    file[32..40].copy_from_slice(&at.to_le_bytes());
    file[56..58].copy_from_slice(&1_u16.to_le_bytes());
    file.extend([1_u32, 5].iter().flat_map(|it| it.to_le_bytes()));
    let beyond = [0, 0, 0, u64::from(u32::MAX), u64::from(u32::MAX), 4096];
    file.extend(beyond.iter().flat_map(|it: &u64| it.to_le_bytes()));
    assert!(refusal(&file).contains("a segment ends after the end of the file"));
}

#[test]
fn another_architecture_is_named_beside_this_one() {
    let other = if here() == X86_64 { AARCH64 } else { X86_64 };
    let line = refusal(&elf(other, LIBRARY, ".allos", b""));
    let host = std::env::consts::ARCH;
    assert!(line.starts_with("descriptor: built for "), "{line}");
    assert!(line.contains(&format!(", this host is {host} (hint: ")), "{line}");
}

#[test]
fn another_format_is_named_beside_this_one() {
    let mut mach_o = 0xfeed_facf_u32.to_le_bytes().to_vec();
    mach_o.extend([0x0100_000c_u32, 0, 6, 0, 0, 0, 0].iter().flat_map(|it| it.to_le_bytes()));
    assert!(refusal(&mach_o).contains("built as Mach-O (macOS), this host needs ELF (Linux)"));
}

#[test]
fn a_program_or_an_object_file_is_no_library() {
    assert!(refusal(&elf(here(), 1, ".allos", b"")).contains("but an object file"));
    assert!(refusal(&elf(here(), 2, ".allos", b"")).contains("but a program"));
}

#[test]
fn a_library_without_a_descriptor_gets_the_hint_how_to_export_one() {
    let line = refusal(&elf(here(), LIBRARY, ".other", b"x"));
    assert!(line.contains("a library without a plugin descriptor (hint: export a provider with"));
}

#[test]
fn another_abi_version_is_named_beside_this_one() {
    let line = refusal(&elf(here(), LIBRARY, ".allos", &section(2, "not even JSON")));
    let expected = "built for plugin ABI 2, this host supports 1 (hint: upgrade allos,";
    assert!(line.contains(expected), "{line}");
}

#[test]
fn a_section_that_is_no_descriptor_is_refused() {
    for content in [b"x".to_vec(), section(1, "{}"), section(1, "["), section(1, "{\"name\":1}")] {
        let line = refusal(&elf(here(), LIBRARY, ".allos", &content));
        assert!(line.contains("descriptor cannot be read"), "{line}");
    }
}

#[test]
fn statements_that_cannot_be_loaded_are_refused() {
    let other = refusal(&plugin(&json("a", "mips-unknown-none", "unwind", "")));
    let expected = format!("built for mips-unknown-none, this host is {TARGET} (hint: ");
    assert!(other.contains(&expected), "{other}");
    let abort = refusal(&plugin(&json("a", TARGET, "abort", "")));
    assert!(abort.contains("built with `panic = \"abort\"`"), "{abort}");
    let name = refusal(&plugin(&json("A b", TARGET, "unwind", "")));
    assert!(name.contains("`A b` is not the name of a provider"), "{name}");
    let preset = json("a", TARGET, "unwind", r#","presets":[{"name":"../x"}]"#);
    assert!(refusal(&plugin(&preset)).contains("`../x` is not the name"));
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder_itself = identify(folder.path()).unwrap_err().to_string();
    assert!(folder_itself.contains("descriptor: it is not a file"), "{folder_itself}");
    let missing = identify(&folder.path().join("x.so")).unwrap_err().to_string();
    assert!(missing.contains("it cannot be read: no such file or folder"), "{missing}");
}
