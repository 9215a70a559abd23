//! What the targets share: bytes cut into pieces, and values that must survive the boundary.

use std::fmt::Debug;

use allos_plugin_api::boundary::payload::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The text that is cut, and the cuts: the first byte says how many bytes say how long the pieces
/// are, and these say it in turn, over and over.
pub fn pieces(bytes: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (count, rest) = bytes.split_first()?;
    let (lengths, text) = rest.split_at_checked(usize::from(*count))?;
    let mut lengths = lengths.iter().map(|length| usize::from(*length) + 1).cycle();
    let (mut pieces, mut left) = (Vec::new(), text);
    while let Some(length) = lengths.next().filter(|_| !left.is_empty()) {
        let (piece, after) = left.split_at(length.min(left.len()));
        pieces.push(piece);
        left = after;
    }
    pieces.extend((!left.is_empty()).then_some(left));
    Some((text, pieces))
}

/// Reads bytes as a value. What could be read must mean the same when it is written and read again.
pub fn survives<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) {
    let Ok(value) = decode::<T>(bytes) else { return };
    let written = encode(&value).expect("what was read can be written");
    let again: T = decode(&written).expect("what was written can be read");
    // Compared as bytes: what is not a number is not equal to itself.
    assert!(encode(&again).expect("as before") == written, "{value:?}\n{again:?}");
}
