//! Bytes to lines, for the decoders: a line ends with CR, LF or both, wherever the pieces split.

use crate::error::ProviderError;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Cuts a stream of bytes into lines of text.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the line that comes next starts in the buffer.
    start: usize,
    /// How far the buffer was searched for the end of that line.
    searched: usize,
    /// Whether the last line ended with CR, so that an LF that follows belongs to it.
    after_cr: bool,
    /// Whether a byte order mark may still come.
    mark_may_come: bool,
}

impl Lines {
    /// Lines of a stream that may start with a byte order mark.
    pub(crate) fn stripping_byte_order_mark() -> Self {
        Self { mark_may_come: true, ..Self::default() }
    }

    /// Appends bytes as they arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line that is complete, without its end, if there is one.
    pub(crate) fn next(&mut self, longest: usize) -> Result<Option<String>, ProviderError> {
        if !self.skip_what_is_no_line() {
            return Ok(None);
        }
        let rest = &self.buffer[self.searched..];
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            self.searched = self.buffer.len();
            let pending = self.buffer.len() - self.start;
            return if pending > longest { Err(too_long(longest)) } else { Ok(None) };
        };
        let end = self.searched + length;
        let line = std::str::from_utf8(&self.buffer[self.start..end])
            .map(str::to_owned)
            .map_err(|_| ProviderError::malformed_reply("a line of the stream is not UTF-8"));
        self.after_cr = self.buffer[end] == b'\r';
        self.start = end + 1;
        self.searched = self.start;
        line.map(Some)
    }

    /// Passes over the LF of a CR LF and a byte order mark; false where more bytes must tell.
    fn skip_what_is_no_line(&mut self) -> bool {
        if self.after_cr && self.start < self.buffer.len() {
            self.after_cr = false;
            if self.buffer[self.start] == b'\n' {
                self.skip(1);
            }
        }
        if self.mark_may_come {
            let rest = &self.buffer[self.start..];
            if rest.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(rest) {
                return false;
            }
            self.mark_may_come = false;
            if rest.starts_with(BYTE_ORDER_MARK) {
                self.skip(BYTE_ORDER_MARK.len());
            }
        }
        true
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.searched = self.searched.max(self.start);
    }
}

pub(crate) fn too_long(longest: usize) -> ProviderError {
    ProviderError::malformed_reply(format!(
        "a line of the stream is longer than {} MiB",
        longest / (1024 * 1024)
    ))
}
