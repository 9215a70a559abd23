//! What a worker sends to its host: frames, in pieces of any size.
#![no_main]

use allos_host::worker::fuzzing::frames;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((text, pieces)) = allos_fuzz::pieces(bytes) else { return };
    assert_eq!(frames(&[text]), frames(&pieces));
});
