//! Looks at the bytes of a caller's HTTP/1.1 connection before hyper does, and spoils a request whose end could be
//! understood in two ways, so that hyper answers it with 400 and closes.
//!
//! hyper repairs what RFC 9112 section 6.3 lets it repair: of `Content-Length` and `Transfer-Encoding` together it takes
//! one, and of the same length twice it takes one too. That is safe here, since every request is framed anew, but
//! somebody before us may have read it in the other way. Only here are both headers still to be seen.
//!
//! It never decides where a message ends: hyper does. A mistake in here can refuse a request and never split one.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::pass_through::pass_through;

/// How much of a line is looked at: more than the two headers that matter take.
const LOOKED_AT: usize = 64;

/// A connection whose requests are looked at.
pub(crate) struct FramingGuard<S> {
    stream: S,
    reader: Reader,
}

impl<S> FramingGuard<S> {
    pub(crate) fn new(stream: S) -> FramingGuard<S> {
        FramingGuard { stream, reader: Reader::default() }
    }
}

/// Follows the messages on one connection.
#[derive(Debug, Default)]
struct Reader {
    at: At,
    line: Line,
    framing: Framing,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Before a request, or in its first line.
    #[default]
    RequestLine,
    Header,
    /// So much of a body is still to come.
    Body(u64),
    ChunkSize,
    /// So much of a chunk is still to come, its line end included.
    Chunk(u64),
    Trailer,
    /// At a byte that must not be LF.
    Spoilt,
    /// Nothing is looked at any more: another protocol was asked for, or the request was spoilt.
    Over,
}

/// What the head so far says of the end of its message.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    is_chunked: bool,
    is_upgrade: bool,
}

/// The line that is being read.
#[derive(Debug)]
struct Line {
    start: [u8; LOOKED_AT],
    length: usize,
    last: u8,
}

impl Default for Line {
    fn default() -> Line {
        Line { start: [0; LOOKED_AT], length: 0, last: 0 }
    }
}

impl Line {
    fn take(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.last = *last;
        if let Some(room) = self.start.get_mut(self.length..) {
            let most = room.len().min(bytes.len());
            if let (Some(room), Some(bytes)) = (room.get_mut(..most), bytes.get(..most)) {
                room.copy_from_slice(bytes);
            }
        }
        self.length = self.length.saturating_add(bytes.len());
    }

    /// Without its line end; `None` if that is not CR LF. A longer line is cut.
    fn text(&self) -> Option<&[u8]> {
        let end = self.length.checked_sub(1).filter(|_| self.last == b'\r')?;
        self.start.get(..end.min(LOOKED_AT))
    }
}

impl Reader {
    fn look(&mut self, bytes: &mut [u8]) {
        let mut from = 0;
        while from < bytes.len() && self.at != At::Over {
            let Some(rest) = bytes.get_mut(from..) else { return };
            match self.at {
                At::Spoilt => {
                    self.at = At::Over;
                    if let Some(byte) = rest.first_mut() {
                        *byte = 0;
                    }
                }
                At::Body(left) => from += self.skip(left, rest.len(), At::Body, At::RequestLine),
                At::Chunk(left) => from += self.skip(left, rest.len(), At::Chunk, At::ChunkSize),
                _ => match memchr::memchr(b'\n', rest) {
                    None => {
                        self.line.take(rest);
                        return;
                    }
                    Some(end) => {
                        self.line.take(rest.get(..end).unwrap_or_default());
                        let next = self.line_end();
                        self.line.length = 0;
                        if next.is_none()
                            && let Some(byte) = rest.get_mut(end)
                        {
                            // No line of a head may hold a NUL, and none of a body a CR without its LF.
                            let is_head = matches!(self.at, At::RequestLine | At::Header);
                            *byte = if is_head { 0 } else { b'\r' };
                            self.at = if is_head { At::Over } else { At::Spoilt };
                        }
                        self.at = next.unwrap_or(self.at);
                        from += end + 1;
                    }
                },
            }
        }
    }

