//! A vendor's stream of events: however it is cut, the same events.
#![no_main]

use allos_plugin_api::{SseDecoder, SseEvent};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((text, pieces)) = allos_fuzz::pieces(bytes) else { return };
    assert_eq!(decode(&[text]), decode(&pieces));
});

/// The events up to the end or to the first error.
fn decode(pieces: &[&[u8]]) -> (Vec<SseEvent>, bool) {
    let mut decoder = SseDecoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
    }
    (events, false)
}
