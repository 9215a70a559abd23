//! A vendor's stream of JSON lines: however it is cut, the same lines.
#![no_main]

use allos_plugin_api::NdjsonDecoder;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((text, pieces)) = allos_fuzz::pieces(bytes) else { return };
    assert_eq!(decode(&[text]), decode(&pieces));
});

/// The lines up to the end or to the first error.
fn decode(pieces: &[&[u8]]) -> (Vec<String>, bool) {
    let mut decoder = NdjsonDecoder::new();
    let mut lines = Vec::new();
    let mut failed = false;
    for piece in pieces {
        decoder.push(piece);
        failed |= take(&mut decoder, &mut lines);
        if failed {
            return (lines, true);
        }
    }
    decoder.end();
    failed |= take(&mut decoder, &mut lines);
    (lines, failed)
}

/// Whether it failed.
fn take(decoder: &mut NdjsonDecoder, lines: &mut Vec<String>) -> bool {
    loop {
        match decoder.next() {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}
