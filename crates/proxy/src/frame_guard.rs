//! Looks at the heads of a caller's HTTP/2 frames before hyper does, where hyper tells another error than RFC 9113 asks
//! for, or takes for an error what is none any more:
//!
//! - a frame whose length cannot be right for its type is a FRAME_SIZE_ERROR (section 4.2), and hyper tells
//!   PROTOCOL_ERROR. Such a head is spoilt, so that it announces more than any frame may hold, of which hyper tells the
//!   right code;
//! - PRIORITY is read and ignored (section 5.3.2), but hyper resets a stream that depends on itself, even one that does
//!   not exist yet. It becomes a frame of a type that nobody knows.
//!
//! It never decides where a frame ends: hyper does. A head that arrives in two parts is let pass as it is, so that a
//! mistake in here, or a miss, is at most another code.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::pass_through::pass_through;

/// RFC 9113 section 4.1: length, type, flags, stream.
const HEAD: usize = 9;

/// A type that RFC 9113 leaves to extensions.
const UNKNOWN: u8 = 0xff;

/// A connection whose frames are looked at.
pub(crate) struct FrameGuard<S> {
    stream: S,
    frames: Frames,
}

impl<S> FrameGuard<S> {
    /// `preface` is how many bytes come before the first frame.
    pub(crate) fn new(stream: S, preface: usize) -> FrameGuard<S> {
        FrameGuard { stream, frames: Frames { left: preface, head: [0; HEAD], seen: 0 } }
    }
}

/// Follows the frames of one connection.
#[derive(Debug)]
struct Frames {
    /// So much of the preface or of a payload is still to come.
    left: usize,
    head: [u8; HEAD],
    /// So much of the next head has come.
    seen: usize,
}

impl Frames {
    fn look(&mut self, mut bytes: &mut [u8]) {
        loop {
            let passed = self.left.min(bytes.len());
            self.left -= passed;
            bytes = bytes.get_mut(passed..).unwrap_or_default();
            if bytes.is_empty() {
                return;
            }
            if self.seen == 0
                && let Some(head) = bytes.first_chunk_mut::<HEAD>()
            {
                self.left = payload(head);
                mend(head);
                bytes = bytes.get_mut(HEAD..).unwrap_or_default();
                continue;
            }
            // The rare head in parts.
            let (Some(room), count) = (self.head.get_mut(self.seen..), bytes.len()) else { return };
            let taken = room.len().min(count);
            room.iter_mut().zip(bytes.iter()).for_each(|(to, from)| *to = *from);
            self.seen += taken;
            bytes = bytes.get_mut(taken..).unwrap_or_default();
            if self.seen == HEAD {
                self.seen = 0;
                self.left = payload(&self.head);
            }
        }
    }
}

/// How much follows a head.
fn payload(head: &[u8; HEAD]) -> usize {
    let [a, b, c, ..] = *head;
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

/// Changes a head as described above.
fn mend(head: &mut [u8; HEAD]) {
    let length = payload(head);
    let [a, b, c, kind, flags, stream @ ..] = head;
    let is_right = match *kind {
        // PRIORITY; on stream 0 it is an error of another kind.
        2 => length == 5 || stream.iter().all(|byte| *byte == 0),
        // RST_STREAM, WINDOW_UPDATE
        3 | 8 => length == 4,
        // SETTINGS; an acknowledgement is empty.
        4 => length.is_multiple_of(6) && (*flags & 1 == 0 || length == 0),
        // PING
        6 => length == 8,
        // GOAWAY
        7 => length >= 8,
        _ => return,
    };
    if !is_right {
        [*a, *b, *c] = [0xff; 3];
    } else if *kind == 2 && stream.iter().any(|byte| *byte != 0) {
        *kind = UNKNOWN;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameGuard<S> {
    pass_through!(read, seen by frames);
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FrameGuard<S> {
    pass_through!(write);
    pass_through!(flush);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"preface";

    fn frame(length: usize, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
        let length = u32::try_from(length).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, stream]].concat()
    }

    fn guard() -> Frames {
        FrameGuard::new((), PREFACE.len()).frames
    }

    /// The head of a frame as hyper gets to see it.
    fn seen(length: usize, kind: u8, flags: u8, stream: u8) -> Vec<u8> {
        let mut bytes = [PREFACE.to_vec(), frame(length, kind, flags, stream)].concat();
        guard().look(&mut bytes);
        bytes.split_off(PREFACE.len())
    }

    #[test]
    fn a_length_that_cannot_be_becomes_one_that_no_frame_may_have() {
        for (length, kind, flags) in
            [(4, 2, 0), (3, 3, 0), (5, 4, 0), (6, 4, 1), (7, 6, 0), (9, 6, 1), (7, 7, 0), (5, 8, 0)]
        {
            let spoilt = [&[0xff; 3], &frame(length, kind, flags, 1)[3..]].concat();
            assert_eq!(seen(length, kind, flags, 1), spoilt, "{length} of type {kind}");
        }
        for (length, kind, flags) in [
            (0, 0, 0),
            (9, 1, 0),
            (4, 3, 0),
            (0, 4, 1),
            (12, 4, 0),
            (8, 6, 0),
            (99, 7, 0),
            (4, 8, 0),
            (3, 99, 0),
        ] {
            assert_eq!(
                seen(length, kind, flags, 1),
                frame(length, kind, flags, 1),
                "{length} of type {kind}"
            );
        }
    }

    #[test]
    fn priority_is_nobodys_business_but_stays_an_error_on_the_connection() {
        assert_eq!(seen(5, 2, 0, 3), frame(5, UNKNOWN, 0, 3));
        assert_eq!(seen(5, 2, 0, 0), frame(5, 2, 0, 0));
        assert_eq!(seen(7, 2, 0, 0), frame(7, 2, 0, 0));
    }

    #[test]
    fn payloads_and_heads_in_parts_are_let_pass_and_the_next_head_is_found() {
        // What looks like a PING of no bytes stands within DATA.
        let data = [frame(9, 0, 0, 1), frame(0, 6, 0, 0)].concat();
        let all = [PREFACE.to_vec(), data, frame(0, 6, 0, 0)].concat();
        let last = all.len() - HEAD;
        for cut in 0..=all.len() {
            let (mut first, mut rest) = (all[..cut].to_vec(), all[cut..].to_vec());
            let mut frames = guard();
            frames.look(&mut first);
            frames.look(&mut rest);
            let passed = [first, rest].concat();
            assert_eq!(passed[..last], all[..last], "cut at {cut}");
            let is_split = (last + 1..last + HEAD).contains(&cut);
            assert_eq!(passed[last] == 0xff, !is_split, "cut at {cut}");
        }
        let mut frames = guard();
        let mut single: Vec<u8> = Vec::new();
        for byte in &all {
            let mut one = [*byte];
            frames.look(&mut one);
            single.extend(one);
        }
        assert_eq!(single, all);
    }
}
