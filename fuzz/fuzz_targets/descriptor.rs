//! A file in a plugin folder, up to the point where it would be opened.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| allos_host::loader::fuzzing::descriptor(bytes));
