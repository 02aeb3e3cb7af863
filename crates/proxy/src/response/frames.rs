//! Bytes as they came: an answer that is held goes on in the pieces in which it arrived, not copied into one.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// A piece below this is copied: it would cost more to carry it, and it may hold on to a far larger read buffer.
const SMALL: usize = 2 << 10;

/// Bytes in one piece or in several.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// Most answers are one piece.
    first: Bytes,
    more: Option<Box<More>>,
    /// Of all that is left, in bytes.
    length: usize,
}

#[derive(Debug, Default)]
struct More {
    pieces: VecDeque<Bytes>,
    /// After all of these, not yet a piece.
    small: BytesMut,
}

impl Frames {
    pub(crate) fn push(&mut self, data: Bytes) {
        self.length += data.len();
        if self.length == data.len() {
            self.first = data;
            return;
        }
        let more = self.more.get_or_insert_default();
        if data.len() < SMALL {
            more.small.extend_from_slice(&data);
        } else {
            if !more.small.is_empty() {
                more.pieces.push_back(more.small.split().freeze());
            }
            more.pieces.push_back(data);
        }
    }

    /// The next piece in order.
    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let piece =
            if self.first.is_empty() { self.more.as_mut()?.pop()? } else { std::mem::take(&mut self.first) };
        self.length -= piece.len();
        Some(piece)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// In one piece; copied if there are several.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        let length = self.len();
        let first = self.pop().unwrap_or_default();
        if first.len() == length {
            return first;
        }
        let mut whole = BytesMut::with_capacity(length);
        whole.extend_from_slice(&first);
        while let Some(piece) = self.pop() {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }
}

impl More {
    fn pop(&mut self) -> Option<Bytes> {
        let small = |small: &mut BytesMut| (!small.is_empty()).then(|| small.split().freeze());
        self.pieces.pop_front().or_else(|| small(&mut self.small))
    }
}

impl From<Bytes> for Frames {
    fn from(first: Bytes) -> Frames {
        Frames { length: first.len(), first, more: None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out_whole_or_piece_by_piece(
            lengths in proptest::collection::vec(prop_oneof![0_usize..40, 1_900_usize..2_200], 0..12),
        ) {
            let piece = |(at, length): (usize, &usize)| Bytes::from(vec![u8::try_from(at).unwrap(); *length]);
            let frames = || {
                let mut frames = Frames::default();
                lengths.iter().enumerate().map(piece).for_each(|piece| frames.push(piece));
                frames
            };
            let expected: Vec<u8> = lengths.iter().enumerate().flat_map(|one| piece(one).to_vec()).collect();
            prop_assert_eq!(frames().len(), expected.len());
            prop_assert_eq!(frames().is_empty(), expected.is_empty());
            let mut popped = Vec::new();
            let mut left = frames();
            while let Some(piece) = left.pop() {
                prop_assert!(!piece.is_empty());
                popped.extend_from_slice(&piece);
                prop_assert_eq!(left.len(), expected.len() - popped.len());
            }
            prop_assert_eq!(&popped, &expected);
            prop_assert_eq!(&frames().into_bytes()[..], &expected[..]);
        }
    }
}
