//! The second stage: what a file states about itself, and what its own tables tell.
//!
//! Reads the file once, bounded, and looks for the descriptor in its link section. Nothing in the
//! file is run. What comes out was checked as far as it can be without opening the library.

use std::fs::Metadata;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use allos_plugin_api::{Descriptor, DescriptorError, MACH_O_SECTION, SECTION, is_provider_name};
use object::{FileKind, Object, ObjectSection, ObjectSegment};

use super::admission::{Admission, Session};
use super::candidate::{ContentHash, LoadStage, Reason, Refusal};
use super::{elf, libraries, target};
use crate::io_reason::io_reason;

/// The largest library that is read, in bytes.
const MAX_LIBRARY: u64 = 512 * 1024 * 1024;

/// Reads what a plugin file states about itself and the hash of its content, without running it.
///
/// # Errors
///
/// Where the file could not be loaded by this host, as far as that can be told without opening it.
pub fn identify(path: &Path) -> Result<(Descriptor, ContentHash), Refusal> {
    let identity = |content: &[u8]| Ok((descriptor_of(content)?, ContentHash::of(content)));
    read(path)
        .and_then(|(content, _)| identity(&content))
        .map_err(|reason| Refusal::new(LoadStage::Descriptor, reason))
}

/// The stage.
pub(super) fn describe(admission: &mut Admission, _: &mut Session) -> Result<(), Reason> {
    let (content, facts) = read(&admission.path)?;
    (admission.content, admission.opened) = (content, Some(facts));
    admission.descriptor = Some(Arc::new(descriptor_of(&admission.content)?));
    Ok(())
}

/// The content, and what the system says of the file that it was read from.
fn read(path: &Path) -> Result<(Vec<u8>, Metadata), Reason> {
    let unreadable = |error| {
        Reason::new(format!("it cannot be read: {}", io_reason(&error)))
            .hint("check the file and its permissions")
    };
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() {
        return Err(Reason::new("it is not a file").hint("name a plugin's library"));
    }
    file.take(MAX_LIBRARY + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() as u64 > MAX_LIBRARY {
        return Err(Reason::new("larger than 512 MiB").hint("build it with `--release`"));
    }
    Ok((content, facts))
}

pub(super) fn descriptor_of(content: &[u8]) -> Result<Descriptor, Reason> {
    let file = parse(content)?;
    target::check_header(&file)?;
    check_complete(&file, content)?;
    let descriptor = Descriptor::from_section(section(&file)?).map_err(|error| unusable(&error))?;
    check_statements(&descriptor)?;
    libraries::check(&elf::needs(&file)?)?;
    Ok(descriptor)
}

fn parse(content: &[u8]) -> Result<object::File<'_>, Reason> {
    if content.is_empty() {
        return Err(Reason::new("the file is empty").hint("copy it again"));
    }
    match FileKind::parse(content) {
        Ok(FileKind::MachOFat32 | FileKind::MachOFat64) => {
            return Err(Reason::new("a universal library of several architectures")
                .hint("extract the one that is needed with `lipo -thin`"));
        }
        Ok(FileKind::DyldCache) | Err(_) => return Err(no_library(content)),
        Ok(_) => {}
    }
    object::File::parse(content).map_err(Reason::damaged)
}

fn no_library(content: &[u8]) -> Reason {
    if content.starts_with(b"\x7fELF") {
        return Reason::damaged("it ends within its first header");
    }
    Reason::new("not a library at all: it is no ELF, Mach-O or PE file")
        .hint("a plugin folder holds the libraries that `cargo build` makes")
}

/// A segment that ends after the file would crash the process that maps it.
fn check_complete(file: &object::File<'_>, content: &[u8]) -> Result<(), Reason> {
    let length = content.len() as u64;
    let is_within =
        |(start, size): (u64, u64)| start.checked_add(size).is_some_and(|end| end <= length);
    if file.segments().all(|segment| is_within(segment.file_range())) {
        Ok(())
    } else {
        Err(Reason::damaged("a segment ends after the end of the file"))
    }
}

fn section<'content>(file: &object::File<'content>) -> Result<&'content [u8], Reason> {
    let (segment, name) = MACH_O_SECTION;
    let is_descriptor = |section: &object::Section<'content, '_>| match section.segment_name() {
        Ok(Some(found)) => found == segment && section.name() == Ok(name),
        _ => section.name() == Ok(SECTION),
    };
    let Some(section) = file.sections().find(is_descriptor) else {
        return Err(Reason::new("a library without a plugin descriptor").hint(
            "export a provider with `#[provider(\"name\")]`, or move the file out of the folder",
        ));
    };
    section.data().map_err(Reason::damaged)
}

fn unusable(error: &DescriptorError) -> Reason {
    let reason = Reason::new(error.to_string());
    match error {
        DescriptorError::AbiVersion(version) if *version > allos_plugin_abi::ABI_VERSION => {
            reason.hint("upgrade allos, or rebuild it with an older allos-plugin-api")
        }
        DescriptorError::AbiVersion(_) => reason.hint("rebuild it with a newer allos-plugin-api"),
        _ => reason.hint("rebuild it with `#[provider(\"name\")]` of allos-plugin-api"),
    }
}

fn check_statements(descriptor: &Descriptor) -> Result<(), Reason> {
    target::check_triple(&descriptor.target)?;
    if descriptor.panic != "unwind" {
        return Err(Reason::new(format!(
            "built with `panic = \"{}\"`: its first panic would end the host",
            descriptor.panic
        ))
        .hint("build it with `panic = \"unwind\"`, the default"));
    }
    let presets = descriptor.presets.iter().map(|preset| &preset.name);
    match [&descriptor.name].into_iter().chain(presets).find(|name| !is_provider_name(name)) {
        None => Ok(()),
        Some(name) => Err(Reason::new(format!("`{name}` is not the name of a provider")).hint(
            "use lower-case letters, digits, `-` and `_`, at most 64, a letter or digit first",
        )),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
pub(super) mod tests;
