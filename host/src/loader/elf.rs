//! What an ELF file needs of the system: libraries by name, and versions that they must have.
//!
//! Only reads the file's tables; `libraries` knows the system. Other formats need nothing here:
//! what a missing library does to them shows when they are opened.

use object::Endianness;
use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, VER_FLG_WEAK};
use object::read::elf::{ElfFile, FileHeader};

use super::candidate::Reason;

/// The most entries of a table that are read.
const MAX_ENTRIES: usize = 20_000;

/// What a library needs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The libraries.
    pub(super) libraries: Vec<String>,
    /// The folders in which the library itself wants them to be looked for.
    pub(super) folders: Vec<String>,
    /// Versions of those libraries.
    pub(super) versions: Vec<NeededVersion>,
}

/// A version that a library must define, such as `GLIBC_2.34` of `libc.so.6`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NeededVersion {
    pub(super) library: String,
    pub(super) version: String,
}

/// Reads what a library needs.
pub(super) fn needs(file: &object::File<'_>) -> Result<Needs, Reason> {
    let needs = match file {
        object::File::Elf32(file) => needs_of(file),
        object::File::Elf64(file) => needs_of(file),
        _ => Ok(Needs::default()),
    };
    needs.map_err(Reason::damaged)
}

/// The versions that a library defines.
pub(super) fn defined_versions(file: &object::File<'_>) -> object::Result<Vec<String>> {
    match file {
        object::File::Elf32(file) => definitions_of(file),
        object::File::Elf64(file) => definitions_of(file),
        _ => Ok(Vec::new()),
    }
}

fn needs_of<Elf>(file: &ElfFile<'_, Elf>) -> object::Result<Needs>
where
    Elf: FileHeader<Endian = Endianness>,
{
    let mut needs = Needs::default();
    let table = file.elf_dynamic_table()?;
    for entry in table.iter().take(MAX_ENTRIES) {
        match entry.tag {
            DT_NEEDED => needs.libraries.push(text(table.string(entry)?)),
            DT_RPATH | DT_RUNPATH => {
                needs.folders.extend(text(table.string(entry)?).split(':').map(str::to_owned));
            }
            _ => {}
        }
    }
    needs.versions = versions_of(file)?;
    Ok(needs)
}

fn versions_of<Elf>(file: &ElfFile<'_, Elf>) -> object::Result<Vec<NeededVersion>>
where
    Elf: FileHeader<Endian = Endianness>,
{
    let (endian, data, sections) = (file.endian(), file.data(), file.elf_section_table());
    let Some((libraries, link)) = sections.gnu_verneed(endian, data)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, data, link)?;
    let mut needed = Vec::new();
    for library in libraries {
        let (library, versions) = library?;
        let name = text(library.file(endian, strings)?);
        for version in versions {
            let version = version?;
            let is_weak = version.vna_flags.get(endian).contains(VER_FLG_WEAK);
            if !is_weak {
                let version = text(version.name(endian, strings)?);
                needed.push(NeededVersion { library: name.clone(), version });
            }
            if needed.len() >= MAX_ENTRIES {
                return Ok(needed);
            }
        }
    }
    Ok(needed)
}

fn definitions_of<Elf>(file: &ElfFile<'_, Elf>) -> object::Result<Vec<String>>
where
    Elf: FileHeader<Endian = Endianness>,
{
    let (endian, data, sections) = (file.endian(), file.data(), file.elf_section_table());
    let Some((definitions, link)) = sections.gnu_verdef(endian, data)? else {
        return Ok(Vec::new());
    };
    let strings = sections.strings(endian, data, link)?;
    let mut defined = Vec::new();
    for definition in definitions.take(MAX_ENTRIES) {
        let (_, mut names) = definition?;
        if let Some(name) = names.next()? {
            defined.push(text(name.name(endian, strings)?));
        }
    }
    Ok(defined)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
