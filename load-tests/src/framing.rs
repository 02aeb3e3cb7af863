//! Where an HTTP/1.1 answer ends: the little of HTTP that a load client needs, fed with whatever a read returned.
//!
//! Written by hand because the client shares a core with the provider and must not be what is measured. It follows RFC
//! 9112 for the answers a gateway gives to POST (content-length or chunked coding); anything else is an error.

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;

/// Takes an answer's bytes apart.
#[derive(Debug)]
pub(crate) struct Framing {
    part: Part,
    head: Vec<u8>,
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Head,
    Length {
        left: u64,
    },
    ChunkSize {
        size: u64,
        extension: bool,
    },
    Chunk {
        left: u64,
    },
    /// The line break after a chunk.
    ChunkEnd,
    /// Trailers, or the empty line that ends the body.
    Trailer {
        empty: bool,
    },
    Done,
}

impl Framing {
    pub(crate) fn new() -> Framing {
        Framing { part: Part::Head, head: Vec::new(), status: 0 }
    }

    /// Ready for the next answer on the same connection.
    pub(crate) fn reset(&mut self) {
        self.part = Part::Head;
        self.head.clear();
        self.status = 0;
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Takes what was read and hands out body bytes. `true` when the answer is complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], on_body: &mut impl FnMut(&[u8])) -> Result<bool> {
        while !bytes.is_empty() {
            bytes = match self.part {
                Part::Head => self.take_head(bytes)?,
                Part::Length { left } => {
                    let (body, rest) = split(bytes, left);
                    on_body(body);
                    let left = left - body.len() as u64;
                    self.part = if left == 0 { Part::Done } else { Part::Length { left } };
                    rest
                }
                Part::Chunk { left } => {
                    let (body, rest) = split(bytes, left);
                    on_body(body);
                    let left = left - body.len() as u64;
                    self.part = if left == 0 { Part::ChunkEnd } else { Part::Chunk { left } };
                    rest
                }
                Part::ChunkSize { .. } | Part::ChunkEnd | Part::Trailer { .. } => self.take_coding(bytes)?,
                Part::Done => bail!("bytes after the end of an answer"),
            };
        }
        Ok(self.part == Part::Done)
    }

    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        // The blank line may have begun in an earlier read.
        let from = before.saturating_sub(3);
        let tail = self.head.get(from..).unwrap_or_default();
        let Some(end) = memmem::find(tail, b"\r\n\r\n").map(|place| from + place + 4) else {
            ensure!(self.head.len() < 64 * 1024, "an answer's head has no end");
            return Ok(&[]);
        };
        self.head.truncate(end);
        (self.status, self.part) = parse_head(&self.head)?;
        Ok(bytes.get(end - before..).unwrap_or_default())
    }

    /// One byte of chunked coding; there are few.
    fn take_coding<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let Some((&byte, rest)) = bytes.split_first() else { return Ok(bytes) };
        self.part = match (self.part, byte) {
            (Part::ChunkSize { size: 0, .. }, b'\n') => Part::Trailer { empty: true },
            (Part::ChunkSize { size, .. }, b'\n') => Part::Chunk { left: size },
            (Part::ChunkSize { size, .. }, b';') => Part::ChunkSize { size, extension: true },
            (part @ Part::ChunkSize { .. }, b'\r') | (part @ Part::ChunkSize { extension: true, .. }, _) => {
                part
            }
            (Part::ChunkSize { size, .. }, digit) => {
                let digit = char::from(digit).to_digit(16).context("a chunk's size is not a number")?;
                let size = size.checked_mul(16).context("a chunk's size is too large")?;
                Part::ChunkSize { size: size + u64::from(digit), extension: false }
            }
            (Part::ChunkEnd, b'\n') => Part::ChunkSize { size: 0, extension: false },
            (Part::ChunkEnd, b'\r') => Part::ChunkEnd,
            (Part::Trailer { empty: true }, b'\n') => Part::Done,
            (Part::Trailer { .. }, b'\n') => Part::Trailer { empty: true },
            (Part::Trailer { empty }, b'\r') => Part::Trailer { empty },
            (Part::Trailer { .. }, _) => Part::Trailer { empty: false },
            _ => bail!("a chunk is longer than it says"),
        };
        Ok(rest)
    }
}

fn split(bytes: &[u8], left: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()))
}

fn parse_head(head: &[u8]) -> Result<(u16, Part)> {
    let text = std::str::from_utf8(head).context("an answer's head is not text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|line| line.get(..3));
    let status: u16 = status.context("not an HTTP/1.1 answer")?.parse().context("an answer's status")?;
    let mut part = Part::Length { left: 0 };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            part = Part::Length { left: value.trim().parse().context("a content-length")? };
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            ensure!(value.trim().eq_ignore_ascii_case("chunked"), "a transfer coding other than chunked");
            return Ok((status, Part::ChunkSize { size: 0, extension: false }));
        }
    }
    Ok((status, if part == (Part::Length { left: 0 }) { Part::Done } else { part }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(answer: &[u8], piece: usize) -> (u16, bool, Vec<u8>) {
        let mut framing = Framing::new();
        let mut body = Vec::new();
        let mut done = false;
        for bytes in answer.chunks(piece) {
            assert!(!done);
            done = framing.feed(bytes, &mut |bytes| body.extend_from_slice(bytes)).unwrap();
        }
        (framing.status(), done, body)
    }

    #[test]
    fn an_answer_is_the_same_however_reads_cut_it() {
        let lengths = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nx: y\r\n\r\n";
        for answer in [lengths.as_slice(), chunks.as_slice()] {
            for piece in 1..=answer.len() {
                assert_eq!(taken(answer, piece), (200, true, b"hello".to_vec()), "in pieces of {piece}");
                assert!(!taken(&answer[..answer.len() - 1], piece).1);
            }
        }
        assert_eq!(taken(b"HTTP/1.1 204 No Content\r\n\r\n", 7), (204, true, Vec::new()));
    }

    #[test]
    fn bytes_after_the_end_are_an_error() {
        let mut framing = Framing::new();
        assert!(framing.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab", &mut |_| {}).is_err());
    }
}
