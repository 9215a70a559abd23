//! Server-sent events, from bytes in pieces of any size.
//!
//! The format is the WHATWG's: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//! Comments, ids and retry times are read and dropped: no vendor's stream means anything by them.

use crate::error::ProviderError;
use crate::lines::Lines;

/// The longest event, in bytes of data.
pub const MAX_EVENT: usize = 32 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SseEvent {
    /// Its type; empty where the stream gave none.
    pub event: String,
    /// Its data, the lines joined with a line feed.
    pub data: String,
}

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
pub struct SseDecoder {
    lines: Lines,
    event: String,
    data: Option<String>,
}

impl SseDecoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self { lines: Lines::stripping_byte_order_mark(), ..Self::default() }
    }

    /// Appends bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// The next event that is complete, if there is one. Events without data are passed over.
    ///
    /// # Errors
    ///
    /// Where a line is not UTF-8, or an event is longer than [`MAX_EVENT`].
    #[allow(clippy::should_implement_trait)] // it fails, and more may come after `None`
    pub fn next(&mut self) -> Result<Option<SseEvent>, ProviderError> {
        while let Some(line) = self.lines.next(MAX_EVENT)? {
            if line.is_empty() {
                let event = std::mem::take(&mut self.event);
                if let Some(data) = self.data.take() {
                    return Ok(Some(SseEvent { event, data }));
                }
            } else {
                self.field(&line)?;
            }
        }
        Ok(None)
    }

    fn field(&mut self, line: &str) -> Result<(), ProviderError> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (name, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.event),
            ("data", None) => self.data = Some(value.to_owned()),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
                if data.len() > MAX_EVENT {
                    return Err(crate::lines::too_long(MAX_EVENT));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(stream: &str, size: usize) -> Vec<SseEvent> {
        let mut decoder = SseDecoder::new();
        let mut events = Vec::new();
        for piece in stream.as_bytes().chunks(size) {
            decoder.push(piece);
            while let Some(event) = decoder.next().unwrap() {
                events.push(event);
            }
        }
        events
    }

    fn event(event: &str, data: &str) -> SseEvent {
        SseEvent { event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn any_split_of_the_bytes_gives_the_same_events() {
        let stream = "\u{feff}: a comment\r\n\r\nevent: greeting\r\ndata: zoë\r\ndata:🦀\r\n\r\n\
                      data\rdata: x\r\rid: 7\nretry: 10\n\ndata:  two spaces\n\n";
        let expected =
            vec![event("greeting", "zoë\n🦀"), event("", "\nx"), event("", " two spaces")];
        for size in 1..=stream.len() {
            assert_eq!(decode(stream, size), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_that_the_end_cuts_off_is_not_an_event() {
        assert_eq!(decode("data: whole\n\ndata: half\n", 3), vec![event("", "whole")]);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_an_error() {
        let mut decoder = SseDecoder::new();
        decoder.push(b"data: \xff\n\n");
        let error = decoder.next().unwrap_err();
        assert!(error.message().contains("UTF-8"), "{error}");
    }
}
