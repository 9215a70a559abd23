//! One JSON text per line, from bytes in pieces of any size.
//!
//! The format is that of <https://github.com/ndjson/ndjson-spec>; empty lines are passed over.

use crate::error::ProviderError;
use crate::lines::Lines;

/// The longest line, in bytes.
pub const MAX_LINE: usize = 32 * 1024 * 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub struct NdjsonDecoder(Lines);

impl NdjsonDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// Says that no more bytes come: what is left is the last line.
    pub fn end(&mut self) {
        self.0.push(b"\n");
    }

    /// The next line that is complete and not blank, if there is one.
    ///
    /// # Errors
    ///
    /// Where a line is not UTF-8, or longer than [`MAX_LINE`].
    #[allow(clippy::should_implement_trait)] // it fails, and more may come after `None`
    pub fn next(&mut self) -> Result<Option<String>, ProviderError> {
        while let Some(line) = self.0.next(MAX_LINE)? {
            if !line.trim().is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_of_the_bytes_gives_the_same_lines() {
        let stream = "{\"a\":\"é\"}\r\n\n{\"b\":\"🦀\"}\n{\"c\":1}";
        for size in 1..=stream.len() {
            let mut decoder = NdjsonDecoder::new();
            let mut lines = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                decoder.push(piece);
                while let Some(line) = decoder.next().unwrap() {
                    lines.push(line);
                }
            }
            decoder.end();
            lines.extend(decoder.next().unwrap());
            assert_eq!(lines, ["{\"a\":\"é\"}", "{\"b\":\"🦀\"}", "{\"c\":1}"], "pieces of {size}");
        }
    }
}
