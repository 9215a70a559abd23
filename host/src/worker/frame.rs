//! Frames: how bytes between a host and its worker are cut into pieces.
//!
//! A frame is the length of what follows, a kind, the number of an exchange, and a payload, the
//! numbers little-endian. Whoever reads must assume that the other side may write anything: the
//! plugin in a worker can reach its descriptors.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The bytes before a payload: the length (4), the kind (1), the exchange (4).
const HEAD: usize = 9;

/// What ends a name.
const AFTER_NAME: u8 = 0;

/// What a frame may hold beyond the longest payload: a name, the length of a head.
const BESIDE_PAYLOAD: usize = 64 * 1024;

/// Up to so many bytes of a payload are copied. Longer ones take their part of the buffer with them,
/// and a new one must be made for what comes next.
const COPIED: usize = 16 * 1024;

/// The longest payload of a frame, in bytes.
pub(crate) const MAX_FRAME: usize =
    allos_plugin_api::boundary::payload::MAX_PAYLOAD + BESIDE_PAYLOAD;

/// What a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Begins an exchange: what is asked for, and with what.
    Open = 1,
    /// An item of the answer; more may follow.
    Item = 2,
    /// An item, and the end.
    Last = 3,
    /// The end.
    End = 4,
    /// The end, with an error in place of an item.
    Failed = 5,
    /// Whoever asked has taken so many bytes, and so many more may come.
    Credit = 6,
    /// Whoever asked wants no more.
    Cancel = 7,
    /// Something that is said without an answer; its exchange is 0.
    Tell = 8,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Open,
            Self::Item,
            Self::Last,
            Self::End,
            Self::Failed,
            Self::Credit,
            Self::Cancel,
            Self::Tell,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) exchange: u32,
    pub(crate) payload: Bytes,
}

/// Bytes that are no frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame of {0} bytes, which is none")]
    Length(usize),
    #[error("a frame of the unknown kind {0}")]
    Kind(u8),
}

/// Writes a frame whose payload is in parts, a name before them where it has one.
pub(crate) fn write(
    buffer: &mut BytesMut,
    kind: Kind,
    exchange: u32,
    name: Option<&str>,
    parts: &[&[u8]],
) {
    let parts_length: usize = parts.iter().map(|part| part.len()).sum();
    let payload = name.map_or(0, |name| name.len() + 1) + parts_length;
    buffer.reserve(HEAD + payload);
    // The senders keep payloads within `MAX_FRAME`; a longer one is refused where it is read.
    buffer.put_u32_le(u32::try_from(HEAD - 4 + payload).unwrap_or(u32::MAX));
    buffer.put_u8(kind as u8);
    buffer.put_u32_le(exchange);
    if let Some(name) = name {
        buffer.put_slice(name.as_bytes());
        buffer.put_u8(AFTER_NAME);
    }
    for part in parts {
        buffer.put_slice(part);
    }
}

/// Takes the first frame out of what was read, once it is whole.
pub(crate) fn read(buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some((head, _)) = buffer.split_first_chunk::<HEAD>() else { return Ok(None) };
    let [l0, l1, l2, l3, kind, e0, e1, e2, e3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let payload = length.checked_sub(HEAD - 4).filter(|payload| *payload <= MAX_FRAME);
    let payload = payload.ok_or(FrameError::Length(length))?;
    let kind = Kind::of(kind).ok_or(FrameError::Kind(kind))?;
    if buffer.len() < HEAD + payload {
        return Ok(None);
    }
    buffer.advance(HEAD);
    let exchange = u32::from_le_bytes([e0, e1, e2, e3]);
    let payload = if payload <= COPIED {
        let copy = Bytes::copy_from_slice(buffer.get(..payload).unwrap_or_default());
        buffer.advance(payload);
        copy
    } else {
        buffer.split_to(payload).freeze()
    };
    Ok(Some(Frame { kind, exchange, payload }))
}

/// A name and what comes with it, as `Open` and `Tell` have them.
pub(crate) fn named(payload: &Bytes) -> Option<(&str, Bytes)> {
    let end = payload.iter().position(|byte| *byte == AFTER_NAME)?;
    let name = std::str::from_utf8(payload.get(..end)?).ok()?;
    Some((name, payload.slice(end + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> BytesMut {
        let mut buffer = BytesMut::new();
        write(&mut buffer, Kind::Open, 7, Some("chat"), &[b"hel", b"lo"]);
        write(&mut buffer, Kind::Cancel, u32::MAX, None, &[]);
        buffer
    }

    #[test]
    fn frames_that_are_written_are_read() {
        let mut buffer = some();
        let frame = read(&mut buffer).unwrap().unwrap();
        assert_eq!((frame.kind, frame.exchange), (Kind::Open, 7));
        assert_eq!(named(&frame.payload), Some(("chat", Bytes::from_static(b"hello"))));
        let frame = read(&mut buffer).unwrap().unwrap();
        assert_eq!((frame.kind, frame.exchange), (Kind::Cancel, u32::MAX));
        assert_eq!(read(&mut buffer), Ok(None));
    }

    #[test]
    fn a_frame_that_comes_byte_by_byte_is_read_when_it_is_whole() {
        let (whole, mut buffer, mut frames) = (some(), BytesMut::new(), 0);
        for byte in &whole {
            buffer.put_u8(*byte);
            frames += usize::from(read(&mut buffer).unwrap().is_some());
        }
        assert_eq!((frames, buffer.len()), (2, 0));
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error_at_once() {
        let read = |bytes: &[u8]| read(&mut BytesMut::from(bytes));
        assert_eq!(read(&[4, 0, 0, 0, 1, 0, 0, 0, 0]), Err(FrameError::Length(4)));
        assert_eq!(read(b"\xff\xff\xff\xff\x01...."), Err(FrameError::Length(0xffff_ffff)));
        assert_eq!(read(b"\x05\0\0\0\0...."), Err(FrameError::Kind(0)));
        assert_eq!(named(&Bytes::from_static(b"chat")), None);
        assert_eq!(named(&Bytes::new()), None);
    }
}
