//! The descriptor as bytes in a link section, put together while the plugin is compiled.
//!
//! Its layout: [`MAGIC`], the ABI version and the length of the text as little-endian `u32`, the
//! text. The text is JSON, so that a host of any version reads what it knows of it.

/// The first bytes of the section.
pub const MAGIC: [u8; 16] = *b"ALLOS-PLUGIN\0\0\0\0";

/// The length of what comes before the text.
pub const HEAD: usize = MAGIC.len() + 4 + 4;

/// The compiler that builds this crate, and with it the plugin.
pub const RUSTC: &str = env!("ALLOS_RUSTC_VERSION");

/// The target for which it builds.
pub const TARGET: &str = env!("ALLOS_TARGET");

/// The version of this crate.
pub const API_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The length of all the parts together.
pub const fn length(parts: &[&str]) -> usize {
    let mut total = 0;
    let mut part = 0;
    while part < parts.len() {
        total += parts[part].len();
        part += 1;
    }
    total
}

/// The whole section: `N` is [`HEAD`] and the [`length`] of the parts.
pub const fn section<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = copy(&mut bytes, 0, &MAGIC);
    at = copy(&mut bytes, at, &allos_plugin_abi::ABI_VERSION.to_le_bytes());
    #[allow(clippy::cast_possible_truncation)] // a descriptor is a few kilobytes
    let text_length = (N - HEAD) as u32;
    at = copy(&mut bytes, at, &text_length.to_le_bytes());
    let mut part = 0;
    while part < parts.len() {
        at = copy(&mut bytes, at, parts[part].as_bytes());
        part += 1;
    }
    bytes
}

const fn copy(into: &mut [u8], at: usize, from: &[u8]) -> usize {
    let mut index = 0;
    while index < from.len() {
        into[at + index] = from[index];
        index += 1;
    }
    at + from.len()
}
