//! A peer that speaks HTTP/2 in frames of its own making: it sends what no library would, and reads what comes back.
//!
//! Field blocks are written as literals without indexing and without Huffman coding unless a case says otherwise. The
//! peer announces a dynamic table of zero bytes, so that whatever the gateway encodes can be read without one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// RFC 9113 section 3.4.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types, RFC 9113 section 6.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// Error codes, RFC 9113 section 7.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame with its head.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    sized(payload.len(), kind, flags, stream, payload)
}

/// A frame that says it is of another length than it is.
pub(crate) fn sized(length: usize, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    frame(PING, 0, 0, &payload)
}

/// What a connection begins with, before the frames of a case.
pub(crate) fn opening() -> Vec<u8> {
    [PREFACE, &settings(&[(1, 0)])].concat()
}

/// An integer as RFC 7541 section 5.1 writes it: `first` holds the bits before its prefix.
pub(crate) fn integer(first: u8, prefix: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << prefix) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![first | u8::try_from(most).unwrap()], value - most);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 0x80);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A string literal without Huffman coding.
pub(crate) fn string(text: &[u8]) -> Vec<u8> {
    [integer(0, 7, text.len()), text.to_vec()].concat()
}

/// A literal field without indexing, with a new name.
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// A field block of literals.
pub(crate) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name.as_ref(), value.as_ref())).collect()
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The number at the end of the head of RST_STREAM, WINDOW_UPDATE, or the code of GOAWAY.
    pub(crate) fn number(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    pub(crate) fn is(&self, kind: u8, flag: u8) -> bool {
        self.kind == kind && self.flags & flag == flag
    }

    /// `:status` of a response's head: the first field, indexed or as a literal under its static name.
    pub(crate) fn status(&self) -> Option<u16> {
        let mut bytes = &self.payload[..];
        while let Some((0x20..=0x3f, rest)) = bytes.split_first() {
            bytes = rest;
        }
        let (first, rest) = bytes.split_first()?;
        match first {
            0x88..=0x8e => Some([200, 204, 206, 304, 400, 404, 500][usize::from(first - 0x88)]),
            0x08 | 0x18 | 0x48 => {
                let (length, digits) = rest.split_first()?;
                let digits = digits.get(..usize::from(length & 0x7f))?;
                if length & 0x80 == 0 {
                    std::str::from_utf8(digits).ok()?.parse().ok()
                } else {
                    huffman_digits(digits)
                }
            }
            _ => None,
        }
    }
}

/// Three digits in the code of RFC 7541 appendix B: five bits up to `2`, six from `3` on.
fn huffman_digits(bytes: &[u8]) -> Option<u16> {
    let bits = bytes.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut left, mut number) = (u32::try_from(bytes.len()).ok()? * 8, 0);
    for _ in 0..3 {
        let five = bits >> left.checked_sub(5)? & 0x1f;
        let digit = if five <= 2 {
            left -= 5;
            five
        } else {
            left = left.checked_sub(6)?;
            (bits >> left & 0x3f).checked_sub(0x19)? + 3
        };
        number = number * 10 + u16::try_from(digit).ok()?;
    }
    Some(number)
}

pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection to the gateway, frame by frame.
pub(crate) struct Peer {
    stream: Box<dyn Wire>,
    held: Vec<u8>,
    next_stream: u32,
    pings: u64,
}

impl Peer {
    /// Connects, and says nothing.
    pub(crate) async fn silent(address: SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer::over(stream)
    }

    pub(crate) fn over(stream: impl Wire + 'static) -> Peer {
        Peer { stream: Box::new(stream), held: Vec::new(), next_stream: 1, pings: 0 }
    }

    /// Connects, and begins as a client does.
    pub(crate) async fn open(address: SocketAddr) -> Peer {
        let mut peer = Peer::silent(address).await;
        peer.send(&opening()).await;
        peer
    }

    /// Whether everything was taken; the gateway may have closed meanwhile, which is read from what it says.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// The next frame; `None` once the connection is closed. A PING is answered, as section 6.7 asks.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let frame = self.read().await?;
        if frame.kind == PING && frame.flags & ACK == 0 {
            self.send(&self::frame(PING, ACK, 0, &frame.payload)).await;
        }
        Some(frame)
    }

    async fn read(&mut self) -> Option<Frame> {
        loop {
            if self.held.starts_with(b"HTTP/1.1 ") {
                // Who sends no preface is taken for a caller of HTTP/1.1; what it is told then is read to its end.
                self.held.truncate(9);
            } else if let Some((head, rest)) = self.held.split_at_checked(9) {
                let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
                assert!(length <= 1 << 14, "a frame of {length} bytes, which nobody said is welcome");
                if rest.len() >= length {
                    let frame = Frame {
                        kind: head[3],
                        flags: head[4],
                        stream: u32::from_be_bytes(head[5..9].try_into().unwrap()),
                        payload: rest[..length].to_vec(),
                    };
                    self.held.drain(..9 + length);
                    return Some(frame);
                }
            }
            self.held.reserve(16 << 10);
            if !matches!(self.stream.read_buf(&mut self.held).await, Ok(1..)) {
                return None;
            }
        }
    }

    /// Frames up to the first that is asked for. Panics when it does not come.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        let found = tokio::time::timeout(Duration::from_secs(30), async {
            while let Some(frame) = self.next().await {
                frames.push(frame);
                if wanted(&frames[frames.len() - 1]) {
                    return true;
                }
            }
            false
        });
        assert!(matches!(found.await, Ok(true)), "it did not come after {frames:?}");
        frames
    }

    /// Whether the connection is alive: a PING is answered, and with it everything before has been read.
    pub(crate) async fn is_alive(&mut self) -> bool {
        self.pings += 1;
        let payload = self.pings.to_be_bytes();
        self.send(&ping(payload)).await;
        let answered = tokio::time::timeout(Duration::from_secs(10), async {
            while let Some(frame) = self.next().await {
                if frame.is(PING, ACK) && frame.payload == payload {
                    return true;
                }
            }
            false
        });
        answered.await.unwrap_or(false)
    }

    /// Asks on the next stream and waits for the end of the answer: its status and body.
    pub(crate) async fn ask(&mut self, block: &[u8], body: &[u8]) -> (u16, Vec<u8>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        let head = frame(HEADERS, END_HEADERS, stream, block);
        self.send(&[head, frame(DATA, END_STREAM, stream, body)].concat()).await;
        let ends = |frame: &Frame| {
            frame.stream == stream
                && (frame.kind == RST_STREAM || frame.is(HEADERS, END_STREAM) || frame.is(DATA, END_STREAM))
        };
        let frames =
            self.until(|frame| ends(frame) && frame.kind <= HEADERS || frame.kind == RST_STREAM).await;
        let own = || frames.iter().filter(|frame| frame.stream == stream);
        let status = own().find(|frame| frame.kind == HEADERS).and_then(Frame::status).unwrap_or(0);
        let body: Vec<u8> =
            own().filter(|frame| frame.kind == DATA).flat_map(|frame| frame.payload.clone()).collect();
        // What was read may be sent again.
        if !body.is_empty() {
            self.send(&window_update(0, u32::try_from(body.len()).unwrap())).await;
        }
        (status, body)
    }
}
