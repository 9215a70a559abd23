//! Server-sent events, as bytes. What the events mean is each dialect's own.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use axum::body::Bytes;

/// An event whose data is a text; every line of it is a line of data.
pub(crate) fn data(text: &str) -> Bytes {
    let mut event = Vec::with_capacity(text.len() + 8);
    for line in text.split('\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line.trim_end_matches('\r').as_bytes());
        event.push(b'\n');
    }
    event.push(b'\n');
    event.into()
}

/// An event with a name.
pub(crate) fn event(name: &str, text: &str) -> Bytes {
    [b"event: ", name.as_bytes(), b"\n", &data(text)].concat().into()
}

/// A line that clients skip: it keeps the connection from looking dead.
pub(crate) fn comment() -> Bytes {
    Bytes::from_static(b": keep-alive\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_before_the_data() {
        assert_eq!(event("ping", "{}"), "event: ping\ndata: {}\n\n");
    }

    #[test]
    fn a_text_of_two_lines_is_one_event() {
        assert_eq!(data("{\r\n}"), "data: {\ndata: }\n\n");
    }
}
