//! Whether a library was built for the machine that this host runs on.
//!
//! First by the library's own header, then by the target that its descriptor names. It cannot tell
//! which instructions of a processor the code uses.

use allos_plugin_api::boundary::static_descriptor::TARGET;
use object::{Architecture, BinaryFormat, Endianness, Object, ObjectKind};

use super::candidate::Reason;

const REBUILD: &str = "build the plugin for this machine";

/// Compares a library's header with this host.
pub(super) fn check_header(file: &object::File<'_>) -> Result<(), Reason> {
    let host_format = BinaryFormat::native_object();
    if format_name(file.format()) != format_name(host_format) {
        return Err(Reason::new(format!(
            "built as {}, this host needs {}",
            format_name(file.format()),
            format_name(host_format)
        ))
        .hint(REBUILD));
    }
    let (found, host) = (architecture_name(file.architecture()), std::env::consts::ARCH);
    if found != host {
        return Err(Reason::new(format!("built for {found}, this host is {host}")).hint(REBUILD));
    }
    if (file.endianness() == Endianness::Little) != cfg!(target_endian = "little") {
        return Err(Reason::new(format!("built for {host} of the other byte order")).hint(REBUILD));
    }
    match file.kind() {
        ObjectKind::Dynamic => Ok(()),
        kind => Err(Reason::new(format!("not a shared library but {}", kind_name(kind)))
            .hint("build it with `crate-type = [\"cdylib\"]`")),
    }
}

/// Compares the target of a descriptor with this host's.
pub(super) fn check_triple(target: &str) -> Result<(), Reason> {
    if without_vendor(target) == without_vendor(TARGET) {
        return Ok(());
    }
    Err(Reason::new(format!("built for {target}, this host is {TARGET}"))
        .hint(format!("build it with `--target {TARGET}`")))
}

/// The parts that decide: distributions that package a compiler put their own vendor there.
fn without_vendor(target: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = target.split('-').collect();
    if parts.len() == 4 {
        parts.remove(1);
    }
    parts
}

fn architecture_name(architecture: Architecture) -> String {
    match architecture {
        Architecture::I386 => "x86".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn format_name(format: BinaryFormat) -> &'static str {
    match format {
        BinaryFormat::Elf => "ELF (Linux)",
        BinaryFormat::MachO => "Mach-O (macOS)",
        BinaryFormat::Pe | BinaryFormat::Coff => "PE (Windows)",
        _ => "another format",
    }
}

fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Executable => "a program",
        ObjectKind::Relocatable => "an object file",
        ObjectKind::Core => "a core dump",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendor_of_a_target_does_not_matter() {
        assert_eq!(
            without_vendor("x86_64-alpine-linux-musl"),
            without_vendor("x86_64-unknown-linux-musl")
        );
        assert_ne!(
            without_vendor("x86_64-unknown-linux-gnu"),
            without_vendor("x86_64-unknown-linux-musl")
        );
        check_triple(TARGET).unwrap();
        check_triple("").unwrap_err();
    }

    #[test]
    fn the_running_host_has_the_architecture_that_object_names() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let file = object::File::parse(&*program).unwrap();
        assert_eq!(architecture_name(file.architecture()), std::env::consts::ARCH);
    }
}