    /// Passes over what is left of a body or a chunk; how much of it there is.
    fn skip(&mut self, left: u64, there: usize, more: fn(u64) -> At, then: At) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        let left = left - taken as u64;
        self.at = if left == 0 { then } else { more(left) };
        taken
    }

    /// A line is over: where the next byte stands, or `None` if the request is to be spoilt.
    fn line_end(&mut self) -> Option<At> {
        // Empty lines before a request are let pass, as RFC 9112 section 2.2 asks.
        if self.at == At::RequestLine && matches!((self.line.length, self.line.last), (0, _) | (1, b'\r')) {
            return Some(At::RequestLine);
        }
        let text = self.line.text()?;
        match self.at {
            At::RequestLine => {
                self.framing = Framing::default();
                Some(At::Header)
            }
            At::Header if text.is_empty() => Some(self.framing.then()),
            At::Header => {
                self.framing.read(text, self.line.length)?;
                Some(At::Header)
            }
            At::ChunkSize => {
                let digits = text.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
                let is_hex = (1..=16).contains(&digits.len()) && digits.iter().all(u8::is_ascii_hexdigit);
                let size = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
                match u64::from_str_radix(size, 16).ok()? {
                    0 => Some(At::Trailer),
                    size => Some(At::Chunk(size.checked_add(2)?)),
                }
            }
            At::Trailer if text.is_empty() => Some(At::RequestLine),
            at => Some(at),
        }
    }
}

impl Framing {
    /// Reads a header line; `None` if it leaves two ways to understand the message.
    fn read(&mut self, line: &[u8], length: usize) -> Option<()> {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.get(1..)?.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit))?;
            let is_first = self.length.is_none() && !self.is_chunked && length <= LOOKED_AT;
            self.length = Some(digits.parse().ok().filter(|_| is_first)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let is_first = self.length.is_none() && !self.is_chunked && length <= LOOKED_AT;
            self.is_chunked = Some(true).filter(|_| is_first && value.eq_ignore_ascii_case(b"chunked"))?;
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            self.is_upgrade = true;
        }
        Some(())
    }

    /// What follows the head.
    fn then(self) -> At {
        match self.length {
            _ if self.is_chunked => At::ChunkSize,
            Some(length) if length > 0 => At::Body(length),
            _ if self.is_upgrade => At::Over,
            _ => At::RequestLine,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FramingGuard<S> {
    pass_through!(read, seen by reader);
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FramingGuard<S> {
    pass_through!(write);
    pass_through!(flush);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the bytes are spoilt, the same for every way to cut them.
    fn is_spoilt(text: &str) -> bool {
        let spoilt = |piece: usize| {
            let mut reader = Reader::default();
            let mut bytes = text.as_bytes().to_vec();
            bytes.chunks_mut(piece).for_each(|chunk| reader.look(chunk));
            bytes != text.as_bytes()
        };
        let whole = spoilt(text.len());
        for piece in 1..text.len().min(8) {
            assert_eq!(spoilt(piece), whole, "in pieces of {piece}: {text:?}");
        }
        whole
    }

    #[test]
    fn what_has_one_end_passes() {
        let next = "GET / HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
        for text in [
            "\r\nPOST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\n\n\n\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=\"b\"\r\na\nb\r\n0\r\nx: y\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nx: content-length: 3\r\n\r\n",
        ] {
            assert!(!is_spoilt(&format!("{text}{next}{next}")), "{text:?}");
        }
    }

    #[test]
    fn what_could_end_in_two_places_is_spoilt() {
        for head in [
            "content-length: 4\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
            "content-length: 4\r\ncontent-length: 4\r\n",
            "content-length: 4, 4\r\n",
            "content-length: \r\n",
            "transfer-encoding: gzip, chunked\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: identity\r\n",
            "host: x\nx: y\r\n",
            "no colon\r\n",
        ] {
            assert!(is_spoilt(&format!("POST / HTTP/1.1\r\n{head}\r\n")), "{head:?}");
        }
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        for body in ["3\nabc\r\n0\r\n\r\n", "0x3\r\nabc", "\r\n", "11111111111111111\r\n", "-1\r\n"] {
            assert!(is_spoilt(&format!("{chunked}{body}")), "{body:?}");
        }
    }
}
