//! What a worker may do to its host's side of their connection: anything.
#![no_main]

use allos_host::worker::fuzzing::connection;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| connection(bytes).expect("pipes can be made"));
