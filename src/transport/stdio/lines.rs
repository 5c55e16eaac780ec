//! Reads the lines of an input, and discards the middle of lines that are too long.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The size of a read, and how much of the start of an overlong line is kept.
const READ_BYTES: usize = 8 * 1024;

/// A line of the input, without its line feed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    /// The first and last part of an overlong line.
    TooLong {
        head: Bytes,
        tail: Bytes,
    },
}

/// Reads an input line by line.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    input: R,
    buffer: BytesMut,
    max_bytes: usize,
    /// How much of the end of an overlong line is kept.
    tail_bytes: usize,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    pub(super) fn new(input: R, max_bytes: usize, tail_bytes: usize) -> Self {
        Self { input, buffer: BytesMut::new(), max_bytes, tail_bytes }
    }

    /// The next line, or `None` at the end of the input. The last line needs no line feed.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        let mut searched = 0;
        let end = loop {
            if let Some(found) = find_line_end(&self.buffer[searched..]) {
                break Some(searched + found);
            }
            searched = self.buffer.len();
            if searched > self.max_bytes {
                return self.skip_long_line().await.map(Some);
            }
            if self.fill().await? == 0 {
                break None;
            }
        };
        let line = match end {
            Some(end) => self.buffer.split_to(end + 1).freeze().slice(..end),
            None if self.buffer.is_empty() => return Ok(None),
            None => self.buffer.split().freeze(),
        };
        if self.buffer.is_empty() {
            // An empty buffer still keeps the memory of the whole line allocated.
            self.buffer = BytesMut::new();
        }
        if line.len() > self.max_bytes {
            let (head, tail) = (line.len().min(READ_BYTES), line.len().saturating_sub(self.tail_bytes));
            let part = |part: &[u8]| Bytes::copy_from_slice(part);
            return Ok(Some(Line::TooLong { head: part(&line[..head]), tail: part(&line[tail..]) }));
        }
        Ok(Some(Line::Whole(line)))
    }

    /// Discards an overlong line, except its first and last part.
    async fn skip_long_line(&mut self) -> io::Result<Line> {
        let head = Bytes::copy_from_slice(&self.buffer[..READ_BYTES.min(self.max_bytes)]);
        let mut tail = BytesMut::new();
        loop {
            let end = find_line_end(&self.buffer);
            tail.extend_from_slice(&self.buffer[..end.unwrap_or(self.buffer.len())]);
            let surplus = tail.len().saturating_sub(self.tail_bytes);
            tail = BytesMut::from(&tail[surplus..]);
            self.buffer = end.map_or_else(BytesMut::new, |end| BytesMut::from(&self.buffer[end + 1..]));
            if end.is_some() || self.fill().await? == 0 {
                return Ok(Line::TooLong { head, tail: tail.freeze() });
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(READ_BYTES);
        self.input.read_buf(&mut self.buffer).await
    }
}

fn find_line_end(text: &[u8]) -> Option<usize> {
    text.iter().position(|&byte| byte == b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<Line> {
        let mut lines = LineReader::new(text, 10_000, 4);
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push(line);
        }
        assert_eq!(lines.next().await.unwrap(), None, "the end of the input is final");
        found
    }

    fn whole(text: &[u8]) -> Line {
        Line::Whole(Bytes::copy_from_slice(text))
    }

    #[tokio::test]
    async fn lines_are_separated_by_line_feeds() {
        assert_eq!(lines(b"").await, []);
        assert_eq!(lines(b"a\n\nbc\r\n").await, [whole(b"a"), whole(b""), whole(b"bc\r")]);
        assert_eq!(lines(b"a\nb").await, [whole(b"a"), whole(b"b")]);
        let longest = vec![b'x'; 10_000];
        let text = [&longest[..], b"\n", &longest].concat();
        assert_eq!(lines(&text).await, [whole(&longest), whole(&longest)]);
    }

    #[tokio::test]
    async fn both_ends_of_an_overlong_line_are_kept() {
        for surplus in [1, 8_000, 100_000] {
            let text = [b"head", &vec![b'x'; 9_995 + surplus - 3][..], b"tail"].concat();
            for end in [&b"\nnext"[..], b"\nnext\n", b""] {
                let found = lines(&[&text, end].concat()).await;
                let Line::TooLong { head, tail } = &found[0] else { panic!("{surplus}: {}", found.len()) };
                assert!(head.starts_with(b"headxx") && head.len() <= READ_BYTES, "{surplus}");
                assert_eq!(&tail[..], b"tail", "{surplus}");
                let rest = if end.is_empty() { vec![] } else { vec![whole(b"next")] };
                assert_eq!(found[1..], rest, "{surplus}");
            }
        }
    }

    #[tokio::test]
    async fn the_memory_of_a_long_line_is_freed() {
        let (reader, mut writer) = tokio::io::duplex(1 << 16);
        let mut lines = LineReader::new(reader, 1 << 20, 4);
        let writing = tokio::spawn(async move {
            let text = [&vec![b'x'; 3 << 20][..], b"\nnext\n"].concat();
            tokio::io::AsyncWriteExt::write_all(&mut writer, &text).await.unwrap();
        });
        assert!(matches!(lines.next().await.unwrap(), Some(Line::TooLong { .. })));
        assert!(lines.buffer.capacity() < 1 << 20, "{}", lines.buffer.capacity());
        assert_eq!(lines.next().await.unwrap(), Some(whole(b"next")));
        writing.await.unwrap();
    }
}
