//! What a child prints: line by line, and no more of it than a log can bear.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::process::ChildStderr;
use tokio::time::{Instant, sleep_until};

/// So many lines are passed on in a second; the others are counted.
const LINES_A_SECOND: usize = 50;

/// The longest line, in bytes; what is longer is cut into several.
const MAX_LINE: usize = 4096;

/// Passes on what a child prints, until it ends. What it prints too fast is read, and left out.
pub(crate) async fn read_lines(mut stderr: ChildStderr, mut pass_on: impl FnMut(&str)) {
    let (mut buffer, mut second, mut lines) = (BytesMut::new(), Instant::now(), 0_usize);
    loop {
        buffer.reserve(MAX_LINE);
        let over = sleep_until(second + Duration::from_secs(1));
        // The end, or a pipe that can be read no more: both end it.
        let ended = tokio::select! {
            biased;
            () = over, if lines > 0 => {
                tell_left_out(lines, &mut pass_on);
                lines = 0;
                continue;
            }
            read = stderr.read_buf(&mut buffer) => !matches!(read, Ok(1..)),
        };
        while let Some(line) = take_line(&mut buffer, ended) {
            if lines == 0 {
                second = Instant::now();
            }
            lines += 1;
            if lines <= LINES_A_SECOND {
                pass_on(&String::from_utf8_lossy(&line));
            }
        }
        if ended {
            tell_left_out(lines, &mut pass_on);
            return;
        }
    }
}

fn tell_left_out(lines: usize, pass_on: &mut impl FnMut(&str)) {
    if let Some(more) = lines.checked_sub(LINES_A_SECOND).filter(|more| *more > 0) {
        pass_on(&format!("… and {more} more lines within a second"));
    }
}

/// The first line, without its end; what is there of it, at the end or where it is long.
fn take_line(buffer: &mut BytesMut, ended: bool) -> Option<BytesMut> {
    let end = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n');
    let line = match end {
        Some(end) => buffer.split_to(end),
        None if buffer.len() >= MAX_LINE => return Some(buffer.split_to(MAX_LINE)),
        None if ended && !buffer.is_empty() => return Some(buffer.split()),
        None => return None,
    };
    buffer.advance(1);
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_end_or_are_long() {
        let mut buffer = BytesMut::from("one\ntwo\n\nrest".as_bytes());
        let mut lines = Vec::new();
        while let Some(line) = take_line(&mut buffer, false) {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "two", ""]);
        assert_eq!(take_line(&mut buffer, true).unwrap(), "rest");
        assert_eq!(take_line(&mut buffer, true), None);
        let mut long = BytesMut::from(vec![b'x'; MAX_LINE + 1].as_slice());
        assert_eq!(take_line(&mut long, false).unwrap().len(), MAX_LINE);
        assert_eq!(take_line(&mut long, false), None);
    }
}
